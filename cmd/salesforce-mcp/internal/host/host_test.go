package host

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/cmd/salesforce-mcp/internal/host/fakehost"
	"salesforce-mcp/salesforce"
)

const endpoint = "https://mcp.example.com/w/sales/mcp"

func session(h *fakehost.Host, token string) Session {
	return Session{&Platform{Name: "prisme", API: h.URL, HTTP: http.DefaultClient}, salesforce.Secret(token)}
}

func entry() *Entry {
	return &Entry{Name: "salesforce_sales", DisplayName: "Salesforce", Type: "mcp", Category: "crm", Description: "x",
		ConfigSchema: Schema{Type: "object", Properties: Properties{Server: Property{Type: "string", Default: endpoint}}}}
}

func writes(h *fakehost.Host) (n int) {
	for _, r := range h.Requests() {
		if !strings.HasPrefix(r, "GET ") {
			n++
		}
	}
	return n
}

// TestFindBeyondTheFirstPage: an entry is found wherever it is, and one that is not
// there is not, however the host pages.
func TestFindBeyondTheFirstPage(t *testing.T) {
	for _, form := range []fakehost.Form{fakehost.Array, fakehost.Items, fakehost.Results, fakehost.Bare} {
		for _, first := range []int{0, 1} {
			for _, most := range []int{100, 200} { // of 250 entries
				for _, at := range []int{0, 100, 249, -1} {
					h := fakehost.New(t)
					h.Form, h.FirstPage, h.MostPerPage = form, first, most
					for i := range 250 {
						e := fakehost.Entry("salesforce", "https://other.example/mcp")
						if i == at {
							e = fakehost.Entry("other", endpoint)
						}
						h.AddEntry(e)
					}
					found, err := session(h, "owner-token").Find(t.Context(), endpoint)
					if want := at >= 0; err != nil || (len(found) == 1) != want {
						t.Errorf("%s from %d by %d, at %d: %v, %v\n%s", form, first, most, at, found, err, strings.Join(h.Requests(), "\n"))
					}
					if n := len(h.Requests()); n > 8 {
						t.Errorf("%s from %d by %d: %d requests", form, first, most, n)
					}
				}
			}
		}
	}
}

// TestListThatEndsEarly: what cannot be read to its end is not taken for "absent".
func TestListThatEndsEarly(t *testing.T) {
	for most, form := range map[int]fakehost.Form{200: fakehost.Array, 199: fakehost.Items} {
		h := fakehost.New(t)
		h.Form, h.NoPaging, h.MostPerPage = form, true, most
		for range 250 {
			h.AddEntry(fakehost.Entry("x", "https://other.example/mcp"))
		}
		if _, err := session(h, "owner-token").Find(t.Context(), endpoint); !Is(err, Unreadable) {
			t.Errorf("%s: %v", form, err)
		}
		if _, err := session(h, "owner-token").Publish(t.Context(), entry()); !Is(err, Unreadable) || writes(h) > 0 {
			t.Errorf("%s: %v, %d written", form, err, writes(h))
		}
	}
	// A host that gives all at once, whatever is asked for, does give all.
	h := fakehost.New(t)
	h.Form, h.NoPaging, h.MostPerPage = fakehost.Array, true, 10_000
	h.Before = func(w http.ResponseWriter, r *http.Request) bool {
		q := r.URL.Query()
		q.Del("limit")
		r.URL.RawQuery = q.Encode()
		return false
	}
	for range 250 {
		h.AddEntry(fakehost.Entry("x", "https://other.example/mcp"))
	}
	h.AddEntry(fakehost.Entry("x", endpoint))
	if found, err := session(h, "owner-token").Find(t.Context(), endpoint); err != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
}

