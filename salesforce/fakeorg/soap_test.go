package fakeorg_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
)

const (
	partner  = "urn:partner.soap.sforce.com"
	metadata = "http://soap.sforce.com/2006/04/metadata"
)

// soap sends an operation to one of the SOAP services, in an envelope with the session.
func (s *server) soap(path, namespace, operation string) reply {
	s.t.Helper()
	envelope := `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		`<soapenv:Header xmlns="` + namespace + `"><SessionHeader><sessionId>` + s.token + `</sessionId></SessionHeader></soapenv:Header>` +
		`<soapenv:Body xmlns="` + namespace + `">` + operation + `</soapenv:Body></soapenv:Envelope>`
	return s.do("POST", "/services/Soap/"+path, envelope, "Content-Type", "text/xml", "SOAPAction", `""`, "Authorization", "")
}

// converted is a result of convertLead.
type converted struct {
	AccountID     string `xml:"accountId"`
	ContactID     string `xml:"contactId"`
	LeadID        string `xml:"leadId"`
	OpportunityID string `xml:"opportunityId"`
	Success       bool   `xml:"success"`
	Errors        []struct {
		Fields     []string `xml:"fields"`
		Message    string   `xml:"message"`
		StatusCode string   `xml:"statusCode"`
	} `xml:"errors"`
}

// convert converts leads: each is the inside of a leadConverts element.
func (s *server) convert(leads ...string) []converted {
	s.t.Helper()
	r := s.soap("u/62.0", partner, "<convertLead><leadConverts>"+strings.Join(leads, "</leadConverts><leadConverts>")+"</leadConverts></convertLead>")
	var envelope struct {
		Results []converted `xml:"Body>convertLeadResponse>result"`
	}
	if err := xml.Unmarshal([]byte(r.body), &envelope); err != nil || r.status != 200 || len(envelope.Results) != len(leads) {
		s.t.Fatalf("%d %s", r.status, r.body)
	}
	return envelope.Results
}

func lead(id, more string) string {
	return "<leadId>" + id + "</leadId><convertedStatus>Closed - Converted</convertedStatus>" + more
}

// TestConvertLead: a lead becomes an account, a contact and an opportunity, and is a converted one from then on.
func TestConvertLead(t *testing.T) {
	s := start(t, fakeorg.Options{Clock: newClock().time}).as(lena)
	id := s.create("Lead", `{"FirstName": "Ada", "LastName": "Byron", "Company": "Engines & Sons", "Email": "ada@engines.example", "City": "London", "AnnualRevenue": 1200,
		"LeadSource": "Web", "Description": "Met at the fair", "Rating": "Hot"}`)
	task := s.create("Task", `{"Subject": "x", "WhoId": "`+id+`"}`)
	r := s.soap("u/62.0/00DSm0000000001", partner, "<convertLead><leadConverts>"+lead(id[:15], "<sendNotificationEmail>true</sendNotificationEmail>")+"</leadConverts></convertLead>")
	account, contact := s.column("SELECT Id FROM Account WHERE Name = 'Engines & Sons'", "Id"), s.column("SELECT Id FROM Contact WHERE LastName = 'Byron'", "Id")
	opportunity := s.column("SELECT Id FROM Opportunity WHERE AccountId = '"+account+"'", "Id")
	r.want(t, 200, `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com" `+
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><convertLeadResponse><result><accountId>`+account+`</accountId><contactId>`+contact+
		`</contactId><leadId>`+id+`</leadId><opportunityId>`+opportunity+`</opportunityId><success>true</success></result></convertLeadResponse></soapenv:Body></soapenv:Envelope>`)
	if got := r.header.Get("Content-Type"); got != "text/xml;charset=UTF-8" {
		t.Errorf("the answer is %s", got)
	}
	for _, want := range []struct {
		object, id, field string
		value             any
	}{
		{"Account", account, "BillingCity", "London"}, {"Account", account, "AnnualRevenue", 1200.0}, {"Account", account, "AccountSource", "Web"},
		{"Contact", contact, "AccountId", account}, {"Contact", contact, "Email", "ada@engines.example"}, {"Contact", contact, "MailingCity", "London"},
		{"Contact", contact, "Description", "Met at the fair"},
		{"Opportunity", opportunity, "Name", "Engines & Sons"}, {"Opportunity", opportunity, "StageName", "Prospecting"}, {"Opportunity", opportunity, "CloseDate", "2027-03-31"},
		{"Opportunity", opportunity, "ContactId", contact}, {"Opportunity", opportunity, "OwnerId", "005Sm0000000004IAA"},
		{"Lead", id, "IsConverted", true}, {"Lead", id, "Status", "Closed - Converted"}, {"Lead", id, "ConvertedDate", "2027-03-01"}, {"Lead", id, "ConvertedAccountId", account},
		{"Lead", id, "ConvertedContactId", contact}, {"Lead", id, "ConvertedOpportunityId", opportunity},
		{"Task", task, "WhoId", contact}, {"Task", task, "WhatId", opportunity},
	} {
		if got := s.get(want.object, want.id, want.field); got != want.value {
			t.Errorf("%s.%s is %v, want %v", want.object, want.field, got, want.value)
		}
	}
	if got := s.column("SELECT ToAddress FROM EmailMessage WHERE RelatedToId = '"+account+"'", "ToAddress"); got != lena {
		t.Errorf("the notification goes to %q", got)
	}
	s.do("PATCH", "/sobjects/Lead/"+id, `{"Company": "x"}`).want(t, 400, `[{"message":"cannot reference converted lead","errorCode":"CANNOT_UPDATE_CONVERTED_LEAD","fields":[]}]`)
	if got := s.convert(lead(id, ""))[0]; got.Success || got.Errors[0].StatusCode != "CANNOT_UPDATE_CONVERTED_LEAD" || got.LeadID != id || got.AccountID != "" {
		t.Errorf("converted twice: %+v", got)
	}
	s.do("DELETE", "/sobjects/Lead/"+id, "").want(t, 204, "")
}

// TestConvertLeadMerges: what is there stays, what is empty is filled.
func TestConvertLeadMerges(t *testing.T) {
	s := start(t, fakeorg.Options{})
	account := s.create("Account", `{"Name": "There", "BillingCity": "Lyon"}`)
	contact := s.create("Contact", `{"LastName": "There", "AccountId": "`+account+`", "LeadSource": "Web"}`)
	opportunity := s.create("Opportunity", `{"Name": "There", "StageName": "Qualification", "CloseDate": "2027-05-01"}`)
	one := s.create("Lead", `{"FirstName": "New", "LastName": "New", "Company": "New", "City": "New", "Phone": "123", "LeadSource": "Other"}`)
	two := s.create("Lead", `{"LastName": "New", "Company": "New", "LeadSource": "Other"}`)
	results := s.convert(lead(one, "<accountId>"+account+"</accountId><contactId>"+contact+"</contactId><opportunityId>"+opportunity+"</opportunityId>"),
		lead(two, "<accountId>"+account+"</accountId><contactId>"+contact+"</contactId><doNotCreateOpportunity>true</doNotCreateOpportunity><overwriteLeadSource>true</overwriteLeadSource>"))
	if got := results[0]; !got.Success || got.AccountID != account || got.ContactID != contact || got.OpportunityID != opportunity {
		t.Errorf("the first: %+v", got)
	}
	if got := results[1]; !got.Success || got.OpportunityID != "" {
		t.Errorf("the second: %+v", got)
	}
	for _, want := range []struct{ object, id, field, value string }{
		{"Account", account, "Name", "There"}, {"Account", account, "BillingCity", "Lyon"}, {"Account", account, "Phone", "123"},
		{"Contact", contact, "LastName", "There"}, {"Contact", contact, "FirstName", "New"}, {"Contact", contact, "LeadSource", "Other"},
		{"Opportunity", opportunity, "Name", "There"}, {"Opportunity", opportunity, "LeadSource", "Other"}, {"Opportunity", opportunity, "StageName", "Qualification"},
	} {
		if got := s.get(want.object, want.id, want.field); got != want.value {
			t.Errorf("%s.%s is %v, want %v", want.object, want.field, got, want.value)
		}
	}
	if got := s.get("Lead", two, "ConvertedOpportunityId"); got != nil {
		t.Errorf("the second lead has the opportunity %v", got)
	}
	three := s.create("Lead", `{"LastName": "x", "Company": "x"}`)
	third := s.convert(lead(three, "<opportunityName>Big</opportunityName><ownerId>005Sm0000000005</ownerId>"))[0]
	if s.get("Opportunity", third.OpportunityID, "Name") != "Big" || s.get("Account", third.AccountID, "OwnerId") != "005Sm0000000005IAA" {
		t.Errorf("the third: %+v", third)
	}
}

// TestConvertLeadRefused: leads fail one by one, and leave nothing behind.
func TestConvertLeadRefused(t *testing.T) {
	s := start(t, fakeorg.Options{})
	id := s.create("Lead", `{"LastName": "x", "Company": "Refused"}`)
	account, contact := s.create("Account", `{"Name": "x"}`), s.create("Contact", `{"LastName": "x"}`)
	long := s.create("Lead", `{"LastName": "x", "Company": "Refused", "Website": "`+strings.Repeat("w", 250)+`"}`)
	for name, test := range map[string]struct{ lead, code string }{
		"no lead":                {"<convertedStatus>Closed - Converted</convertedStatus>", "REQUIRED_FIELD_MISSING"},
		"nil lead":               {`<leadId xsi:nil="true">` + id + `</leadId>`, "REQUIRED_FIELD_MISSING"},
		"no id":                  {lead("x", ""), "MALFORMED_ID"},
		"no lead's id":           {lead(account, ""), "INVALID_CROSS_REFERENCE_KEY"},
		"missing":                {lead("00QSm0000000zzz", ""), "INVALID_CROSS_REFERENCE_KEY"},
		"status":                 {"<leadId>" + id + "</leadId><convertedStatus>Working - Contacted</convertedStatus>", "INVALID_STATUS"},
		"no status":              {"<leadId>" + id + "</leadId>", "INVALID_STATUS"},
		"owner":                  {lead(id, "<ownerId>005Sm0000000zzz</ownerId>"), "INVALID_CROSS_REFERENCE_KEY"},
		"account":                {lead(id, "<accountId>"+contact+"</accountId>"), "INVALID_CROSS_REFERENCE_KEY"},
		"contact elsewhere":      {lead(id, "<accountId>"+account+"</accountId><contactId>"+contact+"</contactId>"), "FIELD_INTEGRITY_EXCEPTION"},
		"contact alone":          {lead(id, "<contactId>"+contact+"</contactId>"), "FIELD_INTEGRITY_EXCEPTION"},
		"opportunity not wanted": {lead(id, "<doNotCreateOpportunity>true</doNotCreateOpportunity><opportunityName>x</opportunityName>"), "INVALID_ARGUMENT"},
		"opportunity name":       {lead(long, "<opportunityName>"+strings.Repeat("x", 121)+"</opportunityName>"), "STRING_TOO_LONG"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.convert(test.lead)[0]; got.Success || len(got.Errors) != 1 || got.Errors[0].StatusCode != test.code {
				t.Errorf("got %+v, want %s", got, test.code)
			}
		})
	}
	if got := s.column("SELECT Id FROM Account WHERE Name = 'Refused'", "Id"); got != "" || s.get("Lead", id, "IsConverted") != false {
		t.Errorf("what was refused has left %s", got)
	}
	results := s.convert(lead(account, ""), lead(id, ""))
	if results[0].Success || !results[1].Success {
		t.Errorf("one by one: %+v", results)
	}
	s.soap("u/62.0", partner, "<convertLead>"+strings.Repeat("<leadConverts/>", 101)+"</convertLead>").wants(t, 500, "<faultcode>sf:EXCEEDED_ID_LIMIT</faultcode>")
}

func TestLeadStatus(t *testing.T) {
	s := start(t, fakeorg.Options{})
	if got := s.column("SELECT MasterLabel FROM LeadStatus WHERE IsConverted = TRUE", "MasterLabel"); got != "Closed - Converted" {
		t.Errorf("converted is %s", got)
	}
	if got := s.column("SELECT ApiName FROM LeadStatus ORDER BY SortOrder", "ApiName"); got != "Open - Not Contacted,Working - Contacted,Closed - Converted,Closed - Not Converted" {
		t.Errorf("the statuses are %s", got)
	}
	if got := s.column("SELECT MasterLabel FROM LeadStatus WHERE IsDefault = TRUE", "MasterLabel"); got != "Open - Not Contacted" {
		t.Errorf("the default is %s", got)
	}
}

func TestReadMetadata(t *testing.T) {
	s := start(t, fakeorg.Options{})
	for name, test := range map[string]struct{ kind, names, part string }{
		"object": {"CustomObject", "Warranty_Claim__c", `<records xsi:type="CustomObject"><fullName>Warranty_Claim__c</fullName><deploymentStatus>Deployed</deploymentStatus>` +
			`<fields><fullName>OwnerId</fullName><trackHistory>false</trackHistory><type>Lookup</type></fields><fields><fullName>Account__c</fullName><deleteConstraint>SetNull</deleteConstraint>` +
			`<externalId>false</externalId><label>Account</label><referenceTo>Account</referenceTo><relationshipName>Warranty_Claims</relationshipName><required>false</required>` +
			`<trackHistory>false</trackHistory><type>Lookup</type></fields>`},
		"name field":         {"CustomObject", "Warranty_Claim__c", `<nameField><displayFormat>WC-{00000}</displayFormat><label>Claim Number</label><trackHistory>false</trackHistory><type>AutoNumber</type></nameField>`},
		"rule of object":     {"CustomObject", "Warranty_Claim__c", `<validationRules><fullName>Amount_When_Approved</fullName><active>true</active>`},
		"event":              {"CustomObject", "Return_Completed__e", `<eventType>HighVolume</eventType>`},
		"field":              {"CustomField", "Account.Tier__c", `<valueSet><restricted>true</restricted><valueSetDefinition><sorted>false</sorted><value><fullName>Gold</fullName><default>false</default><label>Gold</label></value>`},
		"number":             {"CustomField", "Warranty_Claim__c.Amount__c", `<label>Amount</label><precision>10</precision><required>false</required><scale>2</scale><trackHistory>false</trackHistory><type>Currency</type>`},
		"external id":        {"CustomField", "Account.ExternalId__c", `<externalId>true</externalId><label>External ID</label><length>80</length><required>false</required><trackHistory>false</trackHistory><type>Text</type><unique>true</unique>`},
		"formula":            {"CustomField", "Warranty_Claim__c.Is_Open__c", `<formula>Status__c IN (&#39;Open&#39;, &#39;In Review&#39;)</formula>`},
		"standard field":     {"CustomField", "Lead.Status", `<fullName>Lead.Status</fullName><trackHistory>false</trackHistory><type>Picklist</type></records>`},
		"validation rule":    {"ValidationRule", "Account.Annual_Revenue_Not_Negative", `<active>true</active><errorConditionFormula>AnnualRevenue &lt; 0</errorConditionFormula><errorMessage>Annual Revenue cannot be negative</errorMessage>`},
		"workflow":           {"Workflow", "Case", `<rules><fullName>Case Escalation</fullName><actions><name>Set_Priority_High</name><type>FieldUpdate</type></actions>`},
		"update of flow":     {"Workflow", "Case", `<fieldUpdates><fullName>Mark_Escalated</fullName><field>IsEscalated</field><literalValue>1</literalValue>`},
		"field update":       {"WorkflowFieldUpdate", "Refund.Set_Refund_Date", `<field>EffectiveDate</field><formula>:now</formula><name>Set Refund Date</name>`},
		"rule":               {"WorkflowRule", "Opportunity.Opportunity Follow-up", `<formula>StageName = &#39;Proposal/Price Quote&#39;</formula><triggerType>onAllChanges</triggerType>`},
		"task":               {"WorkflowTask", "Opportunity.Follow_Up_On_Quote", `<subject>Follow up on the quote</subject><priority>High</priority><status>Not Started</status>`},
		"approval":           {"ApprovalProcess", "Opportunity.Opportunity_Discount", `<approver><name>Manager</name><type>userHierarchyField</type></approver>`},
		"quick action":       {"QuickAction", "LogACall", `<quickActionLayoutItems><emptySpace>false</emptySpace><field>Subject</field><uiBehavior>Required</uiBehavior></quickActionLayoutItems>`},
		"flow":               {"Flow", "Escalate_Case", `<variables><name>caseId</name><dataType>String</dataType><isCollection>false</isCollection><isInput>true</isInput><isOutput>false</isOutput></variables>`},
		"unknown object":     {"CustomObject", "Nothing__c", `<result><records xsi:nil="true"/></result>`},
		"unknown field":      {"CustomField", "Account.Nothing__c", `<result><records xsi:nil="true"/></result>`},
		"field of nothing":   {"CustomField", "Nothing.Name", `<result><records xsi:nil="true"/></result>`},
		"unknown rule":       {"ValidationRule", "Account.Nothing", `<records xsi:nil="true"/>`},
		"rule of nothing":    {"WorkflowRule", "Nothing.Nothing", `<records xsi:nil="true"/>`},
		"unknown approval":   {"ApprovalProcess", "Case.Nothing", `<records xsi:nil="true"/>`},
		"unknown flow":       {"Flow", "CloseReturn", `<records xsi:nil="true"/>`},
		"two, in this order": {"CustomField", "Account.Nothing__c Account.Tier__c", `<result><records xsi:nil="true"/><records xsi:type="CustomField"><fullName>Account.Tier__c</fullName>`},
	} {
		t.Run(name, func(t *testing.T) {
			names := "<fullNames>" + test.names + "</fullNames>"
			if test.kind == "CustomField" {
				names = "<fullNames>" + strings.ReplaceAll(test.names, " ", "</fullNames><fullNames>") + "</fullNames>"
			}
			s.soap("m/62.0", metadata, "<readMetadata><type>"+test.kind+"</type>"+names+"</readMetadata>").wants(t, 200, test.part)
		})
	}
	s.soap("m/37.0", metadata, "<readMetadata><type>CustomField</type><fullNames>Lead.Status</fullNames></readMetadata>").wants(t, 200,
		"<picklistValues><fullName>Closed - Converted</fullName><converted>true</converted><default>false</default></picklistValues>")
	s.soap("m/62.0", metadata, "<readMetadata><type>Layout</type><fullNames>x</fullNames></readMetadata>").wants(t, 500, "<faultcode>sf:INVALID_TYPE</faultcode>")
	s.soap("m/62.0", metadata, "<readMetadata><type>Flow</type>"+strings.Repeat("<fullNames>x</fullNames>", 11)+"</readMetadata>").wants(t, 500, "<faultcode>sf:EXCEEDED_ID_LIMIT</faultcode>")
}

