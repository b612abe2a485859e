package fakeorg

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
)

//go:embed schema.yaml
var schemaFile []byte

// Schema is the set of objects of an org. It is read from schema.yaml and tooling.yaml and does not change afterwards,
// so that it is safe for concurrent use: an org that gets a new field gets a new schema.
type Schema struct {
	Objects []*Object // in the order of the file

	byName   map[string]*Object // key in lower case
	byPrefix map[string]*Object
	changed  time.Time // when an object or field was added or removed last
	edition  int64     // of the permissions that it is seen with; 0 when it is seen as it is
	tooling  *Schema   // what the Tooling API shows; nil in that one itself
}

// Object is an sObject type. It is stored in the table of the same name; SQLite compares table and column names
// without regard to case, as the platform does.
type Object struct {
	Name, Label, Plural string
	Prefix              string `yaml:"prefix"` // key prefix, first three characters of every id; may be empty
	Fields              []*Field
	Rules               []Rule
	Event               bool   // a platform event: created, never stored
	ReadOnly            bool   `yaml:"readOnly"`
	NoCreate            bool   `yaml:"noCreate"`
	NoDelete            bool   `yaml:"noDelete"`
	PerUser             bool   `yaml:"perUser"` // rows belong to a user, whose id is in the column ViewerId, which is no field
	View                string // the query that gives the rows, when there is no table; needs readOnly
	Description         string
	Data                bool // of tooling.yaml: the data API shows it too
	Written             bool // of those: the data API writes it
	Durable             bool // its ids are names, such as Account or Account.Name, which the answer shows as DurableId

	Children []Child `yaml:"-"` // references of other objects to this one

	byName         map[string]*Field
	byRelationship map[string]*Field
	face           bool    // shows the table of an object of the other API
	whole          *Object // what this one is a part of, when it is as a user sees it who is subject to permissions
	noEdit         bool    // that user may not change its records
}

// Field is a field of an object. Unless its type is address, the column of the same name holds it:
//
//	id, reference, and all texts   TEXT (ids always with 18 characters); texts compare without regard to case
//	multipicklist                  TEXT, values joined by ";"
//	boolean                        INTEGER, 0 or 1, never null
//	int                            INTEGER
//	double, currency, percent      REAL
//	date                           TEXT, 2006-01-02
//	datetime                       TEXT, 2006-01-02T15:04:05.000Z, always UTC
//	base64                         BLOB, the decoded bytes
//	complexvalue                   TEXT, JSON
//
// An address has no column: it is put together from the fields whose names start with Parts.
type Field struct {
	Name, Label, Type string
	Length, Precision int
	Scale             int  `yaml:"-"`
	Decimals          *int `yaml:"scale"` // the scale the file gives
	Required          bool
	Access            string // all, create or none
	Default           string // $User stands for the id of the calling user
	Values            []string
	Restricted        bool
	Auto              string // pattern of an auto number
	Start             int    // first auto number
	SQL               string `yaml:"sql"` // expression of a computed field
	Initial           string // expression for the value after a create that gave none
	Follow            string // expression for the value after every create and update
	Rollup            *Rollup
	To                []string // referenced objects
	Relationship      string   // name of the parent path, such as Account for AccountId
	ChildName         string   `yaml:"children"` // name of the child relationship; may be empty
	OnDelete          string   `yaml:"onDelete"` // clear, cascade or restrict
	NameField         bool     `yaml:"nameField"`
	ExternalID        bool     `yaml:"externalId"`
	IDLookup          bool     `yaml:"idLookup"`
	Unique            bool
	CaseSensitive     bool `yaml:"caseSensitive"`
	Filtered          bool // a long text that queries may filter by
	Parts             string
	Formula           string // what SQL was made of, of a formula field
	Description, Help string
	Tooling           bool // shown by the Tooling API only
	Durable           bool `yaml:"-"` // holds the id of a durable object
}

// Rollup makes a field the sum of a field over child rows.
type Rollup struct{ From, By, Sum string }

