package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/bridge"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/dsul"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/tools"
)

// hostPlatformDocs are the blocks of YAML of docs/host-platform.md, by their first word.
func hostPlatformDocs() (map[string]string, error) {
	text, err := os.ReadFile("../../docs/host-platform.md")
	blocks := map[string]string{}
	for _, block := range regexp.MustCompile("(?sm)^( *)```yaml\n(.*?)^ *```").FindAllStringSubmatch(string(text), -1) {
		lines := strings.Split(block[2], "\n")
		for i := range lines {
			lines[i] = strings.TrimPrefix(lines[i], block[1])
		}
		first, _, _ := strings.Cut(lines[0], ":")
		blocks[first] = strings.Join(lines, "\n")
	}
	return blocks, err
}

// asBridge gives every workspace's first profile what docs/host-platform.md says of the
// bridge's, but for its tokens.
func asBridge(c *config.Config) {
	blocks, err := hostPlatformDocs()
	var documented struct{ Profiles []allowlist.Profile }
	if err == nil {
		err = yaml.Unmarshal([]byte(blocks["profiles"]), &documented)
	}
	if err != nil || len(documented.Profiles) != 1 {
		panic(fmt.Sprint("docs/host-platform.md: ", err, documented))
	}
	for i := range c.Workspaces {
		p := documented.Profiles[0]
		p.Tokens = c.Workspaces[i].Profiles[0].Tokens
		c.Workspaces[i].Profiles = []*allowlist.Profile{&p}
	}
}

