package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/tools"
)

// reply is an answer of the instruction API.
type reply struct {
	status int
	header http.Header
	body   string
}

// send sends a request to a path below workspace a, as an agent.
func (w *world) send(agent, method, path, contentType string, body io.Reader) reply {
	w.t.Helper()
	r, err := http.NewRequest(method, w.origin+"/w/a/"+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer token-a")
	r.Header.Set("Agent-Id", agent)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(text)}
}

// instruction calls one as the admin agent.
func (w *world) instruction(name, args string) reply {
	w.t.Helper()
	return w.send(demoAgent, http.MethodPost, "instructions/"+name, "application/json", strings.NewReader(args))
}

// member is a member of an answer that is a JSON object.
func (r reply) member(t *testing.T, name string) string {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(r.body), &o); err != nil || o[name] == nil {
		t.Fatalf("%d %s has no %s (%v)", r.status, r.body, name, err)
	}
	return fmt.Sprint(o[name])
}

// TestInstructions: what Salesforce answers comes as it is, and every failure in
// one shape with a status that says what it was.
func TestInstructions(t *testing.T) {
	w := newWorld(t)
	if got := w.instruction("runQuery", `{"q":"SELECT Id, Name FROM Account LIMIT 1"}`); got.status != 200 ||
		!strings.HasPrefix(got.body, `{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Account","url":"/services/data/v62.0/sobjects/Account/`) ||
		got.header.Get("Content-Type") != "application/json;charset=UTF-8" || got.header.Get("X-SFDC-Request-Id") == "" || got.header.Get("Content-Security-Policy") == "" {
		t.Errorf("%+v", got)
	}
	made := w.instruction("createRecord", `{"sObjectName":"Account","body":{"Name":"Acme"}}`)
	if made.status != http.StatusCreated {
		t.Fatalf("%+v", made)
	}
	id := made.member(t, "id")
	if got := w.instruction("updateRecord", `{"sObjectName":"Account","recordId":"`+id+`","body":{"Phone":"030 1"}}`); got.status != http.StatusNoContent || got.body != "" {
		t.Errorf("%+v", got)
	}
	if got := w.send(demoAgent, http.MethodPost, "instructions/getLimits", "", nil); got.status != 200 {
		t.Errorf("without a body: %+v", got)
	}

	w.org.org.Inject(fakeorg.Fault{Path: "/limits", LimitReached: true})
	for _, tt := range []struct {
		agent, method, name, contentType, body string
		status                                 int
		code, message                          string
	}{
		{demoAgent, "POST", "getLimits", "", "", 429, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."},
		{demoAgent, "POST", "runQuery", "application/json", `{"q":"SELECT Nope FROM Account"}`, 400, "INVALID_FIELD", "\nSELECT Nope"},
		{demoAgent, "POST", "getRecord", "application/json", `{"sObjectName":"Account","recordId":"001000000000001AAA"}`, 404, "NOT_FOUND", "The requested resource does not exist"},
		{demoAgent, "POST", "runQeury", "application/json", `{}`, 404, "unknown_tool", `there is no instruction "runQeury" for this agent (did you mean runQuery?)`},
		{demoAgent, "POST", "records", "application/json", `{"action":"get"}`, 404, "unknown_tool", `there is no instruction "records"`},
		{demoAgent, "POST", "runQuery", "application/json", `{"q":"x","Q":"y"}`, 400, "invalid_argument", "the arguments are refused: the key"},
		{demoAgent, "POST", "runQuery", "application/json", `[1]`, 400, "invalid_argument", "the arguments must be one JSON object"},
		{demoAgent, "POST", "runQuery", "application/json", `{"q":"x","limit":1}`, 400, "unknown_argument", `runQuery does not take "limit"`},
		{demoAgent, "POST", "runQuery", "application/json", `{}`, 400, "missing_argument", "runQuery needs q"},
		{demoAgent, "POST", "runQuery", "application/x-www-form-urlencoded", `q=x`, 415, "invalid_argument", "send the arguments as one JSON object"},
		{demoAgent, "POST", "runQuery?q=x", "application/json", `{}`, 400, "invalid_argument", "arguments do not go into the query"},
		{demoAgent, "POST", "runQuery", "text/csv", `x`, 400, "invalid_argument", "runQuery takes no raw body"},
		{demoAgent, "POST", "uploadIngestData?jobId=1&jobId=2", "text/csv", `x`, 400, "invalid_argument", "jobId is given 2 times"},
		{demoAgent, "POST", "runQuery", "application/json", `{"q":"` + strings.Repeat("x", tools.MaxMessage) + `"}`, 413, "invalid_argument", "the body is larger than 1048576 bytes"},
		{demoReader, "POST", "createRecord", "application/json", `{"sObjectName":"Account","body":{}}`, 403, "agent_not_authorized", "This agent is not authorized to use this connector"},
		{"stranger", "POST", "runQuery", "application/json", `{"q":"x"}`, 403, "agent_not_authorized", "This agent is not authorized to use this connector"},
		{"", "POST", "runQuery", "application/json", `{"q":"x"}`, 403, "agent_not_identified", "The calling agent could not be identified"},
	} {
		got := w.send(tt.agent, tt.method, "instructions/"+tt.name, tt.contentType, strings.NewReader(tt.body))
		var failure struct{ Error *tools.Error }
		if err := json.Unmarshal([]byte(got.body), &failure); err != nil || failure.Error == nil {
			t.Errorf("%s %.80s: %d %s", tt.name, tt.body, got.status, got.body)
			continue
		}
		if got.status != tt.status || string(failure.Error.Code) != tt.code || !strings.HasPrefix(failure.Error.Message, tt.message) || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %.80s: %d %s, want %d %s %s", tt.name, tt.body, got.status, got.body, tt.status, tt.code, tt.message)
		}
	}
	if got := w.send(demoAgent, http.MethodGet, "instructions/getLimits", "", nil); got.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %+v", got)
	}

	file := strings.Repeat("QUJD", 3<<18) // 3 MiB
	if got := w.instruction("uploadFile", `{"fileName":"large.txt","content":"`+file+`"}`); got.status != 201 || got.member(t, "success") != "true" {
		t.Errorf("a large file: %+v", got)
	}
	if got := w.instruction("uploadFile", `{"fileName":"large.txt","content":"`+strings.Repeat("QUJD", 17<<20)+`"}`); got.status != 413 || !strings.Contains(got.body, "the body is larger than 67108864 bytes") {
		t.Errorf("a file that is too large: %d %.200s", got.status, got.body)
	}
	if got := w.instruction("executeAnonymousApex", `{"anonymousBody":"Integer i = ;"}`); got.status != 200 || !strings.Contains(got.body, `"compiled":false,"success":false`) {
		t.Errorf("Apex that does not compile: %+v", got)
	}
	all := w.entries("a")
	if last := all[len(all)-1]; last.Outcome != audit.Failed || last.Code != "apex_failed" {
		t.Errorf("the audit has %+v", last)
	}

	surfaces := map[string]int{}
	for _, e := range w.entries("a") {
		surfaces[e.Surface]++
	}
	if surfaces["instructions"] < 14 || len(surfaces) != 1 {
		t.Errorf("surfaces of the audit trail: %v", surfaces)
	}
	r := w.request(`{"q":"x"}`)
	r.URL.Path = "/w/a/instructions/runQuery"
	r.Header.Set("Authorization", "Bearer token-b")
	if status, _ := w.do(r); status != http.StatusUnauthorized {
		t.Errorf("the token of another workspace: %d", status)
	}
}

