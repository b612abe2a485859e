package fakeorg_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
)

// bulkOrg is an org whose time the test moves, one step of a job at a time.
type bulkOrg struct {
	*server
	clock *clock
}

func startBulk(t *testing.T) bulkOrg {
	c := newClock()
	return bulkOrg{start(t, fakeorg.Options{Clock: c.time, Pace: time.Second, DailyCalls: 1 << 30}), c}
}

// steps lets so many steps go by.
func (s bulkOrg) steps(n int) { s.clock.move(time.Duration(n) * time.Second) }

// bulkInfo is what the tests read of a job.
type bulkInfo struct {
	ID, State, ErrorMessage                       string
	NumberRecordsProcessed, NumberRecordsFailed   int
	TotalProcessingTime, APIActiveProcessingTime  int
	ContentURL, JobType, CreatedByID, SystemModst string
}

func (s bulkOrg) info(kind, id string) (info bulkInfo) {
	s.t.Helper()
	r := s.do("GET", "/jobs/"+kind+"/"+id, "")
	if err := json.Unmarshal([]byte(r.body), &info); err != nil || r.status != 200 {
		s.t.Fatalf("job %s: %d %s", id, r.status, r.body)
	}
	return info
}

// open makes a job and returns its id.
func (s bulkOrg) open(kind, job string) string {
	s.t.Helper()
	r := s.do("POST", "/jobs/"+kind, job)
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(r.body), &made); err != nil || r.status != 200 {
		s.t.Fatalf("%s: %d %s", job, r.status, r.body)
	}
	return made.ID
}

// upload gives a job its data and has it begin.
func (s bulkOrg) upload(id, csv string) {
	s.t.Helper()
	s.do("PUT", "/jobs/ingest/"+id+"/batches", csv, "Content-Type", "text/csv").want(s.t, 201, "")
	s.do("PATCH", "/jobs/ingest/"+id, `{"state":"UploadComplete"}`).wants(s.t, 200, `"state":"UploadComplete"`)
}

// ingest runs a job to its end.
func (s bulkOrg) ingest(job, csv string) bulkInfo {
	s.t.Helper()
	id := s.open("ingest", job)
	s.upload(id, csv)
	s.steps(1000)
	return s.info("ingest", id)
}

// results are the three files of a job.
func (s bulkOrg) results(id string) (succeeded, failed, unprocessed string) {
	s.t.Helper()
	file := func(name string) string {
		r := s.do("GET", "/jobs/ingest/"+id+"/"+name, "")
		if r.status != 200 || r.header.Get("Content-Type") != "text/csv; charset=UTF-8" {
			s.t.Fatalf("%s: %d %s %s", name, r.status, r.header.Get("Content-Type"), r.body)
		}
		return r.body
	}
	return file("successfulResults/"), file("failedResults"), file("unprocessedrecords/")
}

// count counts records.
func (s bulkOrg) count(rest string) (n int) {
	s.t.Helper()
	r := s.do("GET", "/query?q="+strings.ReplaceAll("SELECT COUNT() FROM "+rest, " ", "+"), "")
	if _, err := fmt.Sscanf(r.body, `{"totalSize":%d`, &n); err != nil {
		s.t.Fatalf("%s: %s", rest, r.body)
	}
	return n
}

// TestIngestJob follows one job from its creation to its deletion.
func TestIngestJob(t *testing.T) {
	s := startBulk(t)
	const id = "750Sm0000000001IAA"
	begins := func(stamp, state string) string {
		return `{"id":"` + id + `","operation":"insert","object":"Contact","createdById":"005Sm0000000001IAA","createdDate":"2027-03-01T12:00:00.000+0000",` +
			`"systemModstamp":"2027-03-01T12:00:0` + stamp + `.000+0000","state":"` + state + `","concurrencyMode":"Parallel","contentType":"CSV","apiVersion":62.0`
	}
	const format = `"lineEnding":"LF","columnDelimiter":"COMMA"`
	const takes = `,"contentUrl":"services/data/v62.0/jobs/ingest/` + id + `/batches",`
	s.do("POST", "/jobs/ingest/", `{"operation":"insert","object":"contact"}`).want(t, 200, begins("0", "Open")+takes+format+"}")
	path := "/jobs/ingest/" + id
	s.do("GET", path, "").want(t, 200, begins("0", "Open")+`,"jobType":"V2Ingest"`+takes+format+
		`,"retries":0,"totalProcessingTime":0,"apiActiveProcessingTime":0,"apexProcessingTime":0}`)
	s.do("PUT", path+"/batches/", "FirstName,LastName\nAda,King\nNobody,\n", "Content-Type", "text/csv").want(t, 201, "")
	s.do("PATCH", path+"/", `{"state":"UploadComplete"}`).want(t, 200, begins("0", "UploadComplete")+"}")
	ends := func(processed, failed, total, active int) string {
		return fmt.Sprintf(`,"jobType":"V2Ingest",%s,"numberRecordsProcessed":%d,"numberRecordsFailed":%d,"retries":0,"totalProcessingTime":%d,`+
			`"apiActiveProcessingTime":%d,"apexProcessingTime":0}`, format, processed, failed, total, active)
	}
	s.do("GET", path, "").want(t, 200, begins("0", "UploadComplete")+ends(0, 0, 0, 0))
	s.do("GET", path+"/successfulResults/", "").wants(t, 400, `"errorCode":"INVALIDJOBSTATE"`)
	s.steps(1)
	s.do("GET", path, "").want(t, 200, begins("1", "InProgress")+ends(0, 0, 0, 0))
	s.do("DELETE", path, "").want(t, 400, `[{"message":"Error encountered when deleting the job because the job is not terminated","errorCode":"API_ERROR"}]`)
	s.steps(1)
	s.do("GET", path, "").want(t, 200, begins("2", "JobComplete")+ends(2, 1, 2000, 1000))
	succeeded, failed, unprocessed := s.results(id)
	if want := "\"sf__Id\",\"sf__Created\",FirstName,LastName\n"; !strings.HasPrefix(succeeded, want+`"003`) || !strings.HasSuffix(succeeded, `","true","Ada","King"`+"\n") {
		t.Errorf("succeeded:\n%s", succeeded)
	}
	if want := "\"sf__Id\",\"sf__Error\",FirstName,LastName\n\"\",\"REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --\",\"Nobody\",\"\"\n"; failed != want {
		t.Errorf("failed:\n%s\nwant\n%s", failed, want)
	}
	if unprocessed != "FirstName,LastName\n" {
		t.Errorf("unprocessed:\n%s", unprocessed)
	}
	made := strings.Split(succeeded, `"`)[5]
	if got := s.get("Contact", made, "CreatedDate"); got != "2027-03-01T12:00:02.000+0000" {
		t.Errorf("the record is of %v", got)
	}
	s.do("DELETE", path, "").want(t, 204, "")
	for _, method := range []string{"GET", "DELETE"} {
		s.do(method, path, "").want(t, 404, `[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}]`)
	}
	s.get("Contact", made, "Id") // is still there
}