// Rule is a validation rule: a row for which the SQLite expression When is true is refused with Message. Without When
// it refuses nothing.
type Rule struct {
	Name, When, Message, Field string
	Formula                    string // as the Tooling API shows it; default When
	Description                string
	Inactive                   bool
}

// Child is a reference of Object to the object that lists it. Name is the child relationship of a query, such as
// Contacts; it may be empty.
type Child struct {
	Object *Object
	Field  *Field
	Name   string
}

// Object returns the object with the API name, in any case of letters, or nil.
func (s *Schema) Object(name string) *Object { return s.byName[strings.ToLower(name)] }

// ObjectOf returns the object to which an id belongs by its key prefix, or nil.
func (s *Schema) ObjectOf(id string) *Object {
	if len(id) < 3 {
		return nil
	}
	return s.byPrefix[id[:3]]
}

// Field returns the field with the API name, in any case of letters, or nil.
func (o *Object) Field(name string) *Field { return o.byName[strings.ToLower(name)] }

// Parent returns the reference field of a parent path, such as AccountId for Account, in any case of letters, or nil.
func (o *Object) Parent(relationship string) *Field {
	return o.byRelationship[strings.ToLower(relationship)]
}

// Child returns the child relationship of that name, in any case of letters, or nil.
func (o *Object) Child(relationship string) *Child {
	for i := range o.Children {
		if relationship != "" && strings.EqualFold(o.Children[i].Name, relationship) {
			return &o.Children[i]
		}
	}
	return nil
}

// NameField returns the field that names a record, such as Name or CaseNumber, or nil.
func (o *Object) NameField() *Field {
	for _, f := range o.Fields {
		if f.NameField {
			return f
		}
	}
	return nil
}

// Custom tells an object or field added by a customer from one of the platform.
func custom(name string) bool {
	return strings.HasSuffix(name, "__c") || strings.HasSuffix(name, "__e")
}

// Stored reports whether the field has a column.
func (f *Field) Stored() bool { return f.Type != "address" }

// Computed reports whether the database works the value out by itself.
func (f *Field) Computed() bool { return f.SQL != "" || f.Rollup != nil }

// Createable reports whether a create may set the field.
func (f *Field) Createable() bool { return f.Access == "all" || f.Access == "create" }

// Updateable reports whether an update may set the field.
func (f *Field) Updateable() bool { return f.Access == "all" }

// Text reports whether the field holds characters that have a length.
func (f *Field) Text() bool {
	switch f.Type {
	case "string", "textarea", "picklist", "multipicklist", "email", "phone", "url":
		return true
	}
	return false
}

// schemaDoc is a schema file.
type schemaDoc struct {
	System  []*Field
	Also    []string // of tooling.yaml: objects of schema.yaml that the Tooling API shows too
	Objects []*Object
}

func readSchema(file []byte) (*schemaDoc, error) {
	doc := &schemaDoc{}
	decoder := yaml.NewDecoder(bytes.NewReader(file))
	decoder.KnownFields(true)
	if err := decoder.Decode(doc); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	for _, o := range doc.Objects {
		o.Fields = append(copyFields(doc.System), o.Fields...)
	}
	return doc, nil
}

// loadSchema reads a schema file and checks it.
func loadSchema(file []byte) (*Schema, error) {
	doc, err := readSchema(file)
	if err != nil {
		return nil, err
	}
	return newSchema(doc.Objects)
}

// newSchema makes a schema of objects, which become its own.
func newSchema(objects []*Object) (*Schema, error) {
	s := &Schema{Objects: objects, byName: map[string]*Object{}, byPrefix: map[string]*Object{}, changed: schemaTime}
	for _, o := range s.Objects {
		o.complete()
		s.byName[strings.ToLower(o.Name)] = o
		if o.Prefix != "" {
			s.byPrefix[o.Prefix] = o
		}
	}
	return s, s.link()
}

func copyFields(fields []*Field) []*Field {
	copies := make([]*Field, len(fields))
	for i, f := range fields {
		c := *f
		copies[i] = &c
	}
	return copies
}

