package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/salesforce"
)

const narrowTenants = 50

// narrowOrgs are the orgs of many tenants behind one address: the token tells them
// apart. Each has an object with a field of its own, and puts its number into every
// ID, locator and value.
type narrowOrgs struct {
	t    *testing.T
	mu   sync.Mutex
	made int
}

func (o *narrowOrgs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer 00D0000000000xx!tenant.")
	n, err := strconv.Atoi(token)
	if !ok || err != nil {
		o.t.Errorf("the token %q arrived", r.Header.Get("Authorization"))
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		o.t.Error(err)
	}
	w.Header().Set("Content-Type", "application/json")
	answer := func(status int, format string, args ...any) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, format, args...)
	}
	record := fmt.Sprintf(`{"attributes":{"type":"Contact"},"Id":"%s","LastName":"of tenant-%d","Secret%d__c":"kept-%d"}`, narrowID(n, 1), n, n, n)
	switch path := strings.TrimPrefix(r.URL.Path, "/services/data/v62.0"); {
	case path == "/sobjects/contact/describe":
		answer(200, `{"name":"Contact","keyPrefix":"003","fields":[{"name":"Id","type":"id"},{"name":"LastName","type":"string"},{"name":"Own%d__c","type":"string"},{"name":"Secret%d__c","type":"string"}],"childRelationships":[]}`, n, n)
	case path == "/sobjects/Contact" && r.Method == http.MethodPost:
		o.mu.Lock()
		o.made++
		made := o.made
		o.mu.Unlock()
		answer(201, `{"id":"%s","success":true,"errors":[]}`, narrowID(n, made))
	case strings.HasPrefix(path, fmt.Sprintf("/sobjects/Contact/003%02d", n)):
		answer(200, "%s", record)
	case path == "/query":
		answer(200, `{"totalSize":4000,"done":false,"nextRecordsUrl":"/services/data/v62.0/query/01g%012d-2000","records":[%s]}`, n, record)
	case path == fmt.Sprintf("/query/01g%012d-2000", n):
		answer(200, `{"totalSize":4000,"done":true,"records":[%s]}`, record)
	default:
		answer(404, `[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]`)
	}
}

// narrowID is an ID in the org of a tenant.
func narrowID(n, record int) string {
	id, err := salesforce.To18(fmt.Sprintf("003%02d%010d", n, record))
	if err != nil {
		panic(err)
	}
	return id
}

