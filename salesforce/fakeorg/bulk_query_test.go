package fakeorg_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// TestQueryJob follows one job from its creation to its deletion.
func TestQueryJob(t *testing.T) {
	s := startBulk(t)
	const id = "750Sm0000000001IAA"
	begins := func(second, state string) string {
		return `{"id":"` + id + `","operation":"query","object":"Account","createdById":"005Sm0000000001IAA","createdDate":"2027-03-01T12:00:00.000+0000",` +
			`"systemModstamp":"2027-03-01T12:00:0` + second + `.000+0000","state":"` + state + `","concurrencyMode":"Parallel","contentType":"CSV","apiVersion":62.0`
	}
	const format = `"lineEnding":"LF","columnDelimiter":"COMMA"`
	s.do("POST", "/jobs/query", `{"operation":"query","query":"select Id, Name from account where name = 'Frozen'"}`).want(t, 200, begins("0", "UploadComplete")+","+format+"}")
	made := s.create("Account", `{"Name":"Frozen"}`)
	path := "/jobs/query/" + id
	shows := func(second, state string, processed, total int) {
		t.Helper()
		s.do("GET", path, "").want(t, 200, begins(second, state)+fmt.Sprintf(`,"jobType":"V2Query",%s,"numberRecordsProcessed":%d,"retries":0,"totalProcessingTime":%d,"isPkChunkingSupported":true}`,
			format, processed, total))
	}
	shows("0", "UploadComplete", 0, 0)
	s.steps(1)
	shows("1", "InProgress", 0, 0)
	s.do("GET", path+"/results", "").want(t, 412, `[{"message":"The job has no results: its state is InProgress","errorCode":"JOB_NOT_COMPLETE"}]`)
	s.do("DELETE", path, "").want(t, 400, `[{"message":"Error encountered when deleting the job because the job is not terminated","errorCode":"API_ERROR"}]`)
	s.steps(1)
	shows("2", "JobComplete", 1, 2000)
	s.do("PATCH", "/sobjects/Account/"+made, `{"Name":"Changed"}`).want(t, 204, "")
	r := s.do("GET", path+"/results/", "")
	r.want(t, 200, "\"Id\",\"Name\"\n\""+made+"\",\"Frozen\"\n")
	for header, want := range map[string]string{"Content-Type": "text/csv; charset=UTF-8", "Sforce-Locator": "null", "Sforce-NumberOfRecords": "1"} {
		if got := r.header.Get(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
	s.do("GET", "/services/data/v61.0"+path+"/results", "").wants(t, 409, "INVALIDVERSION")
	s.do("PATCH", path, `{"state":"Aborted"}`).want(t, 400, `[{"message":"Aborting already Completed Job not allowed","errorCode":"INVALIDJOBSTATE"}]`)
	s.do("PATCH", path, `{"state":"UploadComplete"}`).wants(t, 400, "supplied for property: 'state'")
	s.do("DELETE", path, "").want(t, 204, "")
	for _, path := range []string{path, path + "/results", "/jobs/ingest/" + id} {
		s.do("GET", path, "").want(t, 404, `[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}]`)
	}
	s.do("GET", "/limits", "").wants(t, 200, `"DailyBulkV2QueryJobs":{"Max":10000,"Remaining":9999}`)
}

// TestQueryJobAborted: an aborted job has no results, and does not go on.
func TestQueryJobAborted(t *testing.T) {
	s := startBulk(t)
	for step := range 2 {
		id := s.open("query", `{"operation":"query","query":"SELECT Id FROM Account"}`)
		s.steps(step)
		s.do("PATCH", "/jobs/query/"+id, `{"state":"Aborted"}`).wants(t, 200, `"state":"Aborted","concurrencyMode":"Parallel","contentType":"CSV","apiVersion":62.0}`)
		s.steps(10)
		s.do("GET", "/jobs/query/"+id, "").wants(t, 200, `"state":"Aborted"`)
		s.do("GET", "/jobs/query/"+id+"/results", "").wants(t, 412, "its state is Aborted")
		s.do("PATCH", "/jobs/query/"+id, `{"state":"Aborted"}`).wants(t, 400, "Aborting already Aborted Job not allowed")
		s.do("DELETE", "/jobs/query/"+id, "").want(t, 204, "")
	}
}

// export runs a query job and returns its results.
func (s bulkOrg) export(job string) string {
	s.t.Helper()
	id := s.open("query", job)
	s.steps(2)
	r := s.do("GET", "/jobs/query/"+id+"/results", "")
	if r.status != 200 {
		s.t.Fatalf("%s: %d %s", job, r.status, r.body)
	}
	return r.body
}

// TestExport: how results show what records hold.
func TestExport(t *testing.T) {
	s := startBulk(t)
	account := s.create("Account", `{"Name":"say \"hi\", bye","AnnualRevenue":12345678.5,"NumberOfEmployees":7,"Description":"two\nlines","Sales_Regions__c":"EMEA;AMER","ExternalId__c":"T-1"}`)
	s.create("Contact", `{"LastName":"Ünal","AccountId":"`+account+`","Birthdate":"1940-06-07","DoNotCall":true,"Department":"t"}`)
	s.create("Contact", `{"LastName":"Alone","Department":"t"}`)
	gone := s.create("Contact", `{"LastName":"Gone","Department":"t"}`)
	s.do("DELETE", "/sobjects/Contact/"+gone, "").want(t, 204, "")
	s.create("Task", `{"Subject":"t","WhatId":"`+account+`"}`)
	s.create("Opportunity", `{"Name":"t","StageName":"Prospecting","CloseDate":"2027-03-01","Amount":1234.5}`)
	for _, test := range []struct{ job, want string }{
		{`"operation":"query","query":"SELECT description, name, Id, annualrevenue, NumberOfEmployees, Sales_Regions__c, IsDeleted, CreatedDate, ParentId, Parent.Name FROM Account WHERE ExternalId__c = 'T-1'"`,
			`"Description","Name","Id","AnnualRevenue","NumberOfEmployees","Sales_Regions__c","IsDeleted","CreatedDate","ParentId","Parent.Name"` + "\n" +
				"\"two\nlines\"" + `,"say ""hi"", bye","` + account + `","1.2345679E7","7","EMEA;AMER","false","2027-03-01T12:00:00.000Z","",""` + "\n"},
		{`"operation":"query","query":"SELECT Account.Name, LastName, a.Account.Owner.Username, Birthdate, DoNotCall, Account.Id, Id FROM Contact a WHERE Department = 't' ORDER BY LastName LIMIT 1","columnDelimiter":"PIPE","lineEnding":"CRLF"`,
			`"Account.Name"|"LastName"|"Account.Owner.Username"|"Birthdate"|"DoNotCall"|"Account.Id"|"Id"` + "\r\n" + `""|"Alone"|""|""|"false"|""|"`},
		{`"operation":"queryAll","query":"SELECT LastName, IsDeleted FROM Contact WHERE Department = 't' ORDER BY LastName DESC","columnDelimiter":"TAB"`,
			"\"LastName\"\t\"IsDeleted\"\n\"Ünal\"\t\"false\"\n\"Gone\"\t\"true\"\n\"Alone\"\t\"false\"\n"},
		{`"operation":"query","query":"SELECT What.Name, What.Type, Owner.Name FROM Task WHERE Subject = 't'"`,
			`"What.Name","What.Type","Owner.Name"` + "\n" + `"say ""hi"", bye","Account","Integration User"` + "\n"},
		{`"operation":"query","query":"SELECT FORMAT(Amount) shown, toLabel(StageName), FORMAT(CloseDate), Amount FROM Opportunity WHERE Name = 't'"`,
			`"shown","StageName","CloseDate","Amount"` + "\n" + `"$1,234.50","Prospecting","3/1/2027","1234.5"` + "\n"},
		{`"operation":"query","query":"SELECT Name, Owner.Name FROM Account WHERE Name = 'nobody'"`, `"Name","Owner.Name"` + "\n"},
	} {
		if got := s.export("{" + test.job + "}"); !strings.HasPrefix(got, test.want) || strings.HasSuffix(test.want, "\n") && got != test.want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", test.job, got, test.want)
		}
	}
}

// TestExportOldVersion: before v50.0 columns come in the order of their names.
func TestExportOldVersion(t *testing.T) {
	s := startBulk(t)
	r := s.do("POST", "/services/data/v49.0/jobs/query", `{"operation":"query","query":"SELECT Owner.Name, Name, Id FROM Account LIMIT 1"}`)
	s.steps(2)
	path := "/services/data/v49.0/jobs/query/" + strings.Split(r.body, `"`)[3]
	s.do("GET", path+"/results", "").wants(t, 200, `"Id","Name","Owner.Name"`+"\n"+`"001`)
	s.do("GET", path+"/resultPages", "").wants(t, 404, "NOT_FOUND")
}

// TestQueryJobRefused: what the Bulk API has no answer to, and what no API has.
func TestQueryJobRefused(t *testing.T) {
	s := startBulk(t)
	for _, test := range []struct{ job, want string }{
		{`"operation":"query","query":"SELECT BillingAddress FROM Account"`, `"Selecting compound data not supported in Bulk Query","errorCode":"API_ERROR"`},
		{`"operation":"query","query":"SELECT Account.BillingAddress FROM Contact"`, "Selecting compound data not supported in Bulk Query"},
		{`"operation":"query","query":"SELECT FIELDS(STANDARD) FROM Account"`, "Selecting compound data not supported in Bulk Query"},
		{`"operation":"query","query":"SELECT VersionData FROM ContentVersion"`, `"Blob field not supported in Bulk V2 Query with CSV content type","errorCode":"API_ERROR"`},
		{`"operation":"query","query":"SELECT Id, (SELECT Id FROM Contacts) FROM Account"`, `"Aggregate Relationships not supported in Bulk V2 Query with CSV content type","errorCode":"API_ERROR"`},
		{`"operation":"query","query":"SELECT COUNT() FROM Account"`, "API_ERROR"},
		{`"operation":"query","query":"SELECT MAX(AnnualRevenue) FROM Account"`, "API_ERROR"},
		{`"operation":"query","query":"SELECT Industry FROM Account GROUP BY Industry"`, "GROUP BY"},
		{`"operation":"query","query":"SELECT Id FROM Account LIMIT 1 OFFSET 1"`, "OFFSET"},
		{`"operation":"query","query":"SELECT TYPEOF What WHEN Account THEN Name END FROM Task"`, "TYPEOF"},
		{`"operation":"query","query":"SELECT Nope FROM Account"`, `ERROR at Row:1:Column:8\nNo such column 'Nope' on entity 'Account'.`},
		{`"operation":"query","query":"SELECT Id FROM Nope"`, "sObject type 'Nope' is not supported"},
		{`"operation":"query","query":"SELECT"`, "API_ERROR"},
		{`"operation":"query"`, "API_ERROR"},
		{`"operation":"query","query":"SELECT Id FROM RecentlyViewed"`, "Entity 'RecentlyViewed' is not supported by the Bulk API."},
		{`"operation":"insert","query":"SELECT Id FROM Account"`, "Invalid value: 'insert' supplied for property: 'operation'"},
		{`"operation":"query","query":"SELECT Id FROM Account","contentType":"XML"`, "'XML' supplied for property: 'contentType'"},
		{`"operation":"query","query":7`, "Value does not match expected type at [line:1, column:31]"},
	} {
		s.do("POST", "/jobs/query", "{"+test.job+"}").wants(t, 400, test.want)
	}
	s.do("POST", "/jobs/query", "q", "Content-Type", "text/plain").wants(t, 415, "INVALID_CONTENT_TYPE")
	s.do("GET", "/jobs/query", "").want(t, 200, `{"done":true,"nextRecordsUrl":null,"records":[]}`)
}

// TestExportPages: all parts of a result together are the whole, each below the names of the columns, whatever their
// size, and however often they are asked for. Values with line breaks and quotes do not confuse where rows end.
func TestExportPages(t *testing.T) {
	s := startBulk(t)
	var csv strings.Builder
	csv.WriteString("LastName,Company,Description\n")
	const rows = 2345
	for i := range rows {
		fmt.Fprintf(&csv, "L%04d,Pages,\"a \"\"%d\"\",\nb\"\n", i, i)
	}
	s.ingest(`{"operation":"insert","object":"Lead"}`, csv.String())
	id := s.open("query", `{"operation":"query","query":"SELECT LastName, Description FROM Lead WHERE Company = 'Pages' ORDER BY LastName"}`)
	s.steps(2)
	path := "/jobs/query/" + id + "/results"
	whole := s.do("GET", path, "")
	const header = "\"LastName\",\"Description\"\n"
	for _, size := range []int{1, 7, 999, 1000, 1001, 2344, 2345, 5000} {
		if size == 1 {
			s.do("GET", path+"?maxRecords=1", "").want(t, 200, header+"\"L0000\",\"a \"\"0\"\",\nb\"\n")
			continue
		}
		var got strings.Builder
		for locator, n := "", 0; locator != "null"; n++ {
			query := fmt.Sprintf("?maxRecords=%d", size)
			if locator != "" {
				query += "&locator=" + locator
			}
			r := s.do("GET", path+query, "")
			page, found := strings.CutPrefix(r.body, header)
			if !found || r.header.Get("Sforce-NumberOfRecords") != fmt.Sprint(min(size, rows-n*size)) || strings.Count(page, "\n") != 2*min(size, rows-n*size) {
				t.Fatalf("size %d, page %d: %s rows, %.200s", size, n, r.header.Get("Sforce-NumberOfRecords"), r.body)
			}
			got.WriteString(page)
			locator = r.header.Get("Sforce-Locator")
		}
		if header+got.String() != whole.body {
			t.Errorf("pages of %d do not make up the whole", size)
		}
	}
	for _, query := range []string{"?maxRecords=0", "?maxRecords=x", "?locator=x", "?locator=" + base64.RawURLEncoding.EncodeToString([]byte("2345")),
		"?locator=" + base64.RawURLEncoding.EncodeToString([]byte("-1"))} {
		s.do("GET", path+query, "").wants(t, 400, "API_ERROR")
	}
	s.do("GET", "/jobs/query/"+id+"/resultPages", "").want(t, 200,
		`{"resultPages":[{"resultUrl":"`+api+`/jobs/query/`+id+`/results?locator=MA"}],"nextRecordsUrl":null,"done":true}`)
	s.do("GET", api+"/jobs/query/"+id+"/results?locator=MA", "").want(t, 200, whole.body)
	plain := s.do("GET", path, "", "Accept-Encoding", "identity")
	if plain.body != whole.body || plain.header.Get("Content-Encoding") != "" {
		t.Error("the results differ when they are not compressed")
	}
	zipped := s.do("GET", path, "", "Accept-Encoding", "gzip")
	if zipped.header.Get("Content-Encoding") != "gzip" || len(zipped.body) > len(plain.body)/4 {
		t.Errorf("%d bytes of %d are left, %q", len(zipped.body), len(plain.body), zipped.header.Get("Content-Encoding"))
	}
}
