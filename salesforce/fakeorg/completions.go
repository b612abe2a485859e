package fakeorg

import (
	_ "embed"

	"salesforce-mcp/salesforce/fakeorg/apex"
)

// libraryFile declares what the platform's classes are known to do here.
//
//go:embed library.apex
var libraryFile string

// completions is GET /tooling/completions?type=apex|visualforce.
func completions(c *call) (*answer, error) {
	switch kind := c.URL.Query().Get("type"); kind {
	case "apex":
		return c.apexCompletions()
	case "visualforce":
		return ok(object{{"completions", visualforce}})
	default: // words not found in a source
		return nil, refuse(400, "INVALID_TYPE", "type must be apex or visualforce, not '%s'", kind)
	}
}

// apexCompletions are the platform's classes, and those of the org under the namespace c, which is what the platform
// calls an org without one elsewhere.
func (c *call) apexCompletions() (*answer, error) {
	library, refused := apex.ParseClass(libraryFile)
	if refused != nil {
		return nil, refused
	}
	var platform, own object
	for _, class := range library.Inner {
		platform = append(platform, member{class.Name, declaration(class)})
	}
	rows, err := c.rows(`SELECT Body FROM ApexClass WHERE NOT IsDeleted ORDER BY Name`, nil)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		body, _ := row[0].(string)
		if class, refused := apex.ParseClass(body); refused == nil {
			own = append(own, member{class.Name, declaration(class)})
		}
	}
	return ok(object{{"publicDeclarations", object{{"System", platform}, {"c", own}}}})
}

// declaration is what a class offers to others.
func declaration(class *apex.Class) object {
	methods, constructors, properties := []object{}, []object{}, []object{}
	for _, m := range class.Methods {
		if class.Kind == "interface" || visible(m.Modifiers) {
			methods = append(methods, offered(m, m.Name))
		}
	}
	for _, m := range class.Constructors {
		if visible(m.Modifiers) {
			constructors = append(constructors, offered(m, class.Name))
		}
	}
	for _, f := range class.Fields {
		if visible(f.Modifiers) {
			properties = append(properties, object{{"name", f.Name}, {"references", []any{}}, {"type", f.Type.String()}})
		}
	}
	return object{{"constructors", constructors}, {"methods", methods}, {"properties", properties}}
}

func visible(m apex.Modifiers) bool { return m.Access == "public" || m.Access == "global" }

func offered(m *apex.Method, name string) object {
	types, parameters := []string{}, []object{}
	for _, p := range m.Params {
		types = append(types, p.Type.String())
		parameters = append(parameters, object{{"name", p.Name}, {"type", p.Type.String()}})
	}
	return object{{"argTypes", types}, {"isStatic", m.Static}, {"methodDoc", nil}, {"name", name}, {"parameters", parameters}, {"references", []any{}},
		{"returnType", m.Return.String()}}
}

// visualforce are the commonest components and some of their attributes.
var visualforce = func() object {
	var all object
	for _, component := range []struct {
		name       string
		attributes [][2]string
	}{
		{"apex:page", [][2]string{{"controller", "String"}, {"standardController", "String"}, {"extensions", "String"}, {"action", "ApexPages.Action"},
			{"showHeader", "Boolean"}, {"sidebar", "Boolean"}, {"lightningStylesheets", "Boolean"}}},
		{"apex:form", [][2]string{{"id", "String"}, {"rendered", "Boolean"}}},
		{"apex:pageBlock", [][2]string{{"title", "String"}, {"mode", "String"}, {"rendered", "Boolean"}}},
		{"apex:pageBlockTable", [][2]string{{"value", "Object"}, {"var", "String"}, {"rows", "Integer"}}},
		{"apex:column", [][2]string{{"value", "String"}, {"headerValue", "String"}}},
		{"apex:inputField", [][2]string{{"value", "Object"}, {"required", "Boolean"}}},
		{"apex:outputField", [][2]string{{"value", "Object"}}},
		{"apex:outputText", [][2]string{{"value", "Object"}, {"escape", "Boolean"}}},
		{"apex:commandButton", [][2]string{{"action", "ApexPages.Action"}, {"value", "Object"}, {"reRender", "Object"}}},
		{"apex:repeat", [][2]string{{"value", "Object"}, {"var", "String"}}},
	} {
		var attributes object
		for _, a := range component.attributes {
			attributes = append(attributes, member{a[0], object{{"type", a[1]}}})
		}
		all = append(all, member{component.name, object{{"simple", len(attributes) < 2}, {"attribs", attributes}}})
	}
	return all
}()
