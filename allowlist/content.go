package allowlist

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Lists allow and deny names. What Deny names is refused; where Allow names
// anything, so is everything that it does not name. Names do not distinguish
// case, as those of Salesforce do not.
type Lists struct {
	Allow []string `yaml:"allow"`
	Deny  []string `yaml:"deny"`
}

func (l Lists) given() bool { return len(l.Allow)+len(l.Deny) > 0 }

// How a call touches a field.
const (
	Reads   = "read"
	Filters = "filter" // it decides which records are found, and so tells of its value
	Sorts   = "sort"
	Writes  = "write"
)

// A Touch is a part of the org's data that a call reads or changes, or a request
// inside it.
type Touch struct {
	Op      Operation `json:"op"`              // the call's own, or that of a request inside it; without a tool nobody can say what that does
	SObject string    `json:"sObject"`         // API name; "" is data of which nobody can say what it is
	Field   string    `json:"field,omitempty"` // API name; "" is the record itself, "*" all fields of it
	How     string    `json:"how,omitempty"`   // Reads, Filters, Sorts or Writes; "" is the operation alone
	Why     string    `json:"why,omitempty"`   // where SObject is "": why nobody can say
}

// String describes the touch for a refusal: `filter by Contact.Email`.
func (t Touch) String() string {
	verb := map[string]string{Reads: "read", Filters: "filter by", Sorts: "sort by", Writes: "write"}[t.How]
	if t.Field == "" {
		return verb + " " + t.SObject
	}
	return verb + " " + t.SObject + "." + t.Field
}

// Narrowed reports whether the rule has lists of objects or fields, so that what
// is in a call counts and not the operation alone.
func (r Rule) Narrowed() bool { return r.SObjects.given() || r.Fields.given() }

// Unlimited reports whether the rule lets everything through, whatever is in it.
func (r Rule) Unlimited() bool {
	return !r.Off && r.Preset == PresetAll && len(r.Actions) == 0 && !r.Narrowed()
}

// PermitsSObject reports whether records of an object may be touched.
//
// What Salesforce keeps beside an object holds its values: ContactHistory,
// Payment__Share and the like are denied with it. Some objects hold values of any
// other, as RecentlyViewed does: a rule with lists must allow them by name.
func (r Rule) PermitsSObject(name string) bool {
	if !r.Narrowed() {
		return true
	}
	named := has(r.SObjects.Allow, name)
	base := baseOf(name)
	switch {
	case !apiName(name), has(r.SObjects.Deny, name), base != "" && has(r.SObjects.Deny, base):
		return false
	case len(r.SObjects.Allow) > 0:
		return named
	}
	return !has(mixed, name) && !(keepsValues(name) && r.Restricts(base))
}

// DeniesSObject reports whether the deny list has an object by its name.
func (r Rule) DeniesSObject(name string) bool { return has(r.SObjects.Deny, name) }

// PermitsField reports whether a field may be touched, without a look at its
// object. The ID of a record may be, unless it is denied.
func (r Rule) PermitsField(sObject, field string) bool {
	if !r.Fields.given() {
		return true
	}
	if !apiName(sObject) || !apiName(field) || r.deniesField(sObject, field) {
		return false
	}
	if base := baseOf(sObject); base != "" && r.deniesField(base, field) {
		return false
	}
	return len(r.Fields.Allow) == 0 || strings.EqualFold(field, "Id") || r.allowsField(sObject, field)
}

// allowsField reports whether the allow list has a field, or a compound one of
// which it is a part.
func (r Rule) allowsField(sObject, field string) bool {
	return slices.ContainsFunc(r.Fields.Allow, func(pattern string) bool {
		object, allowed, _ := strings.Cut(pattern, ".")
		a, f := fold(allowed), fold(field)
		return (object == "*" || fold(object) == fold(sObject)) && (a == "*" || a == f || partOf(sObject, f, a))
	})
}

// Restricts reports whether the rule keeps any field of an object from its agent.
func (r Rule) Restricts(sObject string) bool {
	return len(r.Fields.Allow) > 0 && !has(r.Fields.Allow, sObject+".*") || slices.ContainsFunc(r.Fields.Deny, func(p string) bool {
		object, _, _ := strings.Cut(p, ".")
		return object == "*" || fold(object) == fold(sObject)
	})
}

// deniesField reports whether the deny list has a field, or one that it is made
// of or part of: Salesforce gives the parts of an address or of a person's name in
// one compound field as well (Object Reference, "Compound Fields").
//
// An account that is a person has the fields of a contact: PersonEmail is Email, and
// SSN__pc is SSN__c.
func (r Rule) deniesField(sObject, field string) bool {
	if twin := contactField(sObject, field); twin != "" && r.deniesField("Contact", twin) {
		return true
	}
	return slices.ContainsFunc(r.Fields.Deny, func(pattern string) bool {
		object, denied, _ := strings.Cut(pattern, ".")
		d, f := fold(denied), fold(field)
		return (object == "*" || fold(object) == fold(sObject)) && (d == "*" || d == f || partOf(sObject, d, f) || partOf(sObject, f, d))
	})
}

