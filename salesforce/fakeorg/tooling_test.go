package fakeorg_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
)

// tool asks a tooling query and gives the answer.
func (s *server) tool(soql string) reply {
	s.t.Helper()
	return s.do("GET", "/tooling/query?q="+url.QueryEscape(soql), "")
}

// one gives the record of a tooling query that finds one.
func (s *server) one(soql string) map[string]any {
	s.t.Helper()
	var found struct{ Records []map[string]any }
	r := s.tool(soql)
	if err := json.Unmarshal([]byte(r.body), &found); err != nil || len(found.Records) != 1 {
		s.t.Fatalf("%s: %d %s", soql, r.status, r.body)
	}
	return found.Records[0]
}

// id gives the id of that record.
func (s *server) id(soql string) string {
	s.t.Helper()
	id, _ := s.one(soql)["Id"].(string)
	return id
}

// make creates a record of the Tooling API.
func (s *server) make(object, body string) string {
	s.t.Helper()
	r := s.do("POST", "/tooling/sobjects/"+object, body)
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(r.body), &made); err != nil || r.status != 201 {
		s.t.Fatalf("create %s %s: %d %s", object, body, r.status, r.body)
	}
	return made.ID
}

func TestToolingQuery(t *testing.T) {
	s := start(t, fakeorg.Options{})
	id := s.id("SELECT Id FROM ApexClass WHERE Name = 'ReturnHandler'")
	s.tool("SELECT Id, Name FROM ApexClass WHERE Name LIKE 'ReturnH%' AND NamespacePrefix = null AND Name != 'ReturnHandlerTest'").want(t, 200,
		`{"size":1,"totalSize":1,"done":true,"queryLocator":null,"entityTypeName":"ApexClass","records":[{"attributes":{"type":"ApexClass",`+
			`"url":"`+api+`/tooling/sobjects/ApexClass/`+id+`"},"Id":"`+id+`","Name":"ReturnHandler"}]}`)
	s.tool("SELECT Id FROM ApexClass WHERE Name = 'none'").want(t, 200,
		`{"size":0,"totalSize":0,"done":true,"queryLocator":null,"entityTypeName":null,"records":[]}`)
	s.tool("SELECT COUNT() FROM ApexClass").want(t, 200, `{"size":4,"totalSize":4,"done":true,"queryLocator":null,"entityTypeName":null,"records":[]}`)
	s.tool("SELECT Status, COUNT(Id) n FROM ApexClass GROUP BY Status").wants(t, 200, `"entityTypeName":"AggregateResult","records":[{"attributes":{"type":"AggregateResult"},"Status":"Active","n":4}]`)
	s.tool("SELECT Id, Metadata FROM ApexClass").want(t, 400, `[{"message":"When retrieving results with Metadata or FullName fields, the query qualifications `+
		`must specify no more than one row for retrieval. Result size: 4","errorCode":"MALFORMED_QUERY"}]`)
	s.tool("SELECT Metadata, FullName FROM ApexClass WHERE Id = '"+id[:15]+"'").wants(t, 200,
		`"Metadata":{"apiVersion":62.0,"packageVersions":[],"status":"Active","module":null,"urls":null},"FullName":"ReturnHandler"}`)
	s.tool("SELECT Id FROM Account").wants(t, 400, "sObject type 'Account' is not supported")
	s.do("GET", "/query?q="+url.QueryEscape("SELECT Name, Body FROM ApexClass WHERE Id = '"+id+"'"), "").wants(t, 200, `"Body":"/**\n * Decides about returns`)
	s.do("GET", "/query?q="+url.QueryEscape("SELECT Metadata FROM ApexClass"), "").wants(t, 400, "No such column 'Metadata' on entity 'ApexClass'")
	s.do("GET", "/query?q="+url.QueryEscape("SELECT Id FROM TraceFlag"), "").wants(t, 400, "sObject type 'TraceFlag' is not supported")
	s.do("GET", "/tooling/search?q="+url.QueryEscape("FIND {ReturnHandler} IN NAME FIELDS RETURNING ApexClass(Id, Name)"), "").wants(t, 200, `"Name":"ReturnHandler"`)
}

