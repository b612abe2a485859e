package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/trail"
)

// An archive is a house with an audit trail that is signed.
type archive struct {
	*house
	secrets *secrets.Sealed
	kept    string // file of the second place
}

func newArchive(t *testing.T) *archive {
	a := &archive{kept: filepath.Join(t.TempDir(), "checkpoints")}
	a.house = newHouse(t, func(app *App) {
		st := app.Users.(interface {
			Trail
			secrets.Rows
		})
		a.secrets = secrets.NewSealed(st, secrets.FileKeys(filepath.Join(t.TempDir(), "master.key"), func(string) {}))
		app.Trail = st
		app.AuditKey = func(ctx context.Context) (string, error) {
			key, err := trail.Key(ctx, a.secrets)
			if err != nil {
				return "", err
			}
			return key.Public(), nil
		}
	})
	a.app.Verifier = &trail.Verifier{Log: a.store, Secrets: a.secrets, Checkpoints: a.kept}
	a.app.SecondPlace = true
	t.Cleanup(a.app.Close)
	return a
}

// sign signs and indexes what is recorded.
func (a *archive) sign() {
	a.t.Helper()
	var log bytes.Buffer
	(&trail.Trail{Store: a.store, Secrets: a.secrets, Checkpoints: a.kept, Log: zerolog.New(&log).Level(zerolog.ErrorLevel)}).Start(a.t.Context())()
	if log.Len() > 0 {
		a.t.Fatal(log.String())
	}
}

