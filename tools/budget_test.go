package tools_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
)

// TestWritesAreCounted: a call takes as many records of the budget as it names,
// wherever they stand, and a call that is not let through takes none.
func TestWritesAreCounted(t *testing.T) {
	sent := 0
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) { sent++; answer(w, "200\n[]") })
	account := func(n int) string {
		return strings.TrimSuffix(strings.Repeat(`{"attributes":{"type":"Account"},"Name":"A"},`, n), ",")
	}
	request := func(method, url, body string) string {
		return fmt.Sprintf(`{"method":%q,"url":"/services/data/v62.0/%s","referenceId":"r%d","body":%s}`, method, url, len(url), body)
	}
	const id = "0015g00000AbCdEAAV"
	for name, tt := range map[string]struct {
		tool, args string
		want       int64
	}{
		"a read":         {"records", `{"action":"get","sObjectName":"Account","recordId":"` + id + `"}`, 0},
		"a record":       {"records", `{"action":"create","sObjectName":"Account","body":{"Name":"A"}}`, 1},
		"a collection":   {"compositeRecords", `{"action":"createMany","records":[` + account(7) + `]}`, 7},
		"an envelope":    {"compositeRecords", `{"action":"createMany","body":{"records":[` + account(7) + `]}}`, 7},
		"ids":            {"compositeRecords", `{"action":"deleteMany","ids":"` + id + `,` + id + `"}`, 2},
		"a tree":         {"composite", `{"action":"tree","sObjectName":"Account","records":[{"attributes":{"type":"Account","referenceId":"a"},"Contacts":{"records":[{"attributes":{"type":"Contact","referenceId":"b"}},{"attributes":{"type":"Contact","referenceId":"c"}}]}}]}`, 3},
		"reads in one":   {"composite", `{"action":"request","compositeRequest":[` + request("GET", "sobjects", "null") + `]}`, 0},
		"requests":       {"composite", `{"action":"request","compositeRequest":[` + request("GET", "sobjects", "null") + `,` + request("POST", "sobjects/Account", `{"Name":"A"}`) + `,` + request("POST", "composite/sobjects", `{"records":[`+account(5)+`]}`) + `]}`, 6},
		"ids in a url":   {"composite", `{"action":"request","compositeRequest":[` + request("DELETE", "composite/sobjects?ids="+id+"%2C"+id+","+id, "null") + `]}`, 3},
		"other ids":      {"composite", `{"action":"request","compositeRequest":[` + request("DELETE", "composite/sobjects?Ids="+id+"%2C"+id, "null") + `]}`, 2},
		"Apex in a GET":  {"composite", `{"action":"request","compositeRequest":[` + request("GET", "tooling/execute%41nonymous/?anonymousBody=x", "null") + `,` + request("GET", "tooling/query?q=x", "null") + `,` + request("GET", "tooling/%40{a.x}/?anonymousBody=x", "null") + `]}`, 2},
		"a batch":        {"composite", `{"action":"batch","batchRequests":[{"method":"PATCH","url":"v62.0/sobjects/Account/` + id + `","richInput":{"Name":"B"}},{"method":"POST","url":"v62.0/composite/sobjects","richInput":{"Records":[` + account(4) + `]}}]}`, 5},
		"graphs":         {"composite", `{"action":"graph","graphs":[{"graphId":"1","compositeRequest":[` + request("POST", "sobjects/Account", `{}`) + `]},{"graphId":"2","compositeRequest":[` + request("POST", "sobjects/Account", `{}`) + `]}]}`, 2},
		"rows":           {"bulkIngest", `{"action":"uploadData","jobId":"7505g00000AbCdEAAV","rawBody":"Name\nA\r\nB\n\n\"C\n"}`, 3},
		"an unknown few": {"tooling", `{"action":"executeAnonymous","anonymousBody":"delete [SELECT Id FROM Account];"}`, 1},
	} {
		var args map[string]any
		d := json.NewDecoder(strings.NewReader(tt.args))
		d.UseNumber()
		if err := d.Decode(&args); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for limit, want := range map[int64]bool{tt.want: true, tt.want - 1: false} {
			if limit < 1 {
				continue
			}
			server.Gate = limited{allowlist.Limits{WritesPerDay: limit}}
			store := new(memory)
			server.Journal = audit.NewJournal(store)
			before := sent
			_, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, Tool: tt.tool, Args: args})
			var e *tools.Error
			refused := errors.As(err, &e) && e.Code == tools.BudgetExceeded
			if refused == want || refused && (sent != before || !strings.Contains(e.Message, fmt.Sprint(tt.want))) || e != nil && !refused && sent == before {
				t.Errorf("%s with %d left: %v", name, limit, err)
			}
			if entries := store.all(); refused && (len(entries) != 1 || entries[0].Code != "budget_exceeded" || entries[0].Phase != audit.PhaseRefusal) {
				t.Errorf("%s: entries %+v, want one refusal", name, entries)
			}
			server.Journal.Close()
		}
	}
	server.Journal = audit.NewJournal(new(memory))
	t.Cleanup(server.Journal.Close)
	_, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, Tool: "bulkIngest",
		Args: map[string]any{"action": "uploadData", "jobId": "7505g00000AbCdEAAV"}, Upload: &tools.Upload{Reader: strings.NewReader("Name\nA\n")}})
	if e := tools.AsError(err); e.Code != tools.BudgetExceeded || !strings.Contains(e.Error(), "streamed") {
		t.Errorf("rows that nobody has counted: %v", err)
	}
}

