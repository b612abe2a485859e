package fakeorg_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"salesforce-mcp/salesforce/fakeorg"
)

// Users of the company beside those that have a name in the package.
const (
	lena  = "lena.vogt@alderridge.example"  // whose manager is the administrator
	priya = "priya.nair@alderridge.example" // decides about refunds
)

// as is the same org as another user sees it.
func (s *server) as(username string) *server {
	other := *s
	other.token = s.MintToken(username)
	return &other
}

// query returns the records of a query.
func (s *server) query(soql string) []map[string]any {
	s.t.Helper()
	r := s.do("GET", "/query?q="+url.QueryEscape(soql), "")
	var found struct{ Records []map[string]any }
	if err := json.Unmarshal([]byte(r.body), &found); err != nil || r.status != 200 {
		s.t.Fatalf("%s: %d %s", soql, r.status, r.body)
	}
	return found.Records
}

// column returns one field of the records of a query, joined.
func (s *server) column(soql, field string) string {
	s.t.Helper()
	var values []string
	for _, record := range s.query(soql) {
		value, _ := record[field].(string)
		values = append(values, value)
	}
	return strings.Join(values, ",")
}

func TestRuleLists(t *testing.T) {
	s := start(t, fakeorg.Options{})
	one := `{"actions":[{"id":"04YSm0000000003","name":"Set_In_Review","type":"FieldUpdate"}],"description":"A claim over 100 is reviewed",` +
		`"id":"01QSm0000000004","name":"Claim Needs Review","namespacePrefix":null,"object":"Warranty_Claim__c"}`
	s.do("GET", "/process/rules/warranty_claim__c", "").want(t, 200, `{"rules":{"Warranty_Claim__c":[`+one+`]}}`)
	s.do("GET", "/process/rules/Warranty_Claim__c/01QSm0000000004", "").want(t, 200, one)
	s.do("GET", "/process/rules/Warranty_Claim__c/"+"01QSm0000000004IAA", "").want(t, 200, one)
	s.do("GET", "/process/rules", "").wants(t, 200, `"Case":[{"actions":[{"id":"04YSm0000000001","name":"Set_Priority_High","type":"FieldUpdate"},`)
	s.do("GET", "/process/rules/Lead", "").want(t, 200, `{"rules":{}}`)
	s.do("GET", "/process/rules/Nothing", "").wants(t, 404, "NOT_FOUND")
	s.do("GET", "/process/rules/Case/01QSm0000000004", "").wants(t, 404, "NOT_FOUND")
	s.do("GET", "/process", "").want(t, 200, `{"approvals":"`+api+`/process/approvals","rules":"`+api+`/process/rules"}`)
}

// TestTriggerRules: what the rules say really happens, to the records that meet their criteria.
func TestTriggerRules(t *testing.T) {
	s := start(t, fakeorg.Options{Clock: newClock().time})
	escalated := s.create("Case", `{"Subject": "a", "Status": "Escalated", "Priority": "Low"}`)
	calm := s.create("Case", `{"Subject": "b", "Priority": "Low"}`)
	s.do("POST", "/process/rules/Case/01QSm0000000001", `{"contextIds": ["`+escalated+`", "`+calm[:15]+`"]}`).want(t, 200, `{"errors":null,"success":true}`)
	if a, b := s.get("Case", escalated, "Priority"), s.get("Case", calm, "Priority"); a != "High" || b != "Low" {
		t.Errorf("the escalated case has the priority %v, the other %v", a, b)
	}
	tasks := "SELECT Id, Subject, Priority, ActivityDate, OwnerId FROM Task WHERE WhatId = '" + escalated + "'"
	if got := s.query(tasks); len(got) != 0 {
		t.Errorf("one rule was triggered, another made %v", got)
	}
	s.do("POST", "/process/rules/", `{"contextIds": ["`+escalated+`"]}`).want(t, 200, `{"errors":null,"success":true}`)
	if got := s.query(tasks); len(got) != 1 || got[0]["Subject"] != "Call the customer back" || got[0]["ActivityDate"] != "2027-03-03" {
		t.Errorf("the tasks are %v", got)
	}
	claim := s.create("Warranty_Claim__c", `{"Amount__c": 250}`)
	s.do("POST", "/process/rules/Warranty_Claim__c/01QSm0000000004", `{"contextId": "`+claim+`"}`).want(t, 200, `{"errors":null,"success":true}`)
	if got := s.get("Warranty_Claim__c", claim, "Status__c"); got != "In Review" {
		t.Errorf("the claim is %v", got)
	}
}

func TestTriggerRulesRefused(t *testing.T) {
	s := start(t, fakeorg.Options{})
	id := s.create("Case", `{"Status": "Escalated", "Priority": "Low"}`)
	account := s.create("Account", `{"Name": "x"}`)
	gone := deleted(s)
	for name, test := range map[string]struct {
		path, body string
		status     int
		part       string
	}{
		"unknown rule":          {"/Case/01QSm0000000009", `{"contextIds": ["` + id + `"]}`, 404, "NOT_FOUND"},
		"other object":          {"/Case/01QSm0000000001", `{"contextIds": ["` + id + `", "` + account + `"]}`, 400, "is not of type Case"},
		"objects mixed":         {"", `{"contextIds": ["` + id + `", "` + account + `"]}`, 400, "is not of type Case"},
		"no object":             {"", `{"contextIds": ["zzz000000000001"]}`, 400, "INVALID_CROSS_REFERENCE_KEY"},
		"deleted":               {"", `{"contextIds": ["` + gone + `"]}`, 400, "ENTITY_IS_DELETED"},
		"missing":               {"", `{"contextIds": ["` + id + `", "500Sm0000000zzz"]}`, 400, "INVALID_CROSS_REFERENCE_KEY"},
		"no id":                 {"", `{"contextIds": ["x"]}`, 400, "MALFORMED_ID"},
		"none":                  {"", `{"contextIds": []}`, 400, "REQUIRED_FIELD_MISSING"},
		"too many":              {"", `{"contextIds": [` + strings.Repeat(`"`+id+`",`, 200) + `"` + id + `"]}`, 400, "EXCEEDED_ID_LIMIT"},
		"not JSON":              {"", `{"contextIds": [`, 400, "JSON_PARSER_ERROR"},
		"ids of a strange kind": {"", `{"contextIds": 5}`, 400, "JSON_PARSER_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			s.do("POST", "/process/rules"+test.path, test.body).wants(t, test.status, test.part)
		})
	}
	if got := s.get("Case", id, "Priority"); got != "Low" {
		t.Errorf("a request that failed has changed the case: %v", got)
	}
}
