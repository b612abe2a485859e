package fakeorg

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSchemaFileIsRefused(t *testing.T) {
	for name, test := range map[string]struct{ file, want string }{
		"unknown key":       {"objects: [{name: A, colour: red}]", "colour not found"},
		"unknown type":      {"objects: [{name: A, fields: [{name: F, type: text}]}]", `A.F: type "text" is not one of`},
		"reference to none": {"objects: [{name: A, fields: [{name: BId, type: reference}]}]", "A.BId: a reference needs to"},
		"unknown reference": {"objects: [{name: A, fields: [{name: BId, type: reference, to: [B]}]}]", `A.BId: refers to "B", which is no object`},
		"no YAML":           {"objects: [", "schema: yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := loadSchema([]byte(test.file)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestSchemaDefaults(t *testing.T) {
	s, err := loadSchema(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ field, label, relationship string }{
		{"AnnualRevenue", "Annual Revenue", ""}, {"OwnerId", "Owner ID", "Owner"}, {"ExternalId__c", "External ID", ""}} {
		f := s.Object("account").Field(strings.ToUpper(test.field))
		if f == nil || f.Label != test.label || f.Relationship != test.relationship {
			t.Errorf("%s is %+v", test.field, f)
		}
	}
	if f := s.Object("Warranty_Claim__c").Parent("account__R"); f == nil || f.Name != "Account__c" {
		t.Errorf("the parent Account__r is %+v", f)
	}
	if c := s.Object("Account").Child("contacts"); c == nil || c.Object.Name != "Contact" || c.Field.Name != "AccountId" {
		t.Errorf("the children Contacts are %+v", c)
	}
	prefixes := map[string]string{}
	for _, o := range s.Objects {
		if other := prefixes[o.Prefix]; other != "" && o.Prefix != "" {
			t.Errorf("%s and %s have the same key prefix", o.Name, other)
		}
		prefixes[o.Prefix] = o.Name
	}
}

// TestChecksum has ids of real orgs.
func TestChecksum(t *testing.T) {
	for _, id := range []string{"01p4H00000A4kfqQAB", "0014H00002x6HUhQAM", "0XxSB000000IPCr0AO", "001D000000K0fXOIAZ", "0XA4H000000TNRhWAO"} {
		if got := withChecksum(id[:15]); got != id {
			t.Errorf("got %s, want %s", got, id)
		}
	}
	if organizationID != makeID("00D", 1) {
		t.Errorf("the id of the organization is %s", makeID("00D", 1))
	}
}

// TestIDs: ids are valid, differ, and any change of case in the 18 characters is noticed.
func TestIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, math.MaxInt32).Draw(t, "n")
		id := makeID("001", n)
		if got, valid := parseID(id); !valid || got != id {
			t.Fatalf("%s is not valid", id)
		}
		if got, valid := parseID(id[:15]); !valid || got != id {
			t.Fatalf("%s becomes %s", id[:15], got)
		}
		if makeID("001", n+1) == id {
			t.Fatalf("%d and the next number have the id %s", n, id)
		}
		if swapped := strings.ToLower(id[:15]) + id[15:]; swapped != id {
			if _, valid := parseID(swapped); valid {
				t.Fatalf("%s is valid", swapped)
			}
		}
	})
}

func TestDouble(t *testing.T) {
	for n, want := range map[float64]string{0: "0.0", 300: "300.0", -1.5: "-1.5", 9999999: "9999999.0", 350000000: "3.5E8", 1e7: "1.0E7", 0.0001: "1.0E-4", 0.001: "0.001"} {
		if got, err := double(n).MarshalJSON(); err != nil || string(got) != want {
			t.Errorf("%v is written %s, want %s (%v)", n, got, want, err)
		}
	}
}

func TestEmail(t *testing.T) {
	for text, want := range map[string]bool{"a@b.co": true, "conf-1@example.com": true, "a.b+c@x.y.example": true, "a@b": false, "a@.b": false, "a@b.": false,
		"@b.co": false, "a b@c.de": false, "a@b@c.de": false, "a@b..c": false, "not-a-valid-email": false} {
		if got := isEmail(text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