// limited is a gate with limits.
type limited struct{ allowlist.Limits }

// Confirm asks nobody.
func (limited) Confirm(allowlist.Caller, allowlist.Operation, ...string) allowlist.Confirmation {
	return allowlist.Confirmation{}
}

func (l limited) Allow(allowlist.Caller, allowlist.Operation) (allowlist.Decision, error) {
	return allowlist.Decision{Allowed: true, Rule: "r", Limits: l.Limits}, nil
}

func (l limited) AllowTouches(c allowlist.Caller, op allowlist.Operation, _ []allowlist.Touch) (allowlist.Decision, error) {
	return l.Allow(c, op)
}

func (l limited) Rule(allowlist.Caller) (allowlist.Rule, bool) {
	return allowlist.Rule{Preset: allowlist.PresetAll, Limits: l.Limits}, true
}

// TestSpentBudget: an agent that has spent what it may do is told so, and when it
// counts anew; a repetition whose answer is kept takes nothing of its day.
func TestSpentBudget(t *testing.T) {
	sent := 0
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) { sent++; answer(w, "204") })
	store := new(memory)
	journal := audit.NewJournal(store)
	t.Cleanup(journal.Close)
	server.Journal, server.Claims, server.Sealer = journal, store, unsealed{}
	call := func(limits allowlist.Limits, key string) *tools.Error {
		t.Helper()
		server.Gate = limited{limits}
		args := map[string]any{"action": "delete", "sObjectName": "Account", "recordId": "0015g00000AbCdEAAV"}
		if key != "" {
			args["idempotencyKey"] = key
		}
		_, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, Tool: "records", Args: args})
		if err == nil {
			return nil
		}
		return tools.AsError(err)
	}
	day := allowlist.Limits{CallsPerDay: 2}
	before := time.Now().UTC().Day()
	for i, tt := range []struct {
		limits allowlist.Limits
		key    string
		want   tools.Code
	}{
		{day, "k", ""}, {day, "", ""}, {day, "", tools.BudgetExceeded},
		{day, "k", ""}, // which sends nothing
		{day, "l", tools.BudgetExceeded},
		{allowlist.Limits{CallsPerDay: 3}, "l", ""}, // whose key nobody has
		{allowlist.Limits{CallsPerMinute: 1, CallsPerDay: 3}, "k", tools.RateLimited},
	} {
		e := call(tt.limits, tt.key)
		if time.Now().UTC().Day() != before {
			t.Skip("midnight")
		}
		switch {
		case e == nil && tt.want == "" || tt.want == tools.RateLimited && e == nil: // a minute may have ended
		case e == nil || e.Code != tt.want:
			t.Errorf("%d: %v, want %q", i, e, tt.want)
		case e.RetryAfter < 1 || e.RetryAfter > 24*60*60 || e.Code == tools.RateLimited && e.RetryAfter > 60 || !strings.Contains(e.Error(), "retry after: "):
			t.Errorf("%d: %v", i, e)
		}
	}
	if sent != 3 {
		t.Errorf("%d requests were sent, want 3", sent)
	}
}

// TestScarceCalls: a result says how many API calls the org has left when they run
// low, in both of its forms and once, and nothing before.
func TestScarceCalls(t *testing.T) {
	usage := ""
	server := newTestServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Sforce-Limit-Info", usage)
		answer(w, "200\n"+`{"totalSize":1,"done":true,"records":[{"Id":"0015g00000AbCdEAAV"}]}`)
	})
	for info, want := range map[string]string{
		"api-usage=4499/5000": "", "api-usage=4500/5000": "", "api-usage=4501/5000": "499 of 5000", "api-usage=5100/5000": "0 of 5000",
		"api-usage=4990/5000; per-app-api-usage=1/250(appName=x)": "10 of 5000", "": "", "nonsense": "",
	} {
		usage = info
		for _, format := range []string{"verbose", "structured", "both"} {
			res, err := server.Call(t.Context(), tools.Call{Who: caller{allowlist.Caller{Workspace: "w", Agent: "admin"}}, Tool: "query",
				Args: map[string]any{"action": "soql", "q": "SELECT Id FROM Account", "outputFormat": format}})
			if err != nil {
				t.Fatal(err)
			}
			for name, text := range map[string]string{"text": res.Text, "structured": string(res.Structured)} {
				n := strings.Count(text, "API calls are running low: "+want)
				if text != "" && (want == "" && strings.Contains(text, "running low") || want != "" && n != 1) {
					t.Errorf("%q, %s: %s", info, name, text)
				}
			}
		}
	}
}
