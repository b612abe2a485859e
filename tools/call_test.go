package tools_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

// steps notes what a call touches, in order.
type steps struct {
	seen []string
	tools.Gate
	tools.Orgs
	memory
	refuse, confirm, refuseContent bool
	rule                           allowlist.Rule
}

func (s *steps) note(step string) { s.seen = append(s.seen, step) }

func (s *steps) Identify(args map[string]any) (allowlist.Caller, map[string]any, error) {
	s.note("identify")
	return allowlist.Caller{Workspace: "w", Agent: "admin"}, args, nil
}
func (s *steps) Visible(t tools.Table) (tools.Table, error) { return t, nil }
func (s *steps) Refused(string)                             {}

func (s *steps) Allow(allowlist.Caller, allowlist.Operation) (allowlist.Decision, error) {
	s.note("gate")
	if s.refuse {
		return allowlist.Decision{}, &allowlist.Refusal{Message: "no"}
	}
	return allowlist.Decision{Allowed: true, Rule: "r"}, nil
}

func (s *steps) Confirm(_ allowlist.Caller, op allowlist.Operation, _ ...string) allowlist.Confirmation {
	s.note("confirm")
	return allowlist.Confirmation{Needed: s.confirm, Within: time.Hour}
}

func (s *steps) OpenApproval(ctx context.Context, call tools.AskedCall) (tools.Approval, bool, error) {
	s.note("approval")
	return s.memory.OpenApproval(ctx, call)
}

func (s *steps) AskApproval(ctx context.Context, a tools.Approval) (tools.Approval, error) {
	s.note("park")
	return s.memory.AskApproval(ctx, a)
}

func (s *steps) Append(ctx context.Context, entries []audit.Entry) error {
	for _, e := range entries {
		s.note(string(e.Phase))
	}
	return s.memory.Append(ctx, entries)
}

func (s *steps) HasHandle(context.Context, allowlist.Caller, string) (bool, error) {
	s.note("handles")
	return true, nil
}
func (s *steps) GiveHandles(context.Context, allowlist.Caller, []string, []allowlist.Touch) error {
	return nil
}
func (s *steps) Touches(context.Context, allowlist.Caller, string) ([]allowlist.Touch, bool, error) {
	s.note("touches")
	return []allowlist.Touch{}, true, nil
}

func (s *steps) Rule(allowlist.Caller) (allowlist.Rule, bool) { return s.rule, true }

func (s *steps) AllowTouches(allowlist.Caller, allowlist.Operation, []allowlist.Touch) (allowlist.Decision, error) {
	s.note("content")
	if s.refuseContent {
		return allowlist.Decision{}, &allowlist.Refusal{Message: "no"}
	}
	return allowlist.Decision{Allowed: true, Rule: "r"}, nil
}

func (s *steps) Claim(ctx context.Context, scope string) (audit.Claim, bool, error) {
	s.note("replay")
	return s.memory.Claim(ctx, scope)
}

func (s *steps) Connect(ctx context.Context, c allowlist.Caller, sent func(salesforce.Exchange)) (tools.Org, error) {
	s.note("credentials")
	return s.Orgs.Connect(ctx, c, sent)
}

