package fakeorg_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
)

// TestIngestForm: one request makes the job, brings its data and starts it.
func TestIngestForm(t *testing.T) {
	s := startBulk(t)
	form := func(parts ...string) reply {
		var b strings.Builder
		for i := 0; i < len(parts); i += 2 {
			fmt.Fprintf(&b, "--BOUNDARY\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n", parts[i], parts[i+1])
		}
		return s.do("POST", "/jobs/ingest/", b.String()+"--BOUNDARY--\r\n", "Content-Type", `multipart/form-data; boundary="BOUNDARY"`)
	}
	const job = `{"object":"Contact","contentType":"CSV","operation":"insert"}`
	r := form("job", job, "content", "LastName\nAstro\nHootie\n")
	r.wants(t, 200, `"state":"UploadComplete","concurrencyMode":"Parallel","contentType":"CSV","apiVersion":62.0,"lineEnding":"LF","columnDelimiter":"COMMA"}`)
	s.steps(2)
	if got := s.count("Contact WHERE LastName IN ('Astro', 'Hootie')"); got != 2 {
		t.Errorf("%d contacts", got)
	}
	form("content", "LastName\n", "job", job).wants(t, 200, "UploadComplete")
	form("job", job).wants(t, 400, "CLIENTINPUTERROR")
	form("job", job, "content", strings.Repeat("x", 100_001)).wants(t, 400, "CLIENTINPUTERROR")
	form("job", `{"object":"Contact"}`, "content", "").wants(t, 400, `"Invalid value: '' supplied for property: 'operation'"`)
	s.do("POST", "/jobs/ingest", "no form", "Content-Type", "multipart/form-data").wants(t, 400, "INVALID_MULTIPART_REQUEST")
}

