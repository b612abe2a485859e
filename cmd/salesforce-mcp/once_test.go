package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets/fakevault"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
)

// leads counts the leads of a name that the simulated org has.
func (w *world) leads(name string) string {
	w.t.Helper()
	return w.instruction("runQuery", `{"q":"SELECT COUNT() FROM Lead WHERE LastName = '`+name+`'"}`).member(w.t.(*testing.T), "totalSize")
}

// onceReply is what the instruction API answers a call with a key.
func onceReply(t *testing.T, origin, agent, key, name string) (reply, error) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, origin+"/instructions/createRecord", strings.NewReader(`{"sObjectName":"Lead","body":{"LastName":"`+name+`","Company":"c"}}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Authorization": "Bearer token-a", "Agent-Id": agent, "Content-Type": "application/json", "Idempotency-Key": key} {
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(body)}, err
}

// TestOnceForAHundred (promise P5): of a hundred callers with one key one is sent,
// and all have the same answer, byte for byte, over MCP and over HTTP.
func TestOnceForAHundred(t *testing.T) { onceForAHundred(t, newWorld(t)) }

func onceForAHundred(t *testing.T, w *world) {
	t.Helper()
	for round := range 5 {
		name, key := fmt.Sprint("P5-", round), fmt.Sprint("key-", round)
		answers := make([]string, 100)
		var group sync.WaitGroup
		for i := range answers {
			group.Go(func() {
				if i%2 == 0 {
					got, err := onceReply(t, w.origin+"/w/a", demoAgent, `"`+key+`"`, name)
					if err != nil || got.status != http.StatusCreated {
						t.Errorf("%v %+v", err, got)
					}
					answers[i] = got.header.Get("X-SFDC-Request-Id") + got.body
					return
				}
				_, answers[i] = w.post(call(1, "records", map[string]any{"action": "create", "sObjectName": "Lead", "body": map[string]any{"LastName": name, "Company": "c"},
					"idempotencyKey": key, "outputFormat": "both"}))
			})
		}
		group.Wait()
		for i := range answers {
			if answers[i] != answers[i%2] || answers[i] == "" || strings.Contains(answers[i], "isError") {
				t.Errorf("answer %d is %s, another is %s", i, answers[i], answers[i%2])
			}
		}
		if n := w.leads(name); n != "1" {
			t.Errorf("%s leads were made", n)
		}
	}
	made, replayed := 0, 0
	for _, e := range w.entries("a") {
		if e.Instruction == "createRecord" && e.Phase == audit.PhaseOutcome {
			if made++; e.Replay != "" {
				replayed++
			}
		}
	}
	if made != 500 || replayed != 495 {
		t.Errorf("%d outcomes, %d of them replayed", made, replayed)
	}
}

// TestOnceApart (attack 18): the same key in another workspace, of another agent or
// for another user is another key.
func TestOnceApart(t *testing.T) {
	w := newWorld(t, func(c *config.Config) {
		for i := range c.Workspaces {
			c.Workspaces[i].Rules[1].Preset = "all"
		}
	})
	n := 0
	for _, workspace := range []string{"a", "b"} {
		for _, agent := range []string{demoAgent, demoReader} {
			for _, user := range []string{"ann", "bob"} {
				n++
				for range 2 {
					r := w.request(call(1, "createRecord", map[string]any{"sObjectName": "Lead", "body": map[string]any{"LastName": "Apart", "Company": fmt.Sprint(n)},
						"idempotencyKey": "same", "agent_id": agent, "user_id": user, "context_id": fmt.Sprint("c", rand.N(1000))}))
					r.URL.Path = "/w/" + workspace + "/mcp"
					r.Header.Set("Authorization", "Bearer token-"+workspace)
					r.Header.Del("Agent-Id")
					if _, body := w.do(r); strings.Contains(body, "isError") {
						t.Error(body)
					}
				}
				if got := w.leads("Apart"); got != fmt.Sprint(n) {
					t.Errorf("%s leads for %d callers", got, n)
				}
			}
		}
	}
}

// TestOnceGated: who may not do something any more is not told what it came to.
func TestOnceGated(t *testing.T) {
	w := newWorld(t)
	first, err := onceReply(t, w.origin+"/w/a", demoAgent, "k", "Gated")
	if err != nil || first.status != http.StatusCreated {
		t.Fatalf("%v %+v", err, first)
	}
	again, err := onceReply(t, w.origin+"/w/a", demoAgent, "k", "Gated")
	if err != nil || again.body != first.body || again.header.Get("Idempotent-Replayed") != "true" || first.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("%v %+v", err, again)
	}
	none, err := allowlist.NewGate(&w.app.config.Workspaces[1].Workspace) // a is not in it
	if err != nil {
		t.Fatal(err)
	}
	w.app.server.Gate = none
	if got, err := onceReply(t, w.origin+"/w/a", demoAgent, "k", "Gated"); err != nil || got.status != http.StatusForbidden || strings.Contains(got.body, first.member(t, "id")) {
		t.Errorf("removed: %v %+v", err, got)
	}
}

// TestOnceByHTTP: header and argument are one key; each refusal has its status.
func TestOnceByHTTP(t *testing.T) {
	w := newWorld(t)
	lead := func(more string) string {
		return `{"sObjectName":"Lead","body":{"LastName":"ByHTTP","Company":"c"}` + more + `}`
	}
	for _, tt := range []struct {
		name, header, body string
		status             int
		want               string
	}{
		{"createRecord", "k1", lead(""), 201, `"success":true`},
		{"createRecord", "", lead(`,"idempotencyKey":"k1"`), 201, `"success":true`},
		{"createRecord", `"k1"`, lead(`,"idempotencyKey":"k1"`), 201, `"success":true`},
		{"createRecord", "k2", lead(`,"idempotencyKey":"k1"`), 400, "given twice"},
		{"createRecord", "k1", `{"sObjectName":"Lead","body":{"LastName":"Other","Company":"c"}}`, 422, "idempotency_mismatch"},
		{"createRecord", "k 1", lead(""), 400, "visible characters"},
		{"getLimits", "k1", `{}`, 400, "getLimits only reads"},
		{"createRecord", "bad", `{"sObjectName":"Lead","body":{"Company":"c"}}`, 400, "REQUIRED_FIELD_MISSING"},
		{"createRecord", "bad", `{"sObjectName":"Lead","body":{"Company":"c"}}`, 400, "REQUIRED_FIELD_MISSING"},
	} {
		r, err := http.NewRequest(http.MethodPost, w.origin+"/w/a/instructions/"+tt.name, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"Authorization": "Bearer token-a", "Agent-Id": demoAgent, "Content-Type": "application/json"} {
			r.Header.Set(name, value)
		}
		if tt.header != "" {
			r.Header.Set("Idempotency-Key", tt.header)
		}
		if status, body := w.do(r); status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s %s: %d %s", tt.name, tt.header, tt.body, status, body)
		}
	}
	if n := w.leads("ByHTTP"); n != "1" {
		t.Errorf("%s leads were made", n)
	}
}

// TestOnceFaults: whatever befalls a call, its record is there at most once, however
// often it is repeated with its key; and the caller is told when nobody knows.
func TestOnceFaults(t *testing.T) {
	w := newWorld(t)
	for name, tt := range map[string]struct {
		fault fakeorg.Fault
		want  string // what the repetitions are told
		there string
	}{
		"CutBefore":   {fakeorg.Fault{Cut: "before"}, "outcome_unknown", "0"},
		"CutAfter":    {fakeorg.Fault{Cut: "after"}, "outcome_unknown", "1"},
		"Page":        {fakeorg.Fault{Status: 503, HTML: "<html>down</html>"}, "outcome_unknown", "0"},
		"ServerError": {fakeorg.Fault{Status: 500, ErrorCode: "UNKNOWN_EXCEPTION"}, "outcome_unknown", "0"},
		"Expired":     {fakeorg.Fault{ExpireTokens: true}, `"success":true`, "1"},
		"Limit":       {fakeorg.Fault{LimitReached: true}, `"success":true`, "1"},
		"Invalid":     {fakeorg.Fault{Status: 400, ErrorCode: "FIELD_CUSTOM_VALIDATION_EXCEPTION", Message: "no"}, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.fault.Path, tt.fault.Method = "/sobjects/Lead", http.MethodPost
			w.org.org.Inject(tt.fault)
			first, err := onceReply(t, w.origin+"/w/a", demoAgent, name, name)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				got, err := onceReply(t, w.origin+"/w/a", demoAgent, name, name)
				if err != nil || !strings.Contains(got.body, tt.want) {
					t.Errorf("%v: first %s, then %s", err, first.body, got.body)
				}
			}
			if n := w.leads(name); n != tt.there {
				t.Errorf("%s leads", n)
			}
		})
	}
}

// TestOnceSealed (attack 36): what a call came to is nowhere to be read in the data
// folder, whichever store has the key; and with Vault it outlives Vault's absence.
func TestOnceSealed(t *testing.T) {
	for _, store := range []string{config.StoreSealed, config.StoreVault} {
		t.Run(store, func(t *testing.T) {
			var data string
			w := newWorld(t, func(c *config.Config) {
				data = c.Data
				if store == config.StoreVault {
					fake := fakevault.New()
					vault := httptest.NewServer(fake)
					t.Cleanup(vault.Close)
					c.Secrets = config.Secrets{Store: store, Vault: secrets.VaultConfig{Address: vault.URL,
						Login: secrets.VaultLogin{Method: secrets.LoginToken, Token: salesforce.Secret(fake.Root)}}}
				}
			})
			// The error of a duplicate and the answer of a composite request quote records.
			secret := "canary-" + fmt.Sprint(rand.Uint64())
			id := w.instruction("createRecord", `{"sObjectName":"Lead","body":{"LastName":"Sealed","Company":"c"}}`).member(t, "id")
			w.instruction("updateRecord", `{"sObjectName":"Lead","recordId":"`+id+`","body":{"Title":"T"}}`)
			if err := w.setTitle(id, secret); err != nil {
				t.Fatal(err)
			}
			args := `{"compositeRequest":[{"method":"GET","url":"/services/data/v62.0/sobjects/Lead/` + id + `","referenceId":"r"}],"idempotencyKey":"k"}`
			first, again := w.instruction("runComposite", args), w.instruction("runComposite", args)
			if !strings.Contains(first.body, secret) || again.body != first.body || again.header.Get("Idempotent-Replayed") != "true" {
				t.Fatalf("%+v\n%+v", first, again)
			}
			files, err := filepath.Glob(filepath.Join(data, "*"))
			if err != nil || len(files) == 0 {
				t.Fatal(files, err)
			}
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if bytes.Contains(text, []byte(secret)) {
					t.Errorf("%s shows what was answered", file)
				}
			}
			if strings.Contains(w.log.String(), secret) {
				t.Error("the log shows what was answered")
			}
		})
	}
}

// setTitle changes a lead without this server, whose audit trail would tell.
func (w *world) setTitle(id, title string) error {
	r, err := http.NewRequest(http.MethodPatch, w.org.ready.Org+"/services/data/v62.0/sobjects/Lead/"+id, strings.NewReader(`{"Title":"`+title+`"}`))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+w.org.ready.OrgToken)
	r.Header.Set("Content-Type", "application/json")
	if status, body := w.do(r); status != http.StatusNoContent {
		return fmt.Errorf("%d %s", status, body)
	}
	return nil
}

// TestOnceKilled: the server is killed at any moment, and callers repeat what they
// did not see answered. No record is there twice; one whose call was answered is
// there; and of one that is unknown the caller is told so.
func TestOnceKilled(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	org, err := startOrg(ctx, "127.0.0.1:0", &testKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { stop(); _ = org.wait() }()
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`
listen: 127.0.0.1:0
data: %s
allowLoopbackOrg: true
workspaces:
  - name: a
    auth: {mode: clientCredentials, loginURL: %q, clientID: %q, clientSecret: %q}
    profiles: [{name: desk, tokens: [%s], agent: ["header:agent-id"]}]
    rules: [{agent: desk, preset: all}]
`, dir, org.ready.Org, org.ready.ClientID, org.ready.ClientSecret, allowlist.HashToken("token-a"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	const kills, callers = 8, 6
	answered, unknown, names := map[string]bool{}, map[string]bool{}, []string{}
	var mu sync.Mutex
	left := []string{} // calls that nobody saw answered
	for run := range kills + 1 {
		origin, kill := serveChild(t, file)
		var group sync.WaitGroup
		queue := make(chan string, 1000)
		for _, name := range left {
			queue <- name
		}
		left = nil
		last := run == kills
		if last {
			close(queue)
		} else {
			for i := range 40 {
				name := fmt.Sprintf("K%d-%d", run, i)
				names = append(names, name)
				queue <- name
			}
			close(queue)
			if random.IntN(2) == 0 { // one that is under way when the kill comes
				org.org.Inject(fakeorg.Fault{Path: "/sobjects/Lead", Method: http.MethodPost, DelayMS: 150})
			}
			time.AfterFunc(time.Duration(random.IntN(250))*time.Millisecond, kill)
		}
		for range callers {
			group.Go(func() {
				for name := range queue {
					got, err := onceReply(t, origin, "desk", "key-"+name, name)
					mu.Lock()
					switch {
					case err != nil:
						left = append(left, name)
					case got.status == http.StatusCreated:
						answered[name] = true
					case strings.Contains(got.body, "outcome_unknown"):
						unknown[name] = true
					default:
						t.Errorf("%s: %+v", name, got)
					}
					mu.Unlock()
				}
			})
		}
		group.Wait()
		kill()
	}
	there := map[string]int{}
	for _, name := range org.names(t) {
		there[name]++
	}
	for _, name := range names {
		switch n := there[name]; {
		case n > 1, answered[name] && n != 1, !answered[name] && !unknown[name]:
			t.Errorf("%s is there %d times; answered %v, unknown %v", name, n, answered[name], unknown[name])
		}
	}
	t.Logf("%d calls answered, %d unknown", len(answered), len(unknown))
}

// names are the last names of the leads that the simulated org has.
func (o *runningOrg) names(t *testing.T) (names []string) {
	t.Helper()
	next := "/services/data/v62.0/query?q=SELECT+LastName+FROM+Lead"
	for next != "" {
		r, err := http.NewRequest(http.MethodGet, o.ready.Org+next, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+o.ready.OrgToken)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			NextRecordsURL string
			Records        []struct{ LastName string }
		}
		if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		for _, record := range page.Records {
			names = append(names, record.LastName)
		}
		next = page.NextRecordsURL
	}
	return names
}

// serveChild starts the server as a process of its own, and returns where it is and
// what kills it.
func serveChild(t *testing.T, file string) (origin string, kill func()) {
	t.Helper()
	address, process := startChild(t, file)
	return "http://" + address + "/w/a", func() { process(os.Kill) }
}

// startChild starts the server as a process of its own, and returns its address,
// and what sends it a signal and waits for its end.
func startChild(t *testing.T, file string) (address string, end func(os.Signal)) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", "--config", file)
	cmd.Args[0] = "salesforce-mcp" // see TestMain
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	end = func(signal os.Signal) {
		_ = cmd.Process.Signal(signal)
		once.Do(func() { _ = cmd.Wait() })
	}
	t.Cleanup(func() { end(os.Kill) })
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if _, after, ok := strings.Cut(lines.Text(), `"listen":"`); ok {
			addr, _, _ := strings.Cut(after, `"`)
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return addr, end
		}
	}
	t.Fatal("the server did not start")
	return "", nil
}