// call records a call, and returns its id.
func (a *archive) call(e audit.Entry, end audit.Outcome) string {
	a.t.Helper()
	e.Surface, e.Decision = "mcp", audit.DecisionAllowed
	intent, err := a.journal.Begin(a.t.Context(), e)
	if err == nil {
		err = intent.End(a.t.Context(), end)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return intent.ID()
}

// key is what the trail is verified with.
func (a *archive) key() proof.PublicKey {
	a.t.Helper()
	text, err := a.app.AuditKey(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	key, err := proof.ParsePublicKey(text)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

const account = "001000000000001AAA"

// hidden is in every entry of another workspace, and in what is redacted.
const hidden = "hidden-from-this-reader"

// telling records calls with everything that an entry can have.
func (a *archive) telling() (call, run, others, othersRun string) {
	sure := .75
	e := audit.Entry{Workspace: testWorkspace, Host: "factory", Agent: `desk<script>alert(1)</script>`, User: "u1\u202e@acme", Context: "talk-1", Tool: "records", Action: "update", Instruction: "updateRecord",
		Effect: "set", Rule: "careful", Arguments: audit.Redact(map[string]any{"recordId": account, "password": hidden, "body": map[string]any{"Site": "South"}}, []string{"password"}),
		Reasoning: "the customer <b>asked</b>", Confidence: &sure, Approval: "appr-1", Digest: "d1g35t"}
	out := audit.Outcome{Status: audit.OK, Records: []string{account},
		Exchanges: []audit.Exchange{{Method: "PATCH", Path: "/services/data/v66.0/sobjects/Account/" + account, Status: 204, RequestID: "req-77", Duration: 30 * time.Millisecond}},
		Changes:   []audit.Change{{Record: account, Object: "Account", Field: "Site", Before: []byte(`"North"`), After: []byte(`"South<i>"`)}}}
	call = a.call(e, out)
	run = "0195aaaa-0000-7000-8000-000000000001"
	a.call(audit.Entry{Workspace: testWorkspace, Run: run, Tool: "returns", Action: "step", Instruction: "evaluate"}, audit.Outcome{Status: audit.OK, Detail: []byte(`{"verdict":"review","reasons":["amount over 100"]}`)})
	a.call(audit.Entry{Workspace: testWorkspace, Run: run, Tool: "returns", Action: "step", Instruction: "refund"}, audit.Outcome{Status: audit.Unknown, Code: "interrupted", Message: "the server stopped"})
	if _, err := a.journal.Refuse(a.t.Context(), audit.Entry{Workspace: testWorkspace, Agent: "lurker", Tool: "query", Action: "soql", Surface: "mcp", Code: "not_authorized", Message: "This agent is not authorized"}); err != nil {
		a.t.Fatal(err)
	}
	othersRun = "0195bbbb-0000-7000-8000-000000000001"
	e = audit.Entry{Workspace: "other", Host: hidden, Agent: hidden, User: hidden, Context: "talk-1", Run: othersRun, Tool: "records", Action: "get", Arguments: audit.Redact(map[string]any{"x": hidden}, nil), Approval: "appr-1"}
	others = a.call(e, audit.Outcome{Status: audit.OK, Records: []string{account}, Message: hidden})
	a.sign()
	return call, run, others, othersRun
}

// auditPages are those of a workspace's trail, by what they are asked.
func auditPages(call, run string) []string {
	pages := []string{"", "/charts", "/charts?span=week", "/charts?span=month", "/proof", "/export?form=entries", "/export?form=proof", "/calls/" + call, "/runs/" + run}
	for _, filter := range []string{"agent=lurker", "agent=*", "user=u1*", "host=factory", "tool=records", "tool=records.update", "action=soql", "effect=set", "decision=refused", "outcome=ok", "outcome=under-way",
		"code=AUTH", "record=" + account, "record=" + account[:15], "run=" + run, "context=talk-1", "approval=appr-1", "since=2020-01-01", "until=2020-01-01T10:00", "before=3"} {
		pages = append(pages, "?"+filter, "/export?form=entries&"+filter, "/export?form=proof&"+filter)
	}
	return append(pages, "/export?form=entries&call="+call, "/export?form=proof&call="+call)
}

// TestAuditPages: every page of the trail is shown to who may read it, in both languages;
// none has an entry of another workspace, what was redacted, or markup of an agent.
func TestAuditPages(t *testing.T) {
	a := newArchive(t)
	call, run, others, othersRun := a.telling()
	readers := map[string]*browser{"auditor": a.as("auditor"), "admin": a.as("admin"), "platform-admin": a.as("platform-admin")}
	readers["admin"].header.Set("Accept-Language", "fr")
	for who, b := range readers {
		for _, page := range auditPages(call, run) {
			got := b.get("/workspaces/demo/audit" + page)
			if got.status != http.StatusOK {
				t.Errorf("%s for %s: %d %s", page, who, got.status, got.body)
			}
			for _, never := range []string{hidden, "<script>alert", "<b>asked", "<i>", "\u202e", others, "%!", `href="#"`} {
				if strings.Contains(got.body, never) && (!strings.HasPrefix(page, "/export") || never == hidden || never == others) {
					t.Errorf("%s for %s has %q", page, who, never)
				}
			}
		}
		for _, never := range []string{"/calls/" + others, "/runs/" + othersRun, "/export?form=entries&call=" + others, "/export?form=proof&call=" + others, "/calls/nothing", "/runs/nothing"} {
			if got := b.get("/workspaces/demo/audit" + never); got.status != http.StatusNotFound || strings.Contains(got.body, hidden) {
				t.Errorf("%s for %s: %d", never, who, got.status)
			}
		}
		for _, wrong := range []string{"?record=nonsense", "?since=soon", "?until=13", "?outcome=fine", "/export?form=entries&record=x", "/export", "/export?form=all"} {
			if got := b.get("/workspaces/demo/audit" + wrong); got.status != http.StatusBadRequest {
				t.Errorf("%s for %s: %d", wrong, who, got.status)
			}
		}
	}
	for _, who := range []string{"approver", "neighbour", "nobody"} {
		b := a.as(who)
		for _, page := range auditPages(call, run) {
			if got := b.get("/workspaces/demo/audit" + page); got.status != http.StatusNotFound {
				t.Errorf("%s for %s: %d", page, who, got.status)
			}
		}
		if got := b.post("/workspaces/demo/audit/proof", url.Values{}); got.status != http.StatusNotFound {
			t.Errorf("verify for %s: %d", who, got.status)
		}
	}
	b := readers["auditor"]
	whole := b.get("/workspaces/demo/audit/calls/" + call).body
	for _, want := range []string{"records.update", "desk&lt;script&gt;", "the customer &lt;b&gt;asked", "0.75", "careful", "appr-1", "d1g35t", "req-77", "204", "North", "South&lt;i&gt;", account, `\u202e`, "&#34;redacted&#34;: true", "talk-1", "30 ms", "updateRecord"} {
		if !strings.Contains(whole, want) {
			t.Errorf("the page of the call lacks %s", want)
		}
	}
	story := b.get("/workspaces/demo/audit/runs/" + run).body
	if at := []int{strings.Index(story, "evaluate, attempt 1"), strings.Index(story, "amount over 100"), strings.Index(story, "refund, attempt 1"), strings.Index(story, "the server stopped")}; !slices.IsSorted(at) || at[0] < 0 {
		t.Errorf("the story of a return: %v\n%s", at, story)
	}
	if got := readers["admin"].get("/workspaces/demo/audit").body; !strings.Contains(got, "refusé") || !strings.Contains(got, "les plus récents") {
		t.Error("the list is not in French")
	}
	if got := a.as("platform-admin").get("/platform/audit"); got.status != http.StatusOK || strings.Contains(got.body, "lurker") {
		t.Errorf("the trail of the server: %d", got.status)
	}
}

var older = regexp.MustCompile(`<a href="([^"]*before=[^"]*)">Older calls`)

// TestAuditPaging: from page to page each call comes once, the newest first, as the
// filter says.
func TestAuditPaging(t *testing.T) {
	a := newArchive(t)
	var want []string
	for i := range 130 {
		agent := "odd"
		if i%2 == 0 {
			agent = "even"
		}
		id := a.call(audit.Entry{Workspace: testWorkspace, Agent: agent, Tool: "records", Action: "get"}, audit.Outcome{Status: audit.OK})
		if agent == "even" {
			want = append(want, id)
		}
	}
	slices.Reverse(want)
	b, path := a.as("auditor"), "/workspaces/demo/audit?agent=even"
	var got []string
	for pages := 0; path != ""; pages++ {
		page := b.get(path).body
		for _, found := range regexp.MustCompile(`/audit/calls/([0-9a-f-]+)"`).FindAllStringSubmatch(page, -1) {
			got = append(got, found[1])
		}
		if path = ""; older.MatchString(page) {
			path = html.UnescapeString(older.FindStringSubmatch(page)[1])
		}
		if pages > 3 {
			t.Fatal("it does not end")
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d calls of %d: %v", len(got), len(want), got)
	}
}

// TestAuditExport: what is downloaded are the entries as they were recorded, and their
// proof holds without the server; who downloads is recorded.
func TestAuditExport(t *testing.T) {
	a := newArchive(t)
	call, run, _, _ := a.telling()
	b := a.as("auditor")
	download := func(query string) string {
		t.Helper()
		got := b.get("/workspaces/demo/audit/export?" + query)
		if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment; filename=\"audit-") || !strings.HasPrefix(got.header.Get("Content-Type"), "application/x-ndjson") {
			t.Fatalf("%s: %d %v %s", query, got.status, got.header, got.body)
		}
		return got.body
	}
	key := a.key()
	verify := func(text string, some bool) *proof.Report {
		t.Helper()
		check := proof.Check{Key: key}.Export
		if some {
			check = proof.Check{Key: key}.Bundle
		}
		report, err := check(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	if lines := strings.Split(strings.TrimSpace(download("form=entries&run="+run)), "\n"); len(lines) != 4 {
		t.Errorf("the entries of a return: %v", lines)
	}
	for query, entries := range map[string]int64{"form=proof&call=" + call: 2, "form=proof&run=" + run: 4, "form=proof&agent=lurker": 1, "form=proof&record=" + account: 2, "form=proof&agent=nobody": 0} {
		text := download(query)
		if r := verify(text, true); !r.OK() || r.Entries != entries || r.Size != 7 {
			t.Errorf("%s: %+v", query, r)
		}
		if entries > 0 {
			if r := verify(strings.Replace(text, `"tool":"`, `"tool":"x`, 1), true); r.OK() {
				t.Errorf("%s: a change is not seen", query)
			}
		}
	}
	if r := verify(download("form=proof"), false); !r.OK() || r.Entries != 7 {
		t.Errorf("the whole trail: %+v", r)
	}
	all := strings.Split(strings.TrimSpace(download("form=entries")), "\n")
	recorded := 0
	for i, line := range all {
		var e audit.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Workspace != testWorkspace || i < 7 && string(e.Line()) != line {
			t.Errorf("line %d: %s, %v", i, line, err)
		}
		if e.Tool == "audit" && e.Action == "export" && e.Phase == audit.PhaseIntent && e.User == "auditor@acme.example" && e.Surface == "app" && strings.Contains(string(e.Arguments), `"form"`) {
			recorded++
		}
	}
	if recorded < 7 {
		t.Errorf("%d exports are recorded:\n%s", recorded, strings.Join(all, "\n"))
	}
	if a.app.exporting.Add(exportsAtOnce); b.get("/workspaces/demo/audit/export?form=entries").status != http.StatusServiceUnavailable {
		t.Error("any number of exports are written at once")
	}
}

// TestAuditVerify: the page says what a verification found, and goes on saying so; a trail
// that was changed is seen, and a long one is verified beside.
func TestAuditVerify(t *testing.T) {
	a := newArchive(t)
	b := a.as("auditor")
	if page := b.get("/workspaces/demo/audit/proof").body; !strings.Contains(page, "Nothing is signed yet") {
		t.Errorf("before the first entry: %s", page)
	}
	a.telling()
	verify := func() string {
		t.Helper()
		if got := b.post("/workspaces/demo/audit/proof", url.Values{}); got.status != http.StatusSeeOther || got.to() != "/workspaces/demo/audit/proof" {
			t.Fatalf("verify: %d %s", got.status, got.body)
		}
		a.app.work.Wait() // on a slow machine it goes on beside
		return b.get("/workspaces/demo/audit/proof").body
	}
	page := verify()
	for _, want := range []string{"All 7 signed entries are as they were signed", "by auditor@acme.example", "1 of 1 that it has of this trail", a.key().String(), "salesforce-mcp audit verify --export audit-proof-demo.jsonl", "by the database&#39;s clock", "What this cannot show"} {
		if !strings.Contains(page, want) {
			t.Errorf("verified: it lacks %q: %s", want, page)
		}
	}
	if page := a.as("platform-admin").get("/platform/audit/proof").body; !strings.Contains(page, "not verified here yet") {
		t.Error("another trail says that it was verified")
	}
	// The second place says more than the database has.
	key, err := trail.Key(t.Context(), a.secrets)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := key.Sign(proof.Checkpoint{Origin: key.Origin(testWorkspace), Size: 1000})
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(a.kept, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(proof.KeptLine("2026-11-24T10:00:00Z", signed)); err != nil || file.Close() != nil {
		t.Fatal(err)
	}
	if page := verify(); !strings.Contains(page, "not as it was signed") || !strings.Contains(page, "the end was cut off") {
		t.Errorf("cut short: %s", page)
	}

	// One that takes long.
	going, end := make(chan struct{}), make(chan struct{})
	a.app.Verifier = verifierFunc(func(ctx context.Context, workspace string, looked func(int64) error) (*trail.Finding, error) {
		close(going)
		select {
		case <-end:
			return nil, errors.New("the database at db.internal is away")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	posted := make(chan answer)
	go func() { posted <- b.post("/workspaces/demo/audit/proof", url.Values{}) }()
	<-going
	if page := b.get("/workspaces/demo/audit/proof").body; !strings.Contains(page, "Under way: 0 entries") || strings.Contains(page, "Verify now") {
		t.Errorf("while it goes on: %s", page)
	}
	if got := b.send(http.MethodGet, "/workspaces/demo/audit/proof", nil, "HX-Request", "true"); strings.Contains(got.body, "<html") || !strings.Contains(got.body, "Under way") {
		t.Errorf("the part: %s", got.body)
	}
	if got := <-posted; got.status != http.StatusSeeOther {
		t.Errorf("the form: %d", got.status)
	}
	if got := b.post("/workspaces/demo/audit/proof", url.Values{}); got.status != http.StatusSeeOther { // the one goes on
		t.Errorf("a second time: %d", got.status)
	}
	close(end)
	a.app.Close()
	if page := b.get("/workspaces/demo/audit/proof").body; !strings.Contains(page, "could not be verified") || strings.Contains(page, "db.internal") {
		t.Errorf("when it failed: %s", page)
	}
}

type verifierFunc func(context.Context, string, func(int64) error) (*trail.Finding, error)

func (f verifierFunc) Verify(ctx context.Context, workspace string, looked func(int64) error) (*trail.Finding, error) {
	return f(ctx, workspace, looked)
}

// TestAuditCharts: the numbers of a chart stand in its table, and what is drawn is
// within it.
func TestAuditCharts(t *testing.T) {
	a := newArchive(t)
	for i := range 6 {
		status := audit.OK
		if i == 0 {
			status = audit.Failed
		}
		a.call(audit.Entry{Workspace: testWorkspace, Agent: "desk", Tool: "records", Action: "get"}, audit.Outcome{Status: status, Exchanges: []audit.Exchange{{Method: "GET", Path: "/x", Status: 200}}})
	}
	for range 3 {
		if _, err := a.journal.Refuse(t.Context(), audit.Entry{Workspace: testWorkspace, Surface: "mcp", Code: "not_authorized"}); err != nil {
			t.Fatal(err)
		}
	}
	a.sign()
	if err := a.store.NoteUsage(t.Context(), testWorkspace, time.Now(), 1234, 5000); err != nil {
		t.Fatal(err)
	}
	if err := a.store.NoteUsage(t.Context(), "other", time.Now(), 4321, 9999); err != nil {
		t.Fatal(err)
	}
	b := a.as("auditor")
	for _, s := range spans {
		page := b.get("/workspaces/demo/audit/charts?span=" + s.name).body
		for _, want := range []string{"Calls of agents that ended: 9, of them with an error or an unknown outcome: 1.", "Refused calls: 3.", "At most 1,234 of 5,000 API calls", "made 6 requests", "24.7 %", `<td class="number">9</td>`, "not_authorized"} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: it lacks %q", s.name, want)
			}
		}
		if strings.Contains(page, "9,999") || strings.Count(page, `class="plot"`) != 4 || strings.Count(page, "<table>") != 5 {
			t.Errorf("%s: %d charts, %d tables", s.name, strings.Count(page, `class="plot"`), strings.Count(page, "<table>"))
		}
		if rows := strings.Count(page, `<th scope="row">`); rows < 4*s.steps {
			t.Errorf("%s: %d rows", s.name, rows)
		}
		for _, rect := range regexp.MustCompile(`<rect(?: class="marked")? x="([0-9.]+)" y="([0-9.]+)" width="([0-9.]+)" height="([0-9.]+)">`).FindAllStringSubmatch(page, -1) {
			var x, y, w, h float64
			if _, err := fmt.Sscan(strings.Join(rect[1:], " "), &x, &y, &w, &h); err != nil || x < 0 || x+w > 600.01 || y < 0 || h <= 0 || y+h > 100.01 {
				t.Errorf("%s: %s, %v", s.name, rect[0], err)
			}
		}
	}
	if page := b.get("/workspaces/demo/audit/charts?span=century").body; !strings.Contains(page, `aria-current="true">24 hours`) {
		t.Error("an unknown span is not the first")
	}
	if page := a.as("neighbour").get("/workspaces/other/audit/charts").body; strings.Contains(page, "1,234") || !strings.Contains(page, "Calls of agents that ended: 0,") {
		t.Error("a workspace has the numbers of another")
	}
}