// TestHostPlatformDocs: the configuration that the page shows is one.
func TestHostPlatformDocs(t *testing.T) {
	blocks, err := hostPlatformDocs()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	profiles := "    " + strings.ReplaceAll(strings.TrimSpace(blocks["profiles"]), "\n", "\n    ")
	if err := os.WriteFile(file, []byte(blocks["hostPlatforms"]+"\n"+strings.TrimRight(blocks["workspaces"], "\n")+"\n"+profiles+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	if len(c.HostPlatforms) != 1 || !c.Workspaces[0].Catalog.Public || c.Workspaces[0].Catalog.Bridge == "" || !c.Workspaces[0].Profiles[0].Vouches {
		t.Errorf("%+v", c.Workspaces[0])
	}
	if _, err := dsul.Parse(strings.NewReader(strings.Replace(blocks["- Salesforce.runQuery"], "    output:", "  output:", 1)), knownInstruction, nil); err != nil {
		t.Error(err)
	}
}

// A spy notes what is sent.
type spy struct{ method, path, body string }

func (s *spy) RoundTrip(r *http.Request) (*http.Response, error) {
	s.method, s.path, s.body = r.Method, r.URL.Path, ""
	if r.Body != nil {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		s.body, r.Body = string(text), io.NopCloser(bytes.NewReader(text))
	}
	return http.DefaultTransport.RoundTrip(r)
}

// install installs the app of workspace a.
func (w *world) install(config map[string]any, secrets map[string]any) (*dsul.Instance, *spy) {
	w.t.Helper()
	seen := &spy{}
	return &dsul.Instance{App: w.bridge(), Config: config, Secrets: secrets, Global: map[string]any{"workspaceId": "ws-1"}, HTTP: &http.Client{Transport: seen}}, seen
}

// bridges are the apps of servers, by their origin.
var bridges sync.Map

// bridge exports the app of workspace a as the command does, and reads the zip.
func (w *world) bridge() *dsul.App {
	w.t.Helper()
	if app, ok := bridges.Load(w.origin); ok {
		return app.(*dsul.App)
	}
	var out bytes.Buffer
	if err := run(w.t.Context(), []string{"export", "dsul", "--url", w.origin, "--workspace", "a"}, func(string) string { return "" }, nil, &out, io.Discard); err != nil {
		w.t.Fatal(err)
	}
	files, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		w.t.Fatal(err)
	}
	app, err := dsul.ReadApp(files)
	if err != nil {
		w.t.Fatal(err)
	}
	bridges.Store(w.origin, app)
	return app
}

var (
	builder = dsul.Caller{User: map[string]any{"id": "u-1"}}
	token   = map[string]any{"salesforceHostToken": "token-a"}
	allowed = map[string]any{"agentId": demoAgent, "callers": "agent-factory-ws"}
	factory = dsul.Caller{User: map[string]any{"id": "u-1"}, Source: "agent-factory-ws"}
)

// TestBridgeHasEveryInstruction: an automation for each instruction of the table, with
// the arguments that it takes, and none that hides what the platform sets.
func TestBridgeHasEveryInstruction(t *testing.T) {
	text, err := (&bridge.App{Server: "https://x.example/w/a", Table: tools.All}).Zip()
	if err != nil {
		t.Fatal(err)
	}
	again, _ := (&bridge.App{Server: "https://x.example/w/a", Table: tools.All}).Zip()
	if !bytes.Equal(text, again) {
		t.Error("the same app is other bytes")
	}
	files, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	app, err := dsul.ReadApp(files)
	if err != nil {
		t.Fatal(err)
	}
	var public, endpoints []string
	for slug, a := range app.Automations {
		switch {
		case a.Endpoint:
			endpoints = append(endpoints, slug)
		case !a.Private:
			public = append(public, slug)
			for _, name := range a.Arguments {
				if slices.Contains([]string{"config", "user", "run", "global", "secret", "session", "headers", "method", "result", "output"}, name) {
					t.Errorf("%s takes %s, which the platform sets", slug, name)
				}
			}
		}
	}
	slices.Sort(public)
	want := slices.Sorted(slices.Values(tools.All.InstructionNames()))
	if diff := cmp.Diff(want, public); diff != "" {
		t.Error(diff)
	}
	slices.Sort(endpoints)
	if !slices.Equal(endpoints, []string{"mcp", "oauthConnect", "oauthDisconnect", "oauthStatus", "testAuth"}) {
		t.Errorf("%v", endpoints)
	}
	if !slices.Equal(app.Schema, []string{"agentId", "callers", "hostToken", "serverUrl"}) {
		t.Errorf("%v", app.Schema)
	}
}

// caseArguments are the arguments of a case of each instruction, from testdata/ops.
func caseArguments(t *testing.T) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	for _, tool := range tools.All {
		for _, op := range tool.Ops {
			files, err := filepath.Glob("../../testdata/ops/" + tool.Name + "." + op.Action + "*.txtar")
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				for _, part := range txtar.Parse(text).Files {
					if part.Name != "args" || found[op.Instruction] != nil {
						continue
					}
					if args, err := decodeJSON(string(part.Data)); err == nil {
						found[op.Instruction], _ = args.(map[string]any)
					}
				}
			}
			if found[op.Instruction] == nil {
				t.Errorf("%s has no case", op.Instruction)
			}
		}
	}
	return found
}

// TestBridgeInstructions: every automation sends its instruction with exactly the
// arguments that it was given, and gives back what the server answers, or an error in
// the one shape that there is.
func TestBridgeInstructions(t *testing.T) {
	for name, empty := range map[string]bool{"absent": false, "empty": true} {
		t.Run(name, func(t *testing.T) { bridgeInstructions(t, empty) })
	}
}

