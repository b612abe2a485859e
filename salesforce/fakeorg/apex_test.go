package fakeorg_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/salesforce/fakeorg/apex"
)

func (s *server) anonymous(source string) reply {
	s.t.Helper()
	return s.do("GET", "/tooling/executeAnonymous/?anonymousBody="+url.QueryEscape(source), "")
}

// executed is the answer to a block that ran to its end.
const executed = `{"line":-1,"column":-1,"compiled":true,"success":true,"compileProblem":null,"exceptionStackTrace":null,"exceptionMessage":null}`

func TestExecuteAnonymous(t *testing.T) {
	s := start(t, fakeorg.Options{Clock: newClock().time})
	s.anonymous("System.debug('hello');").want(t, 200, executed)
	s.anonymous(`Account a = new Account(Name = 'Anonymous', AnnualRevenue = 5);
insert a;
insert new Contact(LastName = 'Of', AccountId = a.Id);
a.Tier__c = 'Gold';
update a;
for (Contact c : [SELECT Id, Account.Name, Account.AnnualRevenue, CreatedDate FROM Contact WHERE AccountId = :a.Id]) {
	System.assertEquals('Anonymous', c.Account.Name);
	System.assertEquals(5.00, c.Account.AnnualRevenue);
	System.assertEquals(System.today(), c.CreatedDate.date());
	update new Contact(Id = c.Id, Email = 'of@example.com');
}
AggregateResult r = [SELECT COUNT(Id) n FROM Contact WHERE Email = 'of@example.com'];
System.assertEquals(1, r.get('n'));
System.assertEquals('integration@alderridge.example', UserInfo.getUserName());`).want(t, 200, executed)
	s.do("GET", "/query?q="+url.QueryEscape("SELECT Tier__c, (SELECT Email FROM Contacts) FROM Account WHERE Name = 'Anonymous'"), "").wants(t, 200, `"Tier__c":"Gold"`)
	s.anonymous("upsert new Account(Name = 'Up', ExternalId__c = 'U-1') ExternalId__c; upsert new Account(Name = 'Up again', ExternalId__c = 'U-1') Account.ExternalId__c;").want(t, 200, executed)
	s.do("GET", "/sobjects/Account/ExternalId__c/U-1?fields=Name", "").wants(t, 200, `"Name":"Up again"`)
	s.anonymous("delete [SELECT Id FROM Account WHERE ExternalId__c = 'U-1'];").want(t, 200, executed)
	s.do("GET", "/sobjects/Account/ExternalId__c/U-1", "").wants(t, 404, "NOT_FOUND")
	s.anonymous("insert new List<Warranty_Claim__c>{new Warranty_Claim__c(Reported_On__c = Date.newInstance(2027, 1, 2), Amount__c = 1.5)};").want(t, 200, executed)

	for source, want := range map[string]string{
		"System.debug('x')":                                     `{"line":1,"column":18,"compiled":false,"success":false,"compileProblem":"Missing ';' at '<EOF>'","exceptionStackTrace":null,"exceptionMessage":null}`,
		"Integer x = 1/0;":                                      `{"line":1,"column":1,"compiled":true,"success":false,"compileProblem":null,"exceptionStackTrace":"AnonymousBlock: line 1, column 1","exceptionMessage":"System.MathException: Divide by 0"}`,
		"\nnew Http().send(null);":                              `{"line":2,"column":1,"compiled":false,"success":false,"compileProblem":"simulated: the type Http"`,
		"insert new Account();":                                 `"exceptionMessage":"System.DmlException: Insert failed. First exception on row 0; first error: REQUIRED_FIELD_MISSING, Required fields are missing: [Name]: [Name]"`,
		"insert new Account(Name = 'x', Nope__c = 1);":          `"compileProblem":"Invalid field Nope__c for SObject Account"`,
		"List<Account> a = [SELECT Nope__c FROM Account];":      `No such column 'Nope__c' on entity 'Account'`,
		"insert new Warranty_Claim__c(Status__c = 'Approved');": `first error: FIELD_CUSTOM_VALIDATION_EXCEPTION, An approved claim needs an amount: [Amount__c]`,
		"ReturnHandler.restockingFee(-1, 'x');":                 `"exceptionStackTrace":"Class.ReturnHandler.restockingFee: line 18, column 1\nAnonymousBlock: line 1, column 1","exceptionMessage":"ReturnHandler.ReturnException: A price cannot be negative: -1"`,
		"throw new MathException('own');":                       `"exceptionMessage":"System.MathException: own"`,
	} {
		s.anonymous(source).wants(t, 200, want)
	}
	s.do("GET", "/tooling/executeAnonymous", "").wants(t, 400, "MISSING_ARGUMENT")
	s.do("HEAD", "/tooling/executeAnonymous?anonymousBody="+url.QueryEscape("insert new Account(Name = 'By head');"), "").want(t, 405, "")
	s.ask("SELECT Id FROM Account WHERE Name = 'By head'").wants(t, 200, `"totalSize":0`)
}

