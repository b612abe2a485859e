package tools_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"golang.org/x/tools/txtar"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

var update = flag.Bool("update", false, "rewrite testdata, then read the diff")

// TestOps runs every case of testdata/ops: arguments in, requests on the wire,
// Salesforce's answers, results out. The sections request, result and
// structured are written by -update.
func TestOps(t *testing.T) {
	cases := map[string]bool{}
	files, err := filepath.Glob("../testdata/ops/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		parts := strings.SplitN(name, ".", 3)
		cases[parts[0]+"."+parts[1]] = true
		t.Run(name, func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runCase(t, parts[0], parts[1], archive)
			if *update {
				if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(txtar.Format(archive)), string(txtar.Format(got))); diff != "" {
				t.Errorf("run go test ./tools -update and read the diff (-want +got):\n%s", diff)
			}
		})
	}
	for _, op := range tools.All.Operations() {
		if !cases[op.Tool+"."+op.Action] {
			t.Errorf("testdata/ops has no case for %s.%s", op.Tool, op.Action)
		}
	}
}

var local = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// callLine names the call in an error, each time another.
var callLine = regexp.MustCompile(`\ncall: [0-9a-f-]{36}`)

// sessionKey is ours of a session with an agent, each time another.
var sessionKey = regexp.MustCompile(`"externalSessionKey":"[0-9a-f-]{36}"`)

// runCase plays one case and returns the archive as it came out.
func runCase(t *testing.T, tool, action string, in *txtar.Archive) *txtar.Archive {
	t.Helper()
	args := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(section(in, "args")))
	d.UseNumber()
	if err := d.Decode(&args); err != nil {
		t.Fatalf("section args: %v", err)
	}
	args["action"] = action
	responses := strings.Split(strings.TrimSuffix(string(section(in, "response")), "\n"), "\n---\n")
	var requests []string
	server := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
		requests = append(requests, transcript(t, r))
		answer(w, responses[min(len(requests), len(responses))-1])
	})
	out := &txtar.Archive{Comment: in.Comment}
	add := func(name, text string) {
		if text != "" {
			text = strings.TrimSuffix(text, "\n") + "\n"
		}
		out.Files = append(out.Files, txtar.File{Name: name, Data: []byte(text)})
	}
	add("args", string(section(in, "args")))
	result, structured := "", ""
	args["outputFormat"] = "both"
	if op := slices.IndexFunc(tools.All.Operations(), func(op allowlist.Operation) bool { return op.Tool == tool && op.Action == action }); op >= 0 && tools.All.Operations()[op].Effect != "read" {
		args["reasoning"], args["confidence"] = "which is for the audit trail only", json.Number("0.5")
	}
	agent := "admin"
	if tool == tools.ApprovalsTool.Name {
		agent, server.Approvals = "asker", approvalsOf("asker")
	}
	if tool == tools.ReturnsTool.Name {
		server.Returns = returnsThat{}
	}
	if tool == tools.AgentforceTool.Name {
		server.Agentforce = &tools.Agentforce{Sessions: sessionOf(agent)}
	}
	res, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Host: "h", Agent: agent}}, Surface: "mcp", Tool: tool, Args: args})
	if err != nil {
		result = "error " + callLine.ReplaceAllString(err.Error(), "")
	} else {
		result, structured = res.Text, local.ReplaceAllString(string(res.Structured), "https://acme.my.salesforce.com")
	}
	namesOperations(t, tool, result)
	add("request", sessionKey.ReplaceAllString(local.ReplaceAllString(strings.Join(requests, "\n---\n"), "https://acme.my.salesforce.com"), `"externalSessionKey":"key"`))
	add("response", string(section(in, "response")))
	add("result", result)
	add("structured", structured)
	return out
}

// returnsThat answer what they were asked, after asking the org for the case.
type returnsThat struct{}

func (returnsThat) answer(ctx context.Context, who allowlist.Caller, org tools.Org, what string, ask any) (any, error) {
	if org != nil {
		if _, err := org.Do(ctx, &salesforce.Request{Method: http.MethodGet, Path: "/sobjects/Case/" + what, Semantics: salesforce.Safe}); err != nil {
			return nil, err
		}
	}
	return map[string]any{"for": who.Agent, "asked": ask}, nil
}

func (r returnsThat) ListOpen(ctx context.Context, who allowlist.Caller, org tools.Org, limit int) (any, error) {
	return r.answer(ctx, who, org, "list", limit)
}
func (r returnsThat) Get(ctx context.Context, who allowlist.Caller, org tools.Org, ask tools.ReturnAsk) (any, error) {
	return r.answer(ctx, who, org, ask.CaseID, ask)
}
func (r returnsThat) Evaluate(ctx context.Context, who allowlist.Caller, org tools.Org, ask tools.ReturnAsk) (any, error) {
	return r.answer(ctx, who, org, ask.CaseID, ask)
}
func (r returnsThat) Process(ctx context.Context, who allowlist.Caller, org tools.Org, ask tools.ReturnAsk) (any, error) {
	return r.answer(ctx, who, org, ask.CaseID, ask)
}
func (r returnsThat) Status(ctx context.Context, who allowlist.Caller, org tools.Org, ref tools.ReturnRef) (any, error) {
	return r.answer(ctx, who, org, "status", ref)
}
func (r returnsThat) Cancel(ctx context.Context, who allowlist.Caller, ref tools.ReturnRef, reason string) (any, error) {
	return r.answer(ctx, who, nil, "", []any{ref, reason})
}

