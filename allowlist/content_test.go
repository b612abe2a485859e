package allowlist

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestPermitsContent: what lists say of objects and fields, and of what holds the
// same values under another name.
func TestPermitsContent(t *testing.T) {
	deny := Rule{Preset: "all", SObjects: Lists{Deny: []string{"Opportunity", "invoice__C"}},
		Fields: Lists{Deny: []string{"Contact.SSN__c", "*.Secret__c", "Contact.MailingStreet", "Contact.LastName", "Lead.Address", "Site__c.Place__c", "Asset.*"}}}
	allow := Rule{Preset: "all", SObjects: Lists{Allow: []string{"Account", "Contact", "ContactHistory"}},
		Fields: Lists{Allow: []string{"Account.*", "Contact.Name", "*.Subject", "Contact.MailingAddress"}}}
	fieldsOnly := Rule{Preset: "all", Fields: Lists{Deny: []string{"Contact.SSN__c"}}}
	for _, tt := range []struct {
		rule Rule
		name string // "Account", or "Account.Name"
		want bool
	}{
		{Rule{}, "Anything.At__c", true},
		{deny, "Account", true}, {deny, "OPPORTUNITY", false}, {deny, "Invoice__c", false},
		{deny, "OpportunityHistory", false}, {deny, "OpportunityFieldHistory", false}, {deny, "OpportunityShare", false}, {deny, "Invoice__Share", false},
		{deny, "Invoice__History", false}, {deny, "Invoice__ChangeEvent", false}, {deny, "invoice__feed", false},
		{deny, "ContactHistory", false}, {deny, "ContactFeed", false}, {deny, "ContactShare", true}, {deny, "RecentlyViewed", false}, {deny, "FieldHistoryArchive", false}, {deny, "LookedUpFromActivity", false}, {deny, "ReportEvent", false},
		{deny, "Oppоrtunity", false}, {deny, "", false}, {deny, "1Account", false},
		{fieldsOnly, "ContactHistory", false}, {fieldsOnly, "AccountHistory", true}, {fieldsOnly, "Account", true},
		{allow, "account", true}, {allow, "Lead", false}, {allow, "ContactHistory", true}, {allow, "AccountHistory", false}, {allow, "RecentlyViewed", false},

		{deny, "Contact.ssn__C", false}, {deny, "Contact.Email", true}, {deny, "Account.Secret__c", false}, {deny, "Anything__c.secret__c", false},
		{deny, "Contact.MailingAddress", false}, {deny, "Contact.MailingCity", true}, {deny, "Contact.Name", false}, {deny, "Account.Name", true}, {deny, "Contact.FirstName", true},
		{deny, "Lead.Street", false}, {deny, "Lead.Address", false}, {deny, "Lead.Latitude", false}, {deny, "Site__c.Place__Latitude__s", false}, {deny, "Site__c.Place__c", false}, {deny, "Site__c.Place2__Latitude__s", true},
		{deny, "Account.SSN__pc", false}, {deny, "Account.LastName", false}, {deny, "Account.PersonMailingStreet", false}, {deny, "Account.PersonMailingAddress", false}, {deny, "Account.PersonEmail", true},
		{deny, "Asset.Name", false}, {deny, "ContactChangeEvent.SSN__c", false}, {deny, "Contact.SSN__ⅽ", false}, {deny, "Contact.", false},
		{allow, "Account.Phone", true}, {allow, "Contact.Name", true}, {allow, "Contact.LastName", true}, {allow, "Contact.Id", true}, {allow, "Contact.Email", false}, {allow, "Case.subject", true}, {allow, "Contact.MailingCity", true}, {allow, "Contact.MailingX__c", false},
	} {
		object, field, isField := strings.Cut(tt.name, ".")
		got := tt.rule.PermitsSObject(object)
		if isField {
			got = tt.rule.PermitsField(object, field)
		}
		if got != tt.want {
			t.Errorf("%s: %t under %s", tt.name, got, tt.rule)
		}
	}
}

// TestContentLaw: whatever the lists are, what one denies is refused, with an allow
// list nothing else is let through, and neither depends on case.
func TestContentLaw(t *testing.T) {
	object := rapid.SampledFrom([]string{"Account", "Contact", "Case", "Invoice__c"})
	field := rapid.Custom(func(t *rapid.T) string {
		return rapid.SampledFrom([]string{"Account", "Contact", "*"}).Draw(t, "of") + "." + rapid.SampledFrom([]string{"Phone", "Email", "Ref__c"}).Draw(t, "field")
	})
	rapid.Check(t, func(t *rapid.T) {
		r := Rule{Agent: "a", Preset: PresetAll, SObjects: Lists{rapid.SliceOfN(object, 0, 2).Draw(t, "allow"), rapid.SliceOfN(object, 0, 2).Draw(t, "deny")},
			Fields: Lists{rapid.SliceOfN(field, 0, 2).Draw(t, "allow fields"), rapid.SliceOfN(field, 0, 2).Draw(t, "deny fields")}}
		o, f := object.Draw(t, "object"), rapid.SampledFrom([]string{"Phone", "Email", "Ref__c"}).Draw(t, "name")
		in := func(list []string, names ...string) bool {
			for _, name := range names {
				for _, l := range list {
					if l == name {
						return true
					}
				}
			}
			return false
		}
		wantObject := !in(r.SObjects.Deny, o) && (len(r.SObjects.Allow) == 0 || in(r.SObjects.Allow, o))
		wantField := !in(r.Fields.Deny, o+"."+f, "*."+f) && (len(r.Fields.Allow) == 0 || in(r.Fields.Allow, o+"."+f, "*."+f))
		for _, spell := range []func(string) string{strings.ToLower, strings.ToUpper, strings.TrimSpace} {
			if got := r.PermitsSObject(spell(o)); got != wantObject {
				t.Fatalf("%s: %t under %s", spell(o), got, r)
			}
			if got := r.PermitsField(spell(o), spell(f)); got != wantField {
				t.Fatalf("%s.%s: %t under %s", spell(o), spell(f), got, r)
			}
		}
	})
}

