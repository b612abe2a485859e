package tools_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

// onceServer is a test server that keeps idempotency keys in memory.
func onceServer(t *testing.T, handle http.HandlerFunc) (*tools.Server, *memory) {
	t.Helper()
	server, store := newTestServer(t, handle), new(memory)
	journal := audit.NewJournal(store)
	t.Cleanup(journal.Close)
	server.Journal, server.Claims, server.Sealer = journal, store, unsealed{}
	return server, store
}

// lead is a call that creates a record, with an idempotency key or without.
func lead(key any, name string, more ...string) map[string]any {
	args := map[string]any{"sObjectName": "Lead", "body": map[string]any{"LastName": name}}
	if key != nil {
		args["idempotencyKey"] = key
	}
	for i := 0; i < len(more); i += 2 {
		args[more[i]] = more[i+1]
	}
	return args
}

// do makes a call and returns its answer as a model sees it.
func do(ctx context.Context, server *tools.Server, who allowlist.Caller, tool string, args map[string]any) (text string, e *tools.Error) {
	who.Workspace = "w"
	if who.Agent == "" {
		who.Agent = "admin"
	}
	res, err := server.Call(ctx, tools.Call{Who: caller{who}, Surface: "mcp", Tool: tool, Args: args})
	if err != nil {
		return err.Error(), tools.AsError(err)
	}
	return res.Text + string(res.Structured), nil
}

// TestOnceLaw holds calls with keys to a model: what was answered is answered again
// and sent once; what was lost is never sent again; what was not executed is.
func TestOnceLaw(t *testing.T) {
	var fate atomic.Value
	var sent atomic.Int32
	server, store := onceServer(t, func(w http.ResponseWriter, _ *http.Request) {
		n := sent.Add(1)
		switch fate.Load() {
		case "ok":
			answer(w, fmt.Sprintf("201\n"+`{"id":"00Q%012dAAA","success":true,"errors":[]}`, n))
		case "refused":
			answer(w, fmt.Sprintf("400\n"+`[{"errorCode":"REQUIRED_FIELD_MISSING","message":"Required: %d","fields":["LastName"]}]`, n))
		case "failed": // with a status of success
			answer(w, fmt.Sprintf("200\n"+`{"success":false,"errors":[{"statusCode":"INVALID_FIELD","message":"no %d"}]}`, n))
		case "not executed":
			answer(w, "503\n"+`[{"errorCode":"SERVER_UNAVAILABLE","message":"down"}]`)
		case "lost":
			panic(http.ErrAbortHandler)
		case "unreadable":
			answer(w, "200\n{")
		}
	})
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		type state struct {
			name    string
			unknown bool
			answers map[string]string // by format
			intent  string
		}
		known := map[string]*state{}
		for range rapid.IntRange(1, 12).Draw(t, "calls") {
			user := fmt.Sprint(rapid.SampledFrom([]string{"ann", "bob"}).Draw(t, "user"), run)
			key := rapid.SampledFrom([]string{"k1", "k2"}).Draw(t, "key")
			name := rapid.SampledFrom([]string{"A", "A", "B"}).Draw(t, "name")
			format := rapid.SampledFrom([]string{"verbose", "structured", "both"}).Draw(t, "format")
			what := rapid.SampledFrom([]string{"ok", "ok", "refused", "failed", "not executed", "lost", "unreadable"}).Draw(t, "fate")
			fate.Store(what)
			before, entries := sent.Load(), len(store.all())
			text, e := do(t.Context(), server, allowlist.Caller{User: user}, "createRecord", lead(key, name, "outputFormat", format))
			times, made := sent.Load()-before, store.all()[entries:]

			was := known[user+key]
			switch {
			case was == nil: // it is made
				if times != 1 || made[0].Replay != "" {
					t.Fatalf("sent %d times: %s", times, text)
				}
				now := &state{name: name, answers: map[string]string{format: text}, unknown: what == "lost" || what == "unreadable", intent: made[0].ID}
				if what != "not executed" {
					known[user+key] = now
				}
				if ok := e == nil; ok != (what == "ok") {
					t.Fatalf("%s: %s", what, text)
				}
			case was.name != name:
				if times != 0 || e == nil || e.Code != tools.KeyMismatch || len(made) != 1 || made[0].Phase != audit.PhaseRefusal {
					t.Fatalf("other arguments: sent %d times: %s", times, text)
				}
			case was.unknown:
				if times != 0 || e == nil || e.Code != tools.OutcomeUnknown || !strings.Contains(e.Hint, "external ID") || len(made) != 1 {
					t.Fatalf("unknown: sent %d times: %s", times, text)
				}
			default:
				before, seen := was.answers[format]
				if was.answers[format] = text; times != 0 || seen && before != text {
					t.Fatalf("sent %d times, answered %s, then %s", times, before, text)
				}
				if len(made) != 2 || made[0].Replay != was.intent || made[1].Replay != was.intent || len(made[1].Exchanges) != 0 ||
					(made[1].Outcome == audit.OK) != (e == nil) {
					t.Fatalf("entries of a repetition: %+v", made)
				}
			}
		}
	})
}

