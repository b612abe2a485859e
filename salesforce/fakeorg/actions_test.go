package fakeorg_test

import (
	"encoding/json"
	"strings"
	"testing"

	"salesforce-mcp/salesforce/fakeorg"
)

// invoked is a result of an invocable action.
type invoked struct {
	ActionName   string
	Errors       []struct{ StatusCode, Message string }
	IsSuccess    bool
	OutputValues map[string]any
}

// invoke calls an action and gives the results.
func (s *server) invoke(path, inputs string, status int) []invoked {
	s.t.Helper()
	r := s.do("POST", "/actions/"+path, `{"inputs": [`+inputs+`]}`)
	var results []invoked
	if err := json.Unmarshal([]byte(r.body), &results); err != nil || r.status != status {
		s.t.Fatalf("%s: %d %s", path, r.status, r.body)
	}
	return results
}

func TestActionLists(t *testing.T) {
	s := start(t, fakeorg.Options{})
	s.do("GET", "/actions", "").want(t, 200, `{"custom":"`+api+`/actions/custom","standard":"`+api+`/actions/standard"}`)
	s.do("GET", "/actions/custom", "").want(t, 200, `{"apex":"`+api+`/actions/custom/apex","flow":"`+api+`/actions/custom/flow"}`)
	s.do("GET", "/actions/standard", "").wants(t, 200, `{"label":"Send Email","name":"emailSimple","type":"EMAILSIMPLE","url":"`+api+`/actions/standard/emailSimple"}`)
	s.do("GET", "/actions/custom/apex", "").want(t, 200, `{"actions":[{"label":"Close Return","name":"CloseReturn","type":"APEX","url":"`+api+`/actions/custom/apex/CloseReturn"}]}`)
	s.do("GET", "/actions/custom/flow/Create_Return_Task", "").wants(t, 200, `{"byteLength":0,"description":null,"label":"Return Order ID","maxOccurs":1,"name":"returnOrderId",`+
		`"picklistValues":null,"required":true,"sobjectType":null,"type":"STRING"}`)
	s.do("GET", "/actions/custom/flow/Create_Return_Task", "").wants(t, 200, `"name":"Flow__InterviewStatus","picklistValues":[{"active":true,"defaultValue":false,"label":"Created"`)
	s.do("GET", "/actions/standard/submit", "").wants(t, 200, `"standard":true,"targetEntityName":null,"type":"SUBMIT"`)
	for _, path := range []string{"/actions/standard/convertLead", "/actions/custom/quickAction", "/actions/custom/flow/CloseReturn", "/actions/custom/apex/Nothing", "/actions/nothing"} {
		s.do("GET", path, "").wants(t, 404, "NOT_FOUND")
	}
	s.do("POST", "/actions/standard/convertLead", `{"inputs": [{}]}`).wants(t, 404, "NOT_FOUND")
}

func TestFlows(t *testing.T) {
	s := start(t, fakeorg.Options{Clock: newClock().time})
	open, closed := s.create("Case", `{"Subject": "Broken"}`), s.create("Case", `{"Status": "Closed"}`)
	results := s.invoke("custom/flow/Escalate_Case", `{"caseId": "`+open+`", "reason": "It's urgent"}, {"caseId": "`+closed[:15]+`"}`, 200)
	out := results[0].OutputValues
	if out["escalated"] != true || out["Flow__InterviewStatus"] != "Finished" || out["caseNumber"] != s.get("Case", open, "CaseNumber") || out["message"] != nil {
		t.Errorf("the open case: %v", out)
	}
	task, _ := out["taskId"].(string)
	if got := s.get("Task", task, "Subject"); got != "Escalated: It's urgent" {
		t.Errorf("the task is %v", got)
	}
	if status, priority := s.get("Case", open, "Status"), s.get("Case", open, "Priority"); status != "Escalated" || priority != "High" {
		t.Errorf("the case is %v, %v", status, priority)
	}
	if out := results[1].OutputValues; out["escalated"] != false || out["message"] != "The case is closed" || out["taskId"] != nil || s.get("Case", closed, "Status") != "Closed" {
		t.Errorf("the closed case: %v", out)
	}
	order := s.column("SELECT Id FROM ReturnOrder ORDER BY Id LIMIT 1", "Id")
	made := s.invoke("custom/flow/Create_Return_Task", `{"returnOrderId": "`+order+`", "daysUntilDue": 10, "instructions": "Look for cracks"}, {"returnOrderId": "`+order+`"}`, 200)
	if a, b := made[0].OutputValues["dueDate"], made[1].OutputValues["dueDate"]; a != "2027-03-11" || b != "2027-03-04" {
		t.Errorf("due %v and %v", a, b)
	}
	if got := s.column("SELECT Description FROM Task WHERE WhatId = '"+order+"' ORDER BY Id", "Description"); got != "Look for cracks," {
		t.Errorf("the tasks say %q", got)
	}
}

