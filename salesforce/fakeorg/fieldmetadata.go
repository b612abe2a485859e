package fakeorg

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// typeNames are what metadata calls the types of describe.
var typeNames = map[string]string{"string": "Text", "textarea": "TextArea", "picklist": "Picklist", "multipicklist": "MultiselectPicklist",
	"boolean": "Checkbox", "int": "Number", "double": "Number", "currency": "Currency", "percent": "Percent", "date": "Date", "datetime": "DateTime",
	"email": "Email", "phone": "Phone", "url": "Url", "reference": "Lookup", "address": "Address", "base64": "File"}

// metadataType is what metadata calls the type of a field.
func (f *Field) metadataType() string {
	switch {
	case f.Auto != "":
		return "AutoNumber"
	case f.Rollup != nil:
		return "Summary"
	case f.Type == "textarea" && f.Length > 255:
		return "LongTextArea"
	case f.Type == "reference" && f.OnDelete == "cascade" && f.Required:
		return "MasterDetail"
	}
	return typeNames[f.Type]
}

// metadata is what the Metadata column of CustomField says of a field.
func (f *Field) metadata() object {
	m := object{{"type", f.metadataType()}, {"label", f.Label}, {"required", f.Required}, {"externalId", f.ExternalID}, {"unique", f.Unique},
		{"caseSensitive", f.CaseSensitive}, {"description", orNull(f.Description)}, {"inlineHelpText", orNull(f.Help)}}
	if f.Text() && f.Values == nil {
		m = append(m, member{"length", f.Length})
	}
	if f.Precision > 0 {
		m = append(m, member{"precision", f.Precision}, member{"scale", f.Scale})
	}
	if f.Type == "boolean" {
		m = append(m, member{"defaultValue", strconv.FormatBool(f.Default == "true")})
	}
	if f.Auto != "" {
		m = append(m, member{"displayFormat", f.Auto}, member{"startingNumber", f.Start})
	}
	if f.Formula != "" {
		m = append(m, member{"formula", f.Formula})
	}
	if f.Type == "reference" {
		m = append(m, member{"referenceTo", f.To[0]}, member{"relationshipName", orNull(strings.TrimSuffix(f.ChildName, "__r"))},
			member{"deleteConstraint", map[string]string{"clear": "SetNull", "restrict": "Restrict", "cascade": "Cascade"}[f.OnDelete]})
	}
	if f.Values != nil {
		set := []object{}
		for _, v := range f.Values {
			set = append(set, object{{"valueName", v}, {"label", v}, {"default", v == f.Default}, {"isActive", nil}})
		}
		m = append(m, member{"valueSet", object{{"restricted", f.Restricted}, {"valueSetDefinition", object{{"sorted", false}, {"value", set}}}}})
	}
	return m
}

// fieldMetadata is the Metadata of a request for a custom field, or its element in an object file.
type fieldMetadata struct {
	FullName, Type, Label, Description, InlineHelpText             string
	DefaultValue                                                   flexible
	Length, Precision, Scale, StartingNumber, VisibleLines         flexible
	Required, ExternalID, Unique, CaseSensitive                    flexible
	ReferenceTo, RelationshipName, DeleteConstraint, DisplayFormat string
	Formula                                                        string
	ValueSet                                                       *valueSet
}

type valueSet struct {
	Restricted         flexible
	ValueSetDefinition struct {
		Value oneOrMore[struct {
			ValueName, FullName, Label string
			Default                    flexible
		}]
	}
}

// flexible is a number or a boolean, which in files are texts.
type flexible string

// UnmarshalJSON takes a text, a number, a boolean or null.
func (f *flexible) UnmarshalJSON(text []byte) error {
	*f = flexible(strings.Trim(string(text), `"`))
	if *f == "null" {
		*f = ""
	}
	return nil
}

func (f flexible) bool() bool { return f == "true" }

func (f flexible) int() int {
	n, _ := strconv.ParseFloat(string(f), 64) // what is no number is 0
	return int(n)
}

// oneOrMore is a list that a single element may stand for, as in what XML becomes.
type oneOrMore[T any] []T

// UnmarshalJSON takes a list or one element.
func (l *oneOrMore[T]) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '[' {
		return json.Unmarshal(text, (*[]T)(l))
	}
	var one T
	if err := json.Unmarshal(text, &one); err != nil {
		return err
	}
	*l = []T{one}
	return nil
}

// decodeMetadata reads the Metadata of a request into what is known of it.
func decodeMetadata(metadata any, into any) error {
	text, err := json.Marshal(metadata)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "the metadata could not be read: %v", err)
	}
	return nil
}
