package fakeorg

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of the Bulk API 2.0. A batch is what the platform makes of 10,000 rows.
const (
	uploadLimit    = 150 << 20
	batchRows      = 10_000
	dailyBatches   = 15_000
	dailyQueryJobs = 10_000
	jobPage        = 1000 // jobs of one answer
	jobLife        = 7 * 24 * time.Hour
)

// States of a job.
const (
	jobOpen     = "Open"
	jobUploaded = "UploadComplete"
	jobRunning  = "InProgress"
	jobComplete = "JobComplete"
	jobFailed   = "Failed"
	jobAborted  = "Aborted"
)

func bulkRoutes() []route {
	routes := []route{
		{method: http.MethodPost, path: "/jobs/ingest", body: uploadLimit, handle: createIngestJob},
		{method: http.MethodGet, path: "/jobs/ingest", handle: func(c *call) (*answer, error) { return c.listJobs(ingestType) }},
		{method: http.MethodGet, path: "/jobs/ingest/{id}", handle: func(c *call) (*answer, error) { return c.showJob(ingestType) }},
		{method: http.MethodPatch, path: "/jobs/ingest/{id}", handle: updateIngestJob},
		{method: http.MethodDelete, path: "/jobs/ingest/{id}", handle: func(c *call) (*answer, error) { return c.deleteJob(ingestType, jobUploaded) }},
		{method: http.MethodPut, path: "/jobs/ingest/{id}/batches", body: uploadLimit, handle: uploadJobData},
		{method: http.MethodGet, path: "/jobs/ingest/{id}/successfulResults", handle: successfulResults},
		{method: http.MethodGet, path: "/jobs/ingest/{id}/failedResults", handle: failedResults},
		{method: http.MethodGet, path: "/jobs/ingest/{id}/unprocessedrecords", handle: unprocessedRecords},
		{method: http.MethodGet, path: "/jobs/ingest/{id}/unprocessedRecords", handle: unprocessedRecords}, // as simple-salesforce spells it
		{method: http.MethodPost, path: "/jobs/query", handle: createQueryJob},
		{method: http.MethodGet, path: "/jobs/query", handle: func(c *call) (*answer, error) { return c.listJobs(queryType) }},
		{method: http.MethodGet, path: "/jobs/query/{id}", handle: func(c *call) (*answer, error) { return c.showJob(queryType) }},
		{method: http.MethodPatch, path: "/jobs/query/{id}", handle: abortQueryJob},
		{method: http.MethodDelete, path: "/jobs/query/{id}", handle: func(c *call) (*answer, error) { return c.deleteJob(queryType) }},
		{method: http.MethodGet, path: "/jobs/query/{id}/results", handle: queryResults},
		{method: http.MethodGet, path: "/jobs/query/{id}/resultPages", handle: queryResultPages},
		{method: http.MethodGet, path: "/jobs/query/{id}/resultpages", handle: queryResultPages}, // as in its nextRecordsUrl
	}
	for i := range routes {
		routes[i].alone = true // jobs are in memory: undoing a composite request would not undo them
	}
	return routes
}

// Types of jobs.
const (
	ingestType = "V2Ingest"
	queryType  = "V2Query"
)

// bulkSpec is the body of a request for a job.
type bulkSpec struct {
	Operation           string
	Object              string // of an ingest job
	ExternalIDFieldName string // of an upsert
	AssignmentRuleID    string // shown, and nothing more: the org has no assignment rules
	Query               string // of a query job
	ContentType         string
	ColumnDelimiter     string
	LineEnding          string
}

// bulkJob is a job of the Bulk API 2.0. Who holds the turn writes it; the bytes in it are never changed, since an
// answer may still be writing them when the turn is given back.
type bulkJob struct {
	bulkSpec
	id, kind, version string // kind is a type of jobs
	user              string // id of who created it
	object            *Object
	state             string
	problem           string        // why it failed
	created, changed  time.Time     // changed: when its state last did
	begun             time.Time     // when all data was there
	total, active     time.Duration // from then to the end, and at work
	processed, failed int
	deleted           bool
	load              bulkLoad   // of an ingest job
	export            bulkExport // of a query job
}