// TestFlowFails: one of several inputs fails; the others are kept, and the answer is 400.
func TestFlowFails(t *testing.T) {
	s := start(t, fakeorg.Options{})
	one, locked, late := s.create("Case", `{"Subject": "a"}`), s.create("Case", `{"Type": "Return"}`), s.create("Case", `{"Subject": "b"}`)
	s.approval("Submit", locked, `, "nextApproverIds": ["005Sm0000000006"]`)
	results := s.invoke("custom/flow/Escalate_Case", `{"caseId": "`+one+`"}, {"caseId": "`+locked+`"}, {"caseId": "`+late+`", "reason": "`+strings.Repeat("x", 300)+`"}, {}, {"caseId": "`+one+`", "why": "x"}, {"caseId": 5}, {"caseId": "`+
		s.create("Account", `{"Name": "x"}`)+`"}, {"caseId": "x"}, {"caseId": "500Sm0000000zzz"}`, 400)
	for i, want := range []string{"", "UNKNOWN_EXCEPTION", "UNKNOWN_EXCEPTION", "REQUIRED_FIELD_MISSING", "INVALID_API_INPUT", "INVALID_API_INPUT", "UNKNOWN_EXCEPTION", "UNKNOWN_EXCEPTION", "UNKNOWN_EXCEPTION"} {
		code := ""
		if len(results[i].Errors) > 0 {
			code = results[i].Errors[0].StatusCode
		}
		if code != want || results[i].IsSuccess != (want == "") || (results[i].OutputValues != nil) != (want == "") {
			t.Errorf("result %d is %+v, want %s", i, results[i], want)
		}
	}
	if a, b := s.get("Case", one, "Status"), s.get("Case", locked, "Status"); a != "Escalated" || b != "On Hold" {
		t.Errorf("the cases are %v and %v", a, b)
	}
	if got := s.get("Case", late, "Status"); got != "New" {
		t.Errorf("an interview that failed in its second step has made the case %v", got)
	}
	if got := s.query("SELECT Id FROM Task WHERE WhatId = '" + locked + "'"); len(got) != 0 {
		t.Errorf("the interview that failed has left %v", got)
	}
	s.do("POST", "/actions/custom/flow/Escalate_Case", `{"inputs": []}`).wants(t, 400, `"errorCode":"MISSING_ARGUMENT"`)
	s.do("POST", "/actions/custom/flow/Escalate_Case", `{"inputs": [5]}`).wants(t, 400, "JSON_PARSER_ERROR")
	s.do("POST", "/actions/custom/flow/Escalate_Case", `{"inputs": {}}`).wants(t, 400, "JSON_PARSER_ERROR")
	s.do("POST", "/actions/custom/flow/Nothing", `{"inputs": [{}]}`).wants(t, 404, "NOT_FOUND")
}

// TestApexAction: the method closes a return with its case; an exception undoes all of a request.
func TestApexAction(t *testing.T) {
	s := start(t, fakeorg.Options{})
	c := s.create("Case", `{"Type": "Return"}`)
	received, draft := s.create("ReturnOrder", `{"Status": "Received", "CaseId": "`+c+`", "Description": "One drill"}`), s.create("ReturnOrder", `{}`)
	alone := s.create("ReturnOrder", `{"Status": "Approved"}`)
	results := s.invoke("custom/apex/CloseReturn", `{"returnOrderId": "`+received+`", "outcome": "Refunded"}, {"returnOrderId": "`+draft+`", "outcome": "?"}`, 400)
	for _, r := range results {
		if r.IsSuccess || r.Errors[0].Message != "An Apex error occurred: ReturnException: the return order has not been received" {
			t.Errorf("got %+v", r)
		}
	}
	if got := s.get("ReturnOrder", received, "Status"); got != "Received" {
		t.Errorf("the exception has left the return %v", got)
	}
	results = s.invoke("custom/apex/CloseReturn", `{"returnOrderId": "`+received+`", "outcome": "Refunded"}, {"returnOrderId": "`+alone+`", "outcome": "Repaired"}`, 200)
	if results[0].OutputValues["caseId"] != c || results[1].OutputValues["caseId"] != nil || results[1].OutputValues["feedItemId"] != nil {
		t.Errorf("got %+v", results)
	}
	if got := s.get("ReturnOrder", received, "Description"); got != "One drill\nRefunded" {
		t.Errorf("the return says %q", got)
	}
	post, _ := results[0].OutputValues["feedItemId"].(string)
	if s.get("Case", c, "Status") != "Closed" || s.get("FeedItem", post, "ParentId") != c || s.get("ReturnOrder", alone, "Status") != "Closed" {
		t.Error("the method has not closed everything")
	}
	locked := s.create("Case", `{"Type": "Return"}`)
	s.approval("Submit", locked, `, "nextApproverIds": ["005Sm0000000006"]`)
	last := s.create("ReturnOrder", `{"Status": "Received", "CaseId": "`+locked+`"}`)
	if r := s.invoke("custom/apex/CloseReturn", `{"returnOrderId": "`+last+`", "outcome": "x"}`, 400); r[0].Errors[0].Message !=
		"An Apex error occurred: System.DmlException: Update failed. First exception on row 0; first error: ENTITY_IS_LOCKED, entity is locked for editing: []" {
		t.Errorf("got %+v", r)
	}
}