func TestPublish(t *testing.T) {
	h := fakehost.New(t)
	h.MostPerPage = 2
	for range 5 {
		h.AddEntry(fakehost.Entry("salesforce", "https://other.example/mcp")) // of our name, and not ours
	}
	s := session(h, "admin-token")
	got, err := s.Publish(t.Context(), entry())
	if err != nil || !got.Created || got.ID == "" || got.Org.Slug != "acme" {
		t.Fatalf("%+v, %v", got, err)
	}
	again := entry()
	again.DisplayName = "Sales"
	updated, err := s.Publish(t.Context(), again)
	if err != nil || updated.Created || updated.ID != got.ID {
		t.Errorf("%+v, %v", updated, err)
	}
	entries := h.Entries()
	if len(entries) != 6 || entries[5]["display_name"] != "Sales" {
		t.Errorf("%v", entries)
	}
	// Two of the same endpoint: one is updated and the other is told of.
	h.AddEntry(fakehost.Entry("twin", endpoint))
	if got, err := s.Publish(t.Context(), entry()); err != nil || got.Others != 1 || len(h.Entries()) != 7 {
		t.Errorf("%+v, %v", got, err)
	}
	if n, err := s.Withdraw(t.Context(), endpoint); err != nil || n != 2 || len(h.Entries()) != 5 {
		t.Errorf("%d, %v", n, err)
	}
	// The name is another's.
	taken := entry()
	taken.Name = "salesforce"
	if _, err := s.Publish(t.Context(), taken); !Is(err, Conflict) {
		t.Errorf("%v", err)
	}
	// Somebody removes it between our look and our change.
	id := h.AddEntry(fakehost.Entry("gone", endpoint))
	h.SetBefore(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPatch {
			return false
		}
		http.Error(w, `{"error":"NOT_FOUND"}`, http.StatusNotFound)
		return true
	})
	if got, err := s.Publish(t.Context(), entry()); err != nil || !got.Created || got.ID == id {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestRoleIsCheckedHere: nothing is written for whom the host does not call an owner
// or admin, though the host would do it.
func TestRoleIsCheckedHere(t *testing.T) {
	const said = "Forbidden — you need catalog write rights in this org."
	for name, me := range map[string]string{
		"a member":        `{"id":"u","org":{"slug":"acme","role":{"slug":"org:member"}}}`,
		"no role":         `{"id":"u","org":{"slug":"acme"}}`,
		"no org":          `{"id":"u"}`,
		"a role of text":  `{"id":"u","org":{"role":"org:owner"}}`,
		"case":            `{"id":"u","org":{"role":{"slug":"ORG:OWNER"}}}`,
		"a workspace's":   `{"id":"u","role":{"slug":"org:owner"},"org":{"role":{"slug":""}}}`,
		"null":            `null`,
		"a list":          `[]`,
		"nobody":          `{"id":"","org":{"role":{"slug":"org:owner"}}}`,
		"cut":             `{"id":"u","org":{"role":{"slug":"org:owner"}}`,
		"two documents":   `{"id":"u","org":{"role":{"slug":"org:owner"}}}{}`,
		"an HTML page":    `<html>`,
		"an empty answer": ``,
	} {
		h := fakehost.New(t)
		h.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/me") {
				return false
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, me)
			return true
		}
		s := session(h, "owner-token")
		_, published := s.Publish(t.Context(), entry())
		_, withdrawn := s.Withdraw(t.Context(), endpoint)
		for _, err := range []error{published, withdrawn} {
			if !Is(err, Forbidden) && !Is(err, Unreadable) || Is(err, Forbidden) && err.Error() != said {
				t.Errorf("%s: %v", name, err)
			}
		}
		if writes(h) > 0 || len(h.Requests()) != 2 {
			t.Errorf("%s: %v", name, h.Requests())
		}
	}
	// Where the host does check, its refusal is said in the same words.
	h := fakehost.New(t)
	h.ChecksRoles = true
	h.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/me") {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"id":"u","org":{"role":{"slug":"org:owner"}}}`)
			return true
		}
		return false
	}
	if _, err := session(h, "member-token").Publish(t.Context(), entry()); !Is(err, Forbidden) || err.Error() != said {
		t.Errorf("%v", err)
	}
	if me, err := session(fakehost.New(t), "admin-token").Me(t.Context()); err != nil || !me.MayPublish() || me.Org.Slug != "acme" {
		t.Errorf("%+v, %v", me, err)
	}
}