// TestToolingPages: the parts of a long answer are below /tooling.
func TestToolingPages(t *testing.T) {
	s := start(t, fakeorg.Options{})
	r := s.do("GET", "/tooling/query?q="+url.QueryEscape("SELECT DurableId FROM FieldDefinition"), "", "Sforce-Query-Options", "batchSize=200")
	var page struct {
		Size, TotalSize              int
		Done                         bool
		NextRecordsURL, QueryLocator string
		Records                      []map[string]any
	}
	seen, first := 0, 0
	for {
		page.NextRecordsURL, page.QueryLocator = "", ""
		if err := json.Unmarshal([]byte(r.body), &page); err != nil || r.status != 200 {
			t.Fatalf("%d %.300s", r.status, r.body)
		}
		seen += len(page.Records)
		first = max(first, page.TotalSize)
		if page.Done {
			break
		}
		if !strings.HasPrefix(page.NextRecordsURL, api+"/tooling/query/01g") || !strings.HasSuffix(page.NextRecordsURL, "/"+page.QueryLocator) {
			t.Fatalf("next %s, locator %s", page.NextRecordsURL, page.QueryLocator)
		}
		r = s.do("GET", page.NextRecordsURL, "")
	}
	if seen < 700 || seen != first {
		t.Errorf("%d of %d records seen", seen, first)
	}
}

func TestToolingDescribe(t *testing.T) {
	s := start(t, fakeorg.Options{})
	all := s.do("GET", "/tooling/sobjects/", "")
	all.wants(t, 200, `"name":"ContainerAsyncRequest"`)
	all.wants(t, 200, `"urls":{"rowTemplate":"`+api+`/tooling/sobjects/ApexClass/{ID}"`)
	if strings.Contains(all.body, `"name":"Account"`) {
		t.Error("the Tooling API shows Account")
	}
	data := s.do("GET", "/sobjects", "")
	data.wants(t, 200, `"name":"ApexTestResult"`)
	if strings.Contains(data.body, `"name":"MetadataContainer"`) {
		t.Error("the data API shows MetadataContainer")
	}
	s.do("GET", "/tooling/sobjects/ApexClass/describe", "").wants(t, 200, `"name":"SymbolTable"`)
	s.do("GET", "/tooling/sobjects/ApexClass/describe", "").wants(t, 200, `"type":"complexvalue"`)
	if d := s.do("GET", "/sobjects/ApexClass/describe", ""); strings.Contains(d.body, "SymbolTable") || !strings.Contains(d.body, `"createable":false`) {
		t.Errorf("the data API describes ApexClass %s", d.body)
	}
	s.do("GET", "/tooling/sobjects/TraceFlag", "").wants(t, 200, `{"objectDescribe":{`)
	s.do("GET", "/tooling/sobjects/Nothing/describe", "").wants(t, 404, "NOT_FOUND")
	s.do("GET", "/tooling", "").wants(t, 200, `"executeAnonymous":"`+api+`/tooling/executeAnonymous"`)
}