func TestStandardActions(t *testing.T) {
	s := start(t, fakeorg.Options{Clock: newClock().time})
	c := s.create("Case", `{"Subject": "x"}`)
	contact := s.create("Contact", `{"LastName": "x", "Email": "who@shop.example"}`)
	s.do("POST", "/actions/standard/emailSimple", `{"inputs": [{"emailAddresses": "a@b.co, c@d.co", "emailAddressesArray": ["e@f.co"], "recipientId": "`+contact+
		`", "emailSubject": "Hi", "emailBody": "<b>x</b>", "sendRichBody": true, "relatedRecordId": "`+c+`"}]}`).want(t, 200,
		`[{"actionName":"emailSimple","errors":null,"invocationId":null,"isSuccess":true,"outcome":null,"outputValues":null,"sortOrder":-1,"version":1}]`)
	mail := s.query("SELECT ToAddress, FromAddress, HtmlBody, TextBody, ParentId, MessageDate, Status FROM EmailMessage")
	if len(mail) != 1 || mail[0]["ToAddress"] != "a@b.co; c@d.co; e@f.co; who@shop.example" || mail[0]["FromAddress"] != fakeorg.IntegrationUser ||
		mail[0]["HtmlBody"] != "<b>x</b>" || mail[0]["TextBody"] != nil || mail[0]["ParentId"] != c {
		t.Errorf("the email is %v", mail)
	}
	posted := s.invoke("standard/chatterPost", `{"text": "Hello", "subjectNameOrId": "`+c+`"}, {"text": "You", "subjectNameOrId": "`+priya+`", "type": "User"}`, 200)
	first, _ := posted[0].OutputValues["feedItemId"].(string)
	second, _ := posted[1].OutputValues["feedItemId"].(string)
	if s.get("FeedItem", first, "Body") != "Hello" || s.get("FeedItem", second, "ParentId") != "005Sm0000000006IAA" {
		t.Errorf("posted %+v", posted)
	}
	o := s.discounted("1")
	submitted := s.invoke("standard/submit", `{"objectId": "`+o+`", "comment": "please"}`, 200)[0].OutputValues
	if submitted["instanceStatus"] != "Pending" || submitted["entityId"] != o || s.get("Opportunity", o, "Approval_Status__c") != "Pending" {
		t.Errorf("submitted: %v", submitted)
	}
	for inputs, code := range map[string]string{
		`{"emailSubject": "s", "emailBody": "b"}`: "INVALID_ARGUMENT",
		`{"emailAddresses": "a@b.co,a@b.co,a@b.co,a@b.co,a@b.co,a@b.co", "emailSubject": "s", "emailBody": "b"}`:    "INVALID_ARGUMENT",
		`{"emailAddresses": "nobody", "emailSubject": "s", "emailBody": "b"}`:                                       "INVALID_EMAIL_ADDRESS",
		`{"emailAddresses": "a@b.co", "emailBody": "b"}`:                                                            "REQUIRED_FIELD_MISSING",
		`{"emailAddresses": ["a@b.co"], "emailSubject": "s", "emailBody": "b"}`:                                     "INVALID_API_INPUT",
		`{"emailAddressesArray": "a@b.co", "emailSubject": "s", "emailBody": "b"}`:                                  "INVALID_API_INPUT",
		`{"emailAddresses": "a@b.co", "emailSubject": "s", "emailBody": "b", "senderType": "Me"}`:                   "INVALID_API_INPUT",
		`{"emailAddresses": "a@b.co", "emailSubject": "s", "emailBody": "b", "sendRichBody": "perhaps"}`:            "INVALID_API_INPUT",
		`{"recipientId": "` + c + `", "emailSubject": "s", "emailBody": "b"}`:                                       "INVALID_CROSS_REFERENCE_KEY",
		`{"emailAddresses": "a@b.co", "emailSubject": "s", "emailBody": "b", "relatedRecordId": "500Sm0000000zzz"}`: "INVALID_CROSS_REFERENCE_KEY",
	} {
		if r := s.invoke("standard/emailSimple", inputs, 400); r[0].Errors[0].StatusCode != code {
			t.Errorf("%s: %+v, want %s", inputs, r, code)
		}
	}
	if r := s.invoke("standard/submit", `{"objectId": "`+o+`"}`, 400); r[0].Errors[0].StatusCode != "ALREADY_IN_PROCESS" {
		t.Errorf("submitted twice: %+v", r)
	}
	if r := s.invoke("standard/chatterPost", `{"text": "x", "subjectNameOrId": "nobody"}`, 400); r[0].Errors[0].StatusCode != "MALFORMED_ID" {
		t.Errorf("posted to nobody: %+v", r)
	}
}