// TestCallOrder pins the order of the steps of a call: it is a security
// property.
func TestCallOrder(t *testing.T) {
	s := &steps{}
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) {
		s.note("send")
		answer(w, "204")
	})
	s.Orgs = server.Orgs
	journal := audit.NewJournal(s)
	t.Cleanup(journal.Close)
	server.Gate, server.Orgs, server.Journal = s, s, journal
	server.Claims, server.Sealer, server.Handles, server.Approvals = s, unsealed{}, s, s
	call := func(args map[string]any) (*tools.Result, error) {
		tool := "records"
		if args["jobId"] != nil {
			tool = "bulkIngest"
		}
		return server.Call(t.Context(), tools.Call{Who: s, Surface: "mcp", Tool: tool, Args: args})
	}
	good := map[string]any{"action": "delete", "sObjectName": "Account", "recordId": "0015g00000AbCdEAAV"}
	job := map[string]any{"action": "delete", "jobId": "7505g00000AbCdEAAV", "idempotencyKey": "k"}
	listed := map[string]any{"action": "delete", "jobId": "7505g00000AbCdFAAV", "idempotencyKey": "listed"}
	keyed := maps.Clone(good)
	keyed["idempotencyKey"] = "k"
	asked := maps.Clone(keyed)
	asked["idempotencyKey"] = "asked"
	approve := func() {
		if len(s.asked) != 1 {
			t.Fatalf("%d calls wait", len(s.asked))
		}
		if _, err := tools.Decide(t.Context(), journal, s, "w", s.asked[0].ID, tools.Verdict{Approve: true, By: "maria"}); err != nil {
			t.Fatal(err)
		}
	}

	for _, tt := range []struct {
		name   string
		args   map[string]any
		refuse bool
		broken bool
		want   []string
	}{
		{"done", good, false, false, []string{"identify", "gate", "confirm", "intent", "credentials", "send", "outcome"}},
		{"done within its lists", listed, false, false, []string{"identify", "gate", "handles", "touches", "content", "replay", "confirm", "intent", "credentials", "send", "outcome"}},
		{"refused for its content", listed, true, false, []string{"identify", "gate", "handles", "touches", "content", "refusal"}},
		{"bad argument", map[string]any{"action": "delete", "sObjectName": "Account"}, false, false, []string{"identify", "gate", "refusal"}},
		{"refused before its arguments are read", map[string]any{"action": "delete"}, true, false, []string{"identify", "gate", "refusal"}},
		{"done once", keyed, false, false, []string{"identify", "gate", "replay", "confirm", "intent", "credentials", "send", "outcome"}},
		{"done with what it was given", job, false, false, []string{"identify", "gate", "handles", "replay", "confirm", "intent", "credentials", "send", "outcome"}},
		{"done again", keyed, false, false, []string{"identify", "gate", "replay", "intent", "outcome"}},
		{"refused before it is replayed", keyed, true, false, []string{"identify", "gate", "refusal"}},
		{"not replayed, not done", keyed, false, true, []string{"identify", "gate", "replay", "refusal"}},
		{"not recorded, not done", good, false, true, []string{"identify", "gate", "confirm", "intent"}},
		{"parked until a person approves", asked, false, false, []string{"identify", "gate", "replay", "confirm", "approval", "replay", "park", "refusal"}},
		{"parked once", asked, false, false, []string{"identify", "gate", "replay", "confirm", "approval", "replay", "refusal"}},
		{"not to be asked for, not done", asked, false, true, []string{"identify", "gate", "replay", "refusal"}},
		{"refused before it is asked for", asked, true, false, []string{"identify", "gate", "refusal"}},
		{"done once approved", asked, false, false, []string{"identify", "gate", "replay", "confirm", "approval", "intent", "credentials", "send", "outcome"}},
		{"done again, not approved again", asked, false, false, []string{"identify", "gate", "replay", "intent", "outcome"}},
		{"refused and not recorded", good, true, true, []string{"identify", "gate", "refusal"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if s.confirm = tt.args["idempotencyKey"] == "asked"; tt.name == "done once approved" {
				approve()
			}
			s.seen, s.refuse, s.broken, s.rule, s.refuseContent = nil, tt.refuse, nil, allowlist.Rule{Preset: allowlist.PresetAll}, false
			if tt.args["jobId"] == listed["jobId"] {
				s.rule.SObjects.Deny, s.refuse, s.refuseContent = []string{"Payment__c"}, false, tt.refuse
			}
			if tt.broken {
				s.broken = errors.New("disk full")
			}
			_, err := call(tt.args)
			if diff := cmp.Diff(tt.want, s.seen); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if (err == nil) != strings.HasPrefix(tt.name, "done") {
				t.Errorf("error %v", err)
			}
			if tt.broken && !strings.Contains(err.Error(), "code: "+string(tools.NotRecorded)) {
				t.Errorf("error %v, want %s", err, tools.NotRecorded)
			}
		})
	}
}