// TestOnceScopes: a key is its caller's, for one instruction.
func TestOnceScopes(t *testing.T) {
	var sent atomic.Int32
	server, _ := onceServer(t, func(w http.ResponseWriter, _ *http.Request) {
		sent.Add(1)
		answer(w, "201\n"+`{"id":"00Q5g00000XyZ12EAF","success":true,"errors":[]}`)
	})
	for i, who := range []allowlist.Caller{{}, {User: "ann"}, {User: "bob"}, {Agent: "adder"}, {Host: "h"}, {Host: "h", User: "ann"}} {
		for range 2 {
			if text, e := do(t.Context(), server, who, "createRecord", lead("k", "A")); e != nil || int(sent.Load()) != i+1 {
				t.Errorf("%+v: %d requests, %s", who, sent.Load(), text)
			}
		}
	}
	before := sent.Load()
	args := map[string]any{"idempotencyKey": "k", "body": map[string]any{"records": []any{map[string]any{"attributes": map[string]any{"type": "Lead"}, "LastName": "A"}}}}
	if text, e := do(t.Context(), server, allowlist.Caller{}, "createRecords", args); e != nil || sent.Load() != before+1 {
		t.Errorf("another instruction: %s", text)
	}
}

// TestOnceWhatIsAsked: outputFormat, and how an argument is nested, do not make
// another call; the names of a tool and of its instruction are one.
func TestOnceWhatIsAsked(t *testing.T) {
	var sent atomic.Int32
	server, _ := onceServer(t, func(w http.ResponseWriter, r *http.Request) {
		sent.Add(1)
		if text := transcript(t, r); strings.Contains(text, "idempotency") || strings.Contains(text, "the-key") {
			t.Errorf("the key is sent to Salesforce: %s", text)
		}
		answer(w, "200\n"+`[{"id":"00Q5g00000XyZ12EAF","success":true,"errors":[]}]`)
	})
	record := []any{map[string]any{"attributes": map[string]any{"type": "Lead"}, "LastName": "A", "NumberOfEmployees": json.Number("12")}}
	for _, tt := range []struct {
		tool string
		args map[string]any
	}{
		{"createRecords", map[string]any{"records": record}},
		{"createRecords", map[string]any{"body": map[string]any{"records": record}, "outputFormat": "both"}},
		{"compositeRecords", map[string]any{"action": "createMany", "records": record}},
		{"compositeRecords_write", map[string]any{"action": "createMany", "records": record}},
	} {
		tt.args["idempotencyKey"] = "the-key"
		if text, e := do(t.Context(), server, allowlist.Caller{}, tt.tool, tt.args); e != nil {
			t.Errorf("%s: %s", tt.tool, text)
		}
	}
	if sent.Load() != 1 {
		t.Errorf("sent %d times", sent.Load())
	}
}

// TestOnceRefuses: a key must be one, and stands only where it means something.
func TestOnceRefuses(t *testing.T) {
	sent := 0
	server, _ := onceServer(t, func(w http.ResponseWriter, _ *http.Request) { sent++; answer(w, "204") })
	for _, key := range []any{"", " ", "a b", "a\nb", "\u200b", "a\u202eb", "\x00", "\xff", strings.Repeat("x", 256), json.Number("1"), true, []any{"a"}} {
		if text, e := do(t.Context(), server, allowlist.Caller{}, "createRecord", lead(key, "A")); e == nil || e.Code != tools.InvalidArgument || !strings.Contains(text, "idempotencyKey") {
			t.Errorf("key %q: %s", key, text)
		}
	}
	for name, args := range map[string]map[string]any{
		"getLimits":     {"idempotencyKey": "k"},
		"runReport":     {"idempotencyKey": "k", "reportId": "00O5g00000AbCdEAAV"},
		"createRecords": {"body": map[string]any{"idempotencyKey": "k", "records": []any{}}},
	} {
		if text, e := do(t.Context(), server, allowlist.Caller{}, name, args); e == nil || e.Code != tools.UnknownArgument || !strings.Contains(text, "idempotencyKey") || strings.Contains(text, "only reads") != (args["body"] == nil) {
			t.Errorf("%s: %s", name, text)
		}
	}
	_, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, Instruction: "uploadIngestData",
		Args: map[string]any{"jobId": "7505g00000AbCdEAAV", "idempotencyKey": "k"}, Upload: &tools.Upload{Reader: strings.NewReader("Name\nx\n")}})
	if err == nil || !strings.Contains(err.Error(), "streamed") {
		t.Errorf("an upload: %v", err)
	}
	server.Claims = nil
	if text, e := do(t.Context(), server, allowlist.Caller{}, "createRecord", lead("k", "A")); e == nil || !strings.Contains(text, "keeps no idempotency keys") {
		t.Errorf("a server without claims: %s", text)
	}
	if sent != 0 {
		t.Errorf("%d requests were sent", sent)
	}
}