// TestSoapAnonymous: the SOAP endpoint gives the log with the answer.
func TestSoapAnonymous(t *testing.T) {
	s := start(t, fakeorg.Options{})
	ask := func(source string) reply {
		return s.do("POST", "/services/Soap/s/62.0/00DSm0000000001", `<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Header><SessionHeader xmlns="http://soap.sforce.com/2006/08/apex"><sessionId>`+s.token+`</sessionId></SessionHeader></env:Header><env:Body>`+
			`<executeAnonymous xmlns="http://soap.sforce.com/2006/08/apex"><apexcode>`+source+`</apexcode></executeAnonymous></env:Body></env:Envelope>`, "Content-Type", "text/xml")
	}
	ran := ask("System.debug(&apos;a &amp; b&apos;);")
	ran.wants(t, 200, `<executeAnonymousResponse><result><line>-1</line><column>-1</column><compileProblem xsi:nil="true"/><compiled>true</compiled>`)
	ran.wants(t, 200, `|USER_DEBUG|[1]|DEBUG|a &amp; b`)
	ask("Integer i = 1 / 0;").wants(t, 200, `<exceptionMessage>System.MathException: Divide by 0</exceptionMessage>`)
	ask("Integer i").wants(t, 200, `<compileProblem>Missing &#39;;&#39; at &#39;&lt;EOF&gt;&#39;</compileProblem><compiled>false</compiled>`)
	s.do("POST", "/services/Soap/s/62.0/00DSm0000000001", `<x/>`, "Content-Type", "text/xml").wants(t, 500, "The request is not a SOAP 1.1 envelope")
}

// TestAnonymousIsUndone: what a block wrote before it failed is not kept.
func TestAnonymousIsUndone(t *testing.T) {
	s := start(t, fakeorg.Options{})
	for _, source := range []string{"insert new Account(Name = 'Half'); Integer x = 1 / 0;", "insert new Account(Name = 'Half'); Http h = new Http();",
		"insert new Account(Name = 'Half'); System.assert(false);"} {
		s.anonymous(source).wants(t, 200, `"success":false`)
	}
	s.do("GET", "/query?q="+url.QueryEscape("SELECT COUNT() FROM Account WHERE Name = 'Half'"), "").wants(t, 200, `"totalSize":0`)
}

// TestLog: Apex is logged while its user is traced.
func TestLog(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	s.anonymous("System.debug('unseen');").want(t, 200, executed)
	s.tool("SELECT Id FROM ApexLog").wants(t, 200, `"size":0`)
	level := s.make("DebugLevel", `{"DeveloperName": "Test", "MasterLabel": "Test", "ApexCode": "FINEST"}`)
	user := s.id("SELECT Id FROM User WHERE Username = 'integration@alderridge.example'")
	flag := fmt.Sprintf(`{"TracedEntityId": "%s", "DebugLevelId": "%s", "LogType": "USER_DEBUG", "StartDate": %d, "ExpirationDate": `, user, level, c.time().UnixMilli())
	s.do("POST", "/tooling/sobjects/TraceFlag", flag+`"Mon, 08 Mar 2027 13:00:00 GMT"}`).wants(t, 400, "within 24 hours")
	s.make("TraceFlag", flag+`"Mon, 01 Mar 2027 13:00:00 GMT"}`)
	s.anonymous("Integer n = 2;\nSystem.debug('seen ' + n);").want(t, 200, executed)
	log := s.one("SELECT Id, Operation, Status, LogLength, LogUser.Name, StartTime FROM ApexLog ORDER BY StartTime DESC LIMIT 1")
	if log["Status"] != "Success" || log["Operation"] != "/services/data/v62.0/tooling/executeAnonymous/" {
		t.Errorf("the log is %v", log)
	}
	for _, path := range []string{"/tooling/sobjects/ApexLog/", "/sobjects/ApexLog/"} {
		body := s.do("GET", path+log["Id"].(string)+"/Body", "")
		if body.status != 200 || !strings.HasPrefix(body.header.Get("Content-Type"), "text/plain") || len(body.body) != int(log["LogLength"].(float64)) {
			t.Errorf("%s: %d %v, %d bytes", path, body.status, body.header, len(body.body))
		}
		for _, line := range []string{"62.0 APEX_CODE,FINEST;APEX_PROFILING,INFO;", "\nExecute Anonymous: System.debug('seen ' + n);\n",
			"|USER_INFO|[EXTERNAL]|005Sm0000000001|integration@alderridge.example|", "|USER_DEBUG|[2]|DEBUG|seen 2\n", "|EXECUTION_FINISHED\n"} {
			if !strings.Contains(body.body, line) {
				t.Errorf("no %s in %s", line, body.body)
			}
		}
	}
	r := s.do("POST", "/tooling/runTestsSynchronous", `{"tests":[{"className":"WarrantyClaimsTest","testMethods":["amountIsNeeded"]}]}`)
	r.wants(t, 200, `{"apexLogId":"07L`)
	s.do("DELETE", "/tooling/sobjects/ApexLog/"+log["Id"].(string), "").want(t, 204, "")
	s.do("GET", "/sobjects/ApexLog/"+log["Id"].(string)+"/Body", "").wants(t, 404, "NOT_FOUND")
	c.move(2 * time.Hour)
	s.token = s.MintToken(fakeorg.IntegrationUser)
	s.anonymous("System.debug('unseen');").want(t, 200, executed)
	s.tool("SELECT Id FROM ApexLog").wants(t, 200, `"size":1`)
}