// TestRecordedMetadata compares the elements of an answer with those of a recorded one.
func TestRecordedMetadata(t *testing.T) {
	text, err := os.ReadFile("testdata/amp-033-soap_m.json")
	if err != nil {
		t.Fatal(err)
	}
	var was struct {
		Path         string
		RequestBody  string `json:"request_body"`
		Status       int
		ResponseBody string `json:"response_body"`
	}
	if err := json.Unmarshal(text, &was); err != nil {
		t.Fatal(err)
	}
	s := start(t, fakeorg.Options{})
	request := strings.NewReplacer("TEST_ACCESS_TOKEN", s.token, "PermissionSet", "Flow", "IntegrationCustomFieldVisibility", "Escalate_Case").Replace(was.RequestBody)
	got := s.do("POST", was.Path, request, "Content-Type", "text/xml", "Authorization", "")
	if got.status != was.Status {
		t.Fatalf("status %d, recorded was %d: %s", got.status, was.Status, got.body)
	}
	a, b := opening(t, strings.ReplaceAll(was.ResponseBody, "PermissionSet", "Flow")), opening(t, got.body)
	if a != b {
		t.Errorf("recorded was\n%s\ngot\n%s", a, b)
	}
}

// opening are the elements of an answer of readMetadata down to the first full name, with their attributes.
func opening(t *testing.T, text string) string {
	t.Helper()
	var path strings.Builder
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			t.Fatalf("no full name in %s", text)
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, isStart := token.(xml.StartElement); isStart {
			path.WriteString("{" + e.Name.Space + "}" + e.Name.Local)
			for _, a := range e.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
					path.WriteString(" " + a.Name.Space + ":" + a.Name.Local + "=" + a.Value)
				}
			}
			path.WriteString("\n")
			if e.Name.Local == "fullName" {
				return path.String()
			}
		}
	}
}

