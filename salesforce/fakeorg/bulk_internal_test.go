package fakeorg

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// askOrg sends a request as the administrator.
func askOrg(o *Org, method, path, body string) (int, string) {
	r := httptest.NewRequest(method, "/services/data/v62.0"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+o.MintToken(AdminUser))
	w := httptest.NewRecorder()
	o.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func newTestOrg(t *testing.T) *Org {
	o, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// TestResultPages: where a large result is to be had, five parts at a time.
func TestResultPages(t *testing.T) {
	o := newTestOrg(t)
	j := &bulkJob{id: makeID("750", 1), kind: queryType, version: "v62.0", state: jobComplete, changed: time.Now(), processed: 5*exportPage + 1}
	o.jobs = append(o.jobs, j)
	path := "/jobs/query/" + j.id + "/resultPages"
	url := func(resource string, row int) string {
		return fmt.Sprintf("/services/data/v62.0/jobs/query/%s/%s?locator=%s", j.id, resource, j.locator(row))
	}
	var pages []string
	for i := range 5 {
		pages = append(pages, `{"resultUrl":"`+url("results", i*exportPage)+`"}`)
	}
	next := url("resultpages", 5*exportPage)
	for path, want := range map[string]string{
		path: `{"resultPages":[` + strings.Join(pages, ",") + `],"nextRecordsUrl":"` + next + `","done":false}`,
		strings.TrimPrefix(next, "/services/data/v62.0"): `{"resultPages":[{"resultUrl":"` + url("results", 5*exportPage) + `"}],"nextRecordsUrl":null,"done":true}`,
		path + "?locator=x": `[{"message":"Invalid locator: x","errorCode":"API_ERROR"}]`,
	} {
		if _, got := askOrg(o, http.MethodGet, path, ""); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", path, got, want)
		}
	}
}

// TestQueryJobLimit: ten thousand a day.
func TestQueryJobLimit(t *testing.T) {
	o := newTestOrg(t)
	for range dailyQueryJobs - 1 {
		o.jobs = append(o.jobs, &bulkJob{kind: queryType, created: time.Now(), changed: time.Now(), deleted: true})
	}
	o.jobs[0].created = time.Now().Add(-25 * time.Hour)
	o.jobs = append(o.jobs, &bulkJob{kind: ingestType, changed: time.Now().Add(-8 * 24 * time.Hour)}) // which nobody can ask for
	const job = `{"operation":"query","query":"SELECT Id FROM Account"}`
	for i, want := range []string{"UploadComplete", "UploadComplete", "Max bulk v2 query jobs (10000) per 24 hrs has been reached (10001)"} {
		if code, body := askOrg(o, http.MethodPost, "/jobs/query", job); !strings.Contains(body, want) || (code == 200) != (i < 2) {
			t.Errorf("%d: %d %s, want %s", i, code, body, want)
		}
	}
	if len(o.jobs) != dailyQueryJobs+1 {
		t.Errorf("%d jobs are kept", len(o.jobs))
	}
	if _, body := askOrg(o, http.MethodGet, "/limits", ""); !strings.Contains(body, `"DailyBulkV2QueryJobs":{"Max":10000,"Remaining":0}`) {
		t.Error(body)
	}
}

// FuzzUpload: no upload makes the org fail, and every row of one that can be read is in one of the results.
func FuzzUpload(f *testing.F) {
	for _, upload := range []string{"LastName,Company\nA,B\n", "LastName\r\nA\r\n", "\"LastName\",Company\n\"a \"\"b\"\", \nc\n,\n", "\uFEFFId\n", "Id,Owner.Id,Who.Email\n\"\n",
		"IsConverted,AnnualRevenue,Email\nx,1e400,#N/A\n\n\n\xff,,,\n"} {
		f.Add(upload, "LF", "COMMA")
		f.Add(upload, "CRLF", "TAB")
	}
	now := time.Now()
	o, err := New(Options{Clock: func() time.Time { return now }, DailyCalls: 1 << 40})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := o.Close(); err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, upload, ending, delimiter string) {
		if lineEndings[ending] == "" || columnDelimiters[delimiter] == 0 {
			t.Skip()
		}
		o.jobs = nil
		c := &call{Request: httptest.NewRequest(http.MethodPost, "/", nil), org: o, user: &user{id: makeID("005", 2)}, version: "v62.0"}
		spec := bulkSpec{Operation: "insert", Object: "Lead", LineEnding: ending, ColumnDelimiter: delimiter}
		j := c.addJob(ingestType, spec, o.schema.Object("Lead"), jobOpen)
		j.load.upload = []byte(upload)
		j.start(c)
		for !j.ended() {
			now = now.Add(time.Second)
			if err := o.catchUp(); err != nil {
				t.Fatal(err)
			}
		}
		if j.state == jobFailed && (j.problem == "" || j.processed > 0) || j.state == jobComplete && j.load.next != len(upload) {
			t.Fatalf("%s %q, %d of %d rows, at %d of %d", j.state, j.problem, j.failed, j.processed, j.load.next, len(upload))
		}
		back := &bulkJob{bulkSpec: j.bulkSpec, load: bulkLoad{upload: append(j.resultHeader("sf__Created"), append(j.load.succeeded, j.load.failed...)...)}}
		rows, r := -1, back.reader(0)
		for err = error(nil); err == nil; rows++ {
			_, err = r.next()
		}
		if rows-1 != j.processed {
			t.Fatalf("%d rows of results, %d were processed: %v", rows-1, j.processed, err)
		}
	})
}
