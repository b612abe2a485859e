package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/pgtest"
)

// TestRemovedAgent (attack 16): an agent that is taken out of the configuration while
// it calls is refused by all servers within a second, and so is a host whose token is
// taken out. A file that is not valid changes nothing.
func TestRemovedAgent(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	org, err := startOrg(ctx, "127.0.0.1:0", &testKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	database := pgtest.URL(t)
	write := func(more string, rules ...string) {
		t.Helper()
		text := fmt.Sprintf(`
listen: 127.0.0.1:0
database: %q
drain: 1ms
allowLoopbackOrg: true
%s
workspaces:
  - name: a
    auth: {mode: clientCredentials, loginURL: %q, clientID: %q, clientSecret: %q}
    profiles: [{name: desk, tokens: [%s], agent: ["header:agent-id"]}]
    rules: [%s]
`, database, more, org.ready.Org, org.ready.ClientID, org.ready.ClientSecret, allowlist.HashToken("token-a"), strings.Join(rules, ", "))
		next := file + ".next"
		if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, file); err != nil {
			t.Fatal(err)
		}
	}
	const desk, lab = "{agent: desk, preset: all}", "{agent: lab, preset: read}"
	write("", desk, lab)
	if err := run(ctx, []string{"keys", "new", "--out", filepath.Join(dir, "master.key")}, os.Getenv, nil, new(syncBuffer), new(syncBuffer)); err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	defer func() {
		stop()
		serving.Wait()
		_ = org.wait()
	}()
	var logs [3]syncBuffer
	var origins [3]string
	for i := range logs {
		serving.Go(func() {
			if err := run(ctx, []string{"serve", "--config", file}, os.Getenv, nil, new(syncBuffer), &logs[i]); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range logs {
		eventually(t, "a server", func() bool {
			_, after, ok := strings.Cut(logs[i].String(), `"listen":"`)
			address, _, _ := strings.Cut(after, `"`)
			origins[i] = "http://" + address + "/w/a"
			return ok
		})
	}
	allowed := func(origin, agent string) bool {
		r, err := http.NewRequest(http.MethodPost, origin+"/instructions/runQuery", strings.NewReader(`{"q":"SELECT Id FROM Account LIMIT 1"}`))
		if err != nil {
			t.Error(err)
			return false
		}
		r.Header.Set("Authorization", "Bearer token-a")
		r.Header.Set("Agent-Id", agent)
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	all := func(agent string, want bool) bool {
		for _, origin := range origins {
			if allowed(origin, agent) != want {
				return false
			}
		}
		return true
	}
	if !all("desk", true) || !all("lab", true) || !all("new", false) {
		t.Fatal("the rules do not hold")
	}

	var ended atomic.Bool
	var calling sync.WaitGroup
	var last [3]atomic.Int64 // when a server last let the agent through
	for i, origin := range origins {
		calling.Go(func() {
			for !ended.Load() {
				began := time.Now()
				if allowed(origin, "desk") {
					last[i].Store(began.UnixNano())
				}
			}
		})
	}
	removed := time.Now()
	write("", lab, "{agent: new, preset: read}")
	eventually(t, "the refusal", func() bool { return all("desk", false) && all("new", true) })
	ended.Store(true)
	calling.Wait()
	for i := range last {
		after := time.Unix(0, last[i].Load()).Sub(removed)
		t.Logf("server %d let a call through that began %v after the removal", i, after.Round(time.Millisecond))
		if after > 5*time.Second { // 1 s, on a machine that does nothing else
			t.Errorf("server %d let the agent through %v after it was removed", i, after)
		}
	}
	if !all("lab", true) {
		t.Error("another agent was refused")
	}

	write("surprise: true", desk)
	for i := range logs {
		eventually(t, "the complaint", func() bool { return strings.Contains(logs[i].String(), "there is no field surprise here") })
	}
	if !all("desk", false) || !all("lab", true) {
		t.Error("a file that is not valid changed the rules")
	}
	write("logLevel: warn", desk)
	eventually(t, "the agent's return", func() bool { return all("desk", true) && all("lab", false) })
	for i := range logs {
		if !strings.Contains(logs[i].String(), `"needRestart":["logLevel"]`) {
			t.Errorf("the log does not say what needs a restart: %s", logs[i].String())
		}
	}
	if strings.Contains(logs[0].String(), "password-of-tests") {
		t.Error("the log has the password of the database")
	}
}
