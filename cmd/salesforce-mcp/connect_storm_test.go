package main

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/connect"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
)

// revoke ends all access tokens at the org. Refresh tokens stay.
func (w *world) revoke() {
	w.t.Helper()
	w.org.org.Inject(fakeorg.Fault{Path: "end-all-sessions", ExpireTokens: true})
	resp, err := http.Get(w.org.ready.Org + "/services/data?end-all-sessions")
	if err != nil {
		w.t.Fatal(err)
	}
	_ = resp.Body.Close()
}

// storm makes 200 calls, ends the tokens under the first hundred of them, and returns
// how many failed and how many token requests there were.
func (w *world) storm(call func(n int) error) (failed, exchanges int64) {
	before := w.exchanges()
	var failures, done atomic.Int64
	var wg sync.WaitGroup
	ended := make(chan struct{})
	for n := range 200 {
		wg.Go(func() {
			if n >= 100 {
				<-ended
			}
			if err := call(n); err != nil {
				w.t.Log(err)
				failures.Add(1)
			}
			done.Add(1)
		})
	}
	for done.Load() < 20 {
		time.Sleep(time.Millisecond)
	}
	w.revoke()
	close(ended)
	wg.Wait()
	return failures.Load(), int64(w.exchanges() - before)
}

// TestPersonStorm: when the org ends a person's access token under 200 calls at once,
// every call succeeds, with two token requests at the most, though the refresh token is
// another one each time.
func TestPersonStorm(t *testing.T) {
	w := connectWorld(t)
	newBrowser(t).open(w.link("ann")).follow().salesforce(fakeorg.ServiceUser).shows(200, "now work as")
	for round := range 3 {
		failed, exchanges := w.storm(func(int) error { return w.call("ann") })
		if failed > 0 || exchanges < 1 || exchanges > 2 {
			t.Errorf("round %d: %d of 200 calls failed; %d token requests", round, failed, exchanges)
		}
	}
	if !w.status("ann").Connected {
		t.Error("the grant is lost")
	}
}

// call is as, for a goroutine of its own.
func (w *world) call(user string) error {
	if r := w.as(user, "query", nil); r.IsError {
		return &salesforce.Error{Message: r.Content[0].Text}
	}
	return nil
}

// TestPersonOfTwoServers: two servers over one database refresh a person's token once
// for each time that it ends, and neither loses the grant.
func TestPersonOfTwoServers(t *testing.T) {
	w := connectWorld(t)
	newBrowser(t).open(w.link("ann")).follow().salesforce(fakeorg.ServiceUser).shows(200, "now work as")
	st, err := store.Join(t.Context(), w.app.config.Data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	log := zerolog.New(w.log)
	kept, _, err := openSecrets(t.Context(), w.app.config, st, log)
	if err != nil {
		t.Fatal(err)
	}
	second := newOrgs(w.app.config, kept, nil, log)
	second.people = &connect.People{Secrets: kept, Rows: st, Journal: w.app.journal, Resolver: second.resolver, PublicURL: w.app.config.Origin(), Log: log, Workspace: second.People}
	ann := allowlist.Caller{Workspace: "a", Host: "agent-factory", Agent: demoAgent, User: "ann"}
	for round := range 3 {
		failed, exchanges := w.storm(func(n int) error {
			if n%2 == 0 {
				return w.call("ann")
			}
			_, err := second.Test(t.Context(), ann)
			return err
		})
		if failed > 0 || exchanges != 1 {
			t.Errorf("round %d: %d of 200 calls failed; %d token requests", round, failed, exchanges)
		}
	}
	status, err := second.Status(t.Context(), ann)
	if err != nil || !status.Connected || !w.status("ann").Connected {
		t.Errorf("the grant is lost: %+v %v", status, err)
	}
}
