package fakeorg_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"salesforce-mcp/salesforce/fakeorg"
)

// actionNames are the names of the quick actions at a path.
func (s *server) actionNames(path string) []string {
	s.t.Helper()
	r := s.do("GET", path, "")
	var actions []struct{ Name string }
	if err := json.Unmarshal([]byte(r.body), &actions); err != nil || r.status != 200 {
		s.t.Fatalf("%s: %d %s", path, r.status, r.body)
	}
	var names []string
	for _, a := range actions {
		names = append(names, a.Name)
	}
	return names
}

func TestQuickActionLists(t *testing.T) {
	s := start(t, fakeorg.Options{})
	global, ofCase := s.actionNames("/quickActions"), s.actionNames("/sobjects/case/quickActions/")
	if !slices.Contains(global, "LogACall") || slices.Contains(global, "Case.CloseCase") || !slices.Contains(ofCase, "Case.CloseCase") ||
		!slices.Contains(ofCase, "LogACall") || slices.Contains(ofCase, "Account.NewCase") {
		t.Errorf("global are %v, those of cases %v", global, ofCase)
	}
	path := api + "/sobjects/Case/quickActions/CloseCase"
	one := `{"actionEnumOrId":"09DSm000000000DMAQ","label":"Close Case","name":"Case.CloseCase","type":"Update","urls":{"defaultValues":"` + path +
		`/defaultValues","defaultValuesTemplate":"` + path + `/defaultValues/{ID}","describe":"` + path + `/describe","quickAction":"` + path + `"}}`
	for _, path := range []string{"/quickActions/Case.CloseCase", "/sobjects/Case/quickActions/CloseCase", "/sobjects/Case/quickActions/Case.CloseCase"} {
		s.do("GET", path, "").want(t, 200, one)
	}
	for _, path := range []string{"/quickActions/Global.LogACall", "/sobjects/Case/quickActions/LogACall"} {
		s.do("GET", path, "").wants(t, 200, `"quickAction":"`+api)
	}
	for _, path := range []string{"/quickActions/CloseCase", "/quickActions/Nothing", "/sobjects/Account/quickActions/CloseCase", "/sobjects/Nothing/quickActions",
		"/sobjects/Nothing/quickActions/LogACall/describe", "/quickActions/Nothing/describe", "/quickActions/Nothing/defaultValues"} {
		s.do("GET", path, "").wants(t, 404, "NOT_FOUND")
	}
}

