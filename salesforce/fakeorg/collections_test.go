package fakeorg_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"salesforce-mcp/salesforce/fakeorg"
)

const (
	succeeded  = `"success":true,"errors":[]`
	rolledBack = `{"success":false,"errors":[{"statusCode":"ALL_OR_NONE_OPERATION_ROLLED_BACK","message":"Record rolled back because not all records were valid and the request was using AllOrNone header","fields":[]}]}`
	noLastName = `{"success":false,"errors":[{"statusCode":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [LastName]","fields":["LastName"]}]}`
)

// count returns how many accounts and contacts there are.
func (s *server) count() string {
	s.t.Helper()
	return s.do("GET", "/limits/recordCount?sObjects=Account,Contact", "").body
}

func TestCreateMany(t *testing.T) {
	s := start(t, fakeorg.Options{})
	records := `"records": [{"attributes": {"type": "Account"}, "Name": "One"}, {"attributes": {"type": "Contact"}}, {"attributes": {"type": "account"}, "Name": "Two"}, {"attributes": {"type": "Nothing"}}, {}]`
	before := s.count()

	r := s.do("POST", "/composite/sobjects", `{"allOrNone": true, `+records+`}`)
	r.wants(t, 200, "["+rolledBack+","+noLastName+","+rolledBack+`,{"success":false,"errors":[{"statusCode":"INVALID_TYPE"`)
	if after := s.count(); after != before {
		t.Errorf("all or none has left records: %s, before %s", after, before)
	}

	r = s.do("POST", "/composite/sobjects", `{`+records+`}`)
	var results []struct {
		ID      string
		Success bool
	}
	if err := json.Unmarshal([]byte(r.body), &results); err != nil || len(results) != 5 {
		t.Fatalf("%s: %v", r.body, err)
	}
	for i, want := range []bool{true, false, true, false, false} {
		if results[i].Success != want || (results[i].ID != "") != want {
			t.Errorf("result %d is %+v", i, results[i])
		}
	}
	if got := s.get("Account", results[2].ID, "Name"); got != "Two" {
		t.Errorf("the third result is the record %v", got)
	}
}

func TestCollectionLimits(t *testing.T) {
	s := start(t, fakeorg.Options{})
	many := func(n int, kinds ...string) string {
		var records []string
		for i := range n {
			records = append(records, fmt.Sprintf(`{"attributes": {"type": %q}, "Name": "n", "LastName": "n"}`, kinds[i%len(kinds)]))
		}
		return `{"records": [` + strings.Join(records, ",") + `]}`
	}
	s.do("POST", "/composite/sobjects", `{"records": []}`).want(t, 400, `[{"message":"At least 1 record is required","errorCode":"REQUIRED_FIELD_MISSING"}]`)
	s.do("POST", "/composite/sobjects", many(201, "Account")).wants(t, 400, "cannot submit more than 200 records")
	s.do("POST", "/composite/sobjects", many(11, "Account", "Contact")).wants(t, 400, "more than 10 chunks")
	s.do("POST", "/composite/sobjects", `{"records": [`).wants(t, 400, "JSON_PARSER_ERROR")
	s.do("POST", "/composite/sobjects", `{"records": {}}`).wants(t, 400, "JSON_PARSER_ERROR")
	s.do("DELETE", "/composite/sobjects", "").wants(t, 400, "At least 1 record is required")
	s.do("GET", "/composite/sobjects/Account?ids=001000000000001", "").wants(t, 400, "At least 1 field is required")
	if r := s.do("POST", "/composite/sobjects", many(200, "Account")); r.status != 200 || strings.Count(r.body, succeeded) != 0 {
		t.Errorf("LastName is no field of Account: %d %.200s", r.status, r.body)
	}
}

func TestUpdateMany(t *testing.T) {
	s := start(t, fakeorg.Options{})
	a := s.create("Contact", `{"LastName": "A"}`)
	b := s.create("Contact", `{"LastName": "B"}`)
	bad := `{"attributes": {"type": "Contact"}, "id": "` + b + `", "unknownField_LastName": "x"}`
	good := `{"attributes": {"type": "Contact"}, "id": "` + a + `", "LastName": "Dyer"}`
	noColumn := `{"success":false,"errors":[{"statusCode":"INVALID_FIELD","message":"No such column 'unknownField_LastName' on sobject of type Contact","fields":[]}]}`
	s.do("PATCH", "/composite/sobjects", `{"allOrNone": true, "records": [`+good+`,`+bad+`]}`).want(t, 200, "["+rolledBack+","+noColumn+"]")
	if got := s.get("Contact", a, "LastName"); got != "A" {
		t.Errorf("all or none has left the name %v", got)
	}
	s.do("PATCH", "/composite/sobjects", `{"records": [`+good+`,`+bad+`,{"attributes": {"type": "Contact"}, "LastName": "x"},{"attributes": {"type": "Contact"}, "id": "1", "LastName": "x"}]}`).want(t, 200,
		`[{"id":"`+a+`",`+succeeded+`},`+noColumn+`,{"success":false,"errors":[{"statusCode":"MISSING_ARGUMENT","message":"Id not specified in an update call","fields":[]}]},`+
			`{"success":false,"errors":[{"statusCode":"MALFORMED_ID","message":"malformed id 1","fields":[]}]}]`)
	if got := s.get("Contact", a, "LastName"); got != "Dyer" {
		t.Errorf("the name is %v", got)
	}
}