func TestSOAPFaults(t *testing.T) {
	clock := newClock()
	s := start(t, fakeorg.Options{Clock: clock.time, DailyCalls: 5})
	read := "<readMetadata><type>Flow</type><fullNames>x</fullNames></readMetadata>"
	envelope := func(header, body string) string {
		return `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Header xmlns="` + metadata + `">` + header + `</e:Header><e:Body xmlns="` + metadata + `">` + body + `</e:Body></e:Envelope>`
	}
	session := "<SessionHeader><sessionId>" + s.token + "</sessionId></SessionHeader>"
	for name, test := range map[string]struct{ path, body, code, part string }{
		"no session":              {"m/62.0", envelope("", read), "sf:INVALID_SESSION_ID", "INVALID_SESSION_ID: Invalid Session ID found in SessionHeader: Illegal Session"},
		"session of another kind": {"m/62.0", envelope(`<SessionHeader xmlns="urn:partner.soap.sforce.com"><sessionId>`+s.token+`</sessionId></SessionHeader>`, read), "sf:INVALID_SESSION_ID", ""},
		"wrong session":           {"m/62.0", envelope("<SessionHeader><sessionId>00D</sessionId></SessionHeader>", read), "sf:INVALID_SESSION_ID", ""},
		"version":                 {"m/999.0", envelope(session, read), "sf:UNSUPPORTED_API_VERSION", ""},
		"not simulated":           {"m/62.0", envelope(session, "<describeMetadata><asOfVersion>62.0</asOfVersion></describeMetadata>"), "sf:FUNCTIONALITY_NOT_ENABLED", "describeMetadata"},
		"other service":           {"u/62.0", envelope(session, read), "soapenv:Client", "No operation available for request {" + metadata + "}readMetadata"},
		"two operations":          {"m/62.0", envelope(session, read+read), "soapenv:Client", "one operation"},
		"no envelope":             {"m/62.0", "<readMetadata/>", "soapenv:Client", "not a SOAP 1.1 envelope"},
		"no XML":                  {"m/62.0", `{"type": "Flow"}`, "soapenv:Client", "could not be parsed"},
		"nothing":                 {"m/62.0", "", "soapenv:Client", "could not be parsed"},
		"not closed":              {"m/62.0", "<e:Envelope>", "soapenv:Client", "could not be parsed"},
		"two documents":           {"m/62.0", "<a/><b/>", "soapenv:Client", "one element"},
		"document type":           {"m/62.0", `<!DOCTYPE e [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + envelope(session, "<readMetadata><type>&x;</type></readMetadata>"), "soapenv:Client", "document type is not allowed"},
		"entity":                  {"m/62.0", envelope(session, "<readMetadata><type>&x;</type></readMetadata>"), "soapenv:Client", "could not be parsed"},
		"processing instruction":  {"m/62.0", `<?php x ?>` + envelope(session, read), "soapenv:Client", "processing instructions are not allowed"},
		"too deep":                {"m/62.0", envelope(session, strings.Repeat("<a>", 40)+strings.Repeat("</a>", 40)), "soapenv:Client", "in each other"},
		"too many":                {"m/62.0", envelope(session, "<readMetadata>"+strings.Repeat("<a/>", 20001)+"</readMetadata>"), "soapenv:Client", "elements"},
		"too long":                {"m/62.0", envelope(session, "<a>"+strings.Repeat(" ", 1<<20)+"</a>"), "soapenv:Client", "bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.do("POST", "/services/Soap/"+test.path, test.body, "Content-Type", "text/xml", "Authorization", "")
			r.wants(t, 500, "<soapenv:Body><soapenv:Fault><faultcode>"+test.code+"</faultcode><faultstring>")
			r.wants(t, 500, test.part)
			if got := r.header.Get("Content-Type"); got != "text/xml;charset=UTF-8" {
				t.Errorf("the answer is %s", got)
			}
			if err := xml.Unmarshal([]byte(r.body), new(struct{ XMLName xml.Name })); err != nil {
				t.Error(err)
			}
		})
	}
	s.soap("u/62.0", partner, "<getUserInfo/>").wants(t, 500, `<detail><sf:UnexpectedErrorFault xsi:type="sf:UnexpectedErrorFault"><sf:exceptionCode>FUNCTIONALITY_NOT_ENABLED</sf:exceptionCode>`)
	s.do("GET", "/services/Soap/u/62.0", "").wants(t, 405, "METHOD_NOT_ALLOWED")
	for range 5 {
		s.soap("m/62.0", metadata, read)
	}
	s.soap("m/62.0", metadata, read).wants(t, 500, "sf:REQUEST_LIMIT_EXCEEDED")
	clock.move(3 * time.Hour)
	s.soap("m/62.0", metadata, read).wants(t, 500, "sf:INVALID_SESSION_ID")
}

// TestSOAPIsNoted: the journal says who has called.
func TestSOAPIsNoted(t *testing.T) {
	s := start(t, fakeorg.Options{}).as(priya)
	s.soap("m/62.0", metadata, "<readMetadata><type>Flow</type><fullNames>x</fullNames></readMetadata>")
	seen := s.Requests()
	if last := seen[len(seen)-1]; last.User != priya || last.Status != 200 || last.Path != "/services/Soap/m/62.0" {
		t.Errorf("noted was %+v", last)
	}
}