func TestDescribeQuickAction(t *testing.T) {
	s := start(t, fakeorg.Options{Clock: newClock().time})
	r := s.do("GET", "/quickActions/LogACall/describe", "")
	r.wants(t, 200, `"defaultValues":[{"defaultValue":"Call","field":"Subject"},{"defaultValue":"2027-03-01","field":"ActivityDate"}`)
	var action struct {
		ContextSobjectType, TargetParentField any
		TargetSobjectType                     string
		Layout                                struct {
			Rows       int
			LayoutRows []struct {
				LayoutItems []struct {
					Label            string
					Required         bool
					LayoutComponents []struct {
						Value   string
						Details struct{ Length int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(r.body), &action); err != nil {
		t.Fatal(err)
	}
	rows := action.Layout.LayoutRows
	if action.TargetSobjectType != "Task" || action.ContextSobjectType != nil || len(rows) != 4 || action.Layout.Rows != 4 {
		t.Fatalf("the action is %+v", action)
	}
	subject, description := rows[0].LayoutItems[0], rows[1].LayoutItems[0]
	if !subject.Required || subject.LayoutComponents[0].Value != "Subject" || subject.LayoutComponents[0].Details.Length != 255 || description.Required {
		t.Errorf("the form begins with %+v, %+v", subject, description)
	}
	s.do("GET", "/sobjects/Account/quickActions/NewContact/describe", "").wants(t, 200, `"contextSobjectType":"Account"`)
	s.do("GET", "/sobjects/Account/quickActions/NewContact/describe", "").wants(t, 200, `"targetParentField":"AccountId"`)
	s.do("GET", "/quickActions/NewAccount/describe", "").wants(t, 200, `"defaultValues":null`)
}

func TestQuickActionDefaults(t *testing.T) {
	s := start(t, fakeorg.Options{Clock: newClock().time})
	account := s.create("Account", `{"Name": "Parent", "Phone": "123", "BillingCity": "Lyon"}`)
	c := s.create("Case", `{"Subject": "x", "Reason": "Damaged"}`)
	call := `{"attributes":{"type":"Task"},"WhoId":null,"WhatId":null,"Subject":"Call","ActivityDate":"2027-03-01","Status":"Completed","Description":null,"TaskSubtype":"Call"}`
	s.do("GET", "/quickActions/LogACall/defaultValues", "").want(t, 200, call)
	s.do("GET", "/quickActions/LogACall/defaultValues/"+account, "").want(t, 200, strings.Replace(call, `"WhatId":null`, `"WhatId":"`+account+`"`, 1))
	s.do("GET", "/sobjects/Account/quickActions/NewContact/defaultValues/"+account[:15], "").want(t, 200,
		`{"attributes":{"type":"Contact"},"AccountId":"`+account+`","LastName":null,"FirstName":null,"MailingCity":"Lyon","MailingCountry":null,"Phone":"123","Email":null,"Title":null}`)
	s.do("GET", "/sobjects/Account/quickActions/NewCase/defaultValues", "").want(t, 200,
		`{"attributes":{"type":"Case"},"Status":"New","Origin":"Phone","Subject":null,"Priority":"Medium","Description":null}`)
	s.do("GET", "/sobjects/Case/quickActions/CloseCase/defaultValues/"+c, "").want(t, 200, `{"attributes":{"type":"Case"},"Status":"Closed","Reason":"Damaged"}`)
	s.do("GET", "/sobjects/Case/quickActions/Escalate/defaultValues/"+c, "").want(t, 200,
		`{"attributes":{"type":"Case"},"Status":"Escalated","Priority":"High","IsEscalated":true}`)
	s.do("GET", "/sobjects/Case/quickActions/CloseCase/defaultValues/"+account, "").wants(t, 400, "INVALID_CROSS_REFERENCE_KEY")
	s.do("GET", "/quickActions/LogACall/defaultValues/x", "").wants(t, 400, "MALFORMED_ID")
}

// TestQuickActionsCreate: the record belongs to the context, has the predefined values, and a post tells of it.
func TestQuickActionsCreate(t *testing.T) {
	s := start(t, fakeorg.Options{Clock: newClock().time})
	account := s.create("Account", `{"Name": "Parent", "Phone": "123"}`)
	contact := s.create("Contact", `{"LastName": "Who", "AccountId": "`+account+`"}`)
	c := s.create("Case", `{"Subject": "x", "Priority": "High", "ContactId": "`+contact+`"}`)
	for name, test := range map[string]struct {
		path, context, record string
		object                string
		want                  map[string]any
	}{
		"call about an account": {"/quickActions/LogACall", account, `{"Subject": "Hello"}`, "Task",
			map[string]any{"WhatId": account, "WhoId": nil, "Subject": "Hello", "Status": "Completed", "TaskSubtype": "Call", "ActivityDate": "2027-03-01"}},
		"call to a contact":       {"/quickActions/LogACall", contact, `{}`, "Task", map[string]any{"WhoId": contact, "WhatId": nil, "Subject": "Call"}},
		"contact":                 {"/sobjects/Account/quickActions/NewContact", account, `{"LastName": "New"}`, "Contact", map[string]any{"AccountId": account, "Phone": "123"}},
		"given before predefined": {"/quickActions/Account.NewContact", account, `{"LastName": "New", "Phone": "9"}`, "Contact", map[string]any{"AccountId": account, "Phone": "9"}},
		"case of a contact":       {"/sobjects/Contact/quickActions/NewCase", contact, `{"Subject": "s"}`, "Case", map[string]any{"ContactId": contact, "AccountId": account, "Origin": "Phone"}},
		"task of a case": {"/sobjects/Case/quickActions/Case.NewTask", c, `{"Subject": "s"}`, "Task",
			map[string]any{"WhatId": c, "WhoId": contact, "Priority": "High", "Status": "Not Started"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.do("POST", test.path, `{"contextId": "`+test.context+`", "record": `+test.record+`}`)
			var made struct {
				ID, ContextID    string
				FeedItemIDs      []string `json:"feedItemIds"`
				Success, Created bool
				Errors           []any
			}
			if err := json.Unmarshal([]byte(r.body), &made); err != nil || r.status != 201 || !made.Success || !made.Created || made.ContextID != test.context || len(made.FeedItemIDs) != 1 || made.Errors == nil {
				t.Fatalf("%d %s", r.status, r.body)
			}
			for field, want := range test.want {
				if got := s.get(test.object, made.ID, field); got != want {
					t.Errorf("%s is %v, want %v", field, got, want)
				}
			}
			if got := s.get("FeedItem", made.FeedItemIDs[0], "ParentId"); got != test.context {
				t.Errorf("the post is on %v", got)
			}
		})
	}
	s.do("POST", "/quickActions/NewAccount", `{"record": {"Name": "Alone"}}`).wants(t, 201, `"feedItemIds":null,"success":true,"created":true,"contextId":null,"errors":[]}`)
}

func TestQuickActionsUpdate(t *testing.T) {
	s := start(t, fakeorg.Options{})
	c := s.create("Case", `{"Subject": "x"}`)
	s.do("POST", "/sobjects/Case/quickActions/CloseCase", `{"contextId": "`+c+`", "record": {"Reason": "Feedback"}}`).want(t, 200,
		`{"id":"`+c+`","feedItemIds":null,"success":true,"created":false,"contextId":"`+c+`","errors":[]}`)
	if status, reason := s.get("Case", c, "Status"), s.get("Case", c, "Reason"); status != "Closed" || reason != "Feedback" {
		t.Errorf("the case is %v, %v", status, reason)
	}
	s.do("POST", "/quickActions/Case.Escalate", `{"contextId": "`+c+`"}`).wants(t, 200, `"success":true`)
	if got := s.get("Case", c, "IsEscalated"); got != true {
		t.Errorf("the case has IsEscalated %v", got)
	}
	claim := s.create("Warranty_Claim__c", `{"Amount__c": 5}`)
	s.do("POST", "/quickActions/Warranty_Claim__c.Review", `{"contextId": "`+claim+`", "record": {"Status__c": "Approved"}}`).wants(t, 200, `"success":true`)
	if got := s.get("Warranty_Claim__c", claim, "Status__c"); got != "Approved" {
		t.Errorf("the claim is %v, though another status was given", got)
	}
	s.do("POST", "/quickActions/Case.ChangeStatus", `{"contextId": "`+c+`", "record": {"Status": "Working"}}`).wants(t, 200, `"success":true`)
	if got := s.get("Case", c, "Status"); got != "Working" {
		t.Errorf("the case is %v", got)
	}
}

func TestQuickActionsRefused(t *testing.T) {
	s := start(t, fakeorg.Options{})
	account, c, gone := s.create("Account", `{"Name": "x"}`), s.create("Case", `{"Type": "Return"}`), deleted(s)
	s.approval("Submit", c, `, "nextApproverIds": ["005Sm0000000006"]`)
	for name, test := range map[string]struct {
		path, body string
		status     int
		part       string
	}{
		"unknown action":   {"/quickActions/Nothing", `{}`, 404, "NOT_FOUND"},
		"required field":   {"/quickActions/NewContact", `{"record": {"FirstName": "x"}}`, 400, `"errorCode":"REQUIRED_FIELD_MISSING","fields":["LastName"]`},
		"required by form": {"/quickActions/NewTask", `{"record": {"Description": "x"}}`, 400, `"errorCode":"REQUIRED_FIELD_MISSING","fields":["Subject"]`},
		"no such field":    {"/quickActions/NewTask", `{"record": {"Subject": "x", "Prio": "x"}}`, 400, "INVALID_FIELD"},
		"no context":       {"/sobjects/Account/quickActions/NewContact", `{"record": {"LastName": "x"}}`, 400, "MISSING_ARGUMENT"},
		"other context":    {"/sobjects/Account/quickActions/NewContact", `{"contextId": "` + c + `", "record": {"LastName": "x"}}`, 400, "INVALID_CROSS_REFERENCE_KEY"},
		"deleted context":  {"/quickActions/NewTask", `{"contextId": "` + gone + `", "record": {"Subject": "x"}}`, 400, "ENTITY_IS_DELETED"},
		"value too long":   {"/quickActions/NewContact", `{"contextId": "` + account + `", "record": {"LastName": "` + strings.Repeat("x", 81) + `"}}`, 400, "STRING_TOO_LONG"},
		"locked record":    {"/quickActions/Case.CloseCase", `{"contextId": "` + c + `"}`, 400, "ENTITY_IS_LOCKED"},
		"null in required": {"/quickActions/Case.ChangeStatus", `{"contextId": "` + s.create("Case", `{}`) + `", "record": {"Status": null}}`, 400, "REQUIRED_FIELD_MISSING"},
		"not JSON":         {"/quickActions/NewTask", `{"record": `, 400, "JSON_PARSER_ERROR"},
		"record no object": {"/quickActions/NewTask", `{"record": []}`, 400, "JSON_PARSER_ERROR"},
	} {
		t.Run(name, func(t *testing.T) { s.do("POST", test.path, test.body).wants(t, test.status, test.part) })
	}
	if got := s.query("SELECT Id FROM FeedItem"); len(got) != 0 {
		t.Errorf("what was refused has left posts: %v", got)
	}
}