// TestInstructionsBulk: rows are streamed in and out, with the headers of pages.
func TestInstructionsBulk(t *testing.T) {
	w := newWorld(t)
	job := w.instruction("createIngestJob", `{"body":{"object":"Lead","operation":"insert","lineEnding":"LF"}}`).member(t, "id")
	var csv bytes.Buffer
	csv.WriteString("LastName,Company,Description\n")
	const rows = 3000
	for i := range rows {
		fmt.Fprintf(&csv, "Lead %d,Streamed,%s\n", i, strings.Repeat("x", 700))
	}
	if csv.Len() < 2*tools.MaxMessage {
		t.Fatal("the rows fit into a message")
	}
	up := w.send(demoAgent, http.MethodPost, "instructions/uploadIngestData?jobId="+job, "text/csv", struct{ io.Reader }{&csv}) // of unknown length
	if up.status != http.StatusCreated || up.body != "" {
		t.Fatalf("%+v", up)
	}
	w.instruction("updateIngestJob", `{"jobId":"`+job+`","body":{"state":"UploadComplete"}}`)
	wait := func(instruction, job string) {
		t.Helper()
		eventually(t, instruction, func() bool {
			return w.instruction(instruction, `{"jobId":"`+job+`"}`).member(t, "state") == "JobComplete"
		})
	}
	wait("getIngestJob", job)
	done := w.instruction("getIngestSuccessful", `{"jobId":"`+job+`"}`)
	if n := strings.Count(done.body, `"Streamed"`); done.status != 200 || n != rows || !strings.HasPrefix(done.header.Get("Content-Type"), "text/csv") {
		t.Errorf("%d %v with %d rows: %.300s", done.status, done.header, n, done.body)
	}
	if again := w.send(demoAgent, http.MethodPost, "instructions/uploadIngestData?jobId="+job, "text/csv", strings.NewReader("LastName\nx\n")); again.status != 409 || again.member(t, "error") == "" {
		t.Errorf("a second upload: %+v", again)
	}

	query := w.instruction("createQueryJob", `{"operation":"query","query":"SELECT Id, LastName FROM Lead WHERE Company = 'Streamed'"}`).member(t, "id")
	wait("getQueryJob", query)
	page := w.instruction("getQueryJobResults", `{"jobId":"`+query+`","maxRecords":1000}`)
	if page.header.Get("Sforce-NumberOfRecords") != "1000" || strings.Count(page.body, "\n") != 1001 {
		t.Errorf("%v with %d lines", page.header, strings.Count(page.body, "\n"))
	}
	seen := 0
	for locator, n := "", 0; locator != "null" && n < 10; n++ {
		args := `{"jobId":"` + query + `","maxRecords":1000`
		if locator != "" {
			args += `,"locator":"` + locator + `"`
		}
		page := w.instruction("getQueryJobResults", args+"}")
		seen += strings.Count(page.body, "\n") - 1
		locator = page.header.Get("Sforce-Locator")
	}
	if seen != rows {
		t.Errorf("the pages have %d rows, want %d", seen, rows)
	}
	for _, e := range w.entries("a") {
		if e.Instruction == "getIngestSuccessful" && e.Outcome != "" && e.Bytes != int64(len(done.body)) {
			t.Errorf("the audit trail says %d bytes, want %d", e.Bytes, len(done.body))
		}
	}
}

