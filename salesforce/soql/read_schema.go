package soql

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// reader collects what a statement reads, and keeps the describes it asked for.
type reader struct {
	describe Describe
	known    map[string]*sObject // by name in lower case
	reads    []Read
	seen     map[Read]bool // with At 0
}

func newReader(describe Describe) *reader {
	return &reader{describe: describe, known: map[string]*sObject{}, seen: map[Read]bool{}}
}

func (r *reader) add(reads ...Read) {
	for _, read := range reads {
		key := read
		key.At = 0
		if !r.seen[key] {
			r.seen[key] = true
			r.reads = append(r.reads, read)
		}
	}
}

// refuse makes an error about a name.
func refuse(at Name, format string, args ...any) *NameError {
	return &NameError{Name: at.Text, At: at.At, Msg: fmt.Sprintf(format, args...)}
}

// nowhere makes an error about a name that means nothing where it was looked up.
func nowhere(at Name, format string, args ...any) *NameError {
	e := refuse(at, format, args...)
	e.nowhere = true
	return e
}

// leadsNowhere reports whether err is about a name that means nothing where it was looked up.
func leadsNowhere(err error) bool {
	var name *NameError
	return errors.As(err, &name) && name.nowhere
}

// sObject is a described sObject. The keys are in lower case.
type sObject struct {
	*SObject
	fields   map[string]*Field
	parts    map[string][]*Field // by compound field
	parents  map[string][]*Field // by relationship
	children map[string]*ChildRelationship
	names    []*Field // what names a record
}

// sObject describes an sObject, once.
func (r *reader) sObject(name Name) (*sObject, error) {
	key := lower(name.Text)
	known, asked := r.known[key]
	if !asked {
		described, err := r.describe(name.Text)
		switch {
		case errors.Is(err, ErrNoSObject):
		case err != nil:
			return nil, fmt.Errorf("describe %s: %w", name.Text, err)
		case described != nil:
			known = index(described)
		}
		r.known[key] = known
	}
	if known == nil {
		return nil, refuse(name, "there is no sObject %s", name.Text)
	}
	return known, nil
}

func index(described *SObject) *sObject {
	o := &sObject{SObject: described, fields: map[string]*Field{}, parts: map[string][]*Field{}, parents: map[string][]*Field{}, children: map[string]*ChildRelationship{}}
	for i := range described.Fields {
		f := &described.Fields[i]
		o.fields[lower(f.Name)] = f
		if whole := lower(f.wholeOf()); whole != "" {
			o.parts[whole] = append(o.parts[whole], f)
		}
		if parent := lower(f.RelationshipName); parent != "" {
			o.parents[parent] = append(o.parents[parent], f)
		}
		if f.NameField {
			o.names = append(o.names, f)
		}
	}
	for i := range described.ChildRelationships {
		if c := &described.ChildRelationships[i]; c.RelationshipName != "" {
			o.children[lower(c.RelationshipName)] = c
		}
	}
	return o
}

// read lists a field, and the fields it is made of.
func (o *sObject) read(f *Field, use Use, at int) []Read {
	reads := []Read{{SObject: o.Name, Field: f.Name, Compound: f.wholeOf(), Use: use, At: at}}
	for _, part := range o.parts[lower(f.Name)] {
		reads = append(reads, Read{SObject: o.Name, Field: part.Name, Compound: part.wholeOf(), Use: use, At: at})
	}
	return reads
}

// wholeOf names the compound field that a field is a part of. Some fields call themselves so (Account.Name).
func (f *Field) wholeOf() string {
	if strings.EqualFold(f.CompoundFieldName, f.Name) {
		return ""
	}
	return f.CompoundFieldName
}

// nameFields are the fields of the object Name, whether the targets of a polymorphic reference have them or not. (Object
// Reference, "Name"; MiddleName, NameOrAlias, RecordTypeId and Suffix are from describes in public code.)
var nameFields = map[string]bool{"alias": true, "email": true, "firstname": true, "id": true, "isactive": true, "lastname": true,
	"middlename": true, "name": true, "nameoralias": true, "phone": true, "profileid": true, "recordtypeid": true, "suffix": true, "title": true,
	"type": true, "username": true, "userroleid": true}

// named lists the fields a name may mean: over a polymorphic reference, Name is what names the record.
func (o *sObject) named(name string, polymorphic bool) []*Field {
	var fields []*Field
	if polymorphic && strings.EqualFold(name, "Name") {
		fields = append(fields, o.names...)
	}
	if f := o.fields[lower(name)]; f != nil && !slices.Contains(fields, f) {
		fields = append(fields, f)
	}
	return fields
}

// back reads the reference of a child that leads to its parent.
func (r *reader) back(child *sObject, field string, use Use, at Name) error {
	f := child.fields[lower(field)]
	if f == nil {
		return refuse(at, "%s has no field %s", child.Name, field)
	}
	r.add(child.read(f, use, at.At)...)
	return nil
}

func lower(s string) string { return strings.ToLower(s) }