// TestDefinitions: the Tooling API tells of the same objects and fields as describe.
func TestDefinitions(t *testing.T) {
	s := start(t, fakeorg.Options{})
	account := s.one("SELECT DurableId, QualifiedApiName, KeyPrefix, PluralLabel, IsCustomizable, Id FROM EntityDefinition WHERE QualifiedApiName = 'Account'")
	if account["DurableId"] != "Account" || account["Id"] != "000000000000000AAA" || account["KeyPrefix"] != "001" || account["PluralLabel"] != "Accounts" || account["IsCustomizable"] != true {
		t.Errorf("Account is %v", account)
	}
	claim := s.one("SELECT DurableId, (SELECT QualifiedApiName, DataType FROM Fields WHERE QualifiedApiName IN ('Account__c', 'Amount__c')) FROM EntityDefinition WHERE QualifiedApiName = 'Warranty_Claim__c'")
	object := s.one("SELECT Id, DeveloperName FROM CustomObject WHERE DeveloperName = 'Warranty_Claim'")
	if durable, _ := claim["DurableId"].(string); durable == "" || durable != object["Id"].(string)[:15] {
		t.Errorf("the durable id of the object is %v, its id %v", claim["DurableId"], object["Id"])
	}
	if fields := fmt.Sprint(claim["Fields"]); !strings.Contains(fields, "Lookup(Account)") || !strings.Contains(fields, "Currency(8, 2)") {
		t.Errorf("the fields are %s", fields)
	}
	for soql, want := range map[string]string{
		"SELECT QualifiedApiName, DataType FROM FieldDefinition WHERE EntityDefinition.QualifiedApiName = 'Account' AND QualifiedApiName = 'Tier__c'":          `"DataType":"Picklist"`,
		"SELECT DurableId, ReferenceTo FROM FieldDefinition WHERE EntityDefinitionId = 'Contact' AND QualifiedApiName = 'AccountId'":                           `"DurableId":"Contact.AccountId","ReferenceTo":{"referenceTo":["Account"]}`,
		"SELECT DeveloperName, TableEnumOrId, EntityDefinition.QualifiedApiName FROM CustomField WHERE TableEnumOrId = 'Account' AND DeveloperName = 'Tier'":   `"TableEnumOrId":"Account","EntityDefinition":{"attributes":{"type":"EntityDefinition","url":"` + api + `/tooling/sobjects/EntityDefinition/Account"},"QualifiedApiName":"Account"}`,
		"SELECT FullName, Metadata FROM CustomField WHERE DeveloperName = 'Tier'":                                                                              `"FullName":"Account.Tier__c","Metadata":{"type":"Picklist","label":"Tier","required":false,`,
		"SELECT ValidationName, Active, ErrorMessage, EntityDefinition.DeveloperName FROM ValidationRule WHERE ValidationName = 'Annual_Revenue_Not_Negative'": `"Active":true,"ErrorMessage":"Annual Revenue cannot be negative"`,
		"SELECT Metadata FROM ValidationRule WHERE ValidationName = 'Amount_When_Approved'":                                                                    `"errorConditionFormula":"AND(ISPICKVAL(Status__c, \"Approved\"), ISBLANK(Amount__c))"`,
	} {
		s.tool(soql).wants(t, 200, want)
	}
	for soql, want := range map[string]string{
		"SELECT COUNT() FROM EntityDefinition":                                                        "not yet supported by this SObject storage type",
		"SELECT IsSearchable, COUNT(Id) FROM EntityDefinition GROUP BY IsSearchable":                  "not yet supported by this SObject storage type",
		"SELECT QualifiedApiName FROM EntityDefinition WHERE QualifiedApiName != 'Account'":           "Only equals comparisons permitted",
		"SELECT QualifiedApiName FROM EntityDefinition WHERE IsQueryable = true OR KeyPrefix = '001'": "Disjunctions not supported",
	} {
		s.tool(soql).wants(t, 400, want)
	}
	s.do("GET", "/query?q="+url.QueryEscape("SELECT QualifiedApiName FROM EntityDefinition WHERE KeyPrefix = '500'"), "").wants(t, 200, `"QualifiedApiName":"Case"`)
	s.do("GET", "/tooling/sobjects/EntityDefinition/Case?fields=Label,KeyPrefix", "").wants(t, 200, `"Label":"Case","KeyPrefix":"500"`)
}