// TestDownload: the link of a large result is a file to its owner, without
// formulas, and nothing to anybody else.
func TestDownload(t *testing.T) { download(t, newWorld(t)) }

func download(t *testing.T, w *world) {
	t.Helper()
	job := w.instruction("createIngestJob", `{"object":"Lead","operation":"insert"}`).member(t, "id")
	var csv strings.Builder
	csv.WriteString("LastName,Company,Phone\n")
	for i := range 2000 {
		fmt.Fprintf(&csv, "=cmd|%d,Acme,+33 4 72 00 %d\n", i, i)
	}
	w.send(demoAgent, http.MethodPost, "instructions/uploadIngestData?jobId="+job, "text/csv", strings.NewReader(csv.String()))
	w.instruction("updateIngestJob", `{"jobId":"`+job+`","state":"UploadComplete"}`)
	eventually(t, "the job", func() bool {
		return w.instruction("getIngestJob", `{"jobId":"`+job+`"}`).member(t, "state") == "JobComplete"
	})
	_, answer := w.post(call(1, "bulkIngest", map[string]any{"action": "getSuccessful", "jobId": job}))
	_, after, ok := strings.Cut(answer, `"uri":"salesforce://results/`)
	id, _, _ := strings.Cut(after, `"`)
	if !ok || len(id) != 36 {
		t.Fatalf("no link in %.500s", answer)
	}

	file := w.send(demoAgent, http.MethodGet, "results/"+id, "", nil)
	_, params, err := mime.ParseMediaType(file.header.Get("Content-Disposition"))
	if file.status != 200 || strings.Count(file.body, "'=cmd|") != 2000 || strings.Count(file.body, "\"+33 4 72 00 ") != 2000 || err != nil || params["filename"] != id+".csv" {
		t.Errorf("%d %v %.300s", file.status, file.header, file.body)
	}
	if raw := w.send(demoAgent, http.MethodGet, "results/"+id+"?raw=true", "", nil); strings.Contains(raw.body, "'=") || strings.Count(raw.body, "=cmd|") != 2000 {
		t.Errorf("raw: %d %.300s", raw.status, raw.body)
	}
	for agent, want := range map[string]int{demoReader: 404, "stranger": 404, "": 403} {
		if got := w.send(agent, http.MethodGet, "results/"+id, "", nil); got.status != want || strings.Contains(got.body, "cmd") {
			t.Errorf("%q: %d %.200s", agent, got.status, got.body)
		}
	}
	for path, want := range map[string]int{"/w/a/results/" + id: 401, "/w/b/results/" + id: 404} {
		r, err := http.NewRequest(http.MethodGet, w.origin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer token-b")
		r.Header.Set("Agent-Id", demoAgent)
		if status, body := w.do(r); status != want {
			t.Errorf("%s with the token of b: %d %s", path, status, body)
		}
	}
}

// TestOpenAPIOfAgent: the document has what the agent may use.
// Approvals are of use where the rule has something confirmed.
func TestOpenAPIOfAgent(t *testing.T) {
	w := newWorld(t)
	for agent, want := range map[string]int{demoAgent: len(tools.All.InstructionNames()) - 2, demoCareful: len(tools.All.InstructionNames()), demoReader: 59, "stranger": 0} {
		got := w.send(agent, http.MethodGet, "openapi.json", "", nil)
		doc, err := openapi3.NewLoader().LoadFromData([]byte(got.body))
		if err != nil {
			t.Fatalf("%s: %v %.200s", agent, err, got.body)
		}
		if err := doc.Validate(t.Context()); err != nil || doc.Paths.Len() != want || doc.Servers[0].URL != "/w/a/instructions" {
			t.Errorf("%s: %v, %d paths, want %d", agent, err, doc.Paths.Len(), want)
		}
	}
}

// TestBrokenStream: an answer that breaks off is not taken for whole, and is
// recorded as failed.
func TestBrokenStream(t *testing.T) {
	org := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/services/oauth2/token" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"access_token":"00D!x","instance_url":"http://%s"}`, r.Host)
			return
		}
		w.Header().Set("Content-Type", "text/csv")
		_, _ = io.WriteString(w, "Id\n"+strings.Repeat("001\n", 20_000))
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(org.Close)
	w := startWorld(t, orgReady{Org: org.URL, ClientID: "id", Username: "u@x"})
	w.gives("job 7505g00000QwErT", demoAgent)
	r := w.request(`{"jobId":"7505g00000QwErTAAV"}`)
	r.URL.Path = "/w/a/instructions/getIngestFailed"
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if text, err := io.ReadAll(resp.Body); err == nil || len(text) == 0 {
		t.Errorf("%d bytes without an error", len(text))
	}
	entries := w.entries("a")
	if last := entries[len(entries)-1]; last.Outcome != "error" || last.Bytes == 0 || last.Instruction != "getIngestFailed" {
		t.Errorf("%+v", last)
	}
}