// TestOnceWaits: whoever repeats a call that is under way waits for it, as long as
// a call may take; when it was not made the next one makes it, if its rule still
// allows it.
func TestOnceWaits(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answer  string
		timeout time.Duration
		gone    bool // the agent, meanwhile
		want    tools.Code
		sent    int32
	}{
		{"answered", "201\n" + `{"id":"00Q5g00000XyZ12EAF","success":true,"errors":[]}`, time.Minute, false, "", 1},
		{"under way for too long", "201\n" + `{"id":"00Q5g00000XyZ12EAF","success":true,"errors":[]}`, 300 * time.Millisecond, false, tools.InProgress, 1},
		{"not made", "503\n" + `[{"errorCode":"SERVER_UNAVAILABLE","message":"down"}]`, time.Minute, false, "", 2},
		{"not made, and not allowed any more", "503\n" + `[{"errorCode":"SERVER_UNAVAILABLE","message":"down"}]`, time.Minute, true, tools.NotAuthorized, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sent atomic.Int32
			began, end := make(chan struct{}), make(chan struct{})
			server, store := onceServer(t, func(w http.ResponseWriter, _ *http.Request) {
				if sent.Add(1) > 1 {
					answer(w, "201\n"+`{"id":"00Q5g00000XyZ13EAF","success":true,"errors":[]}`)
					return
				}
				close(began)
				<-end
				answer(w, tt.answer)
			})
			first := make(chan string, 1)
			go func() {
				text, _ := do(context.Background(), server, allowlist.Caller{}, "createRecord", lead("k", "A"))
				first <- text
			}()
			<-began
			waiter := *server
			waiter.Timeout = tt.timeout
			gate := &removable{Gate: server.Gate}
			waiter.Gate = gate
			looked := &looks{Claims: store}
			waiter.Claims = looked
			second := make(chan *tools.Error, 1)
			var text string
			go func() {
				said, e := do(context.Background(), &waiter, allowlist.Caller{}, "createRecord", lead("k", "A"))
				text = said
				second <- e
			}()
			for looked.n.Load() < 2 {
				time.Sleep(time.Millisecond)
			}
			gate.gone.Store(tt.gone)
			var e *tools.Error
			if tt.want == tools.InProgress {
				e = <-second
				close(end)
				<-first
			} else {
				close(end)
				said := <-first
				if e = <-second; tt.sent == 1 && tt.want == "" && text != said {
					t.Errorf("%q, then %q", said, text)
				}
			}
			if e == nil != (tt.want == "") || e != nil && e.Code != tt.want || sent.Load() != tt.sent {
				t.Errorf("sent %d times, %v", sent.Load(), e)
			}
		})
	}
}

// TestOnceTooLarge: an answer that is too large to be kept is not called unknown,
// and its call is not made again.
func TestOnceTooLarge(t *testing.T) {
	var sent atomic.Int32
	server, _ := onceServer(t, func(w http.ResponseWriter, _ *http.Request) {
		sent.Add(1)
		answer(w, "200\n"+`{"compositeResponse":[{"body":"`+strings.Repeat("x", 7<<20)+`","httpStatusCode":200,"referenceId":"r"}]}`)
	})
	args := map[string]any{"idempotencyKey": "k", "compositeRequest": []any{map[string]any{"method": "GET", "url": "/services/data/v62.0/limits", "referenceId": "r"}}}
	if text, e := do(t.Context(), server, allowlist.Caller{}, "runComposite", args); e != nil {
		t.Fatal(text)
	}
	if text, e := do(t.Context(), server, allowlist.Caller{}, "runComposite", args); e == nil || e.Code != tools.Unreadable || !strings.Contains(text, "HTTP 200") || sent.Load() != 1 {
		t.Errorf("sent %d times: %.300s", sent.Load(), text)
	}
}

// removable is a gate whose agents can all be removed.
type removable struct {
	tools.Gate
	gone atomic.Bool
}

func (r *removable) Allow(c allowlist.Caller, op allowlist.Operation) (allowlist.Decision, error) {
	if r.gone.Load() {
		return allowlist.Decision{}, &allowlist.Refusal{Message: "This agent is not authorized to use this connector"}
	}
	return r.Gate.Allow(c, op)
}