// TestIngestOperations: what each operation makes of rows, and how results tell it. Names in braces are records that
// are made before.
func TestIngestOperations(t *testing.T) {
	for name, test := range map[string]struct{ job, csv, succeeded, failed string }{
		"insert": {`{"operation":"insert","object":"Account"}`,
			"Name,AnnualRevenue,NumberOfEmployees\nNew,912260031,7\n\"\",1,\nMany,1x,\nNegative,-1,\n",
			`NEW,"true","New","9.12260031E8","7"|`,
			`"","REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --","","1",""|` +
				`"","INVALID_FIELD:Failed to deserialize field at col 1. Due to, '1x' is not a valid value for the type xsd:double:AnnualRevenue --","Many","1x",""|` +
				`"","FIELD_CUSTOM_VALIDATION_EXCEPTION:Annual Revenue cannot be negative:--","Negative","-1",""|`},
		"update": {`{"operation":"update","object":"Account"}`,
			"Id,Name,Tier__c\n{a15},,Gold\n{gone},x,\n{a},x,None\n,x,\nhello,x,\n001000000000001AAA,x,\n",
			`"{a}","false","{a15}","","Gold"|`,
			`"{gone}","ENTITY_IS_DELETED:entity is deleted:--","{gone}","x",""|` +
				`"{a}","INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST:Tier: bad value for restricted picklist field: None:Tier__c --","{a}","x","None"|` +
				`"","MISSING_ARGUMENT:Id not specified in an update call:--","","x",""|` +
				`"","MALFORMED_ID:malformed id hello:--","hello","x",""|` +
				`"001000000000001AAA","INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--","001000000000001AAA","x",""|`},
		"upsert": {`{"operation":"upsert","object":"Account","externalIdFieldName":"externalid__C"}`,
			"ExternalId__c,Name\nA-1,Renamed\nB-1,Made\n,None\nD,1\nd,2\n",
			`"{a}","false","A-1","Renamed"|NEW,"true","B-1","Made"|`,
			`"","MISSING_ARGUMENT:ExternalId__c not specified:--","","None"|` +
				`"","DUPLICATE_VALUE:Duplicate external id specified: D:ExternalId__c --","D","1"|` +
				`"","DUPLICATE_VALUE:Duplicate external id specified: d:ExternalId__c --","d","2"|`},
		"upsert of several": {`{"operation":"upsert","object":"Account","externalIdFieldName":"Legacy_Number__c"}`,
			"Legacy_Number__c,Name\nL-1,x\n", "",
			`"","DUPLICATE_EXTERNAL_ID:Legacy Number: more than one record found for external id field: [{a}, {b}]:Legacy_Number__c --","L-1","x"|`},
		"upsert by Id": {`{"operation":"upsert","object":"Account","externalIdFieldName":"id"}`,
			"id,Name\n{a},Changed\n#N/A,Made\n,Too\n", `"{a}","false","{a}","Changed"|NEW,"true","#N/A","Made"|NEW,"true","","Too"|`, ""},
		"upsert by Id without a column for it": {`{"operation":"upsert","object":"Account","externalIdFieldName":"Id"}`,
			"Name\nMade\n", `NEW,"true","Made"|`, ""},
		"delete": {`{"operation":"delete","object":"Account"}`, "id\n{a}\n{a}\n{contact}\n{gone}\n",
			`"{a}","false","{a}"|`,
			`"{a}","ENTITY_IS_DELETED:entity is deleted:--","{a}"|"{contact}","INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--","{contact}"|` +
				`"{gone}","ENTITY_IS_DELETED:entity is deleted:--","{gone}"|`},
		"hard delete": {`{"operation":"hardDelete","object":"Account"}`, "Id\n{a}\n{busy}\n",
			`"{a}","false","{a}"|`, `"{busy}","DELETE_FAILED:` + busyAccount + `:--","{busy}"|`},
		"events": {`{"operation":"insert","object":"Return_Completed__e"}`, "Case_Id__c\n{contact}\n\n\"\"\n", `NEW,"true","{contact}"|`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := startBulk(t)
			known := map[string]string{"a": s.create("Account", `{"Name":"A","ExternalId__c":"A-1","Legacy_Number__c":"L-1"}`),
				"b": s.create("Account", `{"Name":"B","Legacy_Number__c":"L-1"}`), "gone": s.create("Account", `{"Name":"Gone"}`),
				"busy": s.create("Account", `{"Name":"Busy"}`)}
			known["contact"] = s.create("Contact", `{"LastName":"C","AccountId":"`+known["a"]+`"}`)
			known["a15"] = known["a"][:15]
			known["case"] = s.get("Case", s.create("Case", `{"Subject":"x","AccountId":"`+known["busy"]+`"}`), "CaseNumber").(string)
			s.do("DELETE", "/sobjects/Account/"+known["gone"], "").want(t, 204, "")
			fill := func(text string) string {
				for key, id := range known {
					text = strings.ReplaceAll(text, "{"+key+"}", id)
				}
				return text
			}
			info := s.ingest(test.job, fill(test.csv))
			if want := strings.Count(test.succeeded+test.failed, "|"); info.State != "JobComplete" || info.NumberRecordsProcessed != want || info.NumberRecordsFailed != strings.Count(test.failed, "|") {
				t.Fatalf("%+v", info)
			}
			succeeded, failed, unprocessed := s.results(info.ID)
			_, succeeded, _ = strings.Cut(succeeded, "\n")
			_, failed, _ = strings.Cut(failed, "\n")
			for _, got := range []struct{ rows, want string }{{succeeded, test.succeeded}, {failed, test.failed}} {
				want := strings.ReplaceAll(fill(got.want), "|", "\n")
				if named := withNew(got.rows, want); named != want {
					t.Errorf("got\n%s\nwant\n%s", named, want)
				}
			}
			if header, _, _ := strings.Cut(test.csv, "\n"); unprocessed != header+"\n" {
				t.Errorf("unprocessed %q", unprocessed)
			}
			if got := s.count("Account WHERE Name = 'Negative'"); got != 0 { // a row that fails when it is written is undone
				t.Errorf("%d of the rows that failed are there", got)
			}
		})
	}
}

const busyAccount = `Your attempt to delete Busy could not be completed because it is associated with the following cases.: {case}` + "\n"

