package fakeorg_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"salesforce-mcp/salesforce/fakeorg"
)

// recorded says which requests of recorded traffic the simulated org can be sent: as they were, or the same kind of
// request about records that it has.
var recorded = map[string]struct {
	path, body string // instead of the recorded ones
	status     int    // instead of a recorded status that its own notes call unproven
}{
	"amp-002-collections_post-err":               {},
	"amp-003-collections_post-err":               {status: 200},
	"amp-005-collections_patch-err":              {status: 200},
	"amp-006-collections_patch-err":              {body: `{"allOrNone":true,"records":[{"attributes":{"type":"Contact"},"id":"CONTACT","LastName":"Dyer"},{"attributes":{"type":"Contact"},"id":"CONTACT","unknownField_LastName":"x"}]}`},
	"amp-018-query-err":                          {},
	"amp-020-sobject_update-err":                 {path: "/sobjects/Account/ACCOUNT"},
	"amp-023-sobject_delete-err":                 {path: "/sobjects/Contact/DELETED"},
	"cci-001-query":                              {},
	"cci-003-limits_recordCount":                 {},
	"cci-009-collections_post":                   {},
	"cci-041-query":                              {path: "/query/?q=SELECT+Id,Name,Description,Phone,AccountNumber+FROM+Account+LIMIT+3"},
	"cci-053-query":                              {},
	"cci-061-collections_patch":                  {path: "/composite/sobjects/Account/ExternalId__c", body: `{"records":[{"attributes":{"type":"Account"},"Name":"r","ExternalId__c":"r-1"}]}`},
	"cci-071-query":                              {path: "/query/?q=select+Id,AccountNumber+from+Account+where+Name='nobody'"},
	"cci-109-sobject_create":                     {},
	"cci-111-composite-err":                      {},
	"cci-113-composite":                          {},
	"cci-115-composite-err":                      {},
	"cci-117-composite":                          {},
	"cci-119-composite":                          {body: `{"compositeRequest":[{"method":"GET","url":"/services/data/v48.0/sobjects/Opportunity/describe","referenceId":"refOpportunity","httpHeaders":{"If-Modified-Since":"Sat, 1 Jan 2000 00:00:01 GMT"}},{"method":"GET","url":"/services/data/v48.0/sobjects/Lead/describe","referenceId":"refLead"}]}`},
	"cci-121-describe_sobject":                   {path: "/sobjects/Warranty_Claim__c/describe"},
	"ccit-001-composite":                         {body: `{"allOrNone":true,"compositeRequest":[{"method":"GET","url":"/services/data/v62.0/query/?q=SELECT+Id+FROM+Account+WHERE+Id+=+'ACCOUNT' AND Name = 'a'","referenceId":"schoolRt"},{"method":"POST","url":"/services/data/v62.0/sobjects/Account","referenceId":"uni","body":{"Name":"Connected Campus University","ParentId":"@{schoolRt.records[0].Id}"}}]}`},
	"djsf-001-sobject_create":                    {},
	"djsf-003-sobject_delete":                    {path: "/sobjects/Account/NEW"},
	"ncf-001-query":                              {},
	"ncf-005-versions":                           {},
	"restforce-009-sobject_get-err":              {path: "/sobjects/Account/23foo"},
	"restforce-011-sobject_externalid_patch-err": {path: "/sobjects/Account/Namez/x"},
	"restforce-013-sobject_externalid_patch":     {path: "/sobjects/Account/ExternalId__c/foobar"},
	"restforce-015-sobject_getdeleted":           {path: "/sobjects/Contact/deleted/?start=2027-02-25T00:00:00Z&end=2027-03-02T00:00:00Z"},
	"restforce-017-query":                        {path: "/query?q=SELECT+AccountId+CampaignId,SUM(Amount)+FROM+Opportunity+GROUP+BY+AccountId"},
	"swift-001-query":                            {},
}

// TestRecordedShapes sends the org what a real one was sent, and compares status and shape of the answers: every
// member that was recorded is there, with a value of the same type.
func TestRecordedShapes(t *testing.T) {
	s := start(t, fakeorg.Options{Clock: newClock().time})
	ids := strings.NewReplacer("ACCOUNT", s.create("Account", `{"Name":"a"}`), "CONTACT", s.create("Contact", `{"LastName":"c"}`),
		"NEW", s.create("Account", `{"Name":"n"}`), "DELETED", deleted(s))
	for name, instead := range recorded {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("../../testdata/recordings", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var was struct {
				Method, Path string
				RequestBody  json.RawMessage `json:"request_body"`
				Status       int
				ResponseBody any `json:"response_body"`
			}
			if err := json.Unmarshal(text, &was); err != nil {
				t.Fatal(err)
			}
			path, body := was.Path, strings.ReplaceAll(string(was.RequestBody), "/vxx.0/", "/v62.0/") // inside a composite request
			if i := strings.Index(path[1:], "/v"); i > 0 && instead.path == "" {                      // the version of the recording
				_, rest, _ := strings.Cut(path[i+2:], "/")
				path = strings.TrimSuffix("/services/data/v62.0/"+rest, "/")
			}
			if instead.path != "" {
				path = "/services/data/v62.0" + ids.Replace(instead.path)
			}
			if instead.body != "" {
				body = ids.Replace(instead.body)
			}
			if body == "null" {
				body = ""
			}
			got := s.do(was.Method, path, body)
			want := was.Status
			if instead.status != 0 {
				want = instead.status
			}
			if got.status != want {
				t.Fatalf("%s %s: %d %s, recorded was %d", was.Method, path, got.status, got.body, want)
			}
			var answer any
			if got.body != "" {
				if err := json.Unmarshal([]byte(got.body), &answer); err != nil {
					t.Fatal(err)
				}
			}
			if was.ResponseBody == "" {
				was.ResponseBody = nil
			}
			for _, difference := range shapeDiff("$", was.ResponseBody, answer) {
				t.Error(difference)
			}
		})
	}
}

// deleted makes a contact and deletes it.
func deleted(s *server) string {
	id := s.create("Contact", `{"LastName":"d"}`)
	s.do("DELETE", "/services/data/v62.0/sobjects/Contact/"+id, "")
	return id
}

// shapeDiff compares shapes. Of lists it compares the first elements; null has every shape.
func shapeDiff(at string, was, is any) (found []string) {
	switch was := was.(type) {
	case nil:
		return nil
	case map[string]any:
		object, ok := is.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s: recorded was an object, got %v", at, is)}
		}
		for _, key := range slices.Sorted(maps.Keys(was)) {
			if value, ok := object[key]; !ok {
				found = append(found, at+"."+key+": is missing")
			} else if value != nil {
				found = append(found, shapeDiff(at+"."+key, was[key], value)...)
			}
		}
		return found
	case []any:
		list, ok := is.([]any)
		switch {
		case !ok:
			return []string{fmt.Sprintf("%s: recorded was a list, got %v", at, is)}
		case len(was) == 0 || len(list) == 0:
			return nil
		}
		return shapeDiff(at+"[0]", was[0], list[0])
	}
	if fmt.Sprintf("%T", was) != fmt.Sprintf("%T", is) {
		return []string{fmt.Sprintf("%s: recorded was %v, got %v", at, was, is)}
	}
	return nil
}
