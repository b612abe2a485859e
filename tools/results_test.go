package tools_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

// keeper is Results in memory.
type keeper struct{ kept sync.Map }

func (k *keeper) Keep(_ context.Context, result tools.Kept) error {
	k.kept.Store(result.ID, result)
	return nil
}

func (k *keeper) Kept(_ context.Context, id string) (tools.Kept, bool, error) {
	v, ok := k.kept.Load(id)
	if !ok {
		return tools.Kept{}, false, nil
	}
	return v.(tools.Kept), true, nil
}

// bigCSV answers every request with a header and n rows.
func bigCSV(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv; charset=UTF-8")
		_, _ = io.WriteString(w, "Id,Name\n")
		for i := range n {
			if _, err := fmt.Fprintf(w, "%d,\"Row %d\nof many\"\n", i, i); err != nil {
				return
			}
		}
	}
}

// rpc sends one request and returns its result.
func rpc(t *testing.T, server *tools.Server, name, method, params string) (result struct {
	IsError  bool
	Content  []struct{ Type, Text, URI, Name, MimeType string }
	Contents []struct{ URI, MimeType, Text, Blob string }
}, failure string) {
	t.Helper()
	_, body := post(t, server, name, `{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":`+params+`}`)
	var answer struct {
		Result json.RawMessage
		Error  struct{ Message string }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Result != nil {
		if err := json.Unmarshal(answer.Result, &result); err != nil {
			t.Fatalf("%s: %v", answer.Result, err)
		}
	}
	return result, answer.Error.Message
}

// TestLargeCSV: a model gets the first rows and both ways to the others: the
// call that goes on, and a link whose pages hold every row once.
func TestLargeCSV(t *testing.T) {
	const rows = 5000
	server := newTestServer(t, bigCSV(rows))
	server.Results = new(keeper)
	got, _ := rpc(t, server, "admin", "tools/call", `{"name":"bulkIngest","arguments":{"action":"getFailed","jobId":"7505g00000QwErTAAV"}}`)
	text := got.Content[0].Text
	shown := strings.Count(text, "\\nof many")
	if len(text) > 21_000 || shown < 500 || !strings.Contains(text, fmt.Sprintf("For the rest: action getFailed, jobId 7505g00000QwErTAAV, skip %d.", shown)) {
		t.Errorf("%d rows: %s … %s", shown, text[:100], text[len(text)-200:])
	}
	next, _ := rpc(t, server, "admin", "tools/call", fmt.Sprintf(`{"name":"bulkIngest","arguments":{"action":"getFailed","jobId":"7505g00000QwErTAAV","skip":%d}}`, shown))
	if !strings.Contains(next.Content[0].Text, fmt.Sprintf("Id\tName\n%d\tRow %d", shown, shown)) {
		t.Errorf("the rest begins with %.200s", next.Content[0].Text)
	}
	if len(got.Content) != 2 || got.Content[1].Type != "resource_link" || got.Content[1].MimeType != "text/csv" || got.Content[1].Name != "bulkIngest.getFailed" {
		t.Fatalf("%+v", got.Content[1:])
	}

	uri := got.Content[1].URI
	seen := 0
	for pages := 0; uri != "" && pages < 100; pages++ {
		page, failure := rpc(t, server, "admin", "resources/read", `{"uri":"`+uri+`"}`)
		if failure != "" {
			t.Fatal(failure)
		}
		if text := page.Contents[0].Text; !strings.HasPrefix(text, fmt.Sprintf("Id,Name\n%d,", seen)) || len(text) > 41_000 {
			t.Fatalf("page %d after %d rows: %d bytes, %.40q", pages, seen, len(text), text)
		}
		seen += strings.Count(page.Contents[0].Text, "\nof many")
		uri = ""
		if len(page.Contents) == 2 {
			uri = page.Contents[1].URI
		}
	}
	if seen != rows {
		t.Errorf("the pages hold %d rows, want %d", seen, rows)
	}
}

// TestResultsBelongToTheirOwner (attack 9): a link is worth nothing to another
// agent, user, host or workspace, and neither are invented ones; the refusal is
// recorded.
func TestResultsBelongToTheirOwner(t *testing.T) {
	server := newTestServer(t, bigCSV(5000))
	store := new(memory)
	journal := audit.NewJournal(store)
	t.Cleanup(journal.Close)
	server.Journal, server.Results = journal, new(keeper)
	owner := allowlist.Caller{Workspace: "w", Host: "h", Agent: "admin", User: "u", Context: "c"}
	res, err := server.Call(t.Context(), tools.Call{Who: caller{owner}, Tool: "getIngestFailed", Args: map[string]any{"jobId": "7505g00000QwErTAAV"}})
	if err != nil || res.Link == nil {
		t.Fatalf("%+v %v", res, err)
	}
	read := func(who allowlist.Caller, id string) error {
		_, err := server.Result(t.Context(), tools.Call{Who: caller{who}, Surface: "results", Stream: func(*salesforce.Response) error { return nil }}, id)
		return err
	}
	for name, change := range map[string]func(*allowlist.Caller){
		"agent": func(c *allowlist.Caller) { c.Agent = "reader" }, "user": func(c *allowlist.Caller) { c.User = "v" }, "no user": func(c *allowlist.Caller) { c.User = "" },
		"host": func(c *allowlist.Caller) { c.Host = "other" }, "workspace": func(c *allowlist.Caller) { c.Workspace = "x" },
	} {
		who := owner
		change(&who)
		before := len(store.all())
		var e *tools.Error
		if err := read(who, res.Link.ID); !errors.As(err, &e) || e.Code != tools.NoResult {
			t.Errorf("another %s: %v", name, err)
		}
		entries := store.all()[before:]
		if len(entries) != 1 || entries[0].Phase != audit.PhaseRefusal || entries[0].Tool != "results" || entries[0].Agent != who.Agent {
			t.Errorf("another %s: entries %+v", name, entries)
		}
	}
	if err := read(owner, "00000000-0000-4000-8000-000000000000"); err == nil {
		t.Error("an invented id was read")
	}
	owner.Context = "another conversation"
	if err := read(owner, res.Link.ID); err != nil {
		t.Errorf("the owner: %v", err)
	}
	all := store.all()
	if last := all[len(all)-1]; last.Instruction != "getIngestFailed" || last.Outcome != audit.OK || last.Surface != "results" {
		t.Errorf("the reading is recorded as %+v", last)
	}
}

// TestResultObeysTheGate: who may no longer make a call may no longer read what
// it made.
func TestResultObeysTheGate(t *testing.T) {
	server := newTestServer(t, bigCSV(5000))
	server.Results = new(keeper)
	who := caller{allowlist.Caller{Workspace: "w", Agent: "reader"}}
	res, err := server.Call(t.Context(), tools.Call{Who: who, Tool: "getIngestFailed", Args: map[string]any{"jobId": "7505g00000QwErTAAV"}})
	if err != nil {
		t.Fatal(err)
	}
	server.Gate, err = allowlist.NewGate(&allowlist.Workspace{Name: "w", Rules: []allowlist.Rule{{Agent: "reader", Actions: []string{"versions"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Result(t.Context(), tools.Call{Who: who, Stream: func(*salesforce.Response) error { t.Error("it was read"); return nil }}, res.Link.ID); err == nil {
		t.Error("no error")
	}
}

// TestRawAnswers: with a Stream nothing is shaped, what is streamed goes to it
// and is counted, and arguments that only shape are refused.
func TestRawAnswers(t *testing.T) {
	store := new(memory)
	server := newTestServer(t, bigCSV(10))
	journal := audit.NewJournal(store)
	t.Cleanup(journal.Close)
	server.Journal = journal
	who := caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}
	var text string
	take := func(resp *salesforce.Response) error {
		b, err := io.ReadAll(resp.Stream)
		text = string(b)
		return err
	}
	call := func(args map[string]any, stream func(*salesforce.Response) error) error {
		args["jobId"] = "7505g00000QwErTAAV"
		_, err := server.Call(t.Context(), tools.Call{Who: who, Instruction: "getIngestFailed", Args: args, Stream: stream})
		return err
	}
	if err := call(map[string]any{}, take); err != nil || !strings.HasPrefix(text, "Id,Name\n0,") {
		t.Errorf("%v: %q", err, text)
	}
	all := store.all()
	if got := all[len(all)-1]; got.Bytes != int64(len(text)) || got.Outcome != audit.OK {
		t.Errorf("outcome %+v, want %d bytes", got, len(text))
	}
	if err := call(map[string]any{}, func(*salesforce.Response) error { return io.ErrClosedPipe }); err == nil || !strings.Contains(err.Error(), "hung up") {
		t.Errorf("%v", err)
	}
	all = store.all()
	if got := all[len(all)-1]; got.Outcome != audit.Failed || got.Code != string(tools.TimedOut) {
		t.Errorf("outcome %+v", got)
	}
	ours := &tools.Error{Code: tools.Unreadable, Message: "a record is too long"}
	if err := call(map[string]any{}, func(*salesforce.Response) error { return ours }); err == nil || !strings.HasPrefix(err.Error(), ours.Error()+"\ncall: ") {
		t.Errorf("%v", err)
	}
	for _, name := range []string{"skip", "outputFormat"} {
		if err := call(map[string]any{name: "1"}, take); err == nil || !strings.Contains(err.Error(), name+" is for results that are shaped") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := server.Call(t.Context(), tools.Call{Who: who, Instruction: "records", Args: map[string]any{"action": "get"}}); err == nil || !strings.Contains(err.Error(), "there is no instruction") {
		t.Errorf("a tool is no instruction: %v", err)
	}
}

// TestUploadIsStreamed: a raw body reaches Salesforce as it is, after a look at
// the job; where a row takes none it is refused, and so is giving it twice.
func TestUploadIsStreamed(t *testing.T) {
	var seen []string
	state := "Open"
	server := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, fmt.Sprintf("%s %s %d %s %s", r.Method, r.URL.Path, r.ContentLength, r.Header.Get("Content-Type"), body))
		if r.Method == http.MethodGet {
			answer(w, "200\n"+`{"state":"`+state+`"}`)
			return
		}
		answer(w, "201")
	})
	upload := func(instruction string, args map[string]any) error {
		_, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, Instruction: instruction, Args: args,
			Upload: &tools.Upload{Reader: strings.NewReader("Name\nAcme\n"), Size: 10}})
		return err
	}
	job := map[string]any{"jobId": "7505g00000QwErTAAV"}
	if err := upload("uploadIngestData", job); err != nil {
		t.Fatal(err)
	}
	want := []string{"GET /services/data/v62.0/jobs/ingest/7505g00000QwErTAAV 0  ", "PUT /services/data/v62.0/jobs/ingest/7505g00000QwErTAAV/batches 10 text/csv; charset=UTF-8 Name\nAcme\n"}
	if strings.Join(seen, "|") != strings.Join(want, "|") {
		t.Errorf("%q", seen)
	}
	state = "JobComplete"
	for name, err := range map[string]error{
		"the job is JobComplete":       upload("uploadIngestData", job),
		"takes no raw body":            upload("getIngestJob", job),
		"rawBody is given twice":       upload("uploadIngestData", map[string]any{"jobId": "7505g00000QwErTAAV", "rawBody": "x"}),
		"uploadIngestData needs jobId": upload("uploadIngestData", nil),
	} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(seen) != 3 {
		t.Errorf("sent %q", seen[2:])
	}
}

// TestLargeFile: of a long text a model gets the beginning, of a large binary
// file what it is, and of both a link to the whole.
func TestLargeFile(t *testing.T) {
	for name, tt := range map[string]struct {
		body  string
		text  string
		pages int
	}{
		"log":    {strings.Repeat("0123456789 é\n", 30_000), "It goes on after byte 20", 11},
		"binary": {strings.Repeat("\x00\xff\xfe", 100_000), "more than 262144 bytes are not handed to a model", 8},
	} {
		server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, "200 application/octet-stream\n"+tt.body) })
		server.Results = new(keeper)
		got, _ := rpc(t, server, "admin", "tools/call", `{"name":"tooling","arguments":{"action":"getLog","recordId":"07L5g00000AbCdEEAV"}}`)
		if !strings.Contains(got.Content[0].Text, tt.text) || len(got.Content[0].Text) > 25_000 || len(got.Content) != 2 {
			t.Fatalf("%s: %d contents, %s", name, len(got.Content), got.Content[0].Text[max(0, len(got.Content[0].Text)-300):])
		}
		pages, size := 0, 0
		for uri := got.Content[1].URI; uri != ""; pages++ {
			page, failure := rpc(t, server, "admin", "resources/read", `{"uri":"`+uri+`"}`)
			if failure != "" || pages > 50 {
				t.Fatal(failure, pages)
			}
			size += len(page.Contents[0].Text) + len(page.Contents[0].Blob)*3/4
			uri = ""
			if len(page.Contents) == 2 {
				uri = page.Contents[1].URI
			}
		}
		if size < len(tt.body) || size > len(tt.body)+2*pages || pages < tt.pages-2 {
			t.Errorf("%s: %d bytes in %d pages, want %d", name, size, pages, len(tt.body))
		}
	}
}