type testResult struct {
	NumTestsRun, NumFailures, TotalTime int
	Successes                           []struct{ MethodName string }
	Failures                            []struct{ MethodName, Message, StackTrace, Type string }
	CodeCoverage                        []struct {
		Name                                 string
		NumLocations, NumLocationsNotCovered int
		LocationsNotCovered                  []struct{ Line int }
	}
}

func (s *server) runTests(body string) testResult {
	s.t.Helper()
	r := s.do("POST", "/tooling/runTestsSynchronous", body)
	var result testResult
	if err := json.Unmarshal([]byte(r.body), &result); err != nil || r.status != 200 {
		s.t.Fatalf("%d %s", r.status, r.body)
	}
	return result
}

func TestRunTests(t *testing.T) {
	s := start(t, fakeorg.Options{})
	accounts := s.do("GET", "/query?q=SELECT+COUNT()+FROM+Account", "").body
	s.make("ApexClass", `{"Body": "public class Half {\n\tpublic static Integer f(Boolean b) {\n\t\tif (b) {\n\t\t\treturn 1;\n\t\t}\n\t\treturn 2;\n\t}\n}"}`)
	source, err := json.Marshal(`@IsTest
class HalfTest {
	@IsTest static void passes() { Assert.areEqual(1, Half.f(true)); }
	@IsTest static void seesNothing() { System.assertEquals(0, [SELECT COUNT() FROM Account]); insert new Account(Name = 'Test', ExternalId__c = 'ERP-1000'); }
	@IsTest static void isAlone() { System.assertEquals(0, [SELECT COUNT() FROM Account]); System.assert(Test.isRunningTest()); }
	@IsTest static void fails() { System.assertEquals(1, 2, 'one'); }
	@IsTest static void throws_() { Integer i = 1 / 0; }
	@IsTest static void isNotUnderstood() { Messaging.sendEmail(null); }
}`)
	if err != nil {
		t.Fatal(err)
	}
	s.make("ApexClass", `{"Body": `+string(source)+`}`)
	got := s.runTests(`{"tests": [{"className": "HalfTest"}]}`)
	var passed, failed []string
	for _, m := range got.Successes {
		passed = append(passed, m.MethodName)
	}
	for _, m := range got.Failures {
		failed = append(failed, m.MethodName+" "+m.Message+" "+m.StackTrace)
	}
	if fmt.Sprint(passed) != "[passes seesNothing isAlone]" || got.NumTestsRun != 6 || got.NumFailures != 3 {
		t.Errorf("passed %v of %d", passed, got.NumTestsRun)
	}
	want := []string{"fails System.AssertException: Assertion Failed: one: Expected: 1, Actual: 2 Class.HalfTest.fails: line 6, column 1",
		"throws_ System.MathException: Divide by 0 Class.HalfTest.throws_: line 7, column 1",
		"isNotUnderstood CompileError: simulated: Messaging.sendEmail Class.HalfTest.isNotUnderstood: line 8, column 52"}
	for i := range want {
		if len(failed) != 3 || failed[i] != want[i] {
			t.Errorf("failed %q, want %q", failed, want)
			break
		}
	}
	if len(got.CodeCoverage) != 1 || got.CodeCoverage[0].Name != "Half" || got.CodeCoverage[0].NumLocations != 3 || fmt.Sprint(got.CodeCoverage[0].LocationsNotCovered) != "[{6}]" {
		t.Errorf("coverage %+v", got.CodeCoverage)
	}
	s.tool("SELECT NumLinesCovered, NumLinesUncovered, Coverage, ApexClassOrTrigger.Name FROM ApexCodeCoverageAggregate WHERE ApexClassOrTrigger.Name = 'Half'").wants(t, 200,
		`"NumLinesCovered":2,"NumLinesUncovered":1,"Coverage":{"coveredLines":[3,4],"uncoveredLines":[6]}`)
	s.tool("SELECT TestMethodName FROM ApexCodeCoverage WHERE ApexTestClass.Name = 'HalfTest'").wants(t, 200, `"size":1,"totalSize":1,"done":true,"queryLocator":null,"entityTypeName":"ApexCodeCoverage","records":[{"attributes"`)
	if after := s.do("GET", "/query?q=SELECT+COUNT()+FROM+Account", "").body; after != accounts {
		t.Errorf("before %s, after %s", accounts, after)
	}
	if one := s.runTests(`[{"className": "HalfTest", "testMethods": ["PASSES"]}]`); one.NumTestsRun != 1 {
		t.Errorf("a bare array ran %d tests", one.NumTestsRun)
	}
	if none := s.runTests(`{"tests": [{"className": "HalfTest", "testMethods": ["fails", "throws_", "passes"]}], "maxFailedTests": "0"}`); none.NumTestsRun != 2 {
		t.Errorf("maxFailedTests 0 ran %d tests", none.NumTestsRun)
	}
	s.do("POST", "/tooling/runTestsSynchronous", `{"tests": [{"className": "Half"}]}`).want(t, 403,
		`[{"message":"This class name's value is invalid: Half. Provide the name of an Apex class that has test methods.","errorCode":"INVALID_INPUT"}]`)
	s.do("POST", "/tooling/runTestsSynchronous", `{"tests": [{"className": "HalfTest"}, {"className": "ReturnHandlerTest"}]}`).wants(t, 400, "Only one test class")
	s.do("POST", "/tooling/runTestsSynchronous", `{}`).wants(t, 400, "Always provide a classes, suites, tests, or testLevel property")
}