// withNew puts NEW in the place of ids of records a job has made.
func withNew(rows, want string) string {
	got, wanted := strings.Split(rows, "\n"), strings.Split(want, "\n")
	for i := range min(len(got), len(wanted)) {
		if strings.HasPrefix(wanted[i], "NEW") && len(got[i]) > 20 {
			got[i] = "NEW" + got[i][20:]
		}
	}
	return strings.Join(got, "\n")
}

// TestHardDelete: nothing of the record is left, nor of what was deleted with it; a deleted one stays in the recycle bin.
func TestHardDelete(t *testing.T) {
	s := startBulk(t)
	hard, soft := s.create("Account", `{"Name":"Hard"}`), s.create("Account", `{"Name":"Soft"}`)
	for _, account := range []string{hard, soft} {
		s.create("Contact", `{"LastName":"Detail","AccountId":"`+account+`"}`)
	}
	s.ingest(`{"operation":"hardDelete","object":"Account"}`, "Id\n"+hard+"\n")
	s.ingest(`{"operation":"delete","object":"Account"}`, "Id\n"+soft+"\n")
	for query, want := range map[string]string{
		"SELECT Name FROM Account WHERE Name IN ('Hard','Soft')":      `"Name":"Soft"`,
		"SELECT Account.Name FROM Contact WHERE LastName = 'Detail' ": `"Name":"Soft"`,
	} {
		r := s.do("GET", "/queryAll?q="+strings.ReplaceAll(query, " ", "+"), "")
		r.wants(t, 200, `"totalSize":1`)
		r.wants(t, 200, want)
	}
}

// TestIngestSteps: a large job goes on step by step, and what has been done stays when it is aborted.
func TestIngestSteps(t *testing.T) {
	s := startBulk(t)
	var csv strings.Builder
	csv.WriteString("LastName,Company\n")
	const rows = 20_500
	for i := range rows {
		fmt.Fprintf(&csv, "L%d,Big\n", i)
	}
	id := s.open("ingest", `{"operation":"insert","object":"Lead"}`)
	s.upload(id, csv.String())
	s.steps(1)
	for _, want := range []int{0, 2000, 4000} {
		if info := s.info("ingest", id); info.State != "InProgress" || info.NumberRecordsProcessed != want || s.count("Lead WHERE Company = 'Big'") != want {
			t.Fatalf("want %d rows: %+v", want, info)
		}
		s.steps(1)
	}
	s.do("GET", "/limits", "").wants(t, 200, `"DailyBulkApiBatches":{"Max":15000,"Remaining":14997}`)
	s.do("PATCH", "/jobs/ingest/"+id, `{"state":"Aborted"}`).wants(t, 200, `"state":"Aborted"`)
	s.steps(100)
	if info := s.info("ingest", id); info.State != "Aborted" || info.NumberRecordsProcessed != 6000 || info.APIActiveProcessingTime != 3000 || info.TotalProcessingTime != 4000 {
		t.Errorf("%+v", info)
	}
	succeeded, failed, unprocessed := s.results(id)
	if strings.Count(succeeded, "\n") != 6001 || strings.Count(failed, "\n") != 1 || !strings.HasPrefix(unprocessed, "LastName,Company\nL6000,Big\n") || strings.Count(unprocessed, "\n") != rows-6000+1 {
		t.Errorf("%d, %d, %d rows, unprocessed %.40q", strings.Count(succeeded, "\n"), strings.Count(failed, "\n"), strings.Count(unprocessed, "\n"), unprocessed)
	}
	if got := s.count("Lead WHERE Company = 'Big'"); got != 6000 {
		t.Errorf("%d leads", got)
	}
	s.clock.move(24 * time.Hour)
	s.token = s.MintToken(fakeorg.AdminUser)
	s.do("GET", "/limits", "").wants(t, 200, `"DailyBulkApiBatches":{"Max":15000,"Remaining":15000}`)
}