func TestApexClassRecord(t *testing.T) {
	s := start(t, fakeorg.Options{})
	r := s.do("POST", "/tooling/sobjects/ApexClass", `{"Name": "Fees", "Body": "/* x */ public class Fees {\n  public static Integer of(Integer n) { return n / 0; }\n}"}`)
	r.wants(t, 201, `"success":true,"errors":[],"warnings":[],"infos":[]}`)
	id := strings.TrimPrefix(r.header.Get("Location"), api+"/tooling/sobjects/ApexClass/")
	s.do("GET", "/tooling/sobjects/ApexClass/"+id+"?fields=Name,ApiVersion,Status,IsValid,LengthWithoutComments", "").wants(t, 200,
		`"Name":"Fees","ApiVersion":67.0,"Status":"Active","IsValid":true,"LengthWithoutComments":78,"Id":"`+id+`"`)
	s.do("GET", "/tooling/sobjects/ApexClass/"+id, "").wants(t, 200, `"methods":[{"name":"of","returnType":"Integer","type":null,"parameters":[{"name":"n","type":"Integer"}],"modifiers":["public","static"]`)
	for body, want := range map[string]string{
		`{"Name": "A", "Body": "public class A {"}`:                     `{"message":"Missing '}' at '<EOF>' (Line: 1, Column: 17)","errorCode":"INVALID_FIELD_FOR_INSERT_UPDATE","fields":["Body"]}`,
		`{"Name": "A", "Body": "public class B {}"}`:                    `"errorCode":"INVALID_FIELD_FOR_INSERT_UPDATE","fields":["Name"]`,
		`{"Name": "A", "Body": "  "}`:                                   `"errorCode":"REQUIRED_FIELD_MISSING","fields":["Body"]`,
		`{"Name": "A"}`:                                                 `"errorCode":"REQUIRED_FIELD_MISSING","fields":["Body"]`,
		`{"Name": "fees", "Body": "public class fees {}"}`:              `"errorCode":"DUPLICATE_VALUE"`,
		`{"Name": "A", "Body": "public class A { void f() { x } }"}`:    `Missing ';' at '}' (Line: 1, Column: 31)`,
		`{"Name": "A", "Body": "public class A {}", "SymbolTable": {}}`: `Unable to create/update fields: SymbolTable`,
	} {
		s.do("POST", "/tooling/sobjects/ApexClass", body).wants(t, 400, want)
	}
	s.do("PATCH", "/tooling/sobjects/ApexClass/"+id, `{"Body": "public class Fees {}"}`).wants(t, 400, "Unable to create/update fields: Body")
	s.do("PATCH", "/tooling/sobjects/ApexClass/"+id, `{"Metadata": {"apiVersion": 60.0, "status": "Inactive"}}`).want(t, 204, "")
	s.do("GET", "/tooling/sobjects/ApexClass/"+id+"?fields=ApiVersion,Metadata", "").wants(t, 200, `"ApiVersion":60.0,"Metadata":{"apiVersion":60.0,"packageVersions":[],"status":"Inactive"`)
	s.do("POST", "/sobjects/ApexClass", `{"Name": "B", "Body": "public class B {}"}`).wants(t, 400, "entity type ApexClass does not support create")
	s.do("DELETE", "/tooling/sobjects/ApexClass/"+id, "").want(t, 204, "")
	s.do("GET", "/sobjects/ApexClass/"+id, "").wants(t, 404, "NOT_FOUND")
	trigger := s.make("ApexTrigger", `{"Name": "OnCase", "TableEnumOrId": "Case", "Body": "trigger OnCase on Case (before insert, after update) { }"}`)
	s.do("GET", "/tooling/sobjects/ApexTrigger/"+trigger+"?fields=UsageBeforeInsert,UsageAfterUpdate,UsageAfterInsert,EntityDefinitionId", "").wants(t, 200,
		`"UsageBeforeInsert":true,"UsageAfterUpdate":true,"UsageAfterInsert":false,"EntityDefinitionId":"Case"`)
	s.do("POST", "/tooling/sobjects/ApexTrigger", `{"Name": "T", "TableEnumOrId": "Account", "Body": "trigger T on Case (before insert) { }"}`).wants(t, 400, "The trigger is on Case, not on Account")
}

