package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// tenants is how many workspaces TestTenantsApart has. It makes some calls for each,
// or as many in all as the environment's SALESFORCE_MCP_TEST_TENANTS says.
const (
	tenants        = 50
	callsOfTenants = 16 * tenants
)

// A tenantOrg is an org that puts its name into everything that it answers, and
// otherwise answers as all of them do, with the same locator. It counts what comes
// with a token that is not its own.
type tenantOrg struct {
	*httptest.Server
	name      string
	crossings *atomic.Int64
	made      sync.Map // by name of the record: *atomic.Int64
}

func newTenantOrg(t *testing.T, name string, crossings *atomic.Int64) *tenantOrg {
	o := &tenantOrg{name: name, crossings: crossings}
	o.Server = httptest.NewServer(o)
	t.Cleanup(o.Close)
	return o
}

const sameLocator = "01g000000000001AAA-2000"

func (o *tenantOrg) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/services/oauth2/token" {
		_, _ = fmt.Fprintf(w, `{"access_token":"00D!%s","instance_url":"http://%s"}`, o.name, r.Host)
		return
	}
	if r.Header.Get("Authorization") != "Bearer 00D!"+o.name {
		o.crossings.Add(1)
	}
	body, _ := io.ReadAll(r.Body)
	switch {
	case r.Method == http.MethodPost:
		_, name, _ := strings.Cut(string(body), `"LastName":"`)
		name, _, _ = strings.Cut(name, `"`)
		n, _ := o.made.LoadOrStore(name, new(atomic.Int64))
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"id":"of %s, made %d times","success":true,"errors":[]}`, o.name, n.(*atomic.Int64).Add(1))
	case strings.HasSuffix(r.URL.Path, sameLocator):
		_, _ = fmt.Fprintf(w, `{"totalSize":2,"done":true,"records":[{"Name":"more of %s"}]}`, o.name)
	default:
		_, _ = fmt.Fprintf(w, `{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/v62.0/query/%s","records":[{"Name":"of %s"}]}`, sameLocator, o.name)
	}
}

// TestTenantsApart (promise P12, attack 17): workspaces that ask for the same, with
// the same keys and the same locators, through three servers, get their own: no
// token, answer, handle, outcome or audit entry is another's.
func TestTenantsApart(t *testing.T) {
	calls := callsOfTenants
	if given, err := strconv.Atoi(os.Getenv("SALESFORCE_MCP_TEST_TENANTS")); err == nil {
		calls = given
	}
	var crossings atomic.Int64
	var orgs [tenants]*tenantOrg
	b := newBalancer(t)
	w := startWorld(t, orgReady{}, shared(t, b), func(c *config.Config) {
		c.Workspaces, c.TrustedProxies = nil, allowlist.Networks{"127.0.0.0/8"}
		for i := range orgs {
			name := fmt.Sprint("tenant-", i, "-")
			orgs[i] = newTenantOrg(t, name, &crossings)
			c.Workspaces = append(c.Workspaces, config.Workspace{APIVersion: "v62.0",
				Auth: &config.Auth{Mode: auth.ModeClientCredentials, LoginURL: orgs[i].URL, ClientID: "same", ClientSecret: "same"},
				Workspace: allowlist.Workspace{Name: fmt.Sprint("w", i),
					Profiles: []*allowlist.Profile{{Name: "desk", Tokens: []string{allowlist.HashToken("token-" + name)}, Agent: []allowlist.Source{{Kind: allowlist.FromHeader, Name: "agent-id"}}}},
					Rules:    []allowlist.Rule{{Agent: "same", Preset: "all"}}}})
		}
	})
	w.replicate(b)
	send := func(workspace, token int, instruction, args string, from ...string) (int, string) {
		r, err := http.NewRequest(http.MethodPost, fmt.Sprintf("%s/w/w%d/instructions/%s", w.origin, workspace, instruction), strings.NewReader(args))
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		for name, value := range map[string]string{"Authorization": "Bearer token-" + orgs[token].name, "Agent-Id": "same", "Content-Type": "application/json"} {
			r.Header.Set(name, value)
		}
		for _, address := range from {
			r.Header.Set("X-Forwarded-For", address)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		return resp.StatusCode, string(body)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const workers = 10
	var made [tenants]int // calls that are to be in the audit trail
	var working sync.WaitGroup
	for worker := range workers {
		working.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(worker)))
			given := map[int]bool{}      // who was given the locator
			first := map[[2]int]string{} // what a call with a key came to
			for range calls / workers {
				i := random.IntN(tenants/workers)*workers + worker
				want := orgs[i].name
				status, body := 0, ""
				switch random.IntN(5) {
				case 0:
					status, body = send(i, i, "runQuery", `{"q":"SELECT Name FROM Account"}`)
					given[i] = true
					made[i]++
				case 1, 2:
					key := random.IntN(3)
					status, body = send(i, i, "createRecord", fmt.Sprintf(`{"sObjectName":"Lead","body":{"LastName":"N%d","Company":"c"},"idempotencyKey":"key-%d"}`, key, key))
					if before, again := first[[2]int{i, key}]; again && before != body {
						t.Errorf("%s: key %d: %s, and before %s", want, key, body, before)
					}
					first[[2]int{i, key}] = body
					made[i]++
				case 3:
					status, body = send(i, i, "getQueryNext", `{"queryLocator":"`+sameLocator+`"}`)
					made[i]++
					if !given[i] {
						if status < 400 || strings.Contains(body, "tenant-") {
							t.Errorf("%s went on with another's query: %d %s", want, status, body)
						}
						continue
					}
				case 4:
					other := (i + 1 + random.IntN(tenants-1)) % tenants
					from := fmt.Sprintf("10.%d.%d.%d", random.IntN(256), random.IntN(256), random.IntN(256)) // so that nobody is shut out for guessing
					if status, body := send(other, i, "runQuery", `{"q":"SELECT Name FROM Account"}`, from); status != http.StatusUnauthorized || strings.Contains(body, "tenant-") {
						t.Errorf("%s at the workspace of %s: %d %s", want, orgs[other].name, status, body)
					}
					continue
				}
				if status >= 300 || strings.Count(body, "tenant-") != 1 || !strings.Contains(body, want) {
					t.Errorf("%s was answered %d %s", want, status, body)
				}
			}
		})
	}
	working.Wait()
	if n := crossings.Load(); n != 0 {
		t.Errorf("%d requests had another's token", n)
	}
	total := 0
	for i, org := range orgs {
		org.made.Range(func(name, n any) bool {
			if n := n.(*atomic.Int64).Load(); n != 1 {
				t.Errorf("%s: %s was made %d times", org.name, name, n)
			}
			return true
		})
		seen := 0
		entries, err := w.app.store.List(t.Context(), audit.Query{Workspace: fmt.Sprint("w", i), Calls: true, Limit: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			seen++
			if e.Workspace != fmt.Sprint("w", i) {
				t.Errorf("an entry of workspace %s among those of %d", e.Workspace, i)
			}
		}
		if seen != made[i] {
			t.Errorf("%s: %d calls in the audit trail, want %d", org.name, seen, made[i])
		}
		total += seen
	}
	t.Logf("%d calls, %d of them in the audit trails of %d workspaces", calls, total, tenants)
}
