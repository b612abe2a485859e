package fakeorg

import (
	_ "embed"
	"slices"
)

//go:embed tooling.yaml
var toolingFile []byte

// loadSchemas reads both schema files: the schema of the data API, which knows that of the Tooling API. Objects that
// both show are in both, each with the fields that API has; they share a table, as on the platform.
func loadSchemas() (*Schema, error) {
	data, err := readSchema(schemaFile)
	if err != nil {
		return nil, err
	}
	tooling, err := readSchema(toolingFile)
	if err != nil {
		return nil, err
	}
	for _, o := range tooling.Objects {
		o.Fields = append(copyFields(data.System), o.Fields...)
	}
	forTooling := slices.Clone(tooling.Objects)
	for _, o := range data.Objects {
		if slices.Contains(tooling.Also, o.Name) {
			forTooling = append(forTooling, o.forTooling(append(tooling.Also, names(tooling.Objects)...)))
		}
	}
	forData := slices.Clone(data.Objects)
	for _, o := range tooling.Objects {
		if o.Data {
			forData = append(forData, o.forData())
		}
	}
	s, err := newSchema(forData)
	if err != nil {
		return nil, err
	}
	s.tooling, err = newSchema(forTooling)
	return s, err
}

func names(objects []*Object) []string {
	var all []string
	for _, o := range objects {
		all = append(all, o.Name)
	}
	return all
}

// clone copies an object for another schema.
func (o *Object) clone() *Object {
	c := *o
	c.Fields = copyFields(o.Fields)
	return &c
}

// forData is an object of the Tooling API as the data API shows it: without the fields about metadata, and, unless
// it is written there, read only but for deleting.
func (o *Object) forData() *Object {
	c := o.clone()
	c.face = true
	c.Fields = slices.DeleteFunc(c.Fields, func(f *Field) bool { return f.Tooling })
	if o.Written {
		return c
	}
	c.NoCreate = true
	for _, f := range c.Fields {
		f.Access = "none"
	}
	return c
}

// forTooling is an object of the data API as the Tooling API shows it: without references to objects that are not
// there.
func (o *Object) forTooling(known []string) *Object {
	c := o.clone()
	c.face = true
	for _, f := range c.Fields {
		f.To = slices.DeleteFunc(slices.Clone(f.To), func(name string) bool { return !slices.Contains(known, name) })
	}
	c.Fields = slices.DeleteFunc(c.Fields, func(f *Field) bool { return f.Type == "reference" && len(f.To) == 0 })
	return c
}

// stored lists the objects that have tables: those of both APIs, each once.
func (s *Schema) stored() []*Object {
	var all []*Object
	for _, o := range append(slices.Clone(s.Objects), s.tooling.Objects...) {
		if !o.face {
			all = append(all, o)
		}
	}
	return all
}

// with makes a schema that differs: change gets copies of the objects of the data API and gives what becomes of them.
func (s *Schema) with(c *call, change func([]*Object) []*Object) (*Schema, error) {
	objects := make([]*Object, len(s.Objects))
	for i, o := range s.Objects {
		objects[i] = o.clone()
	}
	next, err := newSchema(change(objects))
	if err != nil {
		return nil, err
	}
	next.tooling, next.changed = s.tooling, c.now()
	return next, nil
}
