package fakeorg_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
)

// approved is a result of a request to approve.
type approved struct {
	ActorIDs       []string `json:"actorIds"`
	EntityID       string   `json:"entityId"`
	Errors         []struct{ StatusCode, Message string }
	InstanceID     string `json:"instanceId"`
	InstanceStatus string
	NewWorkitemIDs []string `json:"newWorkitemIds"`
	Success        bool
}

// approval sends one request and gives its result.
func (s *server) approval(action, id, more string) approved {
	s.t.Helper()
	r := s.do("POST", "/process/approvals/", `{"requests": [{"actionType": "`+action+`", "contextId": "`+id+`"`+more+`}]}`)
	var results []approved
	if err := json.Unmarshal([]byte(r.body), &results); err != nil || len(results) != 1 {
		s.t.Fatalf("%s %s: %d %s", action, id, r.status, r.body)
	}
	if want := map[bool]int{true: 200, false: 400}[results[0].Success]; r.status != want {
		s.t.Errorf("%s: status %d, want %d for %s", action, r.status, want, r.body)
	}
	return results[0]
}

// refuses fails the test unless the request fails with the code.
func (s *server) refuses(code, action, id, more string) {
	s.t.Helper()
	if r := s.approval(action, id, more); r.Success || len(r.Errors) != 1 || r.Errors[0].StatusCode != code {
		s.t.Errorf("%s %s: got %+v, want %s", action, id, r, code)
	}
}

// discounted makes an opportunity that needs approval.
func (s *server) discounted(amount string) string {
	s.t.Helper()
	return s.create("Opportunity", `{"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2027-05-01", "Discount__c": 15, "Amount": `+amount+`}`)
}

func TestApprovalList(t *testing.T) {
	s := start(t, fakeorg.Options{})
	s.do("GET", "/process/approvals", "").wants(t, 200, `"Refund":[{"description":"Refunds from 500 on","id":"04aSm0000000002","name":"Refund Approval","object":"Refund","sortOrder":1}]`)
	if got := s.column("SELECT Id FROM ProcessDefinition WHERE DeveloperName = 'Refund_Approval' AND TableEnumOrId = 'Refund'", "Id"); got[:15] != "04aSm0000000002" {
		t.Errorf("the definition is %s", got)
	}
	if got := s.column("SELECT Name FROM ProcessNode WHERE ProcessDefinition.DeveloperName = 'Opportunity_Discount' ORDER BY Id", "Name"); got != "Manager,Second Look" {
		t.Errorf("its levels are %s", got)
	}
}

