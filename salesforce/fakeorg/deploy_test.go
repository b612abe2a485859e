package fakeorg_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
)

// packed makes a zip of files.
func packed(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// manifest writes package.xml: kind, members, kind, members and so on; members have commas between them.
func manifest(types ...string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><Package xmlns="http://soap.sforce.com/2006/04/metadata">`)
	for i := 0; i < len(types); i += 2 {
		b.WriteString("<types>")
		for member := range strings.SplitSeq(types[i+1], ",") {
			b.WriteString("<members>" + member + "</members>")
		}
		b.WriteString("<name>" + types[i] + "</name></types>")
	}
	return b.String() + "<version>62.0</version></Package>"
}

// class gives the two files of an Apex class.
func class(files map[string]string, name, body string) map[string]string {
	files["classes/"+name+".cls"] = body
	files["classes/"+name+".cls-meta.xml"] = `<?xml version="1.0"?><ApexClass xmlns="http://soap.sforce.com/2006/04/metadata"><apiVersion>61.0</apiVersion><status>Active</status></ApexClass>`
	return files
}

// post sends a deploy request, with the part of JSON under a name.
func (s *server) sendDeploy(part, options string, zip []byte) reply {
	s.t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for _, p := range []struct {
		disposition, kind string
		content           []byte
	}{{`form-data; name="` + part + `"`, "application/json", []byte(`{"deployOptions": {` + options + `}}`)},
		{`form-data; name="file"; filename="deploy.zip"`, "application/zip", zip}} {
		w, err := form.CreatePart(textproto.MIMEHeader{"Content-Disposition": {p.disposition}, "Content-Type": {p.kind}})
		if err != nil {
			s.t.Fatal(err)
		}
		_, _ = w.Write(p.content)
	}
	_ = form.Close()
	return s.do("POST", "/metadata/deployRequest", b.String(), "Content-Type", form.FormDataContentType())
}

// deployed is the state of a deploy.
type deployed struct {
	ID, URL      string
	DeployResult struct {
		Status                                                                 string
		Done, Success, CheckOnly                                               bool
		NumberComponentsTotal, NumberComponentsDeployed, NumberComponentErrors int
		NumberTestsTotal, NumberTestsCompleted, NumberTestErrors               int
		CanceledByName                                                         string
		Details                                                                struct {
			ComponentFailures, ComponentSuccesses []struct {
				ComponentType, FullName, FileName, ID, Problem, ProblemType string
				Created, Changed, Deleted, Warning                          bool
				LineNumber, ColumnNumber                                    int
			}
			RunTestResult struct {
				NumTestsRun, NumFailures int
				Failures                 []struct{ Name, MethodName, Message string }
				CodeCoverage             []struct{ Name string }
			}
		}
	}
}

func (s *server) state(id string) deployed {
	s.t.Helper()
	r := s.do("GET", "/metadata/deployRequest/"+id+"?includeDetails=true", "")
	var d deployed
	if err := json.Unmarshal([]byte(r.body), &d); err != nil || r.status != 200 {
		s.t.Fatalf("%d %s", r.status, r.body)
	}
	return d
}

// deploy sends files and waits until they are deployed.
func (s *server) deploy(c *clock, options string, files map[string]string) deployed {
	s.t.Helper()
	r := s.sendDeploy("json", options, packed(s.t, files))
	var d deployed
	if err := json.Unmarshal([]byte(r.body), &d); err != nil || r.status != 201 {
		s.t.Fatalf("%d %s", r.status, r.body)
	}
	c.move(time.Second)
	return s.state(d.ID)
}

// problems lists what failed, or was said of what did not.
func (d deployed) problems() string {
	var all []string
	for _, f := range append(slices.Clone(d.DeployResult.Details.ComponentFailures), d.DeployResult.Details.ComponentSuccesses...) {
		if f.Problem != "" {
			all = append(all, fmt.Sprintf("%s %s %s: %s (%d,%d)", f.ProblemType, f.ComponentType, f.FullName, f.Problem, f.LineNumber, f.ColumnNumber))
		}
	}
	return strings.Join(all, "; ")
}

const single = `"singlePackage": true, "rollbackOnError": true`

func TestDeployOverTime(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	files := class(class(map[string]string{"package.xml": manifest("ApexClass", "Deployed,DeployedTest")},
		"Deployed", "public class Deployed { public static Integer one() { return 1; } }"),
		"DeployedTest", "@IsTest class DeployedTest { @IsTest static void one() { Assert.areEqual(1, Deployed.one()); } }")
	for _, part := range []string{"json", "entity_content"} {
		r := s.sendDeploy(part, single+`, "testLevel": "RunSpecifiedTests", "runTests": ["DeployedTest"]`, packed(t, files))
		r.wants(t, 201, `"status":"Pending","done":false`)
		var made deployed
		if err := json.Unmarshal([]byte(r.body), &made); err != nil || !strings.HasPrefix(made.ID, "0Af") {
			t.Fatal(r.body, err)
		}
		for _, want := range []string{"Pending 0/0/0 0/0/0 false", "InProgress 2/0/0 0/0/0 false", "InProgress 2/2/0 1/0/0 false", "Succeeded 2/2/0 1/1/0 true"} {
			d := s.state(made.ID).DeployResult
			if got := fmt.Sprintf("%s %d/%d/%d %d/%d/%d %t", d.Status, d.NumberComponentsTotal, d.NumberComponentsDeployed, d.NumberComponentErrors,
				d.NumberTestsTotal, d.NumberTestsCompleted, d.NumberTestErrors, d.Done); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			c.move(200 * time.Millisecond)
		}
		d := s.state(made.ID).DeployResult
		if d.Details.RunTestResult.NumTestsRun != 1 || len(d.Details.RunTestResult.CodeCoverage) != 1 || !d.Success {
			t.Errorf("%+v", d)
		}
		for _, m := range d.Details.ComponentSuccesses {
			if m.FullName == "Deployed" && (m.Created != (part == "json") || m.Changed != (part == "json") || !strings.HasPrefix(m.ID, "01p") || m.FileName != "classes/Deployed.cls") {
				t.Errorf("%s: %+v", part, m)
			}
		}
	}
	s.tool("SELECT ApiVersion, CreatedBy.Username FROM ApexClass WHERE Name = 'Deployed'").wants(t, 200, `"ApiVersion":61.0`)
	s.tool("SELECT Status, NumberTestsTotal FROM DeployRequest").wants(t, 200, `"size":2`)
	if brief := s.do("GET", "/metadata/deployRequest/"+s.id("SELECT Id FROM DeployRequest LIMIT 1"), ""); strings.Contains(brief.body, "details") {
		t.Errorf("details without being asked: %s", brief.body)
	}
}

func TestDeployFails(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	broken := "public class Broken {\n\tInteger i = ;\n}"
	good := "public class Good {}"
	both := func() map[string]string {
		return class(class(map[string]string{"package.xml": manifest("ApexClass", "Good,Broken")}, "Good", good), "Broken", broken)
	}
	d := s.deploy(c, single, both())
	if d.DeployResult.Status != "Failed" || d.problems() != "Error ApexClass Broken: Unexpected token ';'. (2,14)" {
		t.Errorf("%s %s", d.DeployResult.Status, d.problems())
	}
	s.tool("SELECT Id FROM ApexClass WHERE Name = 'Good'").wants(t, 200, `"size":0`)
	partial := s.deploy(c, `"singlePackage": true, "rollbackOnError": false`, both())
	if partial.DeployResult.Status != "SucceededPartial" || partial.DeployResult.NumberComponentErrors != 1 {
		t.Errorf("%+v", partial)
	}
	s.tool("SELECT Id FROM ApexClass WHERE Name = 'Good'").wants(t, 200, `"size":1`)

	failing := class(class(map[string]string{"package.xml": manifest("ApexClass", "*")}, "More", "public class More {}"), "MoreTest",
		"@IsTest class MoreTest { @IsTest static void no() { System.assertEquals(1, 2); } }")
	d = s.deploy(c, single+`, "testLevel": "RunLocalTests"`, failing)
	if r := d.DeployResult; r.Status != "Failed" || r.NumberTestsTotal != 8 || r.NumberTestErrors != 2 || r.Details.RunTestResult.NumFailures != 2 {
		t.Errorf("%+v", r)
	}
	s.tool("SELECT Id FROM ApexClass WHERE Name = 'More'").wants(t, 200, `"size":0`)

	for name, test := range map[string]struct {
		options string
		files   map[string]string
		want    string
	}{
		"missing":       {single, map[string]string{"package.xml": manifest("ApexClass", "Nobody")}, "Error ApexClass Nobody: An object 'Nobody' of type ApexClass was named in package.xml, but was not found in zipped directory (0,0)"},
		"missing field": {single, map[string]string{"package.xml": manifest("CustomField", "Account.X__c")}, "Error CustomField Account.X__c: An object 'Account.X__c' of type CustomField was named in package.xml, but was not found in zipped directory (0,0)"},
		"no manifest":   {single, class(map[string]string{}, "Good", good), "Error  package.xml: No package.xml found (0,0)"},
		"in a folder":   {single, map[string]string{"pkg/package.xml": manifest()}, "Error  package.xml: No package.xml found (0,0)"},
		"not in one":    {`"rollbackOnError": true`, map[string]string{"package.xml": manifest()}, "Error  package.xml: No package.xml found (0,0)"},
		"no XML":        {single, map[string]string{"package.xml": "<Package"}, "Error  package.xml: Error parsing file: XML syntax error on line 1: unexpected EOF (0,0)"},
		"unknown type":  {single, map[string]string{"package.xml": manifest("Nonsense", "*")}, "Error Nonsense package.xml: Unknown type name 'Nonsense' specified in package.xml (0,0)"},
		"no meta":       {single, map[string]string{"package.xml": manifest("ApexClass", "Good"), "classes/Good.cls": good}, "Error ApexClass Good: Required file missing: classes/Good.cls-meta.xml (0,0)"},
		"other name":    {single, class(map[string]string{"package.xml": manifest("ApexClass", "Good")}, "Good", "class Other {}"), "Error ApexClass Good: Invalid type name: the file declares Other (1,1)"},
		"no tests":      {single + `, "testLevel": "RunSpecifiedTests", "runTests": ["Nobody"]`, map[string]string{"package.xml": manifest()}, ""},
	} {
		d := s.deploy(c, test.options, test.files)
		if d.DeployResult.Status != "Failed" || d.problems() != test.want {
			t.Errorf("%s: %s %s", name, d.DeployResult.Status, d.problems())
		}
	}
}

func TestDeployCheckOnly(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	files := class(class(map[string]string{"package.xml": manifest("ApexClass", "Checked,CheckedTest")}, "Checked", "public class Checked {}"),
		"CheckedTest", "@IsTest class CheckedTest { @IsTest static void yes() { Assert.isTrue(true); } }")
	untested := s.deploy(c, single+`, "checkOnly": true`, files)
	s.do("POST", "/metadata/deployRequest", `{"validatedDeployRequestId": "`+untested.ID+`"}`).wants(t, 400, "INVALID_ID_FIELD")
	d := s.deploy(c, single+`, "checkOnly": true, "testLevel": "RunSpecifiedTests", "runTests": ["CheckedTest"]`, files)
	if !d.DeployResult.Success || !d.DeployResult.CheckOnly || d.DeployResult.NumberTestsCompleted != 1 {
		t.Errorf("%+v", d)
	}
	s.tool("SELECT Id FROM ApexClass WHERE Name = 'Checked'").wants(t, 200, `"size":0`)
	r := s.do("POST", "/metadata/deployRequest", `{"validatedDeployRequestId": "`+d.ID+`"}`)
	r.wants(t, 201, `"validatedDeployRequestId":"`+d.ID+`"`)
	var quick deployed
	_ = json.Unmarshal([]byte(r.body), &quick)
	c.move(time.Second)
	if got := s.state(quick.ID); !got.DeployResult.Success || got.DeployResult.NumberTestsTotal != 0 || quick.ID == d.ID {
		t.Errorf("%+v", got)
	}
	s.tool("SELECT Id FROM ApexClass WHERE Name = 'Checked'").wants(t, 200, `"size":1`)
}

func TestDeployCanceled(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	r := s.sendDeploy("json", single, packed(t, class(map[string]string{"package.xml": manifest("ApexClass", "Late")}, "Late", "public class Late {}")))
	var d deployed
	_ = json.Unmarshal([]byte(r.body), &d)
	c.move(200 * time.Millisecond)
	s.do("PATCH", "/metadata/deployRequest/"+d.ID, `{"deployResult": {"status": "Succeeded"}}`).wants(t, 400, "INVALID_STATUS")
	s.do("PATCH", "/metadata/deployRequest/"+d.ID, `{"deployResult": {"status": "Canceling"}}`).wants(t, 202, `"status":"Canceling","done":false`)
	c.move(time.Second)
	if got := s.state(d.ID).DeployResult; got.Status != "Canceled" || !got.Done || got.CanceledByName != "Integration User" {
		t.Errorf("%+v", got)
	}
	s.tool("SELECT Id FROM ApexClass WHERE Name = 'Late'").wants(t, 200, `"size":0`)
	s.do("PATCH", "/metadata/deployRequest/"+d.ID, `{"deployResult": {"status": "Canceling"}}`).wants(t, 400, "already completed")
	s.do("GET", "/metadata/deployRequest/0Af000000000001AAA", "").wants(t, 404, "NOT_FOUND")
}

// TestDeployObjects: objects, fields, rules and other metadata; then they are deleted.
func TestDeployObjects(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	files := map[string]string{
		"package.xml": manifest("CustomObject", "Depot__c", "CustomField", "Account.Depot__c", "ValidationRule", "Account.Depot_Open", "Layout", "Depot__c-Depot Layout",
			"Flow", "Depot_Flow", "CustomLabels", "CustomLabels", "ApexTrigger", "OnDepot", "ApexPage", "DepotPage", "LightningComponentBundle", "depotTile"),
		"objects/Depot__c.object": `<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata"><label>Depot</label><pluralLabel>Depots</pluralLabel>
			<nameField><type>Text</type><label>Depot Name</label></nameField><deploymentStatus>Deployed</deploymentStatus><sharingModel>ReadWrite</sharingModel>
			<fields><fullName>Town__c</fullName><label>Town</label><type>Text</type><length>40</length></fields>
			<fields><fullName>Open__c</fullName><label>Open</label><type>Checkbox</type><defaultValue>true</defaultValue></fields>
			<recordTypes><fullName>Central</fullName><active>true</active><label>Central</label></recordTypes></CustomObject>`,
		"objects/Account.object": `<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
			<fields><fullName>Depot__c</fullName><label>Depot</label><type>Lookup</type><referenceTo>Depot__c</referenceTo><relationshipName>Accounts</relationshipName></fields>
			<fields><fullName>Unnamed__c</fullName><label>Unnamed</label><type>Text</type><length>40</length></fields>
			<validationRules><fullName>Depot_Open</fullName><active>true</active><errorConditionFormula>ISBLANK(Site)</errorConditionFormula><errorMessage>A site, please</errorMessage></validationRules></CustomObject>`,
		"layouts/Depot__c-Depot Layout.layout": `<Layout xmlns="http://soap.sforce.com/2006/04/metadata"><layoutSections><label>Info</label></layoutSections></Layout>`,
		"flows/Depot_Flow.flow":                `<Flow xmlns="http://soap.sforce.com/2006/04/metadata"><apiVersion>62.0</apiVersion><label>Depot Flow</label><processType>AutoLaunchedFlow</processType><status>Active</status></Flow>`,
		"labels/CustomLabels.labels":           `<CustomLabels xmlns="http://soap.sforce.com/2006/04/metadata"><labels><fullName>Hi</fullName></labels></CustomLabels>`,
		"triggers/OnDepot.trigger":             "trigger OnDepot on Depot__c (before insert) { }",
		"triggers/OnDepot.trigger-meta.xml":    `<ApexTrigger xmlns="http://soap.sforce.com/2006/04/metadata"><apiVersion>62.0</apiVersion><status>Active</status></ApexTrigger>`,
		"pages/DepotPage.page":                 "<apex:page/>",
		"pages/DepotPage.page-meta.xml":        `<ApexPage xmlns="http://soap.sforce.com/2006/04/metadata"><apiVersion>62.0</apiVersion><label>Depot</label></ApexPage>`,
		"lwc/depotTile/depotTile.js":           "export default class {}",
		"lwc/depotTile/depotTile.js-meta.xml":  "<LightningComponentBundle/>",
		"classes/Unnamed.cls":                  "public class Unnamed {}",
	}
	for round := range 2 {
		d := s.deploy(c, single, files)
		if !d.DeployResult.Success {
			t.Fatalf("round %d: %s", round, d.problems())
		}
		if want := "Warning ApexClass Unnamed: An object of type ApexClass was found in the zipped directory, but was not named in package.xml: Unnamed (0,0)"; d.problems() != want {
			t.Errorf("problems %s", d.problems())
		}
	}
	depot := s.create("Depot__c", `{"Name": "North", "Town__c": "Leeds"}`)
	s.do("GET", "/sobjects/Depot__c/"+depot+"?fields=Open__c", "").wants(t, 200, `"Open__c":true`)
	s.do("POST", "/sobjects/Account", `{"Name": "A", "Depot__c": "`+depot+`"}`).wants(t, 400, "A site, please")
	s.create("Account", `{"Name": "A", "Site": "x", "Depot__c": "`+depot+`"}`)
	s.ask("SELECT (SELECT Name FROM Accounts__r) FROM Depot__c").wants(t, 200, `"Name":"A"`)
	s.ask("SELECT Unnamed__c FROM Account").wants(t, 400, "No such column")
	s.ask("SELECT DeveloperName, SobjectType FROM RecordType").wants(t, 200, `"DeveloperName":"Central","SobjectType":"Depot__c"`)
	s.tool("SELECT Name, TableEnumOrId, Metadata FROM Layout").wants(t, 200, `"Name":"Depot Layout","TableEnumOrId":"Depot__c","Metadata":{"layoutSections":{"label":"Info"}}`)
	s.tool("SELECT MasterLabel, VersionNumber, Status, Definition.DeveloperName FROM Flow ORDER BY VersionNumber").wants(t, 200, `"MasterLabel":"Depot Flow","VersionNumber":1,"Status":"Obsolete","Definition":{"attributes"`)
	s.tool("SELECT ActiveVersion.VersionNumber, LatestVersion.VersionNumber FROM FlowDefinition").wants(t, 200, `"VersionNumber":2`)
	s.tool("SELECT Name, UsageBeforeInsert FROM ApexTrigger").wants(t, 200, `"Name":"OnDepot","UsageBeforeInsert":true`)
	s.tool("SELECT Name, MasterLabel, Markup FROM ApexPage").wants(t, 200, `"Markup":"<apex:page/>"`)

	gone := map[string]string{"package.xml": manifest(), "destructiveChanges.xml": manifest("ApexTrigger", "OnDepot,Nobody", "CustomField", "Account.Depot__c", "ValidationRule", "Account.Depot_Open",
		"Layout", "Depot__c-Depot Layout", "CustomLabels", "CustomLabels"), "destructiveChangesPost.xml": manifest("CustomObject", "Depot__c")}
	d := s.deploy(c, single, gone)
	if !d.DeployResult.Success || d.problems() != "Warning ApexTrigger Nobody: No ApexTrigger named: Nobody found (0,0)" {
		t.Errorf("%s %s", d.DeployResult.Status, d.problems())
	}
	s.ask("SELECT Id FROM Depot__c").wants(t, 400, "not supported")
	s.ask("SELECT Depot__c FROM Account").wants(t, 400, "No such column")
	s.tool("SELECT Id FROM Layout").wants(t, 200, `"size":0`)
	s.create("Account", `{"Name": "Without a site"}`)
}

// TestDeployRefused: what is no deploy at all, and zips that are larger than they look.
func TestDeployRefused(t *testing.T) {
	s := start(t, fakeorg.Options{})
	fine := packed(t, map[string]string{"package.xml": manifest()})
	many := map[string]string{}
	for i := range 10_001 {
		many[fmt.Sprintf("classes/C%05d.cls", i)] = ""
	}
	s.sendDeploy("json", single, packed(t, many)).wants(t, 400, "Maximum number of files in a zip file is 10000")
	var bomb bytes.Buffer
	z := zip.NewWriter(&bomb)
	for i := range 61 { // each says that it unpacks to 10 MB
		if _, err := z.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("staticresources/R%d.resource", i), Method: zip.Deflate, UncompressedSize64: 10 << 20}); err != nil {
			t.Fatal(err)
		}
	}
	_ = z.Close()
	s.sendDeploy("json", single, bomb.Bytes()).wants(t, 400, "Maximum size of the unpacked files is 600 MB")
	s.sendDeploy("json", single, bytes.Repeat([]byte("x"), 40<<20)).wants(t, 400, "Maximum size of a zip file is 39 MB")
	s.sendDeploy("json", single, []byte("no zip")).wants(t, 400, "not a zip file")
	s.sendDeploy("json", single+`, "testLevel": "Nonsense"`, fine).wants(t, 400, "INVALID_OPERATION")
	s.sendDeploy("json", single+`, "testLevel": "RunSpecifiedTests"`, fine).wants(t, 400, "INVALID_OPERATION")
	s.do("POST", "/metadata/deployRequest", `{}`).wants(t, 400, "MISSING_ARGUMENT")
	s.do("POST", "/metadata/deployRequest", `{"deployOptions": {}}`).wants(t, 400, "MISSING_ARGUMENT")
	s.do("POST", "/metadata/deployRequest", `{`).wants(t, 400, "JSON_PARSER_ERROR")
	s.do("POST", "/metadata/deployRequest", "x", "Content-Type", "multipart/form-data").wants(t, 400, "INVALID_MULTIPART_REQUEST")
}

// TestRecordedDeploys compares with recorded answers. Those were made of the SOAP answer, in which booleans and numbers
// of the details are texts, and one element is no list.
func TestRecordedDeploys(t *testing.T) {
	c := newClock()
	s := start(t, fakeorg.Options{Clock: c.time})
	files := class(map[string]string{"package.xml": manifest("ApexClass", "ProductController")}, "ProductController", "public class ProductController {}")
	succeeded := s.deploy(c, single, files).ID
	failed := s.deploy(c, single, class(files, "ProductController", "public class ProductController {")).ID
	var running deployed
	_ = json.Unmarshal([]byte(s.sendDeploy("json", single, packed(t, files)).body), &running)
	for name, path := range map[string]string{"deploy-001-metadata_deploy_get": succeeded + "?includeDetails=true",
		"deploy-002-metadata_deploy_get-err": failed + "?includeDetails=true", "deploy-003-metadata_deploy_get": running.ID} {
		text, err := os.ReadFile(filepath.Join("../../testdata/recordings", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var was struct {
			ResponseBody map[string]any `json:"response_body"`
		}
		var is map[string]any
		if err := json.Unmarshal(text, &was); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(s.do("GET", "/metadata/deployRequest/"+path, "").body), &is); err != nil {
			t.Fatal(err)
		}
		wasResult, _ := was.ResponseBody["deployResult"].(map[string]any)
		isResult, _ := is["deployResult"].(map[string]any)
		if wasResult["status"] != isResult["status"] && isResult["status"] != "Pending" {
			t.Errorf("%s: status %v", name, isResult["status"])
		}
		wasDetails, _ := wasResult["details"].(map[string]any)
		isDetails, _ := isResult["details"].(map[string]any)
		delete(wasResult, "details")
		for _, difference := range shapeDiff("$", was.ResponseBody, is) {
			t.Errorf("%s: %s", name, difference)
		}
		for list, value := range wasDetails {
			for key := range firstOf(value) {
				if _, there := firstOf(isDetails[list])[key]; !there && key != "id" {
					t.Errorf("%s: details.%s has no %s", name, list, key)
				}
			}
		}
	}
}

// firstOf is an object, or the first of a list of them.
func firstOf(value any) map[string]any {
	if list, isList := value.([]any); isList && len(list) > 0 {
		value = list[0]
	}
	object, _ := value.(map[string]any)
	return object
}