// complete fills in what the file leaves out.
func (o *Object) complete() {
	if o.Label == "" {
		o.Label = inWords(o.Name)
	}
	if o.Plural == "" {
		o.Plural = o.Label + "s"
	}
	o.byName, o.byRelationship, o.Children = map[string]*Field{}, map[string]*Field{}, nil
	for _, f := range o.Fields {
		f.complete()
		o.byName[strings.ToLower(f.Name)] = f
		if f.Type == "reference" && (len(f.To) > 0 || o.whole == nil) {
			o.byRelationship[strings.ToLower(f.Relationship)] = f
		}
		if f.Type == "id" {
			f.Durable = o.Durable
		}
	}
}

func (f *Field) complete() {
	if f.Access == "" {
		f.Access = "all"
	}
	if f.Computed() || f.Auto != "" || f.Follow != "" || f.Type == "address" {
		f.Access = "none"
	}
	if f.Label == "" {
		f.Label = inWords(f.Name)
	}
	if f.Length == 0 {
		f.Length = map[string]int{"id": 18, "reference": 18, "phone": 40, "email": 80, "string": 255, "textarea": 255,
			"picklist": 255, "multipicklist": 4099, "url": 255}[f.Type]
	}
	switch f.Type {
	case "currency":
		f.Precision, f.Scale = orElse(f.Precision, 18), 2
	case "double", "percent":
		f.Precision = orElse(f.Precision, 18)
	case "reference":
		if f.Relationship == "" {
			f.Relationship = parentName(f.Name)
		}
		if f.OnDelete == "" && !f.Required {
			f.OnDelete = "clear"
		}
	}
	if f.Decimals != nil {
		f.Scale = *f.Decimals
	}
}

func orElse(value, otherwise int) int {
	if value == 0 {
		return otherwise
	}
	return value
}

// parentName gives AccountId the path Account, and Account__c the path Account__r.
func parentName(field string) string {
	if base, ok := strings.CutSuffix(field, "__c"); ok {
		return base + "__r"
	}
	return strings.TrimSuffix(field, "Id")
}

// inWords turns an API name into a label: AnnualRevenue into Annual Revenue, OwnerId into Owner ID.
func inWords(name string) string {
	name = strings.TrimSuffix(strings.TrimSuffix(name, "__c"), "__e")
	if base, ok := strings.CutSuffix(name, "Id"); ok && base != "" {
		return inWords(base) + " ID"
	}
	var words strings.Builder
	before := ' '
	for _, r := range strings.ReplaceAll(name, "_", " ") {
		if unicode.IsUpper(r) && unicode.IsLower(before) {
			words.WriteByte(' ')
		}
		words.WriteRune(r)
		before = r
	}
	return words.String()
}

// fieldTypes are the describe types a field may have.
var fieldTypes = []string{"id", "string", "textarea", "picklist", "multipicklist", "boolean", "int", "double", "currency",
	"percent", "date", "datetime", "email", "phone", "url", "reference", "base64", "address", "complexvalue"}

// link connects references with the objects they point to, and reports what the file has wrong.
func (s *Schema) link() error {
	for _, o := range s.Objects {
		for _, f := range o.Fields {
			if !slices.Contains(fieldTypes, f.Type) {
				return fmt.Errorf("schema: %s.%s: type %q is not one of %v", o.Name, f.Name, f.Type, fieldTypes)
			}
			if f.Type == "reference" && len(f.To) == 0 && o.whole == nil {
				return fmt.Errorf("schema: %s.%s: a reference needs to", o.Name, f.Name)
			}
			for _, name := range f.To {
				target := s.Object(name)
				if target == nil {
					return fmt.Errorf("schema: %s.%s: refers to %q, which is no object", o.Name, f.Name, name)
				}
				f.Durable = target.Durable
				if !o.Event {
					target.Children = append(target.Children, Child{Object: o, Field: f, Name: f.ChildName})
				}
			}
		}
	}
	return nil
}
