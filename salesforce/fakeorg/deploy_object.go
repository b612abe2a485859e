package fakeorg

import (
	"encoding/json"
	"slices"
)

// objectFiles deploys .object files: first the objects that the package names, then those of their fields, rules and
// record types that are named, or all of them when their object is. Fields may refer to an object of another file.
func (d *deployment) objectFiles(names []string, named func(string) bool) error {
	files := map[string]*objectMetadata{}
	for _, name := range names {
		m, err := d.objectFile(name)
		if err != nil {
			d.done = append(d.done, &component{kind: "CustomObject", fullName: name, file: fileOf("CustomObject", name), problem: "Error parsing file: " + err.Error()})
			continue
		}
		files[name] = m
		if !named(name) {
			continue
		}
		one := &component{kind: "CustomObject", fullName: name, file: fileOf("CustomObject", name), changed: true}
		if err := d.one(one, func() error { return d.object(one, m) }); err != nil {
			return err
		}
	}
	for _, name := range names {
		if m := files[name]; m != nil {
			if err := d.objectParts(name, fileOf("CustomObject", name), m, named(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *deployment) objectFile(name string) (*objectMetadata, error) {
	text, err := d.content(fileOf("CustomObject", name))
	if err != nil {
		return nil, err
	}
	metadata, err := xmlValue(text)
	if err != nil {
		return nil, err
	}
	again, err := json.Marshal(metadata)
	if err != nil {
		return nil, err
	}
	m := &objectMetadata{}
	return m, json.Unmarshal(again, m)
}

// object makes a custom object, or changes its labels.
func (d *deployment) object(one *component, m *objectMetadata) error {
	known := d.org.schema.Object(one.fullName)
	var err error
	switch {
	case known != nil && !custom(known.Name): // a standard object: only its parts change
		return nil
	case known != nil:
		err = d.relabel(known.Name, m)
	default:
		one.created = true
		made, refused := m.object(d.org.schema, one.fullName)
		if refused != nil {
			return refused
		}
		err = d.addObject(made)
	}
	if err != nil {
		return err
	}
	one.id, err = d.idOfMetadata("CustomObject", one.fullName)
	return err
}

func (d *deployment) objectParts(object, file string, m *objectMetadata, whole bool) error {
	part := func(kind, name string, do func(*component) error) error {
		members, all := d.manifest.names(kind)
		fullName := object + "." + name
		if !whole && !all && !slices.Contains(members, fullName) {
			return nil
		}
		one := &component{kind: kind, fullName: fullName, file: file, changed: true}
		return d.one(one, func() error { return do(one) })
	}
	for _, f := range m.Fields {
		if !custom(f.FullName) { // settings of a standard field
			continue
		}
		if err := part("CustomField", f.FullName, func(one *component) error { return d.field(one, &f) }); err != nil {
			return err
		}
	}
	for _, r := range m.ValidationRules {
		if err := part("ValidationRule", r.FullName, func(one *component) error { return d.rule(one, object, &r) }); err != nil {
			return err
		}
	}
	for _, r := range m.RecordTypes {
		name, _ := r["fullName"].(string)
		if err := part("RecordType", name, func(one *component) error { return d.deployRow(one, "RecordType", r) }); err != nil {
			return err
		}
	}
	for _, v := range m.ListViews {
		name, _ := v["fullName"].(string)
		if err := part("ListView", name, func(*component) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

// field adds a custom field, or changes it.
func (d *deployment) field(one *component, m *fieldMetadata) error {
	o, f, err := d.readField(one.fullName, m)
	if err != nil {
		return err
	}
	if o.Field(f.Name) == nil {
		one.created = true
		err = d.addField(o, f)
	} else {
		err = d.changeField(o, f)
	}
	if err != nil {
		return err
	}
	one.id, err = d.idOfMetadata("CustomField", o.Name+"."+f.Name)
	return err
}

func (d *deployment) rule(one *component, object string, m *ruleMetadata) error {
	o, name, err := d.splitFullName(one.fullName)
	if err != nil {
		return err
	}
	one.created = o.rule(name) < 0
	if err := d.putRule(o, name, m); err != nil {
		return err
	}
	one.id, err = d.idOfMetadata("ValidationRule", one.fullName)
	return err
}