// TestTestQueue: a run goes from queued to completed, one class after the other.
func TestTestQueue(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	began := func(body string) string {
		t.Helper()
		r := s.do("POST", "/tooling/runTestsAsynchronous/", body)
		if r.status != 200 || len(r.body) != 17 || !strings.HasPrefix(r.body, `"707`) {
			t.Fatalf("%d %s", r.status, r.body)
		}
		return strings.Trim(r.body, `"`)
	}
	state := func(job string) string {
		var items struct {
			Records []struct{ Status, ExtendedStatus string }
		}
		_ = json.Unmarshal([]byte(s.tool("SELECT Status, ExtendedStatus FROM ApexTestQueueItem WHERE ParentJobId = '"+job+"' ORDER BY Id").body), &items)
		run := s.one("SELECT Status, ClassesCompleted, MethodsCompleted, MethodsFailed FROM ApexTestRunResult WHERE AsyncApexJobId = '" + job + "'")
		async := s.one("SELECT Status, JobItemsProcessed FROM AsyncApexJob WHERE Id = '" + job + "'")
		return fmt.Sprintf("%v %v %v/%v/%v %v", items.Records, run["Status"], run["ClassesCompleted"], run["MethodsCompleted"], run["MethodsFailed"], async["Status"])
	}
	job := began(`{"classNames": "WarrantyClaimsTest,ReturnHandlerTest", "skipCodeCoverage": true}`)
	for _, want := range []string{"[{Queued } {Queued }] Queued 0/0/0 Queued", "[{Processing } {Queued }] Processing 0/0/0 Processing",
		"[{Completed (2/2)} {Processing }] Processing 1/2/0 Processing", "[{Completed (2/2)} {Completed (4/5)}] Failed 2/7/1 Completed"} {
		if got := state(job); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		c.move(200 * time.Millisecond)
	}
	s.tool("SELECT COUNT() FROM ApexTestResult WHERE AsyncApexJobId = '"+job+"'").wants(t, 200, `"size":7`)
	s.tool("SELECT Message, StackTrace FROM ApexTestResult WHERE AsyncApexJobId = '"+job+"' AND Outcome = 'Fail'").wants(t, 200, `"Message":"System.AssertException: Assertion Failed: Expected: 12.00, Actual: 15.00"`)
	s.tool("SELECT COUNT() FROM ApexCodeCoverage").wants(t, 200, `"size":0`)

	for _, body := range []string{`{"suiteNames": "Returns"}`, `{"testLevel": "RunLocalTests"}`, `{"suiteids": "` + s.id("SELECT Id FROM ApexTestSuite") + `"}`,
		`[{"className": "WarrantyClaimsTest"}, {"classId": "` + s.id("SELECT Id FROM ApexClass WHERE Name = 'ReturnHandlerTest'") + `"}]`} {
		job := began(body)
		c.move(2 * time.Second)
		if got := state(job); !strings.Contains(got, "Failed 2/7/1 Completed") {
			t.Errorf("%s: %s", body, got)
		}
	}
	passing := began(`{"tests": [{"className": "WarrantyClaimsTest", "testMethods": ["amountIsNeeded"]}]}`)
	c.move(2 * time.Second)
	if got := state(passing); got != "[{Completed (1/1)}] Completed 1/1/0 Completed" {
		t.Errorf("passing: %s", got)
	}
	s.do("GET", "/tooling/runTestsAsynchronous/?classids="+s.id("SELECT Id FROM ApexClass WHERE Name = 'WarrantyClaimsTest'"), "").wants(t, 200, `"707`)

	aborted := began(`{"classNames": "WarrantyClaimsTest,ReturnHandlerTest"}`)
	var items struct{ Records []struct{ ID string } }
	_ = json.Unmarshal([]byte(s.tool("SELECT Id FROM ApexTestQueueItem WHERE ParentJobId = '"+aborted+"'").body), &items)
	s.do("PATCH", "/tooling/composite/sobjects", `{"records": [{"attributes": {"type": "ApexTestQueueItem"}, "Id": "`+items.Records[0].ID+`", "Status": "Aborted"},
		{"attributes": {"type": "ApexTestQueueItem"}, "Id": "`+items.Records[1].ID+`", "Status": "Aborted"}]}`).wants(t, 200, `"success":true`)
	c.move(2 * time.Second)
	if got := state(aborted); got != "[{Aborted } {Aborted }] Aborted 0/0/0 Aborted" {
		t.Errorf("aborted: %s", got)
	}
	s.do("PATCH", "/tooling/sobjects/ApexTestQueueItem/"+items.Records[0].ID, `{"Status": "Completed"}`).wants(t, 400, "INVALID_STATUS")
	s.do("POST", "/tooling/runTestsAsynchronous", `{"testLevel": "RunLocalTests", "classNames": "A"}`).wants(t, 400, "INVALID_INPUT")
	s.do("POST", "/tooling/runTestsAsynchronous", `{"classNames": "Nobody"}`).wants(t, 403, "This class name's value is invalid: Nobody")
}

