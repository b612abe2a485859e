package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.yaml.in/yaml/v3"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/pgtest"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/salesforce"
)

// TestStoredWorkspaces (attack 16): servers whose file has no workspace serve those of the
// database; what is changed there through one holds on all within a second: a rule
// that is taken out, a workspace that is suspended, one that is deleted. A name
// that the file has too is the file's.
func TestStoredWorkspaces(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	org, err := startOrg(ctx, "127.0.0.1:0", &testKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	dir, database := t.TempDir(), pgtest.URL(t)
	file, master := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "master.key")
	write := func(workspaces string) {
		t.Helper()
		if err := os.WriteFile(file+".next", fmt.Appendf(nil, "listen: 127.0.0.1:0\ndatabase: %q\ndrain: 1ms\nallowLoopbackOrg: true\n%s", database, workspaces), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".next", file); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	if err := run(ctx, []string{"keys", "new", "--out", master}, os.Getenv, nil, new(syncBuffer), new(syncBuffer)); err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	defer func() {
		stop()
		serving.Wait()
		_ = org.wait()
	}()
	var logs [2]syncBuffer
	var origins [2]string
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
			origins[i] = "http://" + address
			return ok
		})
	}

	// Another server of the same database is where people change things.
	c, err := config.Load(file, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.OpenPostgres(ctx, salesforce.Secret(database))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	journal := audit.NewJournal(st)
	defer journal.Close()
	s := &settings.Settings{Store: st, Journal: journal, Log: zerolog.Nop(), Secrets: secrets.NewSealed(st, secrets.FileKeys(master, func(string) {}))}
	if err := s.Take(ctx, c); err != nil {
		t.Fatal(err)
	}
	ann := settings.Author{ID: "ann", Name: "Ann"}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w := config.Workspace{Auth: &config.Auth{Mode: "clientCredentials", LoginURL: org.ready.Org, ClientID: org.ready.ClientID}}
	w.Name = "sales"
	w.Profiles = []*allowlist.Profile{{Name: "desk", Tokens: []string{allowlist.HashToken("token-a")}, Agent: []allowlist.Source{{Kind: allowlist.FromHeader, Name: "agent-id"}}}}
	w.Rules = []allowlist.Rule{{Agent: "desk", Preset: "read"}}
	must(s.Create(ctx, ann, w))
	must(s.SetSecret(ctx, "sales", "clientSecret", ann, salesforce.Secret(org.ready.ClientSecret)))

	answer := func(origin string) string {
		r, err := http.NewRequest(http.MethodPost, origin+"/w/sales/instructions/runQuery", strings.NewReader(`{"q":"SELECT Id FROM Account LIMIT 1"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer token-a")
		r.Header.Set("Agent-Id", "desk")
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(resp.StatusCode, " ", string(text))
	}
	comes := func(what, want string) {
		t.Helper()
		began := time.Now()
		for _, origin := range origins {
			eventually(t, what+": "+want, func() bool { return strings.Contains(answer(origin), want) })
		}
		if took := time.Since(began); took > 5*time.Second { // 1 s, on a machine that does nothing else
			t.Errorf("%s: after %v", what, took)
		} else {
			t.Logf("%s: after %v", what, took.Round(time.Millisecond))
		}
	}
	comes("created", `200 {"totalSize"`)
	must(s.Change(ctx, "sales", ann, func(w *config.Workspace) error { w.Rules = nil; return nil }))
	comes("without the rule", "This agent is not authorized to use this connector")
	must(s.Restore(ctx, "sales", ann, 1))
	comes("restored", `200 {"totalSize"`)
	must(s.Suspend(ctx, ann, "sales"))
	comes("suspended", "This agent is not authorized to use this connector: "+allowlist.SuspendedText)
	must(s.Resume(ctx, ann, "sales"))
	comes("resumed", `200 {"totalSize"`)
	write("workspaces: [{name: sales, rules: [{agent: x, preset: read}]}]\n")
	comes("the file's", "401 ")
	for i := range logs {
		eventually(t, "a warning", func() bool {
			return strings.Contains(logs[i].String(), "a workspace of this name is in the configuration file and in the database; the file's counts")
		})
	}
	must(s.Change(ctx, "sales", ann, func(w *config.Workspace) error { w.APIVersion = "v61.0"; return nil })) // this server has not read the file
	write("")
	comes("not the file's any more", `200 {"totalSize"`)
	must(s.Suspend(ctx, ann, "sales"))
	must(s.Delete(ctx, ann, "sales"))
	comes("deleted", "401 ")
	var out syncBuffer
	if err := run(ctx, []string{"audit", "show", "--config", file, "--workspace", "sales", "--tool", "settings"}, os.Getenv, nil, &out, &out); err != nil || !strings.Contains(out.String(), "settings") {
		t.Errorf("the trail of a workspace that was deleted: %v\n%s", err, out.String())
	}
	for i := range logs {
		if strings.Contains(logs[i].String(), org.ready.ClientSecret) {
			t.Error("the log has a secret")
		}
	}
}

// TestStoredMisfit: what one workspace's admin has written keeps no server from starting,
// and no other workspace from being served.
func TestStoredMisfit(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, func(c *config.Config) { c.Data = dir })
	s := w.app.settings
	ann := settings.Author{ID: "ann", Name: "Ann"}
	bad := *w.app.config.Workspaces[0].Auth
	bad.PrivateKey = ""
	stored := config.Workspace{Auth: &bad, Returns: &config.Returns{Gateway: config.GatewayRecord}}
	stored.Name = "c"
	if err := yaml.Unmarshal([]byte("currency: {code: USD}\norder: {delivered: Nonsense__c}\n"), &stored.Returns.Mapping); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), ann, stored); err != nil {
		t.Fatal(err)
	}
	key := w.app.config.Workspaces[0].Auth.PrivateKey
	if err := s.SetSecret(t.Context(), "c", "privateKey", ann, key); err != nil {
		t.Fatal(err)
	}
	w.app.config.Workspaces = append(w.app.config.Workspaces, *w.app.orgs.workspace("c"))
	if err := w.app.checkReturns(t.Context()); err != nil {
		t.Errorf("it does not start: %v", err)
	}
	if !strings.Contains(w.log.String(), "the mapping of returns does not fit the org") {
		t.Error(w.log.String())
	}
	if err := s.Change(t.Context(), "a", ann, func(*config.Workspace) error { return nil }); !errors.Is(err, settings.ErrDeclared) {
		t.Error(err)
	}
}

// TestTry: the test of a connection mints a token and reads the limits, and says which
// setting to change when that fails.
func TestTry(t *testing.T) {
	w := newWorld(t)
	s, ctx, ann := w.app.settings, t.Context(), settings.Author{ID: "ann", Name: "Ann"}
	known := w.app.config.Workspaces[0].Auth
	change := func(work func(*config.Auth)) {
		t.Helper()
		if err := s.Change(ctx, "new", ann, func(c *config.Workspace) error {
			if c.Auth == nil {
				c.Auth = &config.Auth{Mode: known.Mode, LoginURL: known.LoginURL, ClientID: known.ClientID, Username: known.Username}
			}
			work(c.Auth)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	fails := func(what, want string) {
		t.Helper()
		if at, err := w.app.pages.Try(ctx, "new"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", what, at, err)
		}
	}
	var made config.Workspace
	made.Name = "new"
	if err := s.Create(ctx, ann, made); err != nil {
		t.Fatal(err)
	}
	fails("without settings", "Salesforce is not configured for this workspace")
	change(func(*config.Auth) {})
	fails("without a key", "the private key is missing")
	if err := s.SetSecret(ctx, "new", "privateKey", ann, known.PrivateKey); err != nil {
		t.Fatal(err)
	}
	at, err := w.app.pages.Try(ctx, "new")
	if err != nil || at.Origin != w.org.ready.Org || at.Username != known.Username || at.Allowed == 0 || at.Left == 0 {
		t.Errorf("%+v, %v", at, err)
	}
	change(func(a *config.Auth) { a.Username = "nobody@acme.example" })
	fails("another user", "user")
	change(func(a *config.Auth) { a.Username, a.ClientID = known.Username, "3MVG9another" })
	fails("another app", "client id")
	change(func(a *config.Auth) {
		*a = config.Auth{Mode: "oauth", LoginURL: known.LoginURL, ClientID: known.ClientID, Proof: "username"}
	})
	if _, err := w.app.pages.Try(ctx, "new"); err == nil || !strings.Contains(err.Error(), "callback URL is") && !strings.Contains(err.Error(), "secret") {
		t.Errorf("oauth: %v", err)
	}
	if err := s.Suspend(ctx, ann, "new"); err != nil {
		t.Fatal(err)
	}
	fails("suspended", "suspended")
}