// TestApproval is a discount on its way: the manager approves, then, as the deal is large, another one.
func TestApproval(t *testing.T) {
	clock := newClock()
	s := start(t, fakeorg.Options{Clock: clock.time, TokenLife: 100 * time.Hour}).as(lena)
	ada, other := s.as(fakeorg.AdminUser), s.as(priya)
	id := s.discounted("50000")
	r := s.approval("Submit", id, `, "comments": "please"`)
	adaID, priyaID := s.column("SELECT Id FROM User WHERE Username = '"+fakeorg.AdminUser+"'", "Id"), s.column("SELECT Id FROM User WHERE Username = '"+priya+"'", "Id")
	if !r.Success || r.InstanceStatus != "Pending" || r.EntityID != id || strings.Join(r.ActorIDs, ",") != adaID || len(r.NewWorkitemIDs) != 1 {
		t.Fatalf("submitted: %+v", r)
	}
	if got := s.get("Opportunity", id, "Approval_Status__c"); got != "Pending" {
		t.Errorf("after submission the status is %v", got)
	}
	if got := s.column("SELECT Id, ActorId, ProcessInstance.TargetObjectId FROM ProcessInstanceWorkitem WHERE ProcessInstance.TargetObjectId = '"+id+"'", "ActorId"); got != adaID {
		t.Errorf("asked is %s", got)
	}
	s.refuses("ALREADY_IN_PROCESS", "Submit", id, "")
	other.refuses("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "Approve", r.NewWorkitemIDs[0], "")
	clock.move(36 * time.Hour)
	second := ada.approval("Approve", r.NewWorkitemIDs[0], `, "comments": "fine"`)
	if !second.Success || second.InstanceStatus != "Pending" || strings.Join(second.ActorIDs, ",") != priyaID || len(second.NewWorkitemIDs) != 1 {
		t.Fatalf("approved once: %+v", second)
	}
	ada.refuses("INVALID_CROSS_REFERENCE_KEY", "Approve", r.NewWorkitemIDs[0], "")
	other.do("PATCH", "/sobjects/Opportunity/"+id, `{"NextStep": "x"}`).wants(t, 400, "ENTITY_IS_LOCKED") // though asked: the process does not let approvers edit
	done := other.do("POST", "/process/approvals", `{"requests": [{"actionType": "Approve", "contextId": "`+second.NewWorkitemIDs[0]+`"}]}`)
	done.want(t, 200, `[{"actorIds":null,"entityId":"`+id+`","errors":null,"instanceId":"`+r.InstanceID+`","instanceStatus":"Approved","newWorkitemIds":[],"success":true}]`)
	if status, next := s.get("Opportunity", id, "Approval_Status__c"), s.get("Opportunity", id, "NextStep"); status != "Approved" || next != "Send the quote" {
		t.Errorf("after approval: %v, %v", status, next)
	}
	history := s.query("SELECT Status, ElapsedTimeInDays, LastActor.Name, (SELECT StepStatus, Comments, Actor.Name FROM Steps ORDER BY Id), (SELECT Id FROM Workitems), " +
		"(SELECT NodeStatus, ProcessNodeName FROM Nodes ORDER BY Id) FROM ProcessInstance WHERE TargetObjectId = '" + id + "'")
	text, err := json.Marshal(history)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"Status":"Approved"`, `"ElapsedTimeInDays":1.5`, `"Comments":"fine"`, `"StepStatus":"Started"`, `"Workitems":null`, `"Name":"Priya Nair"`,
		`"ProcessNodeName":"Second Look"`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("no %s in the history %s", part, text)
		}
	}
	if got := s.column("SELECT StepStatus FROM ProcessInstanceHistory WHERE TargetObjectId = '"+id+"' ORDER BY Id", "StepStatus"); got != "Started,Approved,Approved" {
		t.Errorf("the steps are %s", got)
	}
	s.do("PATCH", "/sobjects/Opportunity/"+id, `{"NextStep": "Call"}`).want(t, 204, "")
}

// TestApprovalLocks: who may change a record that waits.
func TestApprovalLocks(t *testing.T) {
	s := start(t, fakeorg.Options{})
	locked := `[{"message":"entity is locked for editing","errorCode":"ENTITY_IS_LOCKED","fields":[]}]`
	id := s.discounted("1000")
	item := s.approval("Submit", id, "").NewWorkitemIDs[0]
	s.do("PATCH", "/sobjects/Opportunity/"+id, `{"NextStep": "x"}`).want(t, 400, locked)
	s.do("DELETE", "/sobjects/Opportunity/"+id, "").want(t, 400, locked)
	s.do("PATCH", "/composite/sobjects", `{"records": [{"attributes": {"type": "Opportunity"}, "id": "`+id+`", "NextStep": "x"}]}`).wants(t, 200, `"statusCode":"ENTITY_IS_LOCKED"`)
	admin := s.as(fakeorg.AdminUser)
	admin.do("PATCH", "/sobjects/Opportunity/"+id, `{"NextStep": "by the administrator"}`).want(t, 204, "")
	if r := admin.approval("Approve", item, ""); r.InstanceStatus != "Approved" { // the second level is for larger deals
		t.Errorf("approved: %+v", r)
	}
	s.do("PATCH", "/sobjects/Opportunity/"+id, `{"NextStep": "x"}`).want(t, 204, "")

	refund := s.create("Refund", `{"Amount": 700, "Type": "NonReferenced", "Status": "Draft", "ProcessingMode": "External"}`)
	items := s.approval("Submit", refund, "").NewWorkitemIDs
	s.do("PATCH", "/sobjects/Refund/"+refund, `{"Comments": "x"}`).want(t, 400, locked)
	approver := s.as(priya)
	approver.do("PATCH", "/sobjects/Refund/"+refund, `{"Comments": "checked"}`).want(t, 204, "")
	if r := approver.approval("Approve", items[0], ""); r.InstanceStatus != "Approved" { // the first answer counts
		t.Errorf("approved: %+v", r)
	}
	if got := s.get("Refund", refund, "Status"); got != "Processed" {
		t.Errorf("the refund is %v", got)
	}
	approver.do("PATCH", "/sobjects/Refund/"+refund, `{"Comments": "x"}`).want(t, 400, locked) // for good
	if got := s.column("SELECT StepStatus FROM ProcessInstanceStep WHERE ProcessInstance.TargetObjectId = '"+refund+"' ORDER BY Id", "StepStatus"); got != "Started,Approved,NoResponse" {
		t.Errorf("the steps are %s", got)
	}
}

// TestApprovalRejected: the second level sends a discount back to the first, which ends it; then it may begin again.
func TestApprovalRejected(t *testing.T) {
	s := start(t, fakeorg.Options{})
	ada := s.as(fakeorg.AdminUser)
	id := s.discounted("20000")
	first := s.approval("Submit", id, "")
	second := ada.approval("Approve", first.NewWorkitemIDs[0], "")
	back := s.as(priya).approval("Reject", second.NewWorkitemIDs[0], `, "comments": "too much"`)
	if !back.Success || back.InstanceStatus != "Pending" || len(back.NewWorkitemIDs) != 1 || back.ActorIDs[0] != first.ActorIDs[0] {
		t.Fatalf("sent back: %+v", back)
	}
	if r := ada.approval("Reject", back.NewWorkitemIDs[0], ""); r.InstanceStatus != "Rejected" || r.ActorIDs != nil {
		t.Errorf("rejected: %+v", r)
	}
	if got := s.get("Opportunity", id, "Approval_Status__c"); got != "Rejected" {
		t.Errorf("the status is %v", got)
	}
	if r := s.approval("Submit", id, ""); !r.Success || r.InstanceID == first.InstanceID {
		t.Errorf("submitted again: %+v", r)
	}
}

// TestApprovalRecalled: the submitter takes a request back, if the process lets him.
func TestApprovalRecalled(t *testing.T) {
	s := start(t, fakeorg.Options{})
	mine := s.as(lena)
	id := mine.discounted("1000")
	item := mine.approval("Submit", id, "").NewWorkitemIDs[0]
	s.refuses("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "Removed", item, "")
	if r := mine.approval("Removed", item, ""); r.InstanceStatus != "Removed" {
		t.Errorf("recalled: %+v", r)
	}
	if got := s.get("Opportunity", id, "Approval_Status__c"); got != "Not Submitted" {
		t.Errorf("the status is %v", got)
	}
	s.do("PATCH", "/sobjects/Opportunity/"+id, `{"NextStep": "x"}`).want(t, 204, "")
	c := s.create("Case", `{"Type": "Return"}`)
	item = mine.approval("Submit", c, `, "nextApproverIds": ["005Sm0000000006"]`).NewWorkitemIDs[0]
	mine.refuses("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "Removed", item, "")
	if r := s.as(fakeorg.AdminUser).approval("Removed", item, ""); r.InstanceStatus != "Removed" {
		t.Errorf("recalled by the administrator: %+v", r)
	}
}

// TestApprovalChosen: the submitter chooses the first approver; then the owner and the administrator both have to say
// yes.
func TestApprovalChosen(t *testing.T) {
	s := start(t, fakeorg.Options{})
	sam, ada := s.as(fakeorg.ServiceUser), s.as(fakeorg.AdminUser)
	id := sam.create("Case", `{"Type": "Return", "Subject": "Goodwill"}`)
	s.refuses("REQUIRED_FIELD_MISSING", "Submit", id, "")
	s.refuses("REQUIRED_FIELD_MISSING", "Submit", id, `, "nextApproverIds": ["005Sm0000000006", "005Sm0000000002"]`)
	s.refuses("INVALID_CROSS_REFERENCE_KEY", "Submit", id, `, "nextApproverIds": ["005Sm0000000007"]`) // who has left
	if got := s.get("Case", id, "Status"); got != "New" {
		t.Errorf("a submission that failed has made the case %v", got)
	}
	r := s.approval("Submit", id, `, "nextApproverIds": ["005Sm0000000006"], "contextActorId": "005Sm0000000004"`)
	if got := s.get("Case", id, "Status"); got != "On Hold" {
		t.Errorf("the case is %v", got)
	}
	if got := s.column("SELECT SubmittedById FROM ProcessInstance WHERE TargetObjectId = '"+id+"'", "SubmittedById"); got != "005Sm0000000004IAA" {
		t.Errorf("the submitter is %s", got)
	}
	both := s.as(priya).approval("Approve", r.NewWorkitemIDs[0], "")
	if len(both.ActorIDs) != 2 || len(both.NewWorkitemIDs) != 2 {
		t.Fatalf("two are asked: %+v", both)
	}
	half := sam.approval("Approve", both.NewWorkitemIDs[0], "")
	if half.InstanceStatus != "Pending" || len(half.ActorIDs) != 1 || half.ActorIDs[0] != "005Sm0000000002IAA" || len(half.NewWorkitemIDs) != 0 {
		t.Errorf("one of two: %+v", half)
	}
	if r := ada.approval("Approve", both.NewWorkitemIDs[1], ""); r.InstanceStatus != "Approved" {
		t.Errorf("both: %+v", r)
	}
	if got := s.get("Case", id, "Status"); got != "Working" {
		t.Errorf("the case is %v", got)
	}
}

func TestApprovalRefused(t *testing.T) {
	s := start(t, fakeorg.Options{})
	account := s.create("Account", `{"Name": "x"}`)
	small := s.create("Opportunity", `{"Name": "x", "StageName": "Prospecting", "CloseDate": "2027-05-01", "Discount__c": 5}`)
	for name, test := range map[string]struct{ code, action, id, more string }{
		"no process":           {"NO_APPLICABLE_PROCESS", "Submit", account, ""},
		"criteria not met":     {"NO_APPLICABLE_PROCESS", "Submit", small, ""},
		"unknown process":      {"NO_APPLICABLE_PROCESS", "Submit", small, `, "processDefinitionNameOrId": "Nothing", "skipEntryCriteria": true`},
		"skipped without name": {"NO_APPLICABLE_PROCESS", "Submit", small, `, "skipEntryCriteria": true`},
		"no record":            {"INVALID_CROSS_REFERENCE_KEY", "Submit", "006Sm0000000zzz", ""},
		"no object":            {"INVALID_CROSS_REFERENCE_KEY", "Submit", "zzzSm0000000zzz", ""},
		"no id":                {"MALFORMED_ID", "Submit", "x", ""},
		"no work item":         {"INVALID_CROSS_REFERENCE_KEY", "Approve", small, ""},
		"unknown action":       {"INVALID_ARGUMENT", "Praise", small, ""},
		"unknown submitter":    {"INVALID_CROSS_REFERENCE_KEY", "Submit", s.discounted("1"), `, "contextActorId": "005Sm0000000zzz"`},
		"submitter's manager":  {"MANAGER_NOT_DEFINED", "Submit", s.discounted("1"), `, "contextActorId": "005Sm0000000002"`},
		"comments":             {"STRING_TOO_LONG", "Submit", s.discounted("1"), `, "comments": "` + strings.Repeat("x", 4001) + `"`},
	} {
		t.Run(name, func(t *testing.T) { s.refuses(test.code, test.action, test.id, test.more) })
	}
	if r := s.approval("Submit", small, `, "processDefinitionNameOrId": "opportunity_discount", "skipEntryCriteria": "true"`); !r.Success {
		t.Errorf("without its criteria: %+v", r)
	}
	s.do("POST", "/process/approvals", `{"requests": []}`).wants(t, 400, "REQUIRED_FIELD_MISSING")
	s.do("POST", "/process/approvals", `{"actionType": "Submit"}`).wants(t, 400, "REQUIRED_FIELD_MISSING")
	s.do("POST", "/process/approvals", `{"requests": 1}`).wants(t, 400, "JSON_PARSER_ERROR")
}

// TestApprovalsInPart: of several requests, those that succeed are kept.
func TestApprovalsInPart(t *testing.T) {
	s := start(t, fakeorg.Options{})
	one, two, account := s.discounted("1"), s.discounted("2"), s.create("Account", `{"Name": "x"}`)
	r := s.do("POST", "/process/approvals", `{"requests": [{"actionType": "Submit", "contextId": "`+one+`"}, {"actionType": "Submit", "contextId": "`+account+
		`"}, {"actionType": "Submit", "contextId": "`+two+`"}]}`)
	r.wants(t, 400, `{"actorIds":null,"entityId":null,"errors":[{"statusCode":"NO_APPLICABLE_PROCESS","message":"No applicable approval process was found.","fields":[]}],`+
		`"instanceId":null,"instanceStatus":null,"newWorkitemIds":null,"success":false}`)
	if got := s.column("SELECT TargetObjectId FROM ProcessInstance WHERE TargetObject.Type = 'Opportunity' ORDER BY Id", "TargetObjectId"); got != one+","+two {
		t.Errorf("in process are %s, want %s,%s", got, one, two)
	}
}

// TestSeededApproval: the company starts with a refund that waits.
func TestSeededApproval(t *testing.T) {
	s := start(t, fakeorg.Options{})
	items := s.query("SELECT Id, ProcessInstance.TargetObject.Name, Actor.Username FROM ProcessInstanceWorkitem ORDER BY Id")
	if len(items) != 2 {
		t.Fatalf("work items: %v", items)
	}
	id, _ := items[1]["Id"].(string)
	if r := s.as(fakeorg.AdminUser).approval("Approve", id, ""); r.InstanceStatus != "Approved" {
		t.Errorf("approved: %+v", r)
	}
	s.do("POST", "/sobjects/ProcessInstance", `{}`).wants(t, 400, "INVALID_TYPE_FOR_OPERATION")
	s.do("DELETE", "/sobjects/ProcessInstanceHistory/"+id, "").wants(t, 400, "INVALID_TYPE_FOR_OPERATION")
}