// TestContainer: new source of a class goes through a container, over time.
func TestContainer(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	class := s.id("SELECT Id FROM ApexClass WHERE Name = 'WarrantyClaims'")
	request := func(source, more string) (string, string) {
		container := s.make("MetadataContainer", `{"Name": "c`+fmt.Sprint(time.Now().UnixNano())+`"}`)
		body, err := json.Marshal(map[string]any{"MetadataContainerId": container, "ContentEntityId": class, "Body": source})
		if err != nil {
			t.Fatal(err)
		}
		s.make("ApexClassMember", string(body))
		return container, s.make("ContainerAsyncRequest", `{"MetadataContainerId": "`+container+`"`+more+`}`)
	}
	state := func(id string) map[string]any {
		return s.one("SELECT State, ErrorMsg, DeployDetails FROM ContainerAsyncRequest WHERE Id = '" + id + "'")
	}
	body := func() string {
		return fmt.Sprint(s.one("SELECT Body FROM ApexClass WHERE Id = '" + class + "'")["Body"])
	}
	before := body()

	_, broken := request("public class WarrantyClaims {\n\tvoid f( {}\n}", "")
	if got := state(broken); got["State"] != "Queued" || got["DeployDetails"] != nil {
		t.Errorf("before its time: %v", got)
	}
	c.move(time.Second)
	if got := state(broken); got["State"] != "Failed" || got["ErrorMsg"] != "Unexpected token '{'." || body() != before {
		t.Errorf("broken source: %v", got)
	}
	r := s.tool("SELECT DeployDetails FROM ContainerAsyncRequest WHERE Id = '" + broken + "'")
	r.wants(t, 200, `"componentFailures":[{"changed":false,"columnNumber":10,"componentType":"ApexClass"`)
	r.wants(t, 200, `"lineNumber":2,"problem":"Unexpected token '{'.","problemType":"Error"`)

	_, check := request("public class WarrantyClaims { }", `, "IsCheckOnly": true`)
	c.move(time.Second)
	if got := state(check); got["State"] != "Completed" || body() != before {
		t.Errorf("check only: %v", got)
	}
	_, good := request("public class WarrantyClaims { }", "")
	c.move(time.Second)
	if got := state(good); got["State"] != "Completed" || body() != "public class WarrantyClaims { }" {
		t.Errorf("good source: %v %s", got, body())
	}
	_, other := request("public class Other { }", "")
	c.move(time.Second)
	if got := state(other); got["State"] != "Failed" {
		t.Errorf("another name: %v", got)
	}
	s.do("POST", "/tooling/sobjects/ContainerAsyncRequest", `{"IsCheckOnly": true}`).wants(t, 400, "REQUIRED_FIELD_MISSING")
}

