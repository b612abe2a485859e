package fakeorg_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"salesforce-mcp/salesforce/fakeorg"
)

// permissionSet writes a permission set: "Case+rce" gives an object (read, create, edit, delete), "Case.Subject+re" a
// field, "EditTask" a user permission.
func permissionSet(entries ...string) string {
	var b strings.Builder
	b.WriteString(`<PermissionSet xmlns="http://soap.sforce.com/2006/04/metadata"><label>Test</label>`)
	for _, entry := range entries {
		name, rights, isAccess := strings.Cut(entry, "+")
		has := func(right string) bool { return strings.Contains(rights, right) }
		switch {
		case !isAccess:
			fmt.Fprintf(&b, `<userPermissions><enabled>true</enabled><name>%s</name></userPermissions>`, name)
		case strings.Contains(name, "."):
			fmt.Fprintf(&b, `<fieldPermissions><editable>%t</editable><field>%s</field><readable>%t</readable></fieldPermissions>`, has("e"), name, has("r"))
		default:
			fmt.Fprintf(&b, `<objectPermissions><allowCreate>%t</allowCreate><allowDelete>%t</allowDelete><allowEdit>%t</allowEdit><allowRead>%t</allowRead>
				<modifyAllRecords>false</modifyAllRecords><object>%s</object><viewAllRecords>false</viewAllRecords></objectPermissions>`, has("c"), has("d"), has("e"), has("r"), name)
		}
	}
	return b.String() + `</PermissionSet>`
}

// permit deploys the permission set Test and returns what failed.
func (s *server) permit(c *clock, entries ...string) string {
	s.t.Helper()
	return s.deploy(c, single, map[string]string{"package.xml": manifest("PermissionSet", "Test"), "permissionsets/Test.permissionset": permissionSet(entries...)}).problems()
}

// assign gives the set to the user who starts with nothing, and returns a server to ask as that user.
func (s *server) assign() *server {
	s.t.Helper()
	id := func(query string) string {
		var found struct{ Records []struct{ ID string } }
		r := s.do("GET", "/query?q="+url.QueryEscape(query), "")
		if err := json.Unmarshal([]byte(r.body), &found); err != nil || len(found.Records) != 1 {
			s.t.Fatalf("%s: %d %s", query, r.status, r.body)
		}
		return found.Records[0].ID
	}
	body := fmt.Sprintf(`{"PermissionSetId": %q, "AssigneeId": %q}`, id(`SELECT Id FROM PermissionSet WHERE Name = 'Test'`),
		id(`SELECT Id FROM User WHERE Username = '`+fakeorg.ReturnsUser+`'`))
	s.create("PermissionSetAssignment", body)
	s.do("POST", "/sobjects/PermissionSetAssignment", body).wants(s.t, 400, `Duplicate PermissionSetAssignment. Assignee: 005`)
	other := *s
	other.token = s.MintToken(fakeorg.ReturnsUser)
	return &other
}