// TestUnfriendly: whatever the host does is an error of a kind, and none has a token
// in it.
func TestUnfriendly(t *testing.T) {
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { elsewhere++ }))
	defer other.Close()
	status := func(code int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
			return true
		}
	}
	for name, c := range map[string]struct {
		before func(http.ResponseWriter, *http.Request) bool
		kind   Kind
	}{
		"401":                  {status(401, `{"message":"owner-token is over"}`), Unauthorized},
		"403":                  {status(403, `{"error":{"message":"owner-token may not"}}`), Forbidden},
		"404":                  {status(404, `{"error":"owner-token"}`), NotFound},
		"429":                  {status(429, ``), Limited},
		"500":                  {status(500, `{"message":"<script>`+strings.Repeat("x", 199)+`owner-token"}`), Failed},
		"502 of the edge":      {status(502, `<html>owner-token</html>`), Failed},
		"no list":              {status(200, `{"total":3}`), Unreadable},
		"two lists":            {status(200, `{"items":[],"results":[]}`), Unreadable},
		"a list of texts":      {status(200, `["owner-token"]`), Unreadable},
		"items without an id":  {status(200, `{"items":[{"name":"x"}]}`), Unreadable},
		"ids that are numbers": {status(200, `{"items":[{"id":7}]}`), Unreadable},
		"not JSON":             {status(200, `owner-token`), Unreadable},
		"cut off":              {status(200, `{"items":[{"id":"a"}`), Unreadable},
		"deep":                 {status(200, strings.Repeat("[", 100_000)), Unreadable},
		"a page of HTML": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, `[]`)
			return true
		}, Unreadable},
		"a huge page": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"items":["`+strings.Repeat("x", maxBody)+`"]}`)
			return true
		}, Unreadable},
		"a bomb": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, `["`)
			for range 64 {
				_, _ = io.WriteString(z, strings.Repeat(" ", 1<<20))
			}
			_ = z.Close()
			return true
		}, Unreadable},
		"pages without end": {func() func(http.ResponseWriter, *http.Request) bool {
			n := 0
			return func(w http.ResponseWriter, r *http.Request) bool {
				n++
				return status(200, fmt.Sprintf(`{"items":[{"id":"%d"}],"total":1000000}`, n))(w, r)
			}
		}(), Unreadable},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, other.URL+"/steal", http.StatusTemporaryRedirect)
			return true
		}, Failed},
		"hung up": {func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, Unreachable},
		"slow": {func(_ http.ResponseWriter, r *http.Request) bool {
			<-r.Context().Done()
			return true
		}, Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			h := fakehost.New(t)
			h.Before = c.before
			s := session(h, "owner-token")
			if name == "slow" {
				s.Platform.Timeout = 50 * time.Millisecond
			}
			_, err := s.Agents(t.Context(), "")
			if !Is(err, c.kind) {
				t.Errorf("%v, want %s", err, c.kind)
			}
			if text := fmt.Sprintf("%v %+v %#v", err, err, s); strings.Contains(text, "owner-token") || len(err.Error()) > 400 {
				t.Errorf("%s", text)
			}
		})
	}
	if elsewhere > 0 {
		t.Error("a redirect was followed")
	}
	var limited *Error
	h := fakehost.New(t)
	h.Before = status(429, "")
	if _, err := session(h, "owner-token").Me(t.Context()); !errors.As(err, &limited) || limited.RetryAfter != 7*time.Second {
		t.Errorf("%v", err)
	}
	// The host is not there, or the person has gone.
	s := Session{&Platform{API: "http://127.0.0.1:1/v2", HTTP: http.DefaultClient}, "owner-token"}
	if _, err := s.Me(t.Context()); !Is(err, Unreachable) {
		t.Errorf("%v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := session(fakehost.New(t), "owner-token").Me(gone); !Is(err, Unreachable) {
		t.Errorf("%v", err)
	}
}

