package fakeorg_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/salesforce/fakeorg"
)

// TestDescribeKeys compares with the keys of a describe recorded from a real org (testdata/describe.keys, from
// CumulusCI, BSD-3-Clause).
func TestDescribeKeys(t *testing.T) {
	s := start(t, fakeorg.Options{})
	var described map[string]any
	if err := json.Unmarshal([]byte(s.do("GET", "/sobjects/Account/describe", "").body), &described); err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for key := range described {
		keys[key] = true
	}
	for key := range described["fields"].([]any)[0].(map[string]any) {
		keys["fields[]."+key] = true
	}
	file, err := os.ReadFile("testdata/describe.keys")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, key := range strings.Fields(string(file)) {
		want[key] = true
	}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("keys of a describe (-recorded +ours):\n%s", diff)
	}
}

func TestDescribeField(t *testing.T) {
	s := start(t, fakeorg.Options{})
	var described struct {
		Fields []struct {
			Name, Type, RelationshipName                                            string
			Length, Precision, Scale                                                int
			Nillable, Createable, Updateable, DefaultedOnCreate, ExternalID, Unique bool
			ReferenceTo                                                             []string
			PicklistValues                                                          []struct{ Value string }
		}
		ChildRelationships []struct {
			ChildSObject, Field, RelationshipName string
			CascadeDelete                         bool
		}
	}
	r := s.do("GET", "/sobjects/Account/describe", "")
	if err := json.Unmarshal([]byte(r.body), &described); err != nil {
		t.Fatal(err)
	}
	for _, f := range described.Fields {
		required := !f.Nillable && !f.DefaultedOnCreate && f.Createable
		if required != (f.Name == "Name") {
			t.Errorf("%s: required on create is %v", f.Name, required)
		}
		switch f.Name {
		case "Id", "OwnerId", "CreatedDate": // Id as in the recording
			if !f.DefaultedOnCreate || f.Nillable {
				t.Errorf("%+v", f)
			}
		case "ExternalId__c":
			if !f.ExternalID || !f.Unique || f.Length != 80 {
				t.Errorf("%+v", f)
			}
		case "ParentId":
			if f.RelationshipName != "Parent" || len(f.ReferenceTo) != 1 || f.ReferenceTo[0] != "Account" {
				t.Errorf("%+v", f)
			}
		case "Tier__c":
			if len(f.PicklistValues) != 3 {
				t.Errorf("%+v", f)
			}
		}
	}
	found := false
	for _, c := range described.ChildRelationships {
		found = found || c.ChildSObject == "Contact" && c.Field == "AccountId" && c.RelationshipName == "Contacts" && c.CascadeDelete
	}
	if !found {
		t.Error("no child relationship Contacts")
	}
	last := r.header.Get("Last-Modified")
	s.do("GET", "/sobjects/Account/describe", "", "If-Modified-Since", last).want(t, 304, "")
	s.do("GET", "/sobjects", "", "If-Modified-Since", last).want(t, 304, "")
	s.do("GET", "/sobjects", "", "If-Modified-Since", "Tue, 10 Aug 2010 00:00:00 GMT").wants(t, 200, `"rowTemplate":"`+api+`/sobjects/Account/{ID}"`)
}

func TestResources(t *testing.T) {
	s := start(t, fakeorg.Options{})
	versions := s.do("GET", "/services/data", "", "Authorization", "")
	versions.wants(t, 200, `{"label":"Winter '25","url":"/services/data/v62.0","version":"62.0"}`)
	versions.wants(t, 200, `{"label":"Summer '14","url":"/services/data/v31.0","version":"31.0"}`)
	if got := versions.header.Get("Sforce-Limit-Info"); got != "" {
		t.Errorf("the list of versions has Sforce-Limit-Info %s", got)
	}
	s.do("GET", "/services/data/v62.0/", "").wants(t, 200, `"query":"/services/data/v62.0/query"`)
	s.do("GET", "/limits/recordCount?sObjects=account,Nothing", "").want(t, 200, `{"sObjects":[{"count":64,"name":"Account"}]}`)
	s.do("GET", "/recent?limit=1", "").wants(t, 200, `[{"attributes":{"type":`)
	s.do("GET", "/recent", "", "Authorization", "Bearer "+s.MintToken(fakeorg.AdminUser)).want(t, 200, "[]")
	s.do("GET", "/sobjects/Account", "").wants(t, 200, `"recentItems":[{"attributes":{"type":"Account"`)
	s.do("GET", "/", "").wants(t, 200, "simulated")
}

func TestHeaders(t *testing.T) {
	s := start(t, fakeorg.Options{DailyCalls: 2})
	first := s.do("GET", "/limits", "")
	first.wants(t, 200, `"DailyApiRequests":{"Max":2,"Remaining":1}`)
	if got := first.header.Get("Sforce-Limit-Info"); got != "api-usage=1/2" {
		t.Errorf("Sforce-Limit-Info: %s", got)
	}
	if first.header.Get("X-Simulated-Org") != "true" || first.header.Get("X-SFDC-Request-Id") == "" {
		t.Errorf("headers %v", first.header)
	}
	if again := s.do("GET", "/limits", ""); again.header.Get("X-SFDC-Request-Id") == first.header.Get("X-SFDC-Request-Id") {
		t.Error("two requests have the same id")
	}
	s.do("GET", "/limits", "").want(t, 403, `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`)
}

func TestCompression(t *testing.T) {
	s := start(t, fakeorg.Options{})
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	_, _ = z.Write([]byte(`{"Name": "Compressed"}`))
	_ = z.Close()
	s.do("POST", "/sobjects/Account", body.String(), "Content-Encoding", "gzip").wants(t, 201, `"success":true`)
	s.do("POST", "/sobjects/Account", "{}", "Content-Encoding", "gzip").wants(t, 400, "JSON_PARSER_ERROR")
	r := s.do("GET", "/sobjects/Account/describe", "", "Accept-Encoding", "gzip") // set by hand: not decompressed for us
	if got := r.header.Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("Content-Encoding %q", got)
	}
	if _, err := gzip.NewReader(strings.NewReader(r.body)); err != nil {
		t.Error(err)
	}
	if small := s.do("GET", "/sobjects/Account/123", "", "Accept-Encoding", "gzip"); small.status != http.StatusNotFound {
		t.Errorf("%d %s", small.status, small.body)
	}
}