// columnDelimiters are the characters between cells, lineEndings those after a row.
var (
	columnDelimiters = map[string]rune{"BACKQUOTE": '`', "CARET": '^', "COMMA": ',', "PIPE": '|', "SEMICOLON": ';', "TAB": '\t'}
	lineEndings      = map[string]string{"LF": "\n", "CRLF": "\r\n"}
)

// bulkError is an error of a request to the Bulk API 2.0. Its codes are the names of the Bulk API, such as
// InvalidJobState, in upper case; what has none there is an API_ERROR.
func bulkError(code, format string, args ...any) *fault {
	return refuse(http.StatusBadRequest, strings.ToUpper(code), format, args...)
}

// badValue is the error about a property that cannot have the value, as users have seen it for operation and contentType.
func badValue(property, value string) *fault {
	return bulkError("API_ERROR", "Invalid value: '%s' supplied for property: '%s'", value, property)
}

// readBulk decodes a JSON body.
func readBulk(body io.Reader, into any) error {
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	err = json.Unmarshal(text, into)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong): // recorded in simple-salesforce#722
		line, column := place(text, wrong.Offset)
		return bulkError("API_ERROR", "Value does not match expected type at [line:%d, column:%d]", line, column)
	case err != nil:
		return unreadable(text, err)
	}
	return nil
}

// complete fills in what was left out, and refuses what is none of the values there are.
func (s *bulkSpec) complete(operations ...string) error {
	for _, p := range []struct {
		name      string
		value     *string
		otherwise string
		allowed   []string
	}{
		{"operation", &s.Operation, "", operations},
		{"contentType", &s.ContentType, "CSV", []string{"CSV"}},
		{"columnDelimiter", &s.ColumnDelimiter, "COMMA", slices.Collect(maps.Keys(columnDelimiters))},
		{"lineEnding", &s.LineEnding, "LF", slices.Collect(maps.Keys(lineEndings))},
	} {
		if *p.value == "" {
			*p.value = p.otherwise
		}
		if !slices.Contains(p.allowed, *p.value) {
			return badValue(p.name, *p.value)
		}
	}
	return nil
}

// addJob makes a job, and forgets those that are too old to be asked for.
func (c *call) addJob(kind string, spec bulkSpec, o *Object, state string) *bulkJob {
	org, now := c.org, c.now()
	org.jobs = slices.DeleteFunc(org.jobs, func(j *bulkJob) bool { return now.Sub(j.changed) > jobLife })
	org.numbers["750"]++
	j := &bulkJob{bulkSpec: spec, id: makeID("750", org.numbers["750"]), kind: kind, version: c.version, user: c.user.id, object: o,
		state: state, created: now, changed: now}
	org.jobs = append(org.jobs, j)
	return j
}

// bulkUse counts what has been used of the daily limits: batches of ingest jobs, and query jobs.
func (c *call) bulkUse() (batches, queries int) {
	for _, j := range c.org.jobs {
		if c.now().Sub(j.created) < 24*time.Hour {
			batches += j.load.batches
			if j.kind == queryType {
				queries++
			}
		}
	}
	return batches, queries
}

// bulkJob finds the job of the path.
func (c *call) bulkJob(kind string) (*bulkJob, error) {
	id, _ := parseID(c.PathValue("id"))
	for _, j := range c.org.jobs {
		if j.id == id && j.kind == kind && c.keepsJob(j) {
			return j, nil
		}
	}
	return nil, noResource()
}

// keepsJob reports whether a job can still be asked for.
func (c *call) keepsJob(j *bulkJob) bool { return !j.deleted && c.now().Sub(j.changed) <= jobLife }

// ended reports whether nothing more will happen to the job.
func (j *bulkJob) ended() bool {
	return j.state == jobComplete || j.state == jobFailed || j.state == jobAborted
}

// enter changes the state.
func (j *bulkJob) enter(c *call, state string) {
	j.state, j.changed = state, c.now()
	switch {
	case state == jobUploaded:
		j.begun = c.instant()
	case j.ended() && !j.begun.IsZero():
		j.total = c.instant().Sub(j.begun)
	}
}

// fail ends the job because of something that is wrong with it as a whole.
func (j *bulkJob) fail(c *call, problem string) {
	j.problem = problem
	j.enter(c, jobFailed)
}

// readState reads the body of a PATCH.
func (c *call) readState() (string, error) {
	var body struct{ State string }
	err := readBulk(c.Body, &body)
	return body.State, err
}