func TestRecordedTooling(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	ids := []string{s.id("SELECT Id FROM ApexClass WHERE Name = 'ReturnHandlerTest'"), s.id("SELECT Id FROM ApexClass WHERE Name = 'WarrantyClaimsTest'")}
	var job string
	r := s.do("POST", "/tooling/runTestsAsynchronous", `{"classids": "`+strings.Join(ids, ",")+`"}`)
	if err := json.Unmarshal([]byte(r.body), &job); err != nil || len(job) != 15 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	compare := func(name string, got reply) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join("../../testdata/recordings", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var was struct {
			Status       int
			ResponseBody any `json:"response_body"`
		}
		var answer any
		if err := json.Unmarshal(text, &was); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(got.body), &answer); err != nil || got.status != was.Status {
			t.Fatalf("%s: %d %s", name, got.status, got.body)
		}
		for _, difference := range shapeDiff("$", was.ResponseBody, answer) {
			t.Errorf("%s: %s", name, difference)
		}
	}
	compare("cci-029-tooling_runTestsAsynchronous", r)
	compare("cci-017-tooling_query", s.do("GET", "/tooling/query/?q="+url.QueryEscape("SELECT Id, Name FROM ApexClass WHERE NamespacePrefix = null AND (Name LIKE '%Test%')"), ""))
	queue := "/tooling/query/?q=" + url.QueryEscape("SELECT Id, Status, ApexClassId FROM ApexTestQueueItem WHERE ParentJobId = '"+job+"'")
	c.move(200 * time.Millisecond)
	running := s.do("GET", queue, "")
	compare("cci-019-tooling_query", running)
	running.wants(t, 200, `"Status":"Processing"`)
	compare("cci-031-tooling_query", running)
	c.move(time.Second)
	compare("cci-021-tooling_query", s.do("GET", queue, ""))
	results := s.do("GET", "/tooling/query/?q="+url.QueryEscape("\nSELECT Id,ApexClassId,TestTimestamp,\n Message,MethodName,Outcome,\n RunTime,StackTrace,\n (SELECT\n Id,Callouts,AsyncCalls,"+
		"DmlRows,Email,\n LimitContext,LimitExceptions,MobilePush,\n QueryRows,Sosl,Cpu,Dml,Soql\n FROM ApexTestResults)\nFROM ApexTestResult\nWHERE AsyncApexJobId='"+job+"'\n"), "")
	compare("cci-023-tooling_query", results)
	results.wants(t, 200, `"ApexTestResults":{"size":1,"totalSize":1,"done":true,"queryLocator":null,"entityTypeName":"ApexTestResultLimits","records":[`)
	compare("cci-027-tooling_query", s.tool("SELECT PercentCovered FROM ApexOrgWideCoverage"))
	compare("cci-033-tooling_query", s.tool("SELECT Id, Status, ExtendedStatus, ApexClassId FROM ApexTestQueueItem WHERE ParentJobId = '"+job+"' AND Status = 'Failed'"))
	compare("cci-033-tooling_query", s.tool("SELECT Id, MajorVersion, MinorVersion, PatchVersion, BuildNumber, IsBeta FROM SubscriberPackageVersion WHERE Id='04ti0000000GSu9AAG'"))
	compare("apex-001-tooling_runTestsSynchronous", s.do("POST", "/tooling/runTestsSynchronous", `{"tests":[{"className":"ReturnHandlerTest","testMethods":["acceptsWithinThirtyDays"]}]}`))
	failed := s.do("POST", "/tooling/runTestsSynchronous/", `{"tests":[{"className":"ReturnHandlerTest"}]}`)
	compare("apex-002-tooling_runTestsSynchronous", failed)
	failed.wants(t, 200, `"message":"System.AssertException: Assertion Failed: Expected: 12.00, Actual: 15.00","stackTrace":"Class.ReturnHandlerTest.feeIsTwelvePercent: line 47, column 1","type":"Class"`)
}

// column is a column of columns=true.
type column struct {
	ColumnName  string
	ApexType    string
	Aggregate   bool
	JoinColumns []column
}

func (c column) String() string {
	text := c.ColumnName + " " + c.ApexType
	if c.Aggregate {
		text = "*" + text
	}
	if len(c.JoinColumns) > 0 {
		text += fmt.Sprint(c.JoinColumns)
	}
	return text
}

// TestColumns: columns=true tells what the records would be made of.
func TestColumns(t *testing.T) {
	s := start(t, fakeorg.Options{})
	for soql, want := range map[string]string{
		"SELECT Id, Owner.Name, (SELECT Email FROM Contacts) FROM Account": "Account 001 true [Id Id Owner [Name String] *Contacts [Email String]]",
		"SELECT Rating, SUM(AnnualRevenue) n FROM Account GROUP BY Rating": "AggregateResult  false [*Rating String *n Decimal]",
	} {
		r := s.do("GET", "/query?columns=true&q="+url.QueryEscape(soql), "")
		var got struct {
			EntityName, KeyPrefix string
			IDSelected            bool
			ColumnMetadata        []column
		}
		if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.status != 200 {
			t.Fatal(r.status, r.body)
		}
		if text := fmt.Sprint(got.EntityName, " ", got.KeyPrefix, " ", got.IDSelected, " ", got.ColumnMetadata); text != want {
			t.Errorf("got  %s\nwant %s", text, want)
		}
	}
}