// TestUnseen: nothing that is not let through is hidden from the audit, and
// nothing of it reaches Salesforce.
func TestUnseen(t *testing.T) {
	sent := 0
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) { sent++; answer(w, "200\n{}") })
	store := new(memory)
	journal := audit.NewJournal(store)
	t.Cleanup(journal.Close)
	server.Journal = journal
	for _, tt := range []struct {
		agent, tool string
		args        map[string]any
		code        tools.Code
		message     string
	}{
		{"reader", "records", map[string]any{"action": "delete", "sObjectName": "Account", "recordId": "0015g00000AbCdEAAV"}, tools.NotAuthorized, "This agent is not authorized to use this connector"},
		{"stranger", "records", map[string]any{"action": "get"}, tools.NotAuthorized, "This agent is not authorized to use this connector"},
		{"stranger", "nonsense", nil, tools.NotAuthorized, "This agent is not authorized to use this connector"},
		{"reader", "nonsense", nil, tools.UnknownTool, `there is no tool "nonsense" for this agent; there are records, query, compositeRecords, versions, sobjects, bulkIngest`},
		{"reader", "records", map[string]any{"action": "destroy"}, tools.UnknownAction, `records has no action "destroy" for this agent; it has get, getField, getDeleted, getUpdated`},
		{"reader", "records", map[string]any{}, tools.MissingArgument, "records needs an action: one of get, getField, getDeleted, getUpdated"},
		{"admin", "records", map[string]any{"action": "get", "sObjectName": "Account"}, tools.MissingArgument, "records.get needs recordId"},
	} {
		before := len(store.all())
		_, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: tt.agent}}, Tool: tt.tool, Args: tt.args})
		var e *tools.Error
		if !errors.As(err, &e) || e.Code != tt.code || !strings.HasPrefix(e.Message, tt.message) {
			t.Errorf("%s %s: %v, want %s: %s", tt.agent, tt.tool, err, tt.code, tt.message)
		}
		entries := store.all()[before:]
		if len(entries) != 1 || entries[0].Phase != audit.PhaseRefusal || entries[0].Agent != tt.agent || entries[0].Code != string(tt.code) {
			t.Errorf("%s %s: entries %+v, want one refusal", tt.agent, tt.tool, entries)
		}
	}
	if sent != 0 {
		t.Errorf("%d requests reached Salesforce", sent)
	}
}

// TestAudited: the intent is there before the request and the outcome after it,
// with what was sent.
func TestAudited(t *testing.T) {
	store := new(memory)
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) {
		if entries := store.all(); len(entries) != 1 || entries[0].Phase != audit.PhaseIntent {
			t.Errorf("while sending the journal holds %+v, want the intent", entries)
		}
		w.Header().Set("X-SFDC-Request-Id", "req-1")
		answer(w, "201\n"+`{"id":"00Q5g00000XyZ12EAF","success":true,"errors":[]}`)
	})
	journal := audit.NewJournal(store)
	t.Cleanup(journal.Close)
	server.Journal = journal
	_, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Host: "h", Agent: "admin", User: "u", Context: "c"}}, Surface: "mcp",
		Tool: "createRecord", Args: map[string]any{"sObjectName": "Lead", "body": map[string]any{"LastName": "A"}}})
	if err != nil {
		t.Fatal(err)
	}
	entries := store.all()
	if len(entries) != 2 {
		t.Fatalf("%d entries, want intent and outcome", len(entries))
	}
	in, out := entries[0], entries[1]
	if in.Tool != "records" || in.Action != "create" || in.Instruction != "createRecord" || in.Effect != "add" || in.Rule == "" || in.User != "u" || in.Context != "c" || !strings.Contains(string(in.Arguments), "Lead") {
		t.Errorf("intent %+v", in)
	}
	if out.Intent != in.ID || out.Outcome != audit.OK || !slices.Equal(out.Records, []string{"00Q5g00000XyZ12EAF"}) || len(out.Exchanges) != 1 ||
		out.Exchanges[0].Path != "/services/data/v62.0/sobjects/Lead" || out.Exchanges[0].Status != 201 || out.Exchanges[0].RequestID != "req-1" {
		t.Errorf("outcome %+v", out)
	}
}

// TestUnknownOutcome: a change whose answer was lost is not called failed.
func TestUnknownOutcome(t *testing.T) {
	store := new(memory)
	server := newTestServer(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	journal := audit.NewJournal(store)
	t.Cleanup(journal.Close)
	server.Journal = journal
	for tool, want := range map[string]audit.Status{"createRecord": audit.Unknown, "describeGlobal": audit.Failed} {
		args := map[string]any{}
		if tool == "createRecord" {
			args = map[string]any{"sObjectName": "Lead", "body": map[string]any{}}
		}
		if _, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, Tool: tool, Args: args}); err == nil {
			t.Errorf("%s: no error", tool)
		}
		all := store.all()
		if got := all[len(all)-1].Outcome; got != want {
			t.Errorf("%s: outcome %q, want %q", tool, got, want)
		}
	}
}