// approvalsOf has two approvals of an agent.
func approvalsOf(agent string) *memory {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	decided := at.Add(time.Hour)
	a := tools.Approval{ID: "01a20d23-2726-78d7-8db0-a3541a770ae2", State: tools.Waiting, AskedCall: tools.AskedCall{Workspace: "w", Host: "h", Agent: agent, Instruction: "deleteRecord"},
		Arguments: json.RawMessage(`{"action":"delete","sObjectName":"Lead","recordId":"00Q5g00000XyZ12EAF"}`), Requested: at, Expires: at.Add(24 * time.Hour)}
	b := a
	b.ID, b.State, b.Decided, b.By, b.Note = "01a20d23-2726-78d7-8db0-a3541a770ae3", tools.Denied, &decided, "maria", "not this one"
	return &memory{asked: []tools.Approval{a, b}}
}

// sessionOf has a session of an agent, in which a message was sent.
func sessionOf(agent string) *sessions {
	s := tools.Session{Key: "key", ID: agentSessionID, Caller: allowlist.Caller{Workspace: "w", Host: "h", Agent: agent}, AgentID: "0Xxed00000002Q1CAI", Sequence: 1}
	return &sessions{all: map[string]*tools.Session{s.Key: &s}, taken: map[string]bool{}, ended: map[string]string{}}
}

// namesOperations: the calls that a result advises exist.
func namesOperations(t *testing.T, tool, text string) {
	t.Helper()
	var names []string
	for _, tool := range tools.All {
		names = append(names, tool.Name)
	}
	advice := regexp.MustCompile(`(?:(?:tool )?(` + strings.Join(names, "|") + `), )?action (\w+)`)
	for _, call := range advice.FindAllStringSubmatch(text, -1) {
		tool := tool
		if call[1] != "" {
			tool = call[1]
		}
		if !slices.ContainsFunc(tools.All.Operations(), func(op allowlist.Operation) bool { return op.Tool == tool && op.Action == call[2] }) {
			t.Errorf("%q: there is no %s.%s", call[0], tool, call[2])
		}
	}
}

func section(a *txtar.Archive, name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// transcript is a request as cases spell it.
func transcript(t *testing.T, r *http.Request) string {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	text := string(body)
	if _, params, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && params["boundary"] != "" {
		text = strings.ReplaceAll(text, params["boundary"], "boundary")
	}
	return strings.TrimSpace(r.Method + " " + r.URL.RequestURI() + "\n" + strings.ReplaceAll(text, "\r\n", "\n"))
}

// answer writes a response: a line with the status and perhaps a media type,
// then the body.
func answer(w http.ResponseWriter, response string) {
	head, body, _ := strings.Cut(response, "\n")
	status, mediaType := 200, "application/json;charset=UTF-8"
	_, _ = fmt.Sscan(head, &status, &mediaType)
	if body != "" {
		w.Header().Set("Content-Type", mediaType)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// newTestServer returns a server whose org answers with handle, whose gate knows
// the agents admin, reader and adder, and whose journal is kept in memory.
func newTestServer(t *testing.T, handle http.HandlerFunc) *tools.Server {
	t.Helper()
	org := httptest.NewServer(handle)
	t.Cleanup(org.Close)
	gate, err := allowlist.NewGate(&allowlist.Workspace{Name: "w", Rules: []allowlist.Rule{
		{Agent: "admin", Preset: "all"}, {Agent: "reader", Preset: "read"}, {Agent: "adder", Preset: "read+add"},
		{Agent: "careful", Preset: "read", Confirm: []string{"query.soql"}},
		{Agent: "asker", Preset: "all", Confirm: []string{"set", "remove", "act"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	journal := audit.NewJournal(new(memory))
	t.Cleanup(journal.Close)
	client := salesforce.New(salesforce.Options{Hosts: salesforce.Hosts{Loopback: true}, RetryBudget: -1})
	return &tools.Server{Table: tools.All, Gate: gate, Journal: journal, Log: zerolog.New(zerolog.NewTestWriter(t)),
		Orgs: connected{client, salesforce.Token{AccessToken: "00D000000000000!test.token", InstanceURL: org.URL}}}
}

// caller is an identity that is already known.
type caller struct{ allowlist.Caller }

func (c caller) Identify(args map[string]any) (allowlist.Caller, map[string]any, error) {
	return c.Caller, args, nil
}
func (c caller) Visible(t tools.Table) (tools.Table, error) { return t, nil }
func (c caller) Refused(string)                             {}

// connected is an org with a token that never changes.
type connected struct {
	client *salesforce.Client
	token  salesforce.Token
}

func (c connected) Connect(_ context.Context, _ allowlist.Caller, sent func(salesforce.Exchange)) (tools.Org, error) {
	return &salesforce.Org{Client: c.client, Credentials: c, Sent: sent}, nil
}
func (c connected) Token(context.Context) (salesforce.Token, error) { return c.token, nil }
func (c connected) Drop(salesforce.Token)                           {}
