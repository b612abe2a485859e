package app

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// mayDo says who has which right, in the workspace demo.
var mayDo = map[right][]string{
	anyone:     {"owner", "platform-admin", "admin", "approver", "auditor", "neighbour", "nobody"},
	signedIn:   {"owner", "platform-admin", "admin", "approver", "auditor", "neighbour", "nobody"},
	see:        {"owner", "platform-admin", "admin", "approver", "auditor"},
	decide:     {"owner", "admin", "approver"},
	administer: {"owner", "admin"},
	auditing:   {"owner", "platform-admin", "admin", "auditor"},
	platform:   {"owner", "platform-admin"},
	owner:      {"owner"},
}

// forAnyone are the routes that nobody has to be signed in for.
var forAnyone = []string{"GET /signin", "POST /signin", "GET /signin/login", "GET /signin/callback", "GET /setup", "POST /setup", "POST /language", "GET /catalog"}

var pathValue = regexp.MustCompile(`\{[a-z]+(?:\.\.\.)?\}`)

// request makes a request of a pattern's, in a workspace.
func requestOf(pattern, workspace string) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	path = strings.ReplaceAll(strings.ReplaceAll(path, "{$}", ""), "{workspace}", workspace)
	return method, pathValue.ReplaceAllString(path, "none")
}

// TestRights (attack 19): every route of the table serves those that have its right, and
// nobody else. It is asked over HTTP, with what each route does left out.
func TestRights(t *testing.T) {
	h := newHouse(t)
	table := routes()
	for i := range table {
		served := table[i].pattern
		table[i].serve = func(r *request) error {
			r.w.Header().Set("X-Served", served)
			r.w.WriteHeader(http.StatusNoContent)
			return nil
		}
		if _, known := mayDo[table[i].right]; !known {
			t.Errorf("%s asks for a right that no test knows", served)
		}
		of := strings.Contains(served, "{workspace}")
		if isOf := slices.Contains([]right{see, decide, administer, auditing}, table[i].right); isOf != of {
			t.Errorf("%s: its right is of a workspace: %t, its path: %t", served, isOf, of)
		}
		if table[i].right == anyone && !slices.Contains(forAnyone, served) {
			t.Errorf("%s is for anyone, and is not listed here", served)
		}
	}
	browsers := map[string]*browser{}
	for who := range everybody {
		browsers[who] = h.as(who)
	}
	// The same sessions, by a server whose routes say that they were reached.
	reached := h.app.handler(table)
	h.mu.Lock()
	h.serving = reached
	h.mu.Unlock()
	for _, route := range table {
		method, path := requestOf(route.pattern, testWorkspace)
		for who, b := range browsers {
			a := b.send(method, path, form(method))
			switch may := slices.Contains(mayDo[route.right], who); {
			case may && a.header.Get("X-Served") != route.pattern:
				t.Errorf("%s for %s: %d, want it served", route.pattern, who, a.status)
			case !may && (a.header.Get("X-Served") != "" || a.status != http.StatusNotFound):
				t.Errorf("%s for %s: %d, want 404", route.pattern, who, a.status)
			}
		}
		if a := h.browser().send(method, path, form(method)); route.right != anyone && (a.header.Get("X-Served") != "" || a.status != http.StatusSeeOther || !strings.HasPrefix(a.to(), "/signin")) {
			t.Errorf("%s for a stranger: %d %s", route.pattern, a.status, a.to())
		}
	}
}

func form(method string) map[string][]string {
	if method == http.MethodPost {
		return map[string][]string{}
	}
	return nil
}

// TestNothingIsTold: whoever has no right is answered as if the workspace were not there,
// byte for byte.
func TestNothingIsTold(t *testing.T) {
	h := newHouse(t)
	language := regexp.MustCompile(`name="next" value="[^"]*"`) // the page's own address
	for _, who := range []string{"nobody", "neighbour"} {
		b := h.as(who)
		for _, route := range routes() {
			if !strings.Contains(route.pattern, "{workspace}") {
				continue
			}
			method, path := requestOf(route.pattern, testWorkspace)
			_, missing := requestOf(route.pattern, "missing")
			there, gone := b.send(method, path, form(method)), b.send(method, missing, form(method))
			for _, a := range []*answer{&there, &gone} {
				a.body = language.ReplaceAllString(a.body, "")
				for _, own := range []string{"Date", "Set-Cookie", "Content-Length"} {
					a.header.Del(own)
				}
			}
			if there.status != http.StatusNotFound || there.status != gone.status || there.body != gone.body || !maps.EqualFunc(there.header, gone.header, slices.Equal) {
				t.Errorf("%s for %s: %d and %d, %d bytes and %d, %v and %v", route.pattern, who, there.status, gone.status, len(there.body), len(gone.body), there.header, gone.header)
			}
			if strings.Contains(there.body, testWorkspace) {
				t.Errorf("%s for %s names the workspace", route.pattern, who)
			}
		}
	}
}

// TestMay: whoever has more roles has no fewer rights, and none in a workspace that they
// have no role in.
func TestMay(t *testing.T) {
	all := []Role{WorkspaceAdmin, Approver, Auditor}
	rapid.Check(t, func(t *rapid.T) {
		p := Person{ID: "x", Platform: rapid.SampledFrom([]Role{"", PlatformAdmin}).Draw(t, "platform"), Roles: map[string][]Role{"a": rapid.SliceOfDistinct(rapid.SampledFrom(all), rapid.ID).Draw(t, "roles")}}
		more := Person{ID: "x", Platform: p.Platform, Roles: map[string][]Role{"a": append(slices.Clone(p.Roles["a"]), rapid.SampledFrom(all).Draw(t, "more"))}}
		right := rapid.SampledFrom(slices.Sorted(maps.Keys(mayDo))).Draw(t, "right")
		if p.May(right, "a") && !more.May(right, "a") {
			t.Fatalf("%v may %v, and with more roles may not", p, right)
		}
		if (right == decide || right == administer) && more.May(right, "b") {
			t.Fatalf("%v may %v elsewhere", more, right)
		}
		if more.May(owner, "a") || (Person{Roles: more.Roles}).May(signedIn, "a") {
			t.Fatalf("%v is more than they are", more)
		}
	})
	if (Person{ID: "x", Platform: PlatformOwner}).May(right(99), "a") {
		t.Error("an unknown right is had")
	}
}
