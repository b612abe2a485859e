package fakeorg

import (
	"fmt"
	"slices"
	"strings"
)

// metadataLimit is how many components a call may read.
const metadataLimit = 10

// metadataTypes are the types of components that the org can describe. Each gives the elements of one after its full
// name, or nil when there is no such component.
var metadataTypes = map[string]func(c *call, fullName string) []xmlNode{
	"ApprovalProcess":     (*call).approvalMetadata,
	"CustomField":         (*call).fieldMetadata,
	"CustomObject":        (*call).objectMetadata,
	"Flow":                (*call).flowMetadata,
	"QuickAction":         (*call).quickActionMetadata,
	"ValidationRule":      (*call).validationMetadata,
	"Workflow":            (*call).workflowMetadata,
	"WorkflowFieldUpdate": (*call).fieldUpdateMetadata,
	"WorkflowRule":        (*call).workflowRuleMetadata,
	"WorkflowTask":        (*call).workflowTaskMetadata,
}

// readMetadata is the SOAP operation of that name. A name that does not exist has a record that is nil, as on the
// platform; what a record has follows from schema.yaml and automation.yaml, whose expressions are those of SQLite.
func readMetadata(c *call, asked *xmlElement) ([]xmlNode, error) {
	kind := asked.value("type")
	describe := metadataTypes[kind]
	if describe == nil {
		return nil, invalid("INVALID_TYPE", "The simulated org has no metadata of the type "+kind)
	}
	names := asked.all("fullNames")
	if len(names) > metadataLimit {
		return nil, invalid("EXCEEDED_ID_LIMIT", fmt.Sprintf("record limit reached. cannot submit more than %d records in this operation", metadataLimit))
	}
	var records []xmlNode
	for _, name := range names {
		fullName := strings.TrimSpace(name.text.String())
		if described := describe(c, fullName); described != nil {
			records = append(records, xmlNode{`records xsi:type="` + kind + `"`, append([]xmlNode{xmlLeaf("fullName", fullName)}, described...)})
		} else {
			records = append(records, xmlNode{tag: `records xsi:nil="true"`})
		}
	}
	return []xmlNode{{"result", records}}, nil
}

// objectMetadata describes an object with its fields and validation rules.
func (c *call) objectMetadata(fullName string) []xmlNode {
	o := c.org.schema.Object(fullName)
	if o == nil {
		return nil
	}
	described := []xmlNode{}
	if custom(o.Name) {
		described = append(described, xmlLeaf("deploymentStatus", "Deployed"))
	}
	if o.Event {
		described = append(described, xmlLeaf("eventType", "HighVolume"))
	}
	for _, f := range o.Fields {
		if f.described() && !(custom(o.Name) && f.NameField) {
			described = append(described, xmlNode{"fields", append([]xmlNode{xmlLeaf("fullName", f.Name)}, c.fieldNodes(o, f)...)})
		}
	}
	described = append(described, xmlLeaf("label", o.Label))
	if f := o.NameField(); custom(o.Name) && f != nil {
		described = append(described, xmlNode{"nameField", c.fieldNodes(o, f)})
	}
	described = append(described, xmlLeaf("pluralLabel", o.Plural), xmlLeaf("sharingModel", "ReadWrite"))
	for i := range o.Rules {
		described = append(described, xmlNode{"validationRules", append([]xmlNode{xmlLeaf("fullName", o.Rules[i].Name)}, validationNodes(&o.Rules[i])...)})
	}
	return described
}

// described reports whether the metadata of an object lists a field: not those that every object has.
func (f *Field) described() bool {
	return f.Access != "none" || f.Computed() || f.Auto != "" || f.Follow != ""
}

// objectAndPart finds the object of a name such as Case.Status, and the part after the dot.
func (c *call) objectAndPart(fullName string) (o *Object, name string) {
	first, name, _ := strings.Cut(fullName, ".")
	return c.org.schema.Object(first), name
}

func (c *call) fieldMetadata(fullName string) []xmlNode {
	o, name := c.objectAndPart(fullName)
	if o == nil || o.Field(name) == nil || !o.Field(name).described() {
		return nil
	}
	return c.fieldNodes(o, o.Field(name))
}