// TestJobList: jobs are listed for the whole org, by type, a thousand at a time, and for seven days.
func TestJobList(t *testing.T) {
	s := startBulk(t)
	for range 1001 {
		s.open("ingest", `{"operation":"insert","object":"Lead"}`)
	}
	query := s.open("query", `{"operation":"query","query":"SELECT Id FROM Lead"}`)
	deleted := s.ingest(`{"operation":"insert","object":"Lead"}`, "").ID
	s.do("DELETE", "/jobs/ingest/"+deleted, "").want(t, 204, "")
	s.token = s.MintToken(fakeorg.AdminUser) // who has made none of them
	r := s.do("GET", "/jobs/ingest", "")
	next := api + "/jobs/ingest?queryLocator=01gSm0000000001IAA-1000"
	r.wants(t, 200, `{"done":false,"nextRecordsUrl":"`+next+`","records":[{"id":"750Sm0000000001IAA","operation":"insert","object":"Lead","createdById":"005Sm0000000001IAA",`+
		`"createdDate":"2027-03-01T12:00:00.000+0000","systemModstamp":"2027-03-01T12:00:00.000+0000","state":"Open","concurrencyMode":"Parallel","contentType":"CSV","apiVersion":62.0,`+
		`"jobType":"V2Ingest","contentUrl":"services/data/v62.0/jobs/ingest/750Sm0000000001IAA/batches","lineEnding":"LF","columnDelimiter":"COMMA"},`)
	if n := strings.Count(r.body, `"id"`); n != 1000 {
		t.Errorf("%d jobs", n)
	}
	r = s.do("GET", next, "")
	r.wants(t, 200, `{"done":true,"nextRecordsUrl":null,"records":[{`)
	if n := strings.Count(r.body, `"id"`); n != 1 {
		t.Errorf("%d more jobs", n)
	}
	for path, want := range map[string]int{"ingest?jobType=Classic": 0, "ingest?jobType=BigObjectIngest": 0, "ingest?isPkChunkingEnabled=true": 0, "query": 1, "query?jobType=V2Query": 1,
		"query?concurrencyMode=serial": 0, "query?concurrencyMode=parallel": 1, "query?jobType=V2Ingest&isPkChunkingEnabled=false": 1000} {
		r := s.do("GET", "/jobs/"+path, "")
		if n := strings.Count(r.body, `"id"`); n != want || r.status != 200 {
			t.Errorf("%s: %d jobs, want %d", path, n, want)
		}
	}
	s.do("GET", "/jobs/query?jobType=V3", "").wants(t, 400, "supplied for property: 'jobType'")
	for _, locator := range []string{"x", "01gSm0000000001IAA", "01gSm0000000001IAA--1"} {
		s.do("GET", "/jobs/query?queryLocator="+locator, "").wants(t, 400, "INVALID_QUERY_LOCATOR")
	}
	s.do("GET", "/jobs/ingest?queryLocator=01gSm0000000001IAA-99999", "").want(t, 200, `{"done":true,"nextRecordsUrl":null,"records":[]}`)
	s.clock.move(7*24*time.Hour - 1000*time.Second) // there were 1000 since the query was made
	s.token = s.MintToken(fakeorg.AdminUser)
	s.do("GET", "/jobs/query/"+query, "").wants(t, 200, "JobComplete")
	s.clock.move(time.Hour)
	s.do("GET", "/jobs/query/"+query, "").wants(t, 404, "NOT_FOUND")
	s.do("GET", "/jobs/ingest", "").want(t, 200, `{"done":true,"nextRecordsUrl":null,"records":[]}`)
	s.open("ingest", `{"operation":"insert","object":"Lead"}`) // the old ones are forgotten
	s.do("GET", "/jobs/ingest", "").wants(t, 200, `"id":"750Sm0000000`)
}
