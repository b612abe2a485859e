package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// visitor is a browser that is not led on.
func visitor(t *testing.T) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// setUp opens a link, and becomes who it is for.
func setUp(t *testing.T, client *http.Client, link, email string) *http.Response {
	t.Helper()
	at, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.PostForm(at.Scheme+"://"+at.Host+"/setup", url.Values{"ticket": {at.Query().Get("ticket")}, "email": {email}, "password": {"correct horse battery"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp
}

// status is that of a page.
func status(t *testing.T, client *http.Client, address string, header ...string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		switch header[i] {
		case "":
		case "Host":
			r.Host = cmp.Or(header[i+1], r.Host)
		default:
			r.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// TestConfigurationApp: the pages stand behind the guard of the server (attacks 1 and 2)
// and beside the endpoints of agents, which no cookie opens, and the demo's link makes
// their owner.
func TestConfigurationApp(t *testing.T) {
	demo := startDemo(t)
	origin, _, _ := strings.Cut(demo.MCP, "/w/")
	client := visitor(t)
	for _, tt := range []struct {
		path, header, value string
		want                int
	}{
		{"/", "", "", http.StatusSeeOther},
		{"/signin", "", "", http.StatusOK},
		{"/signin", "Host", "evil.example", http.StatusForbidden},
		{"/signin", "Origin", "https://evil.example", http.StatusForbidden},
		{"/assets/app.css", "", "", http.StatusOK},
		{"/w/demo/nothing", "", "", http.StatusNotFound},
		{"/oauth/nothing", "", "", http.StatusNotFound},
		{"/healthz", "", "", http.StatusOK},
	} {
		if got := status(t, client, origin+tt.path, tt.header, tt.value); got != tt.want {
			t.Errorf("%s with %s %s: %d, want %d", tt.path, tt.header, tt.value, got, tt.want)
		}
	}
	if resp := setUp(t, client, demo.Config, "ada@acme.example"); resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("the demo's link: %d", resp.StatusCode)
	}
	for path, want := range map[string]int{"/": http.StatusOK, "/workspaces/demo": http.StatusOK, "/platform/users": http.StatusOK, "/w/demo/approvals": http.StatusUnauthorized, "/w/demo/openapi.json": http.StatusUnauthorized} {
		if got := status(t, client, origin+path); got != want {
			t.Errorf("%s for the owner: %d, want %d", path, got, want)
		}
	}
	if resp := setUp(t, visitor(t), demo.Config, "eve@evil.example"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("the demo's link again: %d", resp.StatusCode)
	}
}

// TestSignInLink: a server offers a link while nobody can come in, and an operator who is
// locked out makes another beside it.
func TestSignInLink(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf("listen: 127.0.0.1:0\nallowLoopbackOrg: true\nworkspaces:\n  - name: a\n    profiles: [{name: desk, tokens: [%q], agent: [\"header:agent-id\"]}]\n", strings.Repeat("0", 64))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`(?m)^(http://127\.0\.0\.1:\d+)/setup\?ticket=[A-Z0-9]+$`)
	serve := func() (log *syncBuffer, origin string, stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		log, done := new(syncBuffer), make(chan error, 1)
		go func() { done <- run(ctx, []string{"serve", "--config", file}, os.Getenv, nil, new(syncBuffer), log) }()
		eventually(t, "a server", func() bool {
			select {
			case err := <-done:
				t.Fatalf("the server ends: %v", err)
			default:
			}
			_, after, ok := strings.Cut(log.String(), `"listen":"`)
			address, _, _ := strings.Cut(after, `"`)
			origin = "http://" + address
			return ok
		})
		return log, origin, func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	log, origin, stop := serve()
	first := link.FindString(log.String())
	if !strings.HasPrefix(first, origin+"/") {
		t.Fatalf("the server offers no link: %s", log)
	}
	if resp := setUp(t, visitor(t), first, "ada@acme.example"); resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("the link: %d", resp.StatusCode)
	}
	make := func(args ...string) string {
		t.Helper()
		out := new(syncBuffer)
		if err := run(t.Context(), append([]string{"signin-link", "--config", file}, args...), os.Getenv, nil, out, new(syncBuffer)); err != nil {
			t.Fatal(err)
		}
		_, path, _ := strings.Cut(out.String(), "/setup")
		return origin + "/setup" + strings.TrimSpace(path)
	}
	for _, tt := range []struct{ link, email string }{{make("--email", "Ada@acme.example"), ""}, {make(), "grace@acme.example"}} {
		client := visitor(t)
		if resp := setUp(t, client, tt.link, tt.email); resp.StatusCode != http.StatusSeeOther || status(t, client, origin+"/platform/users") != http.StatusOK {
			t.Errorf("a link of the command for %q: %d", tt.email, resp.StatusCode)
		}
	}
	if err := run(t.Context(), []string{"signin-link", "--config", file, "--email", "eve@evil.example"}, os.Getenv, nil, new(syncBuffer), new(syncBuffer)); err == nil {
		t.Error("a link for nobody is made")
	}
	stop()
	log, _, stop = serve()
	defer stop()
	if link.MatchString(log.String()) {
		t.Errorf("a server with users offers a link: %s", log)
	}
}

// TestNoConfigurationApp: there are no pages where they are turned off, or where cookies
// and passwords would go over http.
func TestNoConfigurationApp(t *testing.T) {
	for name, change := range map[string]func(*config.Config){
		"off":   func(c *config.Config) { c.App.Off = true },
		"plain": func(c *config.Config) { c.PublicURL = "http://sales.example" },
	} {
		w := newWorld(t, change)
		if got := status(t, visitor(t), w.origin+"/signin", "Host", map[string]string{"plain": "sales.example"}[name]); got != http.StatusNotFound {
			t.Errorf("%s: %d", name, got)
		}
		if name == "plain" && !strings.Contains(w.log.String(), "there is no configuration app") {
			t.Errorf("the log does not say why: %s", w.log)
		}
	}
}