// fieldNodes describe a field. Of a standard one the platform tells little: since v38.0 its picklist values are in
// another type.
func (c *call) fieldNodes(o *Object, f *Field) []xmlNode {
	old := versionNumber(c.version) < 38
	if !custom(f.Name) && !f.NameField {
		described := []xmlNode{}
		if old && len(f.Values) > 0 {
			described = append(described, c.oldPicklist(o, f))
		}
		return append(described, xmlLeaf("trackHistory", false), xmlLeaf("type", f.metadataType()))
	}
	var described []xmlNode
	add := func(when bool, tag string, value any) {
		if when {
			described = append(described, xmlLeaf(tag, value))
		}
	}
	number := f.Type == "int" || f.Type == "double" || f.Type == "currency" || f.Type == "percent"
	reference, sized := f.Type == "reference", f.Text() && f.metadataType() != "Email" && f.metadataType() != "Phone" && len(f.Values) == 0
	add(f.Auto != "", "displayFormat", f.Auto)
	add(f.Type == "boolean" && f.SQL == "", "defaultValue", f.Default == "true")
	add(reference, "deleteConstraint", map[string]string{"clear": "SetNull", "cascade": "Cascade", "restrict": "Restrict"}[f.OnDelete])
	add(f.SQL == "" && custom(f.Name), "externalId", f.ExternalID)
	add(f.SQL != "", "formula", f.SQL)
	add(true, "label", f.Label)
	add(sized && f.SQL == "" && f.Auto == "", "length", f.Length)
	if old && len(f.Values) > 0 {
		described = append(described, c.oldPicklist(o, f))
	}
	add(number, "precision", orElse(f.Precision, 18))
	if reference {
		described = append(described, xmlLeaf("referenceTo", f.To[0]))
		add(f.ChildName != "", "relationshipName", strings.TrimSuffix(f.ChildName, "__r"))
	}
	add(f.SQL == "" && custom(f.Name), "required", f.Required && f.Default == "")
	add(number, "scale", f.Scale)
	add(true, "trackHistory", false)
	add(true, "type", f.metadataType())
	add(f.Type == "string" && f.SQL == "" && f.Auto == "", "unique", f.Unique)
	if !old && len(f.Values) > 0 {
		described = append(described, f.valueSet())
	}
	return described
}

// oldPicklist are the values of a picklist before v38.0, where the values of Lead.Status say which are for converted
// leads.
func (c *call) oldPicklist(o *Object, f *Field) xmlNode {
	var values []xmlNode
	for _, v := range f.Values {
		value := []xmlNode{xmlLeaf("fullName", v)}
		if o.Name == "Lead" && f.Name == "Status" {
			value = append(value, xmlLeaf("converted", v == convertedStatus))
		}
		values = append(values, xmlNode{"picklistValues", append(value, xmlLeaf("default", v == f.Default))})
	}
	return xmlNode{"picklist", append(values, xmlLeaf("sorted", false))}
}

func (f *Field) valueSet() xmlNode {
	var values []xmlNode
	for _, v := range f.Values {
		values = append(values, xmlNode{"value", []xmlNode{xmlLeaf("fullName", v), xmlLeaf("default", v == f.Default), xmlLeaf("label", v)}})
	}
	return xmlNode{"valueSet", []xmlNode{xmlLeaf("restricted", f.Restricted), {"valueSetDefinition", append([]xmlNode{xmlLeaf("sorted", false)}, values...)}}}
}

func (c *call) validationMetadata(fullName string) []xmlNode {
	o, name := c.objectAndPart(fullName)
	if o == nil {
		return nil
	}
	at := slices.IndexFunc(o.Rules, func(r Rule) bool { return strings.EqualFold(r.Name, name) })
	if at < 0 {
		return nil
	}
	return validationNodes(&o.Rules[at])
}

func validationNodes(r *Rule) []xmlNode {
	described := []xmlNode{xmlLeaf("active", true), xmlLeaf("errorConditionFormula", r.When)}
	if r.Field != "" {
		described = append(described, xmlLeaf("errorDisplayField", r.Field))
	}
	return append(described, xmlLeaf("errorMessage", r.Message))
}