// TestTokenThatIsNone: what cannot be a person's token is not sent.
func TestTokenThatIsNone(t *testing.T) {
	for _, token := range []string{"", "iak_acme_0001", "a b", "a\r\nX-Evil: 1", "é", strings.Repeat("x", 20_000)} {
		h := fakehost.New(t)
		if _, err := session(h, token).Me(t.Context()); !Is(err, Unauthorized) || len(h.Requests()) > 0 || token != "" && strings.Contains(err.Error(), token) {
			t.Errorf("%q: %v", token[:min(20, len(token))], err)
		}
	}
}

func TestAgents(t *testing.T) {
	h := fakehost.New(t)
	for i := range 230 {
		h.AddAgent(fakehost.Object{"name": fmt.Sprintf("Agent %d", i)})
	}
	same := []string{h.AddAgent(fakehost.Object{"name": "Sales"}), h.AddAgent(fakehost.Object{"_id": "other-id", "name": "Sales"})}
	h.AddAgent(fakehost.Object{"name": fakehost.Object{"fr": "Ventes"}, "description": "sells \x1b[31m\nall"})
	s := session(h, "member-token")
	all, err := s.Agents(t.Context(), "")
	if err != nil || len(all) != 233 {
		t.Fatalf("%d, %v", len(all), err)
	}
	if all[232].Name != "Ventes" || all[232].Description != "sells [31m all" {
		t.Errorf("%q", all[232])
	}
	found, err := s.Agents(t.Context(), " sALES ")
	if err != nil || len(found) != 2 || found[0].ID != same[0] || found[1].ID != "other-id" {
		t.Errorf("%v, %v", found, err)
	}
	if found, err := s.Agents(t.Context(), "OTHER-ID"); err != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
	if !slices.ContainsFunc(h.Requests(), func(r string) bool { return strings.Contains(r, "scope=own%2Cshared%2Cpublished") }) {
		t.Errorf("%v", h.Requests()[0])
	}
}

func TestInstall(t *testing.T) {
	h := fakehost.New(t)
	agent := h.AddAgent(fakehost.Object{"name": "Sales"})
	h.AddTool(agent, fakehost.Object{"name": "salesforce", "server": "https://old.example/mcp"})
	h.AddTool(agent, fakehost.Object{"name": "crm", "server": endpoint})
	h.AddTool(agent, fakehost.Object{"name": "files", "server": "https://files.example/mcp"})
	tool := Tool{Name: "salesforce", DisplayName: "Salesforce", Description: "x", Server: endpoint, Scope: "context_id,agent_id,user_id", HostToken: "host-secret"}
	s := session(h, "member-token")
	got, err := s.Install(t.Context(), agent, tool)
	if err != nil || got.ID == "" || !slices.Equal(got.Replaced, []string{"salesforce", "crm"}) {
		t.Fatalf("%+v, %v", got, err)
	}
	tools := h.Tools(agent)
	text, _ := json.Marshal(tools)
	var back []map[string]any
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{{"id": "id-4", "name": "files", "server": "https://files.example/mcp"},
		{"id": got.ID, "type": "mcp", "name": "salesforce", "display_name": "Salesforce", "description": "x", "server": endpoint,
			"scope": "context_id,agent_id,user_id", "headers": map[string]any{"Authorization": "Bearer host-secret"}}}
	if diff := cmp.Diff(want, back); diff != "" {
		t.Error(diff)
	}
	if again, err := s.Install(t.Context(), agent, tool); err != nil || len(h.Tools(agent)) != 2 || !slices.Equal(again.Replaced, []string{"salesforce"}) {
		t.Errorf("%+v, %v", again, err)
	}
	for _, id := range []string{"", ".", "..", "nobody", "../../../x", "a/b", "a?b"} {
		if _, err := s.Install(t.Context(), id, tool); !Is(err, NotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
	// What the host says of our token is not for anybody's eyes, cut or whole.
	h.SetBefore(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"message":"`+strings.Repeat("x", 195)+`host-secret"}`)
		return true
	})
	if _, err := s.Install(t.Context(), agent, tool); !Is(err, Failed) || strings.Contains(err.Error(), "host") && strings.Contains(err.Error(), "xhost") {
		t.Errorf("%v", err)
	}
	if text := fmt.Sprintf("%v %+v", tool, tool); strings.Contains(text, "host-secret") {
		t.Error(text)
	}
}