func TestDeleteMany(t *testing.T) {
	s := start(t, fakeorg.Options{})
	account, contact := s.create("Account", `{"Name": "A"}`), s.create("Contact", `{"LastName": "B"}`)
	missing := `{"success":false,"errors":[{"statusCode":"INVALID_CROSS_REFERENCE_KEY","message":"invalid cross reference id","fields":[]}]}`
	ids := account + "," + contact + ",003000000000001AAA"
	s.do("DELETE", "/composite/sobjects?allOrNone=true&ids="+ids, "").want(t, 200, "["+rolledBack+","+rolledBack+","+missing+"]")
	s.get("Account", account, "Name")
	s.do("DELETE", "/composite/sobjects?ids="+ids, "").want(t, 200, `[{"id":"`+account+`",`+succeeded+`},{"id":"`+contact+`",`+succeeded+`},`+missing+"]")
	s.do("GET", "/sobjects/Contact/"+contact, "").wants(t, 404, "NOT_FOUND")
}

func TestUpsertMany(t *testing.T) {
	s := start(t, fakeorg.Options{})
	s.create("Account", `{"Name": "1", "Legacy_Number__c": "twice"}`)
	s.create("Account", `{"Name": "2", "Legacy_Number__c": "twice"}`)
	known := s.create("Account", `{"Name": "Old", "Legacy_Number__c": "once"}`)
	r := s.do("PATCH", "/composite/sobjects/Account/Legacy_Number__c", `{"records": [
		{"attributes": {"type": "Account"}, "Legacy_Number__c": "once", "Name": "New"},
		{"attributes": {"type": "Account"}, "Legacy_Number__c": "fresh", "Name": "Fresh"},
		{"attributes": {"type": "Account"}, "Legacy_Number__c": "twice", "Name": "x"},
		{"attributes": {"type": "Account"}, "Name": "x"},
		{"attributes": {"type": "Account"}, "Legacy_Number__c": "d", "Name": "x"},
		{"attributes": {"type": "Account"}, "Legacy_Number__c": "D", "Name": "x"},
		{"attributes": {"type": "Contact"}, "Legacy_Number__c": "y", "Name": "x"}]}`)
	var results []struct {
		ID               string
		Success, Created bool
		Errors           []struct{ StatusCode string }
	}
	if err := json.Unmarshal([]byte(r.body), &results); err != nil || len(results) != 7 {
		t.Fatalf("%s: %v", r.body, err)
	}
	if results[0].ID != known || results[0].Created || !results[1].Created {
		t.Errorf("%s", r.body)
	}
	for i, want := range []string{2: "DUPLICATE_EXTERNAL_ID", 3: "MISSING_ARGUMENT", 4: "DUPLICATE_VALUE", 5: "DUPLICATE_VALUE", 6: "INVALID_TYPE"} {
		if want != "" && (results[i].Success || results[i].Errors[0].StatusCode != want) {
			t.Errorf("result %d is %+v, want %s", i, results[i], want)
		}
	}
	if got := s.get("Account", known, "Name"); got != "New" {
		t.Errorf("the name is %v", got)
	}
	r = s.do("PATCH", "/composite/sobjects/Account/Id", `{"records": [{"attributes": {"type": "Account"}, "Id": "`+known+`", "Name": "By id"}, {"attributes": {"type": "Account"}, "Name": "Without"}]}`)
	r.wants(t, 200, `[{"id":"`+known+`",`+succeeded+`,"created":false},{"id":"`)
	r.wants(t, 200, succeeded+`,"created":true}]`)
	s.do("PATCH", "/composite/sobjects/Account/Phone", `{}`).wants(t, 404, "Provided external ID field")
}

func TestGetMany(t *testing.T) {
	s := start(t, fakeorg.Options{})
	a, deleted, contact := s.create("Account", `{"Name": "A"}`), s.create("Account", `{"Name": "D"}`), s.create("Contact", `{"LastName": "C"}`)
	s.do("DELETE", "/sobjects/Account/"+deleted, "")
	row := `{"attributes":{"type":"Account","url":"` + api + `/sobjects/Account/` + a + `"},"Name":"A","Id":"` + a + `"}`
	want := "[" + row + ",null,null,null," + row + "]"
	ids := []string{a, deleted, contact, "nonsense", a[:15]}
	s.do("GET", "/composite/sobjects/Account?fields=name&ids="+strings.Join(ids, ","), "").want(t, 200, want)
	body, err := json.Marshal(map[string][]string{"ids": ids, "fields": {"Name"}})
	if err != nil {
		t.Fatal(err)
	}
	s.do("POST", "/composite/sobjects/Account", string(body)).want(t, 200, want)
	s.do("POST", "/composite/sobjects/Account", `{"ids": ["`+a+`"], "fields": ["Nam"]}`).wants(t, 400, "INVALID_FIELD")
	s.do("POST", "/composite/sobjects/Nothing", `{}`).wants(t, 404, "NOT_FOUND")
}