func bridgeInstructions(t *testing.T, empty bool) {
	w := newWorld(t, asBridge)
	done, failed := 0, 0
	for instruction, args := range caseArguments(t) {
		op, err := tools.All.Instruction(instruction)
		if err != nil {
			t.Fatal(err)
		}
		agent := demoAgent
		if op.Tool() == "approvals" { // for agents that ask
			agent = demoCareful
		}
		app, seen := w.install(map[string]any{"agentId": agent}, token)
		app.Empty = empty
		direct := client{url: w.origin + "/w/a/mcp", token: "token-a", agent: agent, user: "u-1"}
		for name := range args {
			if !slices.Contains(app.App.Automations[instruction].Arguments, name) {
				delete(args, name) // of results for a model
			}
		}
		got, err := app.Call(t.Context(), instruction, args, builder)
		if err != nil {
			t.Errorf("%s: %v", instruction, err)
			continue
		}
		want, _ := json.Marshal(args)
		if seen.method != http.MethodPost || seen.path != "/w/a/instructions/"+instruction || !sameJSON(withoutEmpty(t, seen.body), string(want)) || !empty && !sameJSON(seen.body, string(want)) {
			t.Errorf("%s: sent %s %s %s, want %s", instruction, seen.method, seen.path, seen.body, want)
		}
		failure, isFailure := errorOf(got)
		if isFailure {
			failed++
			code, _ := failure["code"].(string)
			if message, _ := failure["message"].(string); code == "" || message == "" || slices.Contains([]string{"connector_refused", "connector_unreachable",
				"agent_not_identified", "agent_not_authorized", "unknown_tool", "unknown_argument", "internal_error"}, code) {
				t.Errorf("%s: %v", instruction, failure)
			}
		} else {
			done++
		}
		if op.Effect != tools.Read {
			continue
		}
		// Whoever asks the server itself gets the same.
		plain, err := direct.instruction(t.Context(), instruction, args)
		var refused *tools.Error
		switch {
		case err != nil && !isFailure, err == nil && isFailure:
			t.Errorf("%s: %v, and directly %v, %v", instruction, got, plain, err)
		case err != nil:
			if refused = tools.AsError(err); string(refused.Code) != fmt.Sprint(failure["code"]) {
				t.Errorf("%s: %v, and directly %v", instruction, failure, err)
			}
		case instruction == "getLimits", instruction == "listApprovalRequests": // they change with each call
		default:
			a, _ := json.Marshal(got)
			b, _ := json.Marshal(plain)
			if !sameJSON(string(a), string(b)) && plain != nil {
				t.Errorf("%s: %.300s\nand directly %.300s", instruction, a, b)
			}
		}
	}
	if done < 30 || done+failed != len(tools.All.InstructionNames()) {
		t.Errorf("%d done, %d refused", done, failed)
	}
	t.Logf("%d done, %d refused by the org", done, failed)
}

