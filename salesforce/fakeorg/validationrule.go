package fakeorg

import (
	"slices"
)

// metadata is what the Metadata column of ValidationRule says.
func (r *Rule) metadata() object {
	formula := r.Formula
	if formula == "" {
		formula = r.When // of schema.yaml, where both say the same
	}
	return object{{"active", !r.Inactive}, {"description", orNull(r.Description)}, {"errorConditionFormula", formula},
		{"errorDisplayField", orNull(r.Field)}, {"errorMessage", r.Message}}
}

// ruleMetadata is the Metadata of a request for a validation rule, or its element in an object file.
type ruleMetadata struct {
	FullName, Description, ErrorConditionFormula, ErrorDisplayField, ErrorMessage string
	Active                                                                        flexible
}

// rule makes a rule. One whose formula is not understood here is kept but never refuses a record.
func (m *ruleMetadata) rule(o *Object, name string) (Rule, error) {
	switch {
	case !developerName.MatchString(name) || len(name) > 40:
		return Rule{}, invalid("INVALID_FULL_NAME", "The name of a validation rule has letters, digits and single underscores: "+name)
	case m.ErrorConditionFormula == "":
		return Rule{}, invalid("REQUIRED_FIELD_MISSING", "Required field is missing: errorConditionFormula", "errorConditionFormula")
	case m.ErrorMessage == "":
		return Rule{}, invalid("REQUIRED_FIELD_MISSING", "Required field is missing: errorMessage", "errorMessage")
	case m.ErrorDisplayField != "" && o.Field(m.ErrorDisplayField) == nil:
		return Rule{}, integrity("Field %s does not exist. Check spelling.", m.ErrorDisplayField)
	}
	r := Rule{Name: name, Formula: m.ErrorConditionFormula, Message: m.ErrorMessage, Field: m.ErrorDisplayField, Description: m.Description,
		Inactive: !m.Active.bool()}
	if v, err := translateFormula(o, m.ErrorConditionFormula); err == nil && v.kind == "boolean" {
		r.When = v.sql
	}
	return r, nil
}

// insertValidationRule adds a rule to an object.
func insertValidationRule(c *call, _ *Object, r record) (string, error) {
	fullName, _ := r.get("FullName").(string)
	m := &ruleMetadata{}
	if err := decodeMetadata(r.get("Metadata"), m); err != nil {
		return "", err
	}
	o, name, err := c.splitFullName(fullName)
	if err != nil {
		return "", err
	}
	if o.rule(name) >= 0 {
		return "", invalid("DUPLICATE_DEVELOPER_NAME", "This validation rule already exists: "+fullName)
	}
	if err := c.putRule(o, name, m); err != nil {
		return "", err
	}
	return c.idOfMetadata("ValidationRule", o.Name+"."+name)
}

// rule finds the place of a rule, or -1.
func (o *Object) rule(name string) int {
	return slices.IndexFunc(o.Rules, func(r Rule) bool { return r.Name == name })
}

// putRule adds a rule, or puts it in the place of one with its name.
func (c *call) putRule(o *Object, name string, m *ruleMetadata) error {
	rule, err := m.rule(o, name)
	if err != nil {
		return err
	}
	return c.changeSchema(func(objects []*Object) []*Object {
		of := named(objects, o.Name)
		of.Rules = slices.Clone(of.Rules)
		if at := of.rule(name); at >= 0 {
			of.Rules[at] = rule
		} else {
			of.Rules = append(of.Rules, rule)
		}
		return objects
	})
}

// updateValidationRule replaces a rule: metadata is always sent whole.
func updateValidationRule(c *call, o *Object, id string, r record) error {
	fullName, err := c.metadataRow(o, id)
	if err != nil {
		return err
	}
	m := &ruleMetadata{}
	if err := decodeMetadata(r.get("Metadata"), m); err != nil {
		return err
	}
	of, name, err := c.splitFullName(fullName)
	if err != nil {
		return err
	}
	return c.putRule(of, name, m)
}

// removeValidationRule takes a rule away.
func removeValidationRule(c *call, o *Object, id string) error {
	fullName, err := c.metadataRow(o, id)
	if err != nil {
		return err
	}
	of, name, err := c.splitFullName(fullName)
	if err != nil {
		return err
	}
	return c.dropRule(of, name)
}

func (c *call) dropRule(o *Object, name string) error {
	return c.changeSchema(func(objects []*Object) []*Object {
		of := named(objects, o.Name)
		of.Rules = slices.DeleteFunc(slices.Clone(of.Rules), func(r Rule) bool { return r.Name == name })
		return objects
	})
}
