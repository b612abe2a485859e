package app

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/gateway"
	"salesforce-mcp/tools/returns/loop"
)

// A shop is a house whose workspace demo does returns in a simulated org. The workspace
// other stands in the configuration file.
type shop struct {
	*house
	org      *fakeorg.Org
	instance string
	server   *tools.Server
	settings *settings.Settings
	loop     *loop.Loop
}

// shopDay is when the simulated org is.
var shopDay = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// agentOf is who asks for what waits. Dora has no account here.
var agentOf = allowlist.Caller{Workspace: testWorkspace, Host: "factory", Agent: "returns-agent", User: "dora", Context: "talk-7"}

const shopWorkspace = `name: demo
profiles: [{name: factory, tokens: ["%s"], agent: ["header:agent-id"]}]
rules: [{agent: returns-agent, preset: all}]
auth: {mode: clientCredentials, loginURL: "https://acme.my.salesforce.com", clientID: x}
returns:
  gateway: salesforcePayments
  reauthenticateOver: {USD: 20000}
  mapping:
    currency: {code: USD}
    order: {delivered: Delivered_On__c}
    lines: {finalSale: PricebookEntry.Product2.Final_Sale__c, name: PricebookEntry.Product2.Name}
`

func newShop(t *testing.T) *shop {
	t.Helper()
	org, err := fakeorg.New(fakeorg.Options{Clock: func() time.Time { return shopDay }})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(org.Handler())
	client := salesforce.New(salesforce.Options{Hosts: salesforce.Hosts{Loopback: true}})
	t.Cleanup(func() {
		front.Close()
		client.Close()
		if err := org.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &shop{org: org, instance: front.URL}
	s.house = newHouse(t, func(a *App) {
		st := a.Users.(*store.Store)
		kept := secrets.NewSealed(st, secrets.FileKeys(filepath.Join(t.TempDir(), "master.key"), func(string) {}))
		s.settings = &settings.Settings{Store: st, Secrets: kept, Journal: a.Journal, Log: zerolog.Nop()}
		s.server = &tools.Server{Table: tools.All, Journal: a.Journal, Orgs: s, Sealer: secrets.NewSealer(kept), Approvals: st, Log: zerolog.Nop()}
		a.Tools, a.Settings, a.Runs, a.Entries, a.Returns = s.server, s.settings, st, st, s.returns
	})
	hashed := strings.Replace(shopWorkspace, "%s", allowlist.HashToken("a-token-of-the-tests-0123456789"), 1)
	demo, err := config.ParseWorkspace([]byte(hashed))
	if err != nil {
		t.Fatal(err)
	}
	other, err := config.ParseWorkspace([]byte(strings.Replace(hashed, "name: demo", "name: other", 1)))
	if err != nil {
		t.Fatal(err)
	}
	file := &config.Config{Listen: "127.0.0.1:0", Workspaces: []config.Workspace{other}}
	if err := file.LoadReturns(""); err != nil {
		t.Fatal(err)
	}
	if err := s.settings.Take(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	if err := s.settings.Create(t.Context(), settings.Author{ID: "id-admin", Name: "admin"}, demo); err != nil {
		t.Fatal(err)
	}
	s.loop = &loop.Loop{Connect: s.Connect, Permitted: func(allowlist.Caller) error { return nil }, Approvals: s.store, Sealer: s.server.Sealer, Locks: s.store, Ledger: s.store, Journal: s.journal,
		Patience: returns.Patience{Tries: 2, First: time.Millisecond, Most: 2 * time.Millisecond},
		Settings: func(workspace string) (loop.Settings, bool) {
			r := s.returns(workspace)
			return loop.Settings{Mapping: r.Records, Policy: r.Rules, Gateway: r.Gateway, Company: "Acme", Open: func(o tools.Org) (gateway.Gateway, error) {
				return &gateway.SalesforcePayments{Org: o, Currency: "USD"}, nil
			}}, true
		}}
	return s
}

// Connect implements tools.Orgs.
func (s *shop) Connect(_ context.Context, _ allowlist.Caller, sent func(salesforce.Exchange)) (tools.Org, error) {
	token := salesforce.Token{AccessToken: salesforce.Secret(s.org.MintToken(fakeorg.IntegrationUser)), InstanceURL: s.instance}
	return &salesforce.Org{Client: salesforce.New(salesforce.Options{Hosts: salesforce.Hosts{Loopback: true}}), Credentials: fixedToken{token}, Sent: sent}, nil
}

type fixedToken struct{ token salesforce.Token }

func (f fixedToken) Token(context.Context) (salesforce.Token, error) { return f.token, nil }
func (fixedToken) Drop(salesforce.Token)                             {}

func (s *shop) returns(workspace string) *config.Returns {
	w, err := s.settings.Workspace(context.Background(), workspace)
	if err != nil {
		s.t.Error(err)
	}
	return w.Returns
}

// rows are those of a query.
func (s *shop) rows(q string) []map[string]any {
	s.t.Helper()
	org, _ := s.Connect(s.t.Context(), agentOf, nil)
	answer, err := org.Do(s.t.Context(), &salesforce.Request{Method: "GET", Path: "/query", Query: url.Values{"q": {q}}, Semantics: salesforce.Safe})
	if err != nil {
		s.t.Fatal(err)
	}
	var page struct{ Records []map[string]any }
	if err := json.Unmarshal(answer.Body, &page); err != nil {
		s.t.Fatal(err)
	}
	return page.Records
}

// process has the agent ask for the return of a case, by its subject, and drives it as
// far as it goes.
func (s *shop) process(subject string) (run string) {
	s.t.Helper()
	sure := 0.91
	org, _ := s.Connect(s.t.Context(), agentOf, nil)
	status, err := s.loop.Start(s.t.Context(), org, agentOf, loop.Ask{CaseID: s.rows("SELECT Id FROM Case WHERE Subject = '" + subject + "'")[0]["Id"].(string), Confidence: &sure,
		Reasoning: "The customer says <b>it is broken</b>; please approve."})
	if err != nil {
		s.t.Fatal(err)
	}
	s.work()
	return status.RunID
}

// work drives runs as far as they go now, a few times: what is in doubt is tried again
// for ever.
func (s *shop) work() {
	s.t.Helper()
	for range 5 {
		worked, err := s.loop.Engine().Once(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		if !worked {
			return
		}
	}
}

func (s *shop) run(id string) audit.Run {
	s.t.Helper()
	r, ok, err := s.store.Run(s.t.Context(), testWorkspace, id)
	if err != nil || !ok {
		s.t.Fatalf("run %s: %t %v", id, ok, err)
	}
	return r
}

// waiting is the approval that a run waits for.
func (s *shop) waiting(run string) tools.Approval {
	s.t.Helper()
	list, err := s.store.ListApprovals(s.t.Context(), tools.ApprovalQuery{Workspace: testWorkspace, Run: run, State: tools.Waiting})
	if err != nil || len(list) != 1 {
		s.t.Fatalf("%d approvals of %s wait: %v", len(list), run, err)
	}
	return list[0]
}

// park has a call of the agent wait, made for that user.
func (s *shop) park(instruction, action, effect, user, arguments string) tools.Approval {
	s.t.Helper()
	a, err := tools.Ask(s.t.Context(), s.store, s.server.Sealer, tools.Approval{
		AskedCall: tools.AskedCall{Workspace: testWorkspace, Host: "factory", Agent: "returns-agent", User: user, Instruction: instruction, Digest: "digest of " + arguments},
		Tool:      "records", Action: action, Effect: effect, Rule: "returns-agent", Arguments: json.RawMessage(`{"cut":true}`), Reasoning: "<script>alert(1)</script> a duplicate",
	}, []byte(arguments), time.Hour)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// shows fails unless an answer has a status and all parts, and none of the others, which
// begin with !.
func (a answer) shows(t *testing.T, what string, status int, parts ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: %d, want %d\n%s", what, a.status, status, excerpt(a.body))
		return
	}
	for _, part := range parts {
		absent := strings.HasPrefix(part, "!")
		if part = strings.TrimPrefix(part, "!"); strings.Contains(a.body, part) == absent {
			t.Errorf("%s: it has %q: %t\n%s", what, part, !absent, excerpt(a.body))
		}
	}
}

// excerpt is the middle of a page.
func excerpt(body string) string {
	if _, main, ok := strings.Cut(body, "<main"); ok {
		body, _, _ = strings.Cut(main, "</main>")
	}
	return body[:min(len(body), 6000)]
}