func TestNobodysPermissions(t *testing.T) {
	s := start(t, fakeorg.Options{})
	s.token = s.MintToken(fakeorg.ReturnsUser)
	if r := s.do("GET", "/sobjects", ""); strings.Contains(r.body, `"name":"Case"`) || !strings.Contains(r.body, `"name":"User"`) {
		t.Errorf("describe of everything: %d %s", r.status, r.body)
	}
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/sobjects/Case/describe", "", 404, "NOT_FOUND"},
		{"GET", "/sobjects/Case/500Sm0000000001", "", 404, "NOT_FOUND"},
		{"POST", "/sobjects/Case", "{}", 404, "NOT_FOUND"},
		{"GET", "/query?q=SELECT+Id+FROM+Case", "", 400, "sObject type 'Case' is not supported"},
		{"GET", "/query?q=SELECT+Id+FROM+PermissionSet", "", 400, "sObject type 'PermissionSet' is not supported"},
		{"GET", "/query?q=SELECT+Username,Profile.Name+FROM+User+LIMIT+1", "", 200, `"totalSize":1`},
		{"PATCH", "/sobjects/User/005Sm0000000002", `{"Title": "x"}`, 403, "INSUFFICIENT_ACCESS_OR_READONLY"},
		{"GET", "/search?q=FIND+{harbor}", "", 200, `"searchRecords":[]`},
		{"POST", "/composite/sobjects", `{"records": [{"attributes": {"type": "Case"}}]}`, 200, "sObject type 'Case' is not supported"},
		{"POST", "/commerce/payments/payments/0pySm0000000001/refunds", `{"amount": 1}`, 403, "PaymentsAPIUser"},
		{"POST", "/jobs/ingest", `{"object": "Case", "operation": "insert"}`, 400, "Unable to find object: Case"},
		{"POST", "/jobs/query", `{"query": "SELECT Id FROM Case", "operation": "query"}`, 400, "sObject type 'Case' is not supported"},
		{"GET", "/analytics/reports", "", 403, "INSUFFICIENT_ACCESS"},
		{"GET", "/tooling/query?q=SELECT+Id+FROM+ApexClass", "", 403, "INSUFFICIENT_ACCESS"},
		{"POST", "/metadata/deployRequest", "", 403, "INSUFFICIENT_ACCESS"},
		{"POST", "/composite", `{"compositeRequest": [{"method": "GET", "url": "/services/data/v62.0/quickActions", "referenceId": "r"}]}`, 200, "INSUFFICIENT_ACCESS"},
		{"GET", "/limits/recordCount?sObjects=Case", "", 200, `"sObjects":[]`},
		{"POST", "/sobjects/Return_Completed__e", `{"Case_Id__c": "x"}`, 404, "NOT_FOUND"},
		{"GET", "/sobjects/Case/500Sm0000000001/Subject", "", 404, "NOT_FOUND"},
	} {
		r := s.do(test.method, test.path, test.body)
		if r.status != test.status || !strings.Contains(r.body, test.want) {
			t.Errorf("%s %s: %d %s, want %d %s", test.method, test.path, r.status, r.body, test.status, test.want)
		}
	}
	soap := s.do("POST", "/services/Soap/m/62.0", `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Header><SessionHeader xmlns="http://soap.sforce.com/2006/04/metadata"><sessionId>`+
		s.token+`</sessionId></SessionHeader></soapenv:Header><soapenv:Body><describeMetadata xmlns="http://soap.sforce.com/2006/04/metadata"/></soapenv:Body></soapenv:Envelope>`, "Content-Type", "text/xml", "SOAPAction", `""`)
	soap.wants(t, 500, "INSUFFICIENT_ACCESS")
}

