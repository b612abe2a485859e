package main

import (
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A surfer is a person in front of the pages of a demo.
type surfer struct {
	t      *testing.T
	origin string
	*http.Client
}

func (s surfer) send(method, path string, form url.Values) (int, string, http.Header) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.origin+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := s.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Header
}

// kind is what an address has in common with those of pages of its kind.
func kind(address string) string {
	path, _, _ := strings.Cut(address, "?")
	return regexp.MustCompile(`/[^/]*[0-9][^/]*`).ReplaceAllString(path, "/*")
}

// pages are those that links lead to, from the overview on, by their addresses: of each
// kind the first five.
func (s surfer) pages() map[string]string {
	found, of := map[string]string{}, map[string]int{}
	for todo := []string{"/"}; len(todo) > 0; todo = todo[1:] {
		path := todo[0]
		if _, seen := found[path]; seen || of[kind(path)] == 5 {
			continue
		}
		of[kind(path)]++
		status, body, header := s.send(http.MethodGet, path, nil)
		if status == http.StatusSeeOther && strings.HasPrefix(header.Get("Location"), "/") {
			todo = append(todo, header.Get("Location"))
		} else if status != http.StatusOK {
			s.t.Errorf("%s: %d", path, status)
		}
		found[path] = body
		for _, link := range regexp.MustCompile(`href="(/[^"#]*)`).FindAllStringSubmatch(body, -1) {
			if to := html.UnescapeString(link[1]); !strings.HasPrefix(to, "/assets/") {
				todo = append(todo, to)
			}
		}
	}
	return found
}

// secretWords are what no page may show to anybody, whatever it shows.
var secretWords = []string{"PRIVATE KEY-----\nM", "00DSm0000000001!", "$argon2id$"}

// TestPagesTellNothing: whoever goes wherever links lead, and downloads what can
// be downloaded, meets no secret and nothing of a workspace that they have no role in; and
// who only reads finds no form that changes anything.
func TestPagesTellNothing(t *testing.T) {
	demo := startDemo(t)
	origin, _, _ := strings.Cut(demo.MCP, "/w/")
	owner := surfer{t, origin, visitor(t)}
	if resp := setUp(t, owner.Client, demo.Config, "owner@acme.example"); resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("the demo's link: %d", resp.StatusCode)
	}
	for workspace, agent := range map[string]string{"demo": "canary-of-demo", "people": "canary-of-people"} {
		endpoint := strings.Replace(demo.MCP, "/w/demo/", "/w/"+workspace+"/", 1)
		for _, who := range []string{demo.AgentID, agent} {
			pagesCall(t, endpoint, demo.HostToken, who, `{"action":"soql","q":"SELECT Id FROM Account LIMIT 1 -- `+agent+`"}`)
		}
		if status, body, _ := owner.send(http.MethodPost, "/workspaces/"+workspace+"/agents/allow", url.Values{"agent": {agent + "-allowed"}}); status >= 400 {
			t.Fatalf("an agent is not allowed: %d %s", status, body)
		}
	}
	people := map[string]surfer{"owner": owner}
	for who, role := range map[string]url.Values{
		"admin": {"in-demo": {"admin"}}, "approver": {"in-demo": {"approver"}}, "auditor": {"in-demo": {"auditor"}}, "neighbour": {"in-people": {"admin"}},
	} {
		people[who] = invited(t, owner, who, role)
	}
	for who, s := range people {
		pages := s.pages()
		t.Logf("%s: %d pages", who, len(pages))
		if who != "owner" && len(pages) < 10 {
			t.Errorf("%s finds %d pages", who, len(pages))
		}
		own, others := "canary-of-demo", []string{"canary-of-people", "/workspaces/people"}
		switch who {
		case "neighbour":
			own, others = "canary-of-people", []string{"canary-of-demo", "/workspaces/demo"}
		case "owner":
			others = nil
		}
		if all := strings.Join(slices.Collect(maps.Values(pages)), "\n"); who != "approver" && !strings.Contains(all, own) {
			t.Errorf("%s does not see what is theirs, and the test tests nothing", who)
		}
		for path, body := range pages {
			for _, word := range slices.Concat(secretWords, []string{demo.HostToken, demo.AdminToken, demo.OrgToken}, others) {
				if at := strings.Index(body, word); at >= 0 {
					t.Errorf("%s sees %q on %s: %s", who, word, path, body[max(0, at-100):min(len(body), at+100)])
				}
			}
			if who != "auditor" {
				continue
			}
			for _, form := range regexp.MustCompile(`(?s)<form[^>]*method="post"[^>]*>`).FindAllString(body, -1) {
				if !regexp.MustCompile(`action="/(signout|language|account[a-z/]*|workspaces/demo/audit[a-z/]*)"`).MatchString(form) && !strings.HasPrefix(path, "/account") && !strings.HasPrefix(path, "/workspaces/demo/audit") {
					t.Errorf("an auditor finds on %s: %s", path, form)
				}
			}
		}
	}
}

// invited is somebody with roles, whom the owner has made a link.
func invited(t *testing.T, owner surfer, name string, roles url.Values) surfer {
	t.Helper()
	_, body, header := owner.send(http.MethodPost, "/platform/users", url.Values{"name": {name}, "email": {name + "@acme.example"}})
	at := header.Get("Location")
	if !strings.HasPrefix(at, "/platform/users/") {
		t.Fatalf("%s was not added: %s", name, body)
	}
	roles.Set("name", name)
	if status, body, _ := owner.send(http.MethodPost, at, roles); status != http.StatusSeeOther {
		t.Fatalf("%s got no role: %d %s", name, status, body)
	}
	_, body, _ = owner.send(http.MethodPost, at+"/link", nil)
	link := regexp.MustCompile(`http[^"<]*/setup\?ticket=[A-Z0-9]+`).FindString(body)
	s := surfer{t, owner.origin, visitor(t)}
	if resp := setUp(t, s.Client, link, ""); resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("the link of %s, %q: %d", name, link, resp.StatusCode)
	}
	return s
}

func pagesCall(t *testing.T, endpoint, token, agent, arguments string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":%s}}`, arguments)))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Authorization": "Bearer " + token, "agent-id": agent, "user-id": "ann", "Content-Type": "application/json", "Accept": "application/json, text/event-stream"} {
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", endpoint, resp.Status)
	}
}
