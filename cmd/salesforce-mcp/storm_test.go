package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"salesforce-mcp/salesforce/fakeorg"
)

// TestStormOn401: 200 agents call at once while the org ends the session they
// share. Every call succeeds, and what is created is created once; at most two
// token requests are made, although each refresh token is good once.
func TestStormOn401(t *testing.T) {
	for mode, start := range map[string]func() (w *world, user string){
		"jwt": func() (*world, string) { return newWorld(t), "" },
		"oauth": func() (*world, string) {
			w := connectWorld(t)
			newBrowser(t).open(w.as("ann", "query", nil).StructuredContent.ConnectURL).follow().salesforce(fakeorg.ServiceUser)
			return w, "ann"
		},
	} {
		t.Run(mode, func(t *testing.T) {
			w, user := start()
			w.calls(user, 1)
			for name, faults := range map[string][]fakeorg.Fault{
				"before they call":    {{Path: "/services/data/", ExpireTokens: true}},
				"while they call":     {{Path: "/services/data/", Times: 50}, {Path: "/services/data/", ExpireTokens: true}},
				"and is slow to tell": {{Path: "/services/data/", ExpireTokens: true}, {Path: "/services/oauth2/token", DelayMS: 300}},
			} {
				logins, created := w.logins(), w.created()
				w.org.org.Inject(faults...)
				w.calls(user, 200)
				if n := w.logins() - logins; n < 1 || n > 2 {
					t.Errorf("a session that ends %s: %d token requests", name, n)
				}
				if n := w.created() - created; n != 100 {
					t.Errorf("a session that ends %s: %d records created by 100 calls", name, n)
				}
			}
		})
	}
}

// calls makes so many calls at once, of which every other one creates a record.
func (w *world) calls(user string, n int) {
	w.t.Helper()
	var group sync.WaitGroup
	for i := range n {
		args := map[string]any{"action": "soql", "q": fmt.Sprintf("SELECT Id FROM Account LIMIT %d", 1+i)}
		tool := "query"
		if i%2 == 1 {
			tool, args = "records", map[string]any{"action": "create", "sObjectName": "Account", "body": map[string]any{"Name": fmt.Sprintf("Storm %d", i)}}
		}
		if user != "" {
			args["agent_id"], args["user_id"], args["context_id"] = demoAgent, user, "c1"
		}
		r := w.request(call(i, tool, args))
		group.Go(func() {
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				w.t.Error(err)
				return
			}
			defer func() { _ = resp.Body.Close() }()
			text, err := io.ReadAll(resp.Body)
			if err != nil {
				w.t.Error(err)
			}
			if status, body := resp.StatusCode, string(text); status != http.StatusOK || strings.Contains(body, `"isError":true`) || !strings.Contains(body, fmt.Sprintf(`"id":%d,`, i)) && !strings.Contains(body, fmt.Sprintf(`"id":%d}`, i)) {
				w.t.Errorf("call %d: %d %s", i, status, body)
			}
		})
	}
	group.Wait()
}

// logins counts the token requests of the org, and created what it has created.
func (w *world) logins() int { return w.seen(http.MethodPost, "/services/oauth2/token", 0) }
func (w *world) created() int {
	return w.seen(http.MethodPost, "/sobjects/Account", http.StatusCreated)
}

// seen counts requests with an answer of a status; 0 is any.
func (w *world) seen(method, path string, status int) (n int) {
	for _, r := range w.org.org.Requests() {
		if r.Method == method && strings.HasSuffix(r.Path, path) && (status == 0 || r.Status == status) {
			n++
		}
	}
	return n
}