func TestPermissionsOfOneUser(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	admin := s
	if got := s.permit(c, "Case+rce", "Case.Subject+re", "Case.Description+r", "Case.ContactId+re", "Return_Completed__e+rc", "Order+re", "Account+r",
		"OrderItem.Description+re", "Account.BillingAddress+r", "ActivitiesAccess", "EditTask", "Task.WhatId+re"); got != "" {
		t.Fatal(got)
	}
	s = s.assign()
	one := admin.create("Case", `{"Subject": "One", "Description": "long", "Origin": "Web", "AccountId": "001Sm0000000001"}`)

	for _, test := range []struct {
		name, method, path, body string
		status                   int
		want, never              string
	}{
		{"a record has no hidden field", "GET", "/sobjects/Case/" + one, "", 200, `"Description":"long"`, "Origin"},
		{"nor is it found when named", "GET", "/sobjects/Case/" + one + "?fields=Id,Origin", "", 400, "No such column 'Origin'", ""},
		{"nor by itself", "GET", "/sobjects/Case/" + one + "/Origin", "", 404, "NOT_FOUND", ""},
		{"nor in a collection", "GET", "/composite/sobjects/Case?fields=Origin&ids=" + one, "", 400, "No such column 'Origin'", ""},
		{"required fields are seen", "GET", "/sobjects/Case/" + one + "?fields=Status,CaseNumber,OwnerId,IsClosed", "", 200, `"Status":"New"`, ""},
		{"a parent that is seen", "GET", "/sobjects/Case/" + one + "?fields=Owner.Username", "", 200, `"Username"`, ""},
		{"create with what is hidden", "POST", "/sobjects/Case", `{"Origin": "Web"}`, 400, "No such column 'Origin' on sobject of type Case", ""},
		{"create with what is read only", "POST", "/sobjects/Case", `{"Subject": "x", "Description": "y"}`, 400,
			"Unable to create/update fields: Description. Please check the security settings of this field", ""},
		{"update of what is read only", "PATCH", "/sobjects/Case/" + one, `{"Description": "y"}`, 400, "INVALID_FIELD_FOR_INSERT_UPDATE", ""},
		{"update", "PATCH", "/sobjects/Case/" + one, `{"Subject": "Two", "Status": "Closed"}`, 204, "", ""},
		{"what follows is filled in", "GET", "/sobjects/Case/" + one + "?fields=IsClosed", "", 200, `"IsClosed":true`, ""},
		{"delete", "DELETE", "/sobjects/Case/" + one, "", 403, "insufficient access rights on object id", ""},
		{"delete of many", "DELETE", "/composite/sobjects?ids=" + one, "", 200, "INSUFFICIENT_ACCESS_OR_READONLY", ""},
		{"a reference to what is hidden", "PATCH", "/sobjects/Case/" + one, `{"ContactId": "003Sm0000000001"}`, 400, "insufficient access rights on cross-reference id: 003Sm0000000001", ""},
		{"upsert by a hidden external id", "PATCH", "/sobjects/Order/ERP_Number__c/1", `{}`, 404, "Provided external ID field does not exist or is not accessible: ERP_Number__c", ""},
		{"create without the right", "POST", "/sobjects/Order", `{}`, 400, "entity type cannot be inserted: Order", ""},
		{"update without the right", "PATCH", "/sobjects/Account/001Sm0000000001", `{"Name": "x"}`, 403, "INSUFFICIENT_ACCESS_OR_READONLY", ""},
		{"an event", "POST", "/sobjects/Return_Completed__e", `{"Case_Id__c": "x"}`, 201, "OPERATION_ENQUEUED", ""},
		{"a tree", "POST", "/composite/tree/Order", `{"records": [{"attributes": {"type": "Order", "referenceId": "r"}}]}`, 400, "entity type cannot be inserted: Order", ""},
		{"a part of a composite request", "POST", "/composite", `{"compositeRequest": [{"method": "PATCH", "url": "/services/data/v62.0/sobjects/Case/` + one +
			`", "referenceId": "r", "body": {"Origin": "Web"}}]}`, 200, "No such column 'Origin'", ""},
		{"an address goes with its parts", "GET", "/sobjects/Account/001Sm0000000001", "", 200, `"BillingCity"`, "ShippingCity"},
		{"lines follow the order", "GET", "/query?q=SELECT+Id,Description+FROM+OrderItem+LIMIT+1", "", 200, `"totalSize":1`, ""},
		{"a file needs the record", "POST", "/sobjects/ContentVersion", `{"Title": "a", "PathOnClient": "a.pdf", "VersionData": "YQ==", "FirstPublishLocationId": "` + one + `"}`, 201, `"success":true`, ""},
		{"a file of what is hidden", "POST", "/sobjects/ContentVersion", `{"Title": "a", "PathOnClient": "a.pdf", "VersionData": "YQ==", "FirstPublishLocationId": "003Sm0000000001"}`, 400,
			"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", ""},
		{"a task", "POST", "/sobjects/Task", `{"WhatId": "` + one + `"}`, 201, `"success":true`, ""},
		{"a task with what is hidden", "POST", "/sobjects/Task", `{"Description": "x"}`, 400, "No such column 'Description'", ""},
		{"a search sees no hidden object", "GET", "/search?q=" + url.QueryEscape("FIND {Red Oak} IN NAME FIELDS RETURNING Contact(Id)"), "", 400, "Contact", ""},
	} {
		r := s.do(test.method, test.path, test.body)
		if r.status != test.status || !strings.Contains(r.body, test.want) || test.never != "" && strings.Contains(r.body, test.never) {
			t.Errorf("%s: %d %s, want %d %s", test.name, r.status, r.body, test.status, test.want)
		}
	}
	for _, query := range []string{"SELECT Origin FROM Case", "SELECT Id FROM Case WHERE Origin = 'Web'", "SELECT Id FROM Case ORDER BY Origin", "SELECT count(Id) n FROM Case GROUP BY Origin",
		"SELECT Contact.Name FROM Case", "SELECT Id, (SELECT Id FROM Contacts) FROM Account", "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact)",
		"SELECT Id FROM Case WHERE Account.Industry = 'Retail'"} {
		if r := s.ask(query); r.status != 400 {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
	s.ask("SELECT Origin FROM Case").wants(t, 400, "No such column 'Origin' on entity 'Case'. If you are attempting to use a custom field")
	if r := s.ask("SELECT FIELDS(ALL) FROM Case LIMIT 1"); r.status != 200 || strings.Contains(r.body, "Origin") {
		t.Errorf("FIELDS(ALL): %d %s", r.status, r.body)
	}
}

func TestPermissionsAreDescribed(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	admin := s
	admin.permit(c, "Case+re", "Case.Subject+r", "Case.Origin+re")
	s = s.assign()
	first := s.do("GET", "/sobjects/Case/describe", "")
	var d struct {
		Createable, Updateable, Deletable bool
		Fields                            []struct {
			Name                                   string
			Createable, Updateable, Permissionable bool
		}
	}
	if err := json.Unmarshal([]byte(first.body), &d); err != nil {
		t.Fatal(err)
	}
	if d.Createable || !d.Updateable || d.Deletable {
		t.Errorf("createable, updateable, deletable: %t %t %t", d.Createable, d.Updateable, d.Deletable)
	}
	flags := map[string]string{}
	for _, f := range d.Fields {
		flags[f.Name] = fmt.Sprint(f.Createable, f.Updateable, f.Permissionable)
	}
	for name, want := range map[string]string{"Subject": "false false true", "Origin": "true true true", "Status": "true true false", "Description": "", "IsClosed": "false false false"} {
		if flags[name] != want {
			t.Errorf("%s: %q, want %q", name, flags[name], want)
		}
	}

	admin.permit(c, "Case+re", "Case.Subject+r")
	if r := s.do("GET", "/sobjects/Case/describe", "", "If-None-Match", first.header.Get("ETag")); r.status != 200 || strings.Contains(r.body, "Origin") {
		t.Errorf("after the permission was taken away: %d %s", r.status, r.body)
	}
	var row struct{ Records []struct{ ID string } }
	if err := json.Unmarshal([]byte(admin.ask("SELECT Id FROM FieldPermissions WHERE Field = 'Case.Subject'").body), &row); err != nil || len(row.Records) != 1 {
		t.Fatal(row, err)
	}
	admin.do("DELETE", "/sobjects/FieldPermissions/"+row.Records[0].ID, "").wants(t, 204, "")
	s.ask("SELECT Subject FROM Case").wants(t, 400, "No such column 'Subject'")
	admin.ask("SELECT PermissionsRead, PermissionsEdit FROM ObjectPermissions WHERE Parent.Name = 'Test' AND SobjectType = 'Case'").wants(t, 200, `"PermissionsRead":true,"PermissionsEdit":true`)
}

func TestPermissionSetIsRefused(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	for _, test := range []struct {
		entries []string
		want    string
	}{
		{[]string{"Nothing__c+r"}, "no CustomObject named Nothing__c found"},
		{[]string{"Case+r", "Case.Nothing__c+r"}, "In field: field - no CustomField named Case.Nothing__c found"},
		{[]string{"Case+r", "Case.Status+re"}, "You cannot deploy to a required field: Case.Status"},
		{[]string{"Case+r", "Case.CreatedDate+r"}, "You cannot deploy to a required field: Case.CreatedDate"},
		{[]string{"Account+r", "Account.BillingCity+r"}, "Invalid field permission field name: Account.BillingCity"},
		{[]string{"Case+ce"}, "Permission Create Case depends on permission(s): Read Case"},
		{[]string{"Case+rd"}, "Permission Delete Case depends on permission(s): Edit Case"},
		{[]string{"Contact+r"}, "Permission Read Contact depends on permission(s): Read Account"},
		{[]string{"Case+r", "Case.Subject+e"}, "depends on permission(s): Read Case.Subject"},
		{[]string{"Warranty_Claim__c+r", "Warranty_Claim__c.Is_Open__c+re"}, "read only"},
		{[]string{"Return_Completed__e+re"}, "Platform events"},
		{[]string{"FlyToTheMoon"}, "Unknown user permission: FlyToTheMoon"},
		{[]string{"ActivateOrder"}, "Permission ActivateOrder depends on permission(s)"},
		{[]string{"Account+r", "Order+re", "EditActivatedOrders"}, "Permission EditActivatedOrders depends on permission(s): ActivateOrder"},
	} {
		if got := s.permit(c, test.entries...); !strings.Contains(got, test.want) {
			t.Errorf("%v: %s, want %s", test.entries, got, test.want)
		}
	}
	for text, want := range map[string]string{
		`<PermissionSet><description>no label</description></PermissionSet>`:              "Required field is missing: label",
		`<PermissionSet><label>Test</label><everything>true</everything></PermissionSet>`: "Element everything invalid at this location in type PermissionSet",
	} {
		got := s.deploy(c, single, map[string]string{"package.xml": manifest("PermissionSet", "Test"), "permissionsets/Test.permissionset": text}).problems()
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestBulkPermissions(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	s.permit(c, "Case+rc", "Case.Subject+re")
	admin := s
	s = s.assign()
	job := func(data string) string {
		r := s.do("POST", "/jobs/ingest", `{"object": "Case", "operation": "insert"}`)
		var j struct{ ID string }
		if err := json.Unmarshal([]byte(r.body), &j); err != nil || j.ID == "" {
			t.Fatal(r.body)
		}
		s.do("PUT", "/jobs/ingest/"+j.ID+"/batches", data, "Content-Type", "text/csv").wants(t, 201, "")
		s.do("PATCH", "/jobs/ingest/"+j.ID, `{"state": "UploadComplete"}`)
		return j.ID
	}
	finish := func(id string) string {
		for range 3 {
			c.move(1e9)
			s.do("GET", "/jobs/ingest/"+id, "")
		}
		return s.do("GET", "/jobs/ingest/"+id, "").body
	}
	if got := finish(job("Subject\nOne\n")); !strings.Contains(got, `"numberRecordsProcessed":1,"numberRecordsFailed":0`) {
		t.Error(got)
	}
	if got := finish(job("Subject,Origin\nOne,Web\n")); !strings.Contains(got, "Field name not found : Origin") {
		t.Error(got)
	}
	late := job("Subject\nTwo\n")
	var row struct{ Records []struct{ ID string } }
	if err := json.Unmarshal([]byte(admin.ask("SELECT Id FROM ObjectPermissions WHERE SobjectType = 'Case'").body), &row); err != nil || len(row.Records) != 1 {
		t.Fatal(row, err)
	}
	admin.do("DELETE", "/sobjects/ObjectPermissions/"+row.Records[0].ID, "").wants(t, 204, "")
	if got := finish(late); !strings.Contains(got, `"state":"Failed"`) || !strings.Contains(got, "Unable to find object: Case") {
		t.Error(got)
	}
}

func TestDeployOfAnEvent(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	event := func(field string) string {
		return `<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata"><deploymentStatus>Deployed</deploymentStatus><eventType>HighVolume</eventType><label>Told</label>
			<pluralLabel>Told</pluralLabel><publishBehavior>PublishImmediately</publishBehavior><fields><fullName>What__c</fullName><label>What</label>` + field + `</fields></CustomObject>`
	}
	deploy := func(field string) string {
		return s.deploy(c, single, map[string]string{"package.xml": manifest("CustomObject", "Told__e"), "objects/Told__e.object": event(field)}).problems()
	}
	if got := deploy("<type>Currency</type><precision>12</precision><scale>2</scale>"); !strings.Contains(got, "A field of a platform event is one of") {
		t.Error(got)
	}
	if got := deploy("<type>Text</type><length>20</length>"); got != "" {
		t.Fatal(got)
	}
	s.do("POST", "/sobjects/Told__e", `{"What__c": "all"}`).wants(t, 201, "OPERATION_ENQUEUED")
	s.do("GET", "/sobjects/Told__e/describe", "").wants(t, 200, `"name":"EventUuid"`)
	s.do("GET", "/_events", "").wants(t, 200, `"What__c":"all"`)
}
