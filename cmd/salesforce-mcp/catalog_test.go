package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/host"
)

// TestCatalogForWhom: hosts that pull see what is for everybody and what is for them,
// and nothing names a workspace that is not in the catalog.
func TestCatalogForWhom(t *testing.T) {
	w := newWorld(t, func(c *config.Config) {
		c.Workspaces[0].Catalog = &config.Catalog{Public: true, DisplayName: "Public one"}
		c.Workspaces[1].Catalog = &config.Catalog{}
		quiet := c.Workspaces[0]
		quiet.Name, quiet.Catalog = "quiet", nil
		unlisted := quiet
		unlisted.Name, unlisted.Catalog = "quiet-too", &config.Catalog{Unlisted: true}
		c.Workspaces = append(c.Workspaces, quiet, unlisted)
	})
	get := func(token string) (int, []string, string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, w.origin+"/catalog", nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		status, text := w.do(r)
		var answer struct{ Items []host.Entry }
		if status == http.StatusOK {
			if err := json.Unmarshal([]byte(text), &answer); err != nil {
				t.Fatal(err)
			}
		}
		var found []string
		for _, e := range answer.Items {
			found = append(found, strings.TrimPrefix(e.Endpoint(), w.origin))
		}
		for _, never := range []string{"quiet", "token-a", "token-b", "PRIVATE", "demo@", "client"} {
			if strings.Contains(text, never) {
				t.Errorf("with %q there is %s in %s", token, never, text)
			}
		}
		return status, found, text
	}
	for token, want := range map[string][]string{"": {"/w/a/mcp"}, "token-a": {"/w/a/mcp"}, "token-b": {"/w/a/mcp", "/w/b/mcp"}} {
		if status, got, text := get(token); status != http.StatusOK || !slices.Equal(got, want) {
			t.Errorf("%q: %d %v, want %v\n%s", token, status, got, want, text)
		}
	}
	for _, token := range []string{"token-c", "x y", "…"} {
		if status, got, text := get(token); status != http.StatusUnauthorized || got != nil || strings.Contains(text, "/w/") {
			t.Errorf("%q: %d %s", token, status, text)
		}
	}
	// Who guesses on is not looked at.
	last := 0
	for range 40 {
		last, _, _ = get("guess")
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("after 40 guesses: %d", last)
	}
	if status, got, _ := get("token-b"); status != http.StatusOK || len(got) != 2 {
		t.Errorf("a token that was good: %d %v", status, got)
	}
	if status, text := w.do(mustRequest(t, http.MethodPost, w.origin+"/catalog")); status == http.StatusOK {
		t.Errorf("POST: %d %s", status, text)
	}
}

func mustRequest(t *testing.T, method, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