// looks counts how often claims are looked for.
type looks struct {
	tools.Claims
	n atomic.Int32
}

func (l *looks) Claim(ctx context.Context, scope string) (audit.Claim, bool, error) {
	l.n.Add(1)
	return l.Claims.Claim(ctx, scope)
}

// TestOnceUnreadable: when nobody can say what a key stands for, nothing is sent.
func TestOnceUnreadable(t *testing.T) {
	sent := 0
	server, _ := onceServer(t, func(w http.ResponseWriter, _ *http.Request) { sent++; answer(w, "204") })
	server.Sealer = broken{}
	if text, e := do(t.Context(), server, allowlist.Caller{}, "createRecord", lead("k", "A")); e == nil || e.Code != tools.NotRecorded || strings.Contains(text, "10.0.0.3") || sent != 0 {
		t.Errorf("sent %d times: %s", sent, text)
	}
	if text, e := do(t.Context(), server, allowlist.Caller{}, "createRecord", lead(nil, "A")); e != nil || sent != 1 {
		t.Errorf("without a key: sent %d times: %s", sent, text)
	}
}

type broken struct{ unsealed }

func (broken) Seal(context.Context, string, string, []byte) ([]byte, error) {
	return nil, errors.New("dial tcp 10.0.0.3: refused")
}

// TestOnceReleased: a call that never left is given up, also when it panicked
// before anything was sent; one that panicked afterwards is not.
func TestOnceReleased(t *testing.T) {
	var sent atomic.Int32
	server, _ := onceServer(t, func(w http.ResponseWriter, _ *http.Request) {
		sent.Add(1)
		answer(w, "201\n"+`{"id":"00Q5g00000XyZ12EAF","success":true,"errors":[]}`)
	})
	orgs := server.Orgs
	for _, bad := range []tools.Orgs{
		panicking{},
		connected{orgs.(connected).client, salesforce.Token{AccessToken: "t", InstanceURL: "http://127.0.0.1:1"}}, // refuses connections
		orgs,
	} {
		server.Orgs = bad
		if text, e := do(t.Context(), server, allowlist.Caller{}, "createRecord", lead("k", "A")); (e == nil) != (bad == orgs) {
			t.Errorf("%T: %s", bad, text)
		}
	}
	if sent.Load() != 1 {
		t.Errorf("sent %d times", sent.Load())
	}
	server.Orgs = falling{orgs}
	for _, want := range []tools.Code{tools.Internal, tools.OutcomeUnknown} {
		if text, e := do(t.Context(), server, allowlist.Caller{}, "createRecord", lead("k2", "A")); e == nil || e.Code != want {
			t.Errorf("%s, want %s", text, want)
		}
	}
	if sent.Load() != 2 {
		t.Errorf("sent %d times", sent.Load())
	}
}

// falling is an org that panics after it has sent.
type falling struct{ tools.Orgs }

func (f falling) Connect(ctx context.Context, c allowlist.Caller, sent func(salesforce.Exchange)) (tools.Org, error) {
	org, err := f.Orgs.Connect(ctx, c, func(salesforce.Exchange) {})
	return fallingOrg{org}, err
}

type fallingOrg struct{ tools.Org }

func (f fallingOrg) Do(ctx context.Context, r *salesforce.Request) (*salesforce.Response, error) {
	_, _ = f.Org.Do(ctx, r)
	panic("secret")
}

// TestKeyHeader: the header is the argument, as a string of RFC 9651 or bare.
func TestKeyHeader(t *testing.T) {
	for _, tt := range []struct {
		header []string
		arg    any
		want   any // nil is an error
	}{
		{nil, nil, ""},
		{[]string{"abc"}, nil, "abc"},
		{[]string{`"abc"`}, nil, "abc"},
		{[]string{`"a\"b\\c"`}, nil, `a"b\c`},
		{[]string{`"abc"`}, "abc", "abc"},
		{[]string{"abc"}, "xyz", nil},
		{[]string{"abc", "abc"}, nil, nil},
		{[]string{""}, nil, nil},
		{[]string{`"`}, nil, nil},
		{[]string{`""`}, nil, nil},
		{[]string{`"a"b"`}, nil, nil},
		{[]string{`"a\b"`}, nil, nil},
		{[]string{`"a\"`}, nil, nil},
		{[]string{`"abc";p=1`}, nil, nil},
	} {
		args := map[string]any{}
		if tt.arg != nil {
			args["idempotencyKey"] = tt.arg
		}
		err := tools.AddKey(http.Header{tools.KeyHeader: tt.header}, args)
		got, _ := args["idempotencyKey"].(string)
		if (err != nil) != (tt.want == nil) || err == nil && got != tt.want {
			t.Errorf("%q beside %v: %q, %v", tt.header, tt.arg, got, err)
		}
	}
}
