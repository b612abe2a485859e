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
	return bulkOrg{start(t, fakeorg.Options{Clock: c.time, Pace: time.Second}), c}
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