// TestIngestAbort: a job can be stopped before it has begun, and one that is deleted does nothing.
func TestIngestAbort(t *testing.T) {
	s := startBulk(t)
	const csv = "LastName,Company\nL,Stopped\n"
	before := []func(id string){
		func(id string) {
			s.do("PUT", "/jobs/ingest/"+id+"/batches", csv, "Content-Type", "text/csv").want(t, 201, "")
		},
		func(id string) { s.upload(id, csv) },
		func(id string) { s.upload(id, csv); s.steps(1) },
	}
	for i, reach := range before {
		id := s.open("ingest", `{"operation":"insert","object":"Lead"}`)
		reach(id)
		s.do("PATCH", "/jobs/ingest/"+id, `{"id":"`+id+`","state":"Aborted"}`).wants(t, 200, `"state":"Aborted"`)
		s.steps(10)
		if _, _, unprocessed := s.results(id); unprocessed != csv {
			t.Errorf("%d: unprocessed %q", i, unprocessed)
		}
	}
	id := s.open("ingest", `{"operation":"insert","object":"Lead"}`)
	s.upload(id, csv)
	s.do("DELETE", "/jobs/ingest/"+id, "").want(t, 204, "")
	s.steps(10)
	if got := s.count("Lead WHERE Company = 'Stopped'"); got != 0 {
		t.Errorf("%d leads", got)
	}
}

// TestIngestRefused: what a job refuses, in the platform's words where they are known.
func TestIngestRefused(t *testing.T) {
	s := startBulk(t)
	open, done := s.open("ingest", `{"operation":"insert","object":"Lead"}`), s.ingest(`{"operation":"insert","object":"Lead"}`, "").ID
	query := s.open("query", `{"operation":"query","query":"SELECT Id FROM Lead"}`)
	s.do("PUT", "/jobs/ingest/"+open+"/batches", "LastName\n", "Content-Type", "text/csv").want(t, 201, "")
	aborted := s.open("ingest", `{"operation":"insert","object":"Lead"}`)
	s.do("PATCH", "/jobs/ingest/"+aborted, `{"state":"Aborted"}`).wants(t, 200, "Aborted")
	waiting := s.open("ingest", `{"operation":"insert","object":"Lead"}`)
	s.do("PATCH", "/jobs/ingest/"+waiting, `{"state":"UploadComplete"}`).wants(t, 200, "UploadComplete")
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "", `{"operation":"insert","object":"Nope"}`, 400, `[{"message":"InvalidJob : Unable to find object: Nope","errorCode":"INVALIDJOB"}]`},
		{"POST", "", `{"operation":"insert","object":"Profile"}`, 400, `[{"message":"Entity 'Profile' is not supported by the Bulk API.","errorCode":"INVALIDENTITY"}]`},
		{"POST", "", `{"operation":"insert","object":"RecentlyViewed"}`, 400, "INVALIDENTITY"},
		{"POST", "", `{"object":"Lead"}`, 400, `[{"message":"Invalid value: '' supplied for property: 'operation'","errorCode":"API_ERROR"}]`},
		{"POST", "", `{"operation":"query","object":"Lead"}`, 400, "'query' supplied for property: 'operation'"},
		{"POST", "", `{"operation":"insert","object":"Lead","contentType":"JSON"}`, 400, "'JSON' supplied for property: 'contentType'"},
		{"POST", "", `{"operation":"insert","object":"Lead","columnDelimiter":"DOT"}`, 400, "'DOT' supplied for property: 'columnDelimiter'"},
		{"POST", "", `{"operation":"insert","object":"Lead","lineEnding":"CR"}`, 400, "'CR' supplied for property: 'lineEnding'"},
		{"POST", "", `{"operation":"upsert","object":"Account"}`, 400, "InvalidJob : External ID was blank for Account. An External ID must be specified for upsert."},
		{"POST", "", `{"operation":"upsert","object":"Account","externalIdFieldName":"Phone"}`, 400, "InvalidJob : Field name provided, Phone does not match an External ID for Account"},
		{"POST", "", `{"operation":["insert"],"object":"Lead"}`, 400, `[{"message":"Value does not match expected type at [line:1, column:15]","errorCode":"API_ERROR"}]`},
		{"POST", "", `{"operation":`, 400, "JSON_PARSER_ERROR"},
		{"PATCH", "/" + done, `{"state":"UploadComplete"}`, 400, `[{"message":"Closing already Completed Job not allowed","errorCode":"INVALIDJOBSTATE"}]`},
		{"PATCH", "/" + done, `{"state":"Aborted"}`, 400, `[{"message":"Aborting already Completed Job not allowed","errorCode":"INVALIDJOBSTATE"}]`},
		{"PATCH", "/" + aborted, `{"state":"Aborted"}`, 400, "Aborting already Aborted Job not allowed"},
		{"PATCH", "/" + waiting, `{"state":"UploadComplete"}`, 400, "Closing already Closed Job not allowed"},
		{"PATCH", "/" + open, `{"state":"JobComplete"}`, 400, "'JobComplete' supplied for property: 'state'"},
		{"PATCH", "/" + open, `{"state":1}`, 400, "API_ERROR"},
		{"PATCH", "/" + query, `{"state":"Aborted"}`, 404, "NOT_FOUND"},
		{"PATCH", "/750000000000001AAA", `{"state":"Aborted"}`, 404, "NOT_FOUND"},
		{"PUT", "/" + done + "/batches", "LastName\n", 400, "INVALIDJOBSTATE"},
		{"PUT", "/" + open + "/batches", "LastName\n", 400, " contents for job: <" + open[:15] + ">, please 'Close'"},
		{"GET", "/" + open + "/failedResults/", "", 400, "INVALIDJOBSTATE"},
		{"GET", "/" + open[:15], "", 200, `"id":"` + open + `"`},
		{"GET", "/nonsense", "", 404, "NOT_FOUND"},
		{"GET", "/" + done + "/unprocessed", "", 404, "NOT_FOUND"},
		{"DELETE", "/" + open, "", 400, "API_ERROR"},
		{"POST", "/" + open, "{}", 405, "METHOD_NOT_ALLOWED"},
	} {
		headers := []string{}
		if test.method == "PUT" {
			headers = []string{"Content-Type", "text/csv; charset=UTF-8"}
		}
		s.do(test.method, "/jobs/ingest"+test.path, test.body, headers...).wants(t, test.status, test.want)
	}
	s.do("PUT", "/jobs/ingest/"+s.open("ingest", `{"operation":"insert","object":"Lead"}`)+"/batches", "{}").wants(t, 415, "INVALID_CONTENT_TYPE")
	s.do("POST", "/jobs/ingest", "a=b", "Content-Type", "application/x-www-form-urlencoded").wants(t, 415, "INVALID_CONTENT_TYPE")
}