// DeniesWhole reports whether the deny list has a compound field by its name, and
// with it all its parts.
func (r Rule) DeniesWhole(sObject, field string) bool {
	return slices.ContainsFunc(r.Fields.Deny, func(pattern string) bool {
		object, denied, _ := strings.Cut(pattern, ".")
		return (object == "*" || fold(object) == fold(sObject)) && fold(denied) == fold(field)
	})
}

// contactField is the field of a contact that a field of an account is, or "".
func contactField(sObject, field string) string {
	f := fold(field)
	if fold(sObject) != "account" {
		return ""
	}
	if custom, ok := strings.CutSuffix(f, "__pc"); ok {
		return custom + "__c"
	}
	if standard, ok := strings.CutPrefix(f, "person"); ok {
		return standard
	}
	if slices.Contains(nameParts, f) {
		return f
	}
	return ""
}

// partOf reports whether a field is a part of a compound one; both are folded.
func partOf(sObject, part, whole string) bool {
	if custom, ok := strings.CutSuffix(whole, "__c"); ok { // an address or a location
		rest, ok := strings.CutPrefix(part, custom+"__")
		return ok && strings.HasSuffix(rest, "__s")
	}
	if prefix, ok := strings.CutSuffix(whole, "address"); ok {
		rest, ok := strings.CutPrefix(part, prefix)
		return ok && slices.Contains(addressParts, rest)
	}
	return whole == "name" && slices.Contains(nameParts, part) && has(persons, sObject)
}

var (
	addressParts = []string{"street", "city", "state", "statecode", "postalcode", "country", "countrycode", "latitude", "longitude", "geocodeaccuracy"}
	nameParts    = []string{"firstname", "lastname", "middlename", "salutation", "suffix", "informalname"}
	persons      = []string{"Account", "Contact", "Individual", "Lead", "User"}
)

// mixed are objects whose records hold values of records of any other object
// (Object Reference, and "Field History Tracking").
var mixed = []string{"RecentlyViewed", "FeedItem", "FeedComment", "FeedTrackedChange", "FieldHistoryArchive", "Name", "UserProfileFeed", "NewsFeed",
	"ActivityHistory", "OpenActivity", "LookedUpFromActivity", "ProcessInstanceHistory", "DuplicateRecordItem", "ContentVersionMap", "FlowInterviewLog", "FlowInterviewLogEntry", "ApexLog",
	"ApexExecutionOverlayResult", "ReportEvent", "ReportEventStream", "ListViewEvent", "ListViewEventStream"}

// besides are the ends of the names of objects that Salesforce keeps beside
// another, the longer ones first.
var besides = []string{"FieldHistory", "ChangeEvent", "History", "Share", "Feed", "Tag"}

// baseOf is the object beside which Salesforce keeps another, or "".
func baseOf(name string) string {
	for _, end := range besides {
		if len(name) <= len(end) || !strings.EqualFold(name[len(name)-len(end):], end) {
			continue
		}
		base := name[:len(name)-len(end)]
		if custom, ok := strings.CutSuffix(base, "__"); ok {
			return custom + "__c"
		}
		return base
	}
	return ""
}

// keepsValues reports whether an object keeps values of another's fields under
// other names.
func keepsValues(name string) bool {
	n := fold(name)
	return strings.HasSuffix(n, "history") || strings.HasSuffix(n, "feed")
}

// fold makes one spelling of the letters that Salesforce takes for the same. Names
// with other letters are no names.
func fold(s string) string { return strings.ToLower(s) }

func has(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return fold(n) == fold(name) })
}

// apiName reports whether text could be the API name of an object or a field.
func apiName(text string) bool {
	for i, c := range []byte(text) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return text != ""
}

// validateContent returns every problem of the lists.
func (r Rule) validateContent(field string) error {
	var problems []error
	for _, list := range []struct {
		name   string
		values []string
		fits   func(string) bool
		form   string
	}{
		{"sObjects.allow", r.SObjects.Allow, apiName, "the API name of an object, as in Account or Invoice__c"},
		{"sObjects.deny", r.SObjects.Deny, apiName, "the API name of an object, as in Account or Invoice__c"},
		{"fields.allow", r.Fields.Allow, fieldPattern, "a field, as in Contact.Email, *.SSN__c or Contact.*"},
		{"fields.deny", r.Fields.Deny, fieldPattern, "a field, as in Contact.Email, *.SSN__c or Contact.*"},
	} {
		if list.values != nil && len(list.values) == 0 {
			problems = append(problems, fmt.Errorf("%s.%s: is empty; name something, or leave it out", field, list.name))
		}
		for i, value := range list.values {
			if !list.fits(value) {
				problems = append(problems, fmt.Errorf("%s.%s[%d]: %q is not %s", field, list.name, i, value, list.form))
			}
		}
	}
	return errors.Join(problems...)
}

// fieldPattern reports whether text names a field, "*" being any object or field
// but not both.
func fieldPattern(text string) bool {
	object, field, ok := strings.Cut(text, ".")
	return ok && text != "*.*" && (object == "*" || apiName(object)) && (field == "*" || apiName(field))
}