// TestPolicyTenants (attack 17, promise P12): whatever tenants ask in whatever order, with
// the IDs, locators, keys and field names of others as well, each is answered out of
// its own org. Run it with -rapid.checks=20000 for 100,000 calls.
func TestPolicyTenants(t *testing.T) {
	orgs := &narrowOrgs{t: t}
	server := httptest.NewServer(orgs)
	t.Cleanup(server.Close)
	w := startWorld(t, orgReady{Org: server.URL}, func(c *config.Config) {
		c.Workspaces = c.Workspaces[:0]
		for n := range narrowTenants {
			c.Workspaces = append(c.Workspaces, config.Workspace{APIVersion: "v62.0",
				Auth: &config.Auth{Mode: auth.ModeAccessToken, InstanceURL: server.URL, AccessToken: salesforce.Secret(fmt.Sprintf("00D0000000000xx!tenant.%d", n))},
				Workspace: allowlist.Workspace{Name: fmt.Sprint("w", n),
					Profiles: []*allowlist.Profile{{Name: "host", Tokens: []string{allowlist.HashToken(fmt.Sprint("token-", n))},
						Agent: []allowlist.Source{{Kind: allowlist.FromHeader, Name: "agent-id"}}}},
					Rules: []allowlist.Rule{{Agent: "all", Preset: "all"}, {Agent: "narrow", Preset: "all", Fields: allowlist.Lists{Deny: []string{fmt.Sprintf("Contact.Secret%d__c", n)}}}}}})
		}
	})
	ask := func(n int, agent, tool string, args map[string]any) string {
		r := w.request(call(1, tool, args))
		r.URL.Path = fmt.Sprintf("/w/w%d/mcp", n)
		r.Header.Set("Authorization", fmt.Sprint("Bearer token-", n))
		r.Header.Set("Agent-Id", agent)
		_, body := w.do(r)
		return body
	}
	marks := regexp.MustCompile(`(?:tenant-(\d+)|kept-(\d+)|Own(\d+)__c|\b003(\d\d)\d{10}[A-Z0-5]{3}\b|\b01g0{10}(\d\d)-)`)
	began := map[string]bool{} // who has a locator
	made := map[string]string{}
	calls, crossed := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		for range 5 {
			n := rapid.IntRange(0, narrowTenants-1).Draw(rt, "tenant")
			other := rapid.IntRange(0, narrowTenants-1).Draw(rt, "other")
			if rapid.Bool().Draw(rt, "own") {
				other = n
			}
			agent := rapid.SampledFrom([]string{"all", "narrow"}).Draw(rt, "agent")
			who := fmt.Sprint(n, agent)
			calls++
			if other != n {
				crossed++
			}
			var body string
			wrong := false
			switch rapid.IntRange(0, 4).Draw(rt, "call") {
			case 0:
				body = ask(n, agent, "getRecord", map[string]any{"sObjectName": "Contact", "recordId": narrowID(other, 1)})
				wrong = strings.Contains(body, "NOT_FOUND") != (n != other) || strings.Contains(body, fmt.Sprint("kept-", n)) != (n == other && agent == "all")
			case 1:
				body = ask(n, agent, "runQuery", map[string]any{"q": fmt.Sprintf("SELECT Id, LastName FROM Contact WHERE LastName != '%d'", other)})
				began[who] = true
				wrong = !strings.Contains(body, fmt.Sprint("of tenant-", n))
			case 2:
				body = ask(n, agent, "getQueryNext", map[string]any{"queryLocator": fmt.Sprintf("01g%012d-2000", other)})
				wrong = strings.Contains(body, "not_given") == (n == other && began[who])
			case 3:
				body = ask(n, agent, "runQuery", map[string]any{"q": fmt.Sprintf("SELECT Id, Own%d__c FROM Contact", other)})
				began[who] = began[who] || agent == "all" || n == other
				wrong = strings.Contains(body, "not authorized") != (agent == "narrow" && n != other) // whose description has the field?
			case 4:
				key := fmt.Sprint(rapid.IntRange(0, 9).Draw(rt, "key"))
				body = ask(n, agent, "createRecord", map[string]any{"sObjectName": "Contact", "body": map[string]any{"LastName": "x"}, "idempotencyKey": key})
				id := regexp.MustCompile(`003\d{12}`).FindString(body)
				before, again := made[who+" "+key]
				wrong = id == "" || again && before != id
				made[who+" "+key] = id
			}
			if !json.Valid([]byte(body)) || wrong {
				rt.Fatalf("tenant %d, agent %s, with what is tenant %d's: %.600s", n, agent, other, body)
			}
			told := body // but for what it said itself
			for _, said := range []string{fmt.Sprintf("Own%d__c", other), fmt.Sprintf("page 01g%012d", other), fmt.Sprintf("'%d'", other)} {
				told = strings.ReplaceAll(told, said, "")
			}
			for _, m := range marks.FindAllStringSubmatch(told, -1) {
				if found, err := strconv.Atoi(strings.Join(m[1:], "")); err != nil || found != n {
					rt.Fatalf("tenant %d was told %q: %.600s", n, m[0], body)
				}
			}
		}
	})
	for n := range narrowTenants {
		for _, e := range w.entries(fmt.Sprint("w", n)) {
			if e.Workspace != fmt.Sprint("w", n) {
				t.Fatalf("the trail of w%d has an entry of %s", n, e.Workspace)
			}
		}
	}
	t.Logf("%d calls of %d tenants, %d of them with what is another's", calls, narrowTenants, crossed)
}