// TestAllowTouches: each touch counts, the operation of one too, and a refusal says
// what was refused.
func TestAllowTouches(t *testing.T) {
	gate, err := NewGate(&Workspace{Name: "w", Rules: []Rule{
		{Agent: "narrow", Preset: "all", SObjects: Lists{Deny: []string{"Payment"}}, Fields: Lists{Deny: []string{"Contact.Email"}}},
		{Agent: "adder", Preset: "read+add"}, {Agent: "named", Preset: "all", Actions: []string{"records", "tooling.executeAnonymous"}, SObjects: Lists{Allow: []string{"Account"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	carrier := Operation{Tool: "records", Action: "create", Effect: "add"}
	opaque := Operation{Tool: "tooling", Action: "executeAnonymous", Effect: "act", Opaque: true}
	for _, tt := range []struct {
		agent string
		touch Touch
		says  string // "" is allowed
	}{
		{"narrow", Touch{Op: carrier, SObject: "Contact", Field: "Name", How: Reads}, ""},
		{"narrow", Touch{Op: carrier, SObject: "Payment", How: Writes}, "it would write Payment, and its rule allows all; objects not Payment; fields not Contact.Email"},
		{"narrow", Touch{Op: carrier, SObject: "Contact", Field: "email", How: Sorts}, "it would sort by Contact.email"},
		{"narrow", Touch{Op: carrier, SObject: "Contact", Field: "*", How: Filters}, "it would filter by all fields of Contact"},
		{"narrow", Touch{Op: carrier, SObject: "Account", Field: "*", How: Filters}, ""},
		{"narrow", Touch{Op: carrier, How: Reads, Why: "it is in Latin"}, "nobody can say what it touches: it is in Latin"},
		{"narrow", Touch{Op: carrier}, ""},
		{"narrow", Touch{Op: opaque, How: Reads, Why: "code"}, "must name tooling.executeAnonymous among its actions"},
		{"named", Touch{Op: opaque, How: Reads, Why: "code"}, ""},
		{"narrow", Touch{How: Reads, Why: "no action has DELETE /x"}, "no action has DELETE /x"},
		{"adder", Touch{How: Reads, Why: "no action has DELETE /x"}, "no action has DELETE /x"},
		{"adder", Touch{Op: carrier, SObject: "Payment", How: Writes}, ""},
		{"adder", Touch{Op: recordsDelete}, "for records.delete: its rule allows read+add"},
		{"named", Touch{Op: querySOQL}, "for query.soql: its rule allows all of records, tooling.executeAnonymous; objects only Account"},
	} {
		d, err := gate.AllowTouches(Caller{Workspace: "w", Agent: tt.agent}, carrier, []Touch{{Op: carrier, SObject: "Account", How: Reads}, tt.touch})
		if d.Rule == "" || d.Allowed != (tt.says == "") || (err == nil) != (tt.says == "") || err != nil && (!strings.Contains(err.Error(), tt.says) || !strings.HasPrefix(err.Error(), notAuthorized)) {
			t.Errorf("%s %v: %+v %v, want %q", tt.agent, tt.touch, d, err, tt.says)
		}
	}
	if _, err := gate.AllowTouches(Caller{Workspace: "w", Agent: "nobody"}, carrier, nil); err == nil {
		t.Error("an agent without a rule is let through")
	}
}

// TestContentValidation names field and value.
func TestContentValidation(t *testing.T) {
	err := (&Workspace{Name: "w", Rules: []Rule{{Agent: "a", SObjects: Lists{Allow: []string{}, Deny: []string{"Account.Name", "Аccount"}},
		Fields: Lists{Allow: []string{"Email", "*.*", "Contact.*", "*.Email"}, Deny: []string{"Contact.Owner.Name", ".x"}}}}}).Validate()
	if err == nil {
		t.Fatal("valid")
	}
	for _, want := range []string{"rules[0].sObjects.allow: is empty", `sObjects.deny[0]: "Account.Name" is not the API name of an object`, `sObjects.deny[1]`, `fields.allow[0]: "Email" is not a field`, `fields.allow[1]: "*.*"`, `fields.deny[0]: "Contact.Owner.Name"`, `fields.deny[1]`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 7 {
		t.Errorf("%d problems: %v", n, err)
	}
}