// TestIngestSize: an upload may be larger than other bodies, and compressed.
func TestIngestSize(t *testing.T) {
	s := startBulk(t)
	var megabyte bytes.Buffer
	z := gzip.NewWriter(&megabyte)
	if _, err := z.Write(bytes.Repeat([]byte{'\n'}, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	upload := func(megabytes int) reply {
		id := s.open("ingest", `{"operation":"insert","object":"Lead"}`)
		return s.do("PUT", "/jobs/ingest/"+id+"/batches", strings.Repeat(megabyte.String(), megabytes), "Content-Type", "text/csv", "Content-Encoding", "gzip")
	}
	upload(51).want(t, 201, "")
	upload(151).wants(t, 400, "larger than")
	s.do("POST", "/sobjects/Lead", strings.Repeat(megabyte.String(), 51), "Content-Encoding", "gzip").wants(t, 400, "larger than")
}

// TestIngestVersions: before v53.0 results have no ids of records that failed.
func TestIngestVersions(t *testing.T) {
	s := startBulk(t)
	for version, want := range map[string]string{"v52.0": `""`, "v53.0": `"001000000000001AAA"`} {
		path := "/services/data/" + version + "/jobs/ingest"
		r := s.do("POST", path, `{"operation":"delete","object":"Account"}`)
		path += "/" + strings.Split(r.body, `"`)[3]
		s.do("PUT", path+"/batches", "Id\n001000000000001\n", "Content-Type", "text/csv").want(t, 201, "")
		s.do("PATCH", path, `{"state":"UploadComplete"}`).wants(t, 200, `"apiVersion":`+version[1:])
		s.steps(5)
		s.do("GET", path+"/failedResults", "").wants(t, 200, "\n"+want+`,"INVALID_CROSS_REFERENCE_KEY`)
	}
}