// TestCallPanics: a panic is recorded, says nothing of itself to the caller, and
// the server lives.
func TestCallPanics(t *testing.T) {
	store := new(memory)
	server := newTestServer(t, nil)
	server.Orgs = panicking{}
	journal := audit.NewJournal(store)
	t.Cleanup(journal.Close)
	server.Journal = journal
	for range 2 {
		_, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, Tool: "getLimits"})
		if err == nil || strings.Contains(err.Error(), "10.0.0.3") || !strings.Contains(err.Error(), "code: "+string(tools.Internal)) {
			t.Errorf("error %v", err)
		}
	}
	entries := store.all()
	if last := entries[len(entries)-1]; len(entries) != 4 || last.Outcome != audit.Failed || last.Code != string(tools.Internal) {
		t.Errorf("entries %+v", entries)
	}
}

type panicking struct{}

func (panicking) Connect(context.Context, allowlist.Caller, func(salesforce.Exchange)) (tools.Org, error) {
	panic("dial tcp 10.0.0.3: secret")
}

// TestHungUp: a change that has begun is finished although its caller hung up,
// and recorded; a read is cut short.
func TestHungUp(t *testing.T) {
	store := new(memory)
	began := make(chan struct{})
	server := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
		close(began)
		select {
		case <-r.Context().Done():
		case <-time.After(100 * time.Millisecond):
		}
		answer(w, "201\n"+`{"id":"00Q5g00000XyZ12EAF","success":true}`)
	})
	journal := audit.NewJournal(store)
	t.Cleanup(journal.Close)
	server.Journal = journal
	ctx, hangUp := context.WithCancel(t.Context())
	go func() { <-began; hangUp() }()
	if _, err := server.Call(ctx, tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "admin"}},
		Tool: "createRecord", Args: map[string]any{"sObjectName": "Lead", "body": map[string]any{}}}); err != nil {
		t.Errorf("the change was cut short: %v", err)
	}
	if all := store.all(); all[len(all)-1].Outcome != audit.OK {
		t.Errorf("outcome %+v", all[len(all)-1])
	}
}

// TestRepeatedRemoval: records that a repeated removal finds gone were removed by
// the first, whose answer was lost.
func TestRepeatedRemoval(t *testing.T) {
	var n atomic.Int32
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		answer(w, "200\n"+`[{"success":false,"errors":[{"statusCode":"ENTITY_IS_DELETED","message":"entity is deleted","fields":[]}]}]`)
	})
	server.Orgs = connected{salesforce.New(salesforce.Options{Hosts: salesforce.Hosts{Loopback: true}}), server.Orgs.(connected).token}
	res, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, Tool: "deleteRecords", Args: map[string]any{"ids": "0015g00000AbCdEAAV"}})
	if err != nil || n.Load() != 2 || strings.Contains(res.Text, "failed") {
		t.Errorf("%d requests, %v, %+v", n.Load(), err, res)
	}
}

// TestRefusedAndGone: a caller who hangs up does not erase its refusal.
func TestRefusedAndGone(t *testing.T) {
	store := new(memory)
	server := newTestServer(t, nil)
	journal := audit.NewJournal(store)
	t.Cleanup(journal.Close)
	server.Journal = journal
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	for range 50 {
		if _, err := server.Call(ctx, tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "stranger"}}, Tool: "getLimits"}); err == nil {
			t.Fatal("let through")
		}
	}
	if n := len(store.all()); n != 50 {
		t.Errorf("%d of 50 refusals were recorded", n)
	}
}

// TestUpsertWithoutID: records without their external ID are created, so that an
// upsert of them is not repeated; one with all of them is.
func TestUpsertWithoutID(t *testing.T) {
	for record, want := range map[string]int{`{"Name":"x"}`: 1, `{"ID":"0015g00000AbCdEAAV","Name":"x"}`: 2, `{"Id":null}`: 1} {
		var n atomic.Int32
		server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1) == 1 {
				panic(http.ErrAbortHandler)
			}
			answer(w, "200\n"+`[{"id":"0015g00000AbCdEAAV","success":true,"errors":[],"created":false}]`)
		})
		server.Orgs = connected{salesforce.New(salesforce.Options{Hosts: salesforce.Hosts{Loopback: true}}), server.Orgs.(connected).token}
		var fields map[string]any
		if err := json.Unmarshal([]byte(record), &fields); err != nil {
			t.Fatal(err)
		}
		_, _ = server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, Tool: "upsertRecordsForType",
			Args: map[string]any{"sObjectName": "Account", "externalIdField": "Id", "records": []any{fields}}})
		if got := int(n.Load()); got != want {
			t.Errorf("%s: %d requests, want %d", record, got, want)
		}
	}
}