// abort ends the job where it is.
func (j *bulkJob) abort(c *call) error {
	if j.ended() {
		return j.already("Aborting")
	}
	j.enter(c, jobAborted)
	return nil
}

// already is the error about a job that is past what was asked of it. The platform's words are known for completed
// jobs ("Aborting already Completed Job not allowed", "Closing already Completed Job not allowed"); the others follow
// their pattern.
func (j *bulkJob) already(doing string) *fault {
	is := map[string]string{jobComplete: "Completed", jobFailed: "Failed", jobAborted: "Aborted"}[j.state]
	if is == "" {
		is = "Closed"
	}
	return bulkError("InvalidJobState", "%s already %s Job not allowed", doing, is)
}

// deleteJob is DELETE /jobs/ingest/{id} and /jobs/query/{id}: of a job that has ended, or is in the state given.
func (c *call) deleteJob(kind string, also ...string) (*answer, error) {
	j, err := c.bulkJob(kind)
	if err != nil {
		return nil, err
	}
	if !j.ended() && !slices.Contains(also, j.state) {
		return nil, bulkError("API_ERROR", "Error encountered when deleting the job because the job is not terminated")
	}
	j.deleted, j.load.upload, j.load.succeeded, j.load.failed, j.export = true, nil, nil, nil, bulkExport{}
	return &answer{status: http.StatusNoContent}, nil
}

// showJob is GET /jobs/ingest/{id} and /jobs/query/{id}.
func (c *call) showJob(kind string) (*answer, error) {
	j, err := c.bulkJob(kind)
	if err != nil {
		return nil, err
	}
	return ok(j.whole())
}

// listJobs is GET /jobs/ingest and /jobs/query: the jobs of the whole org, those of one type.
func (c *call) listJobs(kind string) (*answer, error) {
	q := c.URL.Query()
	switch wanted := q.Get("jobType"); wanted {
	case "":
	case ingestType, queryType, "Classic", "BigObjectIngest":
		kind = wanted
	default:
		return nil, badValue("jobType", wanted)
	}
	if q.Get("isPkChunkingEnabled") == "true" || strings.EqualFold(q.Get("concurrencyMode"), "serial") {
		kind = "" // for what there is in the older Bulk API only
	}
	from, err := jobLocator(q.Get("queryLocator"))
	if err != nil {
		return nil, err
	}
	records, at := []object{}, from
	for ; at < len(c.org.jobs) && len(records) < jobPage; at++ {
		if j := c.org.jobs[at]; j.kind == kind && c.keepsJob(j) {
			records = append(records, j.listed())
		}
	}
	rest := slices.ContainsFunc(c.org.jobs[min(at, len(c.org.jobs)):], func(j *bulkJob) bool { return j.kind == kind && c.keepsJob(j) })
	var next any
	if rest {
		q.Set("queryLocator", fmt.Sprintf("%s-%d", makeID("01g", 1), at))
		next = c.URL.Path + "?" + q.Encode()
	}
	return ok(object{{"done", !rest}, {"nextRecordsUrl", next}, {"records", records}})
}

// jobLocator reads where a list goes on.
func jobLocator(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	id, at, _ := strings.Cut(text, "-")
	n, err := strconv.Atoi(at)
	if id != makeID("01g", 1) || err != nil || n < 0 {
		return 0, refuse(http.StatusBadRequest, "INVALID_QUERY_LOCATOR", "invalid query locator")
	}
	return n, nil
}

// sends refuses a request whose content type is another one.
func (c *call) sends(kind string) error {
	if given := c.Header.Get("Content-Type"); given != "" && !strings.Contains(given, kind) {
		return refuse(http.StatusUnsupportedMediaType, "INVALID_CONTENT_TYPE", "Content-Type %s is not supported by this resource", given)
	}
	return nil
}

// csvAnswer is a CSV file made of parts.
func csvAnswer(parts ...[]byte) *answer {
	return csvStream(func(w io.Writer) error {
		for _, part := range parts {
			if _, err := w.Write(part); err != nil {
				return err
			}
		}
		return nil
	})
}

func csvStream(content stream) *answer {
	return &answer{status: http.StatusOK, header: http.Header{"Content-Type": {"text/csv; charset=UTF-8"}}, body: content}
}