// withoutEmpty is an object without its members that are empty texts, which the server
// takes for absent.
func withoutEmpty(t *testing.T, text string) string {
	t.Helper()
	v, err := decodeJSON(text)
	args, ok := v.(map[string]any)
	if err != nil || !ok {
		t.Fatalf("%q is sent", text)
	}
	maps.DeleteFunc(args, func(_ string, v any) bool { return v == "" })
	out, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func sameJSON(a, b string) bool {
	x, errA := decodeJSON(a)
	y, errB := decodeJSON(b)
	return errA == nil && errB == nil && cmp.Equal(x, y)
}

func errorOf(v any) (map[string]any, bool) {
	object, _ := v.(map[string]any)
	failure, ok := object["error"].(map[string]any)
	return failure, ok
}

// TestBridgeWorks: what the connector's documentation shows builders, from beginning to
// end against the simulated org.
func TestBridgeWorks(t *testing.T) {
	w := newWorld(t, asBridge)
	app, _ := w.install(allowed, token)
	call := func(instruction string, args map[string]any) any {
		t.Helper()
		got, err := app.Call(t.Context(), instruction, args, builder)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	member := func(v any, name string) string {
		object, _ := v.(map[string]any)
		text, _ := object[name].(string)
		return text
	}
	lead := call("createRecord", map[string]any{"sObjectName": "Lead", "body": map[string]any{"LastName": "Abitbol", "Company": "La Classe Américaine", "NumberOfEmployees": json.Number("12")}})
	id := member(lead, "id")
	if id == "" {
		t.Fatalf("%v", lead)
	}
	if got := call("updateRecord", map[string]any{"sObjectName": "Lead", "recordId": id, "body": map[string]any{"Company": "Other"}}); !cmp.Equal(got, map[string]any{}) {
		t.Errorf("204 is %v", got)
	}
	if got := call("getRecord", map[string]any{"sObjectName": "Lead", "recordId": id, "fields": "Company,NumberOfEmployees"}).(map[string]any); got["Company"] != "Other" || got["NumberOfEmployees"] != json.Number("12") {
		t.Errorf("%v", got)
	}
	if got := call("getRecordField", map[string]any{"sObjectName": "Lead", "recordId": id, "fieldName": "IsConverted"}); got != false && got != "false" {
		t.Errorf("%T %v", got, got)
	}
	job := call("createIngestJob", map[string]any{"body": map[string]any{"object": "Contact", "operation": "insert", "contentType": "CSV", "lineEnding": "LF"}})
	if got := call("uploadIngestData", map[string]any{"jobId": member(job, "id"), "rawBody": "LastName\nDupont\n"}); !cmp.Equal(got, map[string]any{}) {
		t.Errorf("201 is %v", got)
	}
	if got := call("updateIngestJob", map[string]any{"jobId": member(job, "id"), "body": map[string]any{"state": "UploadComplete"}}); member(got, "state") != "UploadComplete" {
		t.Errorf("%v", got)
	}
	// The same key is the same record.
	once := map[string]any{"sObjectName": "Account", "body": map[string]any{"Name": "Once"}, "idempotencyKey": "k-1"}
	if a, b := member(call("createRecord", once), "id"), member(call("createRecord", once), "id"); a == "" || a != b {
		t.Errorf("%q %q", a, b)
	}
	if got := call("deleteRecord", map[string]any{"sObjectName": "Lead", "recordId": id}); !cmp.Equal(got, map[string]any{}) {
		t.Errorf("%v", got)
	}

	// Errors have one shape, and say what was wrong, whoever says it.
	for name, c := range map[string]struct {
		args, config, secrets map[string]any
		code                  string
	}{
		"Salesforce's":      {map[string]any{"q": "SELECT Nope FROM Account"}, allowed, token, "INVALID_FIELD"},
		"ours":              {map[string]any{}, allowed, token, "missing_argument"},
		"an empty argument": {map[string]any{"q": ""}, allowed, token, "missing_argument"},
		"the rule's":        {map[string]any{"q": "SELECT Id FROM Account"}, map[string]any{"agentId": "stranger"}, token, "agent_not_authorized"},
		"a wrong token":     {map[string]any{"q": "SELECT Id FROM Account"}, allowed, map[string]any{"salesforceHostToken": "x"}, "connector_refused"},
		"a secret not set":  {map[string]any{"q": "SELECT Id FROM Account"}, allowed, nil, "connector_refused"},
		"no server":         {map[string]any{"q": "SELECT Id FROM Account"}, map[string]any{"serverUrl": "http://127.0.0.1:1/w/a"}, token, "connector_unreachable"},
		"no URL":            {map[string]any{"q": "SELECT Id FROM Account"}, map[string]any{"serverUrl": "{{secret.url}}"}, token, "connector_unreachable"},
		"another workspace": {map[string]any{"q": "SELECT Id FROM Account"}, map[string]any{"serverUrl": w.origin + "/w/b"}, token, "connector_refused"},
	} {
		app, _ := w.install(c.config, c.secrets)
		got, err := app.Call(t.Context(), "runQuery", c.args, builder)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		failure, ok := errorOf(got)
		message, _ := failure["message"].(string)
		if !ok || failure["code"] != c.code || message == "" || strings.Contains(message, "token-a") {
			t.Errorf("%s: %v, want %s", name, got, c.code)
		}
	}
}

// TestBridgeMCP: agents of the platform call through the webhook, with their identity in
// the arguments; others do not get in.
func TestBridgeMCP(t *testing.T) {
	w := newWorld(t, asBridge)
	app, _ := w.install(allowed, token)
	send := func(app *dsul.Instance, as dsul.Caller, headers map[string]string, message string) dsul.Response {
		t.Helper()
		body, err := decodeJSON(message)
		if err != nil {
			t.Fatal(err)
		}
		got, err := app.Webhook(t.Context(), "mcp", dsul.Request{Method: "POST", Headers: headers, Body: body}, as)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	text := func(r dsul.Response) string {
		out, _ := json.Marshal(r.Body)
		return string(out)
	}
	initialize := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"agent-factory","version":"1"}}}`
	if got := send(app, factory, nil, initialize); got.Status != 200 || !strings.Contains(text(got), `"protocolVersion":"2025-06-18"`) || got.Headers["content-type"] != "application/json" {
		t.Errorf("%+v", got)
	}
	if got := send(app, factory, nil, `{"jsonrpc":"2.0","method":"notifications/initialized"}`); got.Status != http.StatusAccepted || got.Body != nil && got.Body != "" {
		t.Errorf("%+v", got)
	}
	if got := send(app, factory, map[string]string{"MCP-Protocol-Version": "2025-06-18"}, `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`); got.Status != 200 || !strings.Contains(text(got), `"name":"records"`) {
		t.Errorf("%.300s", text(got))
	}
	const query = `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"query","arguments":{"action":"soql","q":"SELECT COUNT() FROM Account"%s}}}`
	injected := `,"agent_id":"` + demoAgent + `","user_id":"u-1","context_id":"c-1"`
	if got := send(app, factory, nil, fmt.Sprintf(query, injected)); got.Status != 200 || strings.Contains(text(got), "isError") {
		t.Errorf("%s", text(got))
	}
	if got := send(app, factory, map[string]string{"Agent-Id": demoAgent}, fmt.Sprintf(query, "")); got.Status != 200 || strings.Contains(text(got), "isError") {
		t.Errorf("by header: %s", text(got))
	}
	// Whom the arguments name is whom the platform says is signed in.
	other := `,"agent_id":"` + demoAgent + `","user_id":"u-2","context_id":"c-1"`
	if got := send(app, factory, nil, fmt.Sprintf(query, other)); !strings.Contains(text(got), "differs") {
		t.Errorf("another user: %s", text(got))
	}
	if got := send(app, factory, nil, fmt.Sprintf(query, `,"agent_id":"stranger","user_id":"u-1","context_id":"c-1"`)); got.Status != 200 || !strings.Contains(text(got), "This agent is not authorized to use this connector") {
		t.Errorf("a stranger: %s", text(got))
	}
	if got := send(app, factory, nil, fmt.Sprintf(query, "")); !strings.Contains(text(got), "The calling agent could not be identified") {
		t.Errorf("nobody: %s", text(got))
	}
	// Only the workspace of Agent Factory calls. Nothing said is nobody.
	before := len(w.entries("a"))
	for name, c := range map[string]struct {
		as     dsul.Caller
		config map[string]any
	}{
		"from outside":      {dsul.Caller{}, allowed},
		"another workspace": {dsul.Caller{Source: "ws-2"}, allowed},
		"callers not set":   {factory, map[string]any{"agentId": demoAgent}},
		"neither":           {dsul.Caller{}, map[string]any{"agentId": demoAgent}},
		"callers empty":     {dsul.Caller{}, map[string]any{"callers": ""}},
		"callers empty …":   {dsul.Caller{}, map[string]any{"callers": ""}},
		"from outside …":    {dsul.Caller{}, allowed},
	} {
		app, seen := w.install(c.config, token)
		app.Empty = strings.HasSuffix(name, "…")
		got := send(app, c.as, map[string]string{"X-Source-Workspace-Id": "agent-factory-ws", "X-Prismeai-Workspace-Id": "agent-factory-ws"}, fmt.Sprintf(query, injected))
		if got.Status != http.StatusForbidden || !strings.Contains(text(got), `"code":-32001`) || !strings.Contains(text(got), `"id":3`) || seen.path != "" {
			t.Errorf("%s: %+v, sent %s", name, got, seen.path)
		}
	}
	if now := len(w.entries("a")); now != before {
		t.Errorf("%d calls came through", now-before)
	}
	open, _ := w.install(map[string]any{"callers": "*"}, token)
	if got := send(open, dsul.Caller{User: map[string]any{"id": "u-1"}}, nil, fmt.Sprintf(query, injected)); got.Status != 200 {
		t.Errorf("%+v", got)
	}
	// The server says no, or nothing.
	for name, change := range map[string]map[string]any{"a wrong token": {"hostToken": "x"}, "no server": {"serverUrl": "http://127.0.0.1:1/w/a"}} {
		config := map[string]any{"callers": "*"}
		for k, v := range change {
			config[k] = v
		}
		broken, _ := w.install(config, token)
		if got := send(broken, factory, nil, initialize); got.Status != http.StatusBadGateway || !strings.Contains(text(got), `"code":-32001`) || !strings.Contains(text(got), "Connector URL") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestBridgePeople: a person connects through the webhooks, works as their own user, and
// disconnects.
func TestBridgePeople(t *testing.T) {
	w := connectWorld(t, asBridge, func(c *config.Config) {
		for i := range c.Workspaces {
			c.Workspaces[i].Auth.Proof = "bridge" // nothing else proves anybody
		}
	})
	app, _ := w.install(allowed, token)
	hook := func(slug string, as dsul.Caller) dsul.Response {
		t.Helper()
		got, err := app.Webhook(t.Context(), slug, dsul.Request{Method: "GET"}, as)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	field := func(r dsul.Response, name string) any {
		object, _ := r.Body.(map[string]any)
		return object[name]
	}
	ada := dsul.Caller{User: map[string]any{"id": "ada"}, Source: "agent-factory-ws"}
	if got := hook("oauthStatus", ada); got.Status != 200 || field(got, "connected") != false {
		t.Fatalf("%+v", got)
	}
	if got := hook("testAuth", ada); got.Status != 200 || field(got, "ok") != false || !strings.Contains(fmt.Sprint(field(got, "error")), "not connected") {
		t.Errorf("%+v", got)
	}
	// Whoever is not signed in gets nothing.
	for _, slug := range []string{"oauthStatus", "oauthConnect", "oauthDisconnect", "testAuth"} {
		app.Empty = slug != "oauthStatus"
		if got := hook(slug, dsul.Caller{}); got.Status != http.StatusUnauthorized || strings.Contains(fmt.Sprint(got.Body), "ticket") {
			t.Errorf("%s: %+v", slug, got)
		}
	}
	next := func(r dsul.Response) string {
		t.Helper()
		m := regexp.MustCompile(`content="0;url=([^"]+)"`).FindStringSubmatch(fmt.Sprint(r.Body))
		if r.Status != 200 || !strings.HasPrefix(r.Headers["content-type"], "text/html") || m == nil || !strings.Contains(fmt.Sprint(r.Body), `<a href="`+m[1]+`"`) || strings.Contains(fmt.Sprint(r.Body), "<script") {
			t.Fatalf("%+v", r)
		}
		return html.UnescapeString(m[1])
	}
	b := newBrowser(t)
	b.open(next(hook("oauthConnect", ada))).follow().salesforce(fakeorg.ServiceUser)
	b.shows(http.StatusOK, "Salesforce is connected")
	if got := hook("oauthStatus", ada); field(got, "connected") != true || field(got, "username") == nil {
		t.Fatalf("%+v", got)
	}
	if got := hook("testAuth", ada); field(got, "ok") != true || field(got, "baseUrl") == nil {
		t.Errorf("%+v", got)
	}
	if got := hook("oauthStatus", dsul.Caller{User: map[string]any{"id": "eve"}}); field(got, "connected") != false {
		t.Errorf("somebody else: %+v", got)
	}
	got, err := app.Call(t.Context(), "runQuery", map[string]any{"q": "SELECT COUNT() FROM Account"}, ada)
	if _, failed := errorOf(got); err != nil || failed {
		t.Errorf("%v, %v", got, err)
	}
	b.open(next(hook("oauthDisconnect", ada)))
	b.shows(http.StatusOK, "Disconnect")
	if got := hook("oauthStatus", ada); field(got, "connected") != true {
		t.Errorf("a page that was looked at has disconnected: %+v", got)
	}
	b.send(http.MethodPost, b.at.String(), nil).shows(http.StatusOK, "Salesforce is disconnected")
	if got := hook("oauthStatus", ada); field(got, "connected") != false {
		t.Errorf("%+v", got)
	}

	// When the server cannot be asked, the call says why, and not the status.
	broken, _ := w.install(map[string]any{"serverUrl": "http://127.0.0.1:1/w/a"}, token)
	for slug, want := range map[string]int{"oauthStatus": 200, "testAuth": 200, "oauthConnect": 502, "oauthDisconnect": 502} {
		got, err := broken.Webhook(t.Context(), slug, dsul.Request{Method: "GET"}, ada)
		if err != nil || got.Status != want || slug == "oauthStatus" && field(got, "connected") != true || slug == "testAuth" && field(got, "ok") != false {
			t.Errorf("%s: %+v, %v", slug, got, err)
		}
	}
}
