package loop

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/salesforce/soql"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/gateway"
	"salesforce-mcp/tools/returns/policy"
	"salesforce-mcp/tools/returns/records"
)

// now is when the simulated orgs of these tests are.
var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

var sure = 0.95

// ada works for dora, and lou decides.
var ada = allowlist.Caller{Workspace: "demo", Host: "mcp", Agent: "ada", User: "dora", Context: "talk"}

// world is a loop over a simulated org behind a real server.
type world struct {
	*fakeorg.Org
	*memory
	*Loop
	t        *testing.T
	org      *salesforce.Org
	settings map[string]Settings
	refused  error // what the gate says now
	away     error // what connecting says now
}

func start(t *testing.T) *world {
	t.Helper()
	org, err := fakeorg.New(fakeorg.Options{Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(org.Handler())
	client := salesforce.New(salesforce.Options{Hosts: salesforce.Hosts{Loopback: true}})
	w := &world{Org: org, memory: newMemory(), t: t}
	w.org = &salesforce.Org{Client: client, Credentials: tokenOf{salesforce.Token{AccessToken: salesforce.Secret(org.MintToken(fakeorg.IntegrationUser)), InstanceURL: server.URL}}}
	journal := audit.NewJournal(w.memory)
	t.Cleanup(func() {
		journal.Close()
		server.Close()
		client.Close()
		if err := org.Close(); err != nil {
			t.Error(err)
		}
	})
	text, err := os.ReadFile("../records/testdata/simulated.yaml")
	if err != nil {
		t.Fatal(err)
	}
	mapping, err := records.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := policy.Parse(policy.Default())
	if err != nil {
		t.Fatal(err)
	}
	w.settings = map[string]Settings{"demo": {Mapping: mapping, Policy: rules, Gateway: GatewayPayments, Company: "Alder Ridge Tools",
		Open: func(o tools.Org) (gateway.Gateway, error) {
			return &gateway.SalesforcePayments{Org: o, Currency: "USD"}, nil
		}}}
	w.Loop = &Loop{
		Connect: func(_ context.Context, caller allowlist.Caller, sent func(salesforce.Exchange)) (tools.Org, error) {
			if caller != ada {
				t.Errorf("connected as %+v", caller)
			}
			noted := *w.org
			noted.Sent = sent
			return &noted, w.away
		},
		Settings:  func(workspace string) (Settings, bool) { s, ok := w.settings[workspace]; return s, ok },
		Permitted: func(allowlist.Caller) error { return w.refused },
		Approvals: w.memory, Sealer: sealing{}, Locks: w.memory, Ledger: w.memory, Journal: journal,
		Patience: returns.Patience{Tries: 3, First: time.Second, Most: time.Minute},
	}
	return w
}

type tokenOf struct{ token salesforce.Token }

func (t tokenOf) Token(context.Context) (salesforce.Token, error) { return t.token, nil }
func (tokenOf) Drop(salesforce.Token)                             {}

// demo returns the id of a seeded case by its subject.
func (w *world) demo(subject string) string {
	w.t.Helper()
	rows := w.soql("SELECT Id FROM Case WHERE Subject = " + soql.Quote(subject))
	if len(rows) != 1 {
		w.t.Fatalf("%d cases have the subject %q", len(rows), subject)
	}
	return rows[0]["Id"].(string)
}

// soql returns the rows of a query.
func (w *world) soql(text string) []map[string]any {
	w.t.Helper()
	answer, err := w.org.Do(context.Background(), &salesforce.Request{Method: "GET", Path: "/query", Query: url.Values{"q": {text}}, Semantics: salesforce.Safe})
	if err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	var page struct{ Records []map[string]any }
	if err := json.Unmarshal(answer.Body, &page); err != nil {
		w.t.Fatal(err)
	}
	return page.Records
}

// send makes or changes a record, and returns the id of a new one.
func (w *world) send(method, path string, fields map[string]any) string {
	w.t.Helper()
	text, err := json.Marshal(fields)
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err := w.org.Do(context.Background(), &salesforce.Request{Method: method, Path: path, Body: text})
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	var made struct{ ID string }
	if answer.Status != http.StatusNoContent {
		if err := json.Unmarshal(answer.Body, &made); err != nil {
			w.t.Fatal(err)
		}
	}
	return made.ID
}

// process asks for a refund of a case, and drives the runs as far as they go now.
func (w *world) process(caseID string) Status {
	w.t.Helper()
	return w.ask(Ask{CaseID: caseID, Confidence: &sure, Reasoning: "The customer has a right to it."})
}

func (w *world) ask(ask Ask) Status {
	w.t.Helper()
	if last, ok, err := w.Ledger.LatestRun(w.t.Context(), ada.Workspace, Kind, ask.CaseID); err != nil {
		w.t.Fatal(err)
	} else if ok { // who asks again knows what came of it before
		ask.After = last.ID
	}
	s, err := w.Start(w.t.Context(), w.org, ada, ask)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.work(s.RunID)
}

// work drives all runs as far as they go now, and returns the status of one.
func (w *world) work(id string) Status {
	w.t.Helper()
	for i := 0; ; i++ {
		worked, err := w.Engine().Once(w.t.Context())
		if err != nil || i == 50 {
			w.t.Fatalf("%d: %v", i, err)
		}
		if !worked {
			break
		}
	}
	s, err := w.Status(w.t.Context(), w.org, ada, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// later is work after a while.
func (w *world) later(id string, d time.Duration) Status {
	w.t.Helper()
	w.mu.Lock()
	w.memory.now = w.memory.now.Add(d)
	w.mu.Unlock()
	return w.work(id)
}

// decide is what lou says to an approval, and what becomes of the run.
func (w *world) decide(s Status, approve bool, note string) Status {
	w.t.Helper()
	if _, err := tools.Decide(w.t.Context(), w.Journal, w.memory, "demo", s.ApprovalID, tools.Verdict{Approve: approve, By: "lou", Note: note, Surface: "admin"}); err != nil {
		w.t.Fatal(err)
	}
	w.goOn(s.RunID)
	return w.work(s.RunID)
}

// goOn lets a run go on that waits.
func (w *world) goOn(id string) {
	w.t.Helper()
	if r := w.runs[id]; r.Status == returns.Waiting {
		if err := w.Engine().Decide(w.t.Context(), "demo", id, "lou", []byte(`{"goOn":true}`)); err != nil {
			w.t.Fatal(err)
		}
	}
}

// steps are the names of the steps in the order in which a run's entries tell of them.
func (w *world) story(id string) string {
	var names []string
	for _, e := range w.entries {
		if e.Run == id && e.Phase == audit.PhaseOutcome && e.Instruction != "" {
			name := e.Instruction
			if e.Outcome != audit.OK || e.Code != "" {
				name += "(" + e.Code + ")"
			}
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// paid is what the gateway behind the org has paid back, in all.
func (w *world) paid() (total float64) {
	for _, p := range w.PaidBack() {
		total += p.Amount
	}
	return total
}

func (w *world) caseStatus(id string) string {
	w.t.Helper()
	return w.soql("SELECT Status FROM Case WHERE Id = " + soql.Quote(id))[0]["Status"].(string)
}

// setting changes the settings of the workspace.
func (w *world) setting(change func(*Settings)) {
	s := w.settings["demo"]
	change(&s)
	w.settings["demo"] = s
}

// always is a policy that approves what can be paid back.
func always(t *testing.T) *policy.Policy {
	t.Helper()
	p, err := policy.Parse([]byte("limits: {amount: {USD: 100000}}\nrules: [{name: always, when: order.refundable > 0, verdict: approve, reason: It can be paid back.}]"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