func TestCompletions(t *testing.T) {
	s := start(t, fakeorg.Options{})
	s.make("ApexClass", `{"Body": "public class Made { public Made(String name) {} Made() {} public String label; Integer hidden; }"}`)
	r := s.do("GET", "/tooling/completions?type=apex", "")
	r.wants(t, 200, `"Made":{"constructors":[{"argTypes":["String"],"isStatic":false,"methodDoc":null,"name":"Made","parameters":[{"name":"name","type":"String"}],"references":[],"returnType":"void"}],`+
		`"methods":[],"properties":[{"name":"label","references":[],"type":"String"}]}`)
	r.wants(t, 200, `{"argTypes":["Date","Date"],"isStatic":true,"methodDoc":null,"name":"isAccepted","parameters":[{"name":"orderedOn","type":"Date"},{"name":"returnedOn","type":"Date"}],"references":[],"returnType":"Boolean"}`)
	r.wants(t, 200, `{"publicDeclarations":{"System":{"String":{"constructors":[],"methods":[`)
	s.do("GET", "/tooling/completions?type=visualforce", "").wants(t, 200, `{"completions":{"apex:page":{"simple":false,"attribs":{"controller":{"type":"String"}`)
	s.do("GET", "/tooling/completions?type=x", "").wants(t, 400, "INVALID_TYPE")
}

// TestLibrary: completions offer no more than Apex here understands.
func TestLibrary(t *testing.T) {
	source, err := os.ReadFile("library.apex")
	if err != nil {
		t.Fatal(err)
	}
	library, refused := apex.ParseClass(string(source))
	if refused != nil {
		t.Fatal(refused)
	}
	n := 0
	for _, class := range library.Inner {
		for _, m := range class.Methods {
			if n++; !apex.Understands(class.Name, m.Name, m.Static) {
				t.Errorf("%s.%s is offered but not understood", class.Name, m.Name)
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d methods", n)
	}
}