// TestUnknownAfterRepetition: when the answer to a change was lost, an error that
// answers its repetition does not say that it was not made.
func TestUnknownAfterRepetition(t *testing.T) {
	var n atomic.Int32
	store := new(memory)
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		answer(w, "403\n"+`[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]`)
	})
	server.Orgs = connected{salesforce.New(salesforce.Options{Hosts: salesforce.Hosts{Loopback: true}}), server.Orgs.(connected).token}
	journal := audit.NewJournal(store)
	t.Cleanup(journal.Close)
	server.Journal = journal
	_, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, Tool: "updateRecord",
		Args: map[string]any{"sObjectName": "Account", "recordId": "0015g00000AbCdEAAV", "body": map[string]any{"Name": "x"}}})
	if all := store.all(); err == nil || all[len(all)-1].Outcome != audit.Unknown {
		t.Errorf("%v, outcome %+v, want unknown", err, all[len(all)-1])
	}
}

// TestPanicBeforeCall: a panic anywhere on the way is an error, and no more.
func TestPanicBeforeCall(t *testing.T) {
	server := newTestServer(t, nil)
	if _, err := server.Call(t.Context(), tools.Call{Who: panicker{}, Tool: "getLimits"}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
	endpoint := tools.NewMCP(server, "salesforce-mcp", "test")
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	endpoint.ServeHTTP(w, r, panicker{})
	if body := w.Body.String(); !strings.Contains(body, `"code":-32603,"message":"internal error"`) {
		t.Errorf("%d %s", w.Code, body)
	}
}

type panicker struct{}

func (panicker) Identify(map[string]any) (allowlist.Caller, map[string]any, error) { panic("secret") }
func (panicker) Visible(tools.Table) (tools.Table, error)                          { panic("secret") }
func (panicker) Refused(string)                                                    {}

// TestLocators: nothing but a locator comes through.
func TestLocators(t *testing.T) {
	op, err := tools.All.Find("query", "next")
	if err != nil {
		t.Fatal(err)
	}
	const good = "01g5g00000AbCdE-2000"
	for locator, ok := range map[string]bool{
		good: true, "/services/data/v62.0/query/" + good: true, "https://acme.my.salesforce.com/services/data/v62.0/query/" + good: true,
		"http://127.0.0.1:8081/services/data/v62.0/query/" + good: true,
		good + "/../../sobjects":                                  false, good + "?x=1": false, good + "%2f..": false, "x" + good + "\n": false, "../" + good: false,
		"http://169.254.169.254/services/data/v62.0/query/" + good: false, "https://a@b/services/data/v62.0/query/" + good: false, "//evil/services/data/v62.0/query/" + good: false, "": false,
	} {
		args, err := op.Check(map[string]any{"queryLocator": locator})
		if (err == nil) != ok || ok && args["queryLocator"] != good {
			t.Errorf("%q: %v %v", locator, args, err)
		}
	}
}

// TestDeepAnswer: what an org answers is bounded in depth.
func TestDeepAnswer(t *testing.T) {
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, "200\n"+strings.Repeat(`{"a":`, 5000)+"1"+strings.Repeat("}", 5000))
	})
	_, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, Tool: "getLimits"})
	if err == nil || !strings.Contains(err.Error(), string(tools.Unreadable)) {
		t.Errorf("error %v", err)
	}
}

// TestTimeUp: a call whose time is up says so, and speaks of a change only where
// one may have been made.
func TestTimeUp(t *testing.T) {
	for tool, tt := range map[string]struct {
		args    map[string]any
		outcome audit.Status
		hint    bool
	}{
		"getLimits":    {nil, audit.Failed, false},
		"createRecord": {map[string]any{"sObjectName": "Lead", "body": map[string]any{}}, audit.Unknown, true},
	} {
		store := new(memory)
		server := newTestServer(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then the end of the connection is seen
			<-r.Context().Done()
		})
		server.Timeout = 500 * time.Millisecond
		journal := audit.NewJournal(store)
		t.Cleanup(journal.Close)
		server.Journal = journal
		_, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, Tool: tool, Args: tt.args})
		if err == nil || !strings.Contains(err.Error(), string(tools.TimedOut)) || strings.Contains(err.Error(), "may have been made") != tt.hint {
			t.Errorf("%s: %v", tool, err)
		}
		if all := store.all(); all[len(all)-1].Outcome != tt.outcome {
			t.Errorf("%s: outcome %q, want %q", tool, all[len(all)-1].Outcome, tt.outcome)
		}
	}
}
