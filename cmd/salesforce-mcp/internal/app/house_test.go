package app

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/crypto/argon2"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
	"salesforce-mcp/tools"
)

// A house is the app over a real database and real HTTP, with some people in it. Its
// workspaces are demo and other.
type house struct {
	t       *testing.T
	app     *App
	store   *store.Store
	journal *audit.Journal
	origin  string
	tls     bool
	client  *http.Client // of the test server
	log     *lockedBuffer
	serving http.Handler
	mu      sync.Mutex
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const (
	testWorkspace = "demo"
	goodPassword  = "correct horse battery staple"
)

// goodHash is that of goodPassword, made with less effort than those of the program,
// which are slow on purpose.
var goodHash = sync.OnceValue(func() string {
	encode := base64.RawStdEncoding.EncodeToString
	salt := []byte("salt of the tests")
	return fmt.Sprintf("$argon2id$v=%d$m=64,t=1,p=1$%s$%s", argon2.Version, encode(salt), encode(argon2.IDKey([]byte(goodPassword), salt, 1, 64, 1, 32)))
})

// everybody are the people of a house, by what they are.
var everybody = map[string]users.Roles{
	"owner":          {Platform: users.Owner},
	"platform-admin": {Platform: users.PlatformAdmin},
	"admin":          {Workspaces: map[string][]users.Role{testWorkspace: {users.Admin}}},
	"approver":       {Workspaces: map[string][]users.Role{testWorkspace: {users.Approver}}},
	"auditor":        {Workspaces: map[string][]users.Role{testWorkspace: {users.Auditor}}},
	"neighbour":      {Workspaces: map[string][]users.Role{"other": {users.Admin, users.Approver, users.Auditor}}},
	"nobody":         {},
}

func newHouse(t *testing.T, change ...func(*App)) *house {
	t.Helper()
	h := &house{t: t, log: new(lockedBuffer)}
	st, err := store.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h.store, h.journal = st, audit.NewJournal(st)
	t.Cleanup(func() {
		h.journal.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	for name, roles := range everybody {
		if err := users.Add(t.Context(), st, users.User{ID: "id-" + name, Email: name + "@acme.example", Name: name, Given: roles, Password: goodHash(), Created: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		serving := h.serving
		h.mu.Unlock()
		serving.ServeHTTP(w, r)
	}))
	h.app = &App{Log: zerolog.New(h.log), Version: "test", Users: st, Attempts: st, Sessions: st, Links: st, Journal: h.journal, Tools: &tools.Server{Approvals: st}, Runs: st,
		Names: func(context.Context) ([]string, error) { return []string{testWorkspace, "other"}, nil },
		Source: func(r *http.Request) string {
			if from := r.Header.Get("X-Test-Source"); from != "" {
				return from
			}
			return "198.51.100.1/32"
		}}
	for _, change := range change {
		change(h.app)
	}
	if h.app.PublicURL == "https:" {
		server.StartTLS()
		h.app.PublicURL, h.tls = server.URL, true
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	h.origin, h.client = server.URL, server.Client()
	h.restart()
	return h
}

// restart serves from the same database as another process would. What tests do beside
// the pages are: sign somebody in without the time that a password takes, and let the
// proof of a session grow old.
func (h *house) restart() {
	next := h.app.handler(append(routes(), route{"POST /test/age", signedIn, func(r *request) error {
		h.app.sessions.Put(r.Context(), inProved, time.Now().Add(-proofLife-time.Second).Unix())
		return r.redirect("/", "")
	}}, route{"POST /test/as", anyone, func(r *request) error {
		u, _, err := h.store.UserByEmail(r.Context(), r.FormValue("who")+"@acme.example")
		if err != nil {
			return err
		}
		if err := h.app.begin(r.Context(), u); err != nil {
			return err
		}
		return r.redirect("/", "")
	}}))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.serving = next
}

// entries are the audit entries of the server, the newest first.
func (h *house) entries(workspace string) []audit.Entry {
	h.t.Helper()
	all, err := h.store.List(h.t.Context(), audit.Query{Workspace: workspace, Limit: 1000})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

// A browser keeps cookies, and says where its forms come from.
type browser struct {
	h      *house
	jar    http.CookieJar
	header http.Header // of every request
}

func (h *house) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &browser{h: h, jar: jar, header: http.Header{}}
}

// An answer is what a browser was answered, without being led on.
type answer struct {
	status int
	header http.Header
	body   string
}

// to is where the browser is led.
func (a answer) to() string { return a.header.Get("Location") }

func (b *browser) get(path string) answer { return b.send(http.MethodGet, path, nil) }

func (b *browser) post(path string, form url.Values) answer {
	if form == nil {
		form = url.Values{}
	}
	return b.send(http.MethodPost, path, form)
}

// send sends a request to this house, or with a whole URL to another server.
func (b *browser) send(method, path string, form url.Values, header ...string) answer {
	t := b.h.t
	t.Helper()
	if strings.HasPrefix(path, "/") {
		path = b.h.origin + path
	}
	r, err := http.NewRequestWithContext(t.Context(), method, path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range b.header {
		r.Header[name] = values
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", r.URL.Scheme+"://"+r.URL.Host)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			r.Header.Del(header[i])
		}
	}
	client := http.Client{Transport: b.h.client.Transport, Jar: b.jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// cookie is the value of a cookie of this house that the browser has; "" for none.
func (b *browser) cookie(name string) string {
	at, err := url.Parse(b.h.origin)
	if err != nil {
		b.h.t.Fatal(err)
	}
	for _, c := range b.jar.Cookies(at) {
		if c.Name == b.h.app.cookieName(name) {
			return c.Value
		}
	}
	return ""
}

// carry gives the browser a session that another one had.
func (b *browser) carry(session string) {
	at, err := url.Parse(b.h.origin)
	if err != nil {
		b.h.t.Fatal(err)
	}
	b.jar.SetCookies(at, []*http.Cookie{{Name: b.h.app.cookieName("session"), Value: session, Path: "/", Secure: b.h.tls}})
}

// signIn sends the form of the sign-in page.
func (b *browser) signIn(who, password string) answer {
	b.h.t.Helper()
	return b.post("/signin", url.Values{"email": {who + "@acme.example"}, "password": {password}})
}

// as is a browser in which one of everybody is signed in.
func (h *house) as(who string) *browser {
	h.t.Helper()
	b := h.browser()
	if a := b.post("/test/as", url.Values{"who": {who}}); a.status != http.StatusSeeOther || a.to() != "/" {
		h.t.Fatalf("%s is not signed in: %d %s", who, a.status, a.body)
	}
	return b
}

// in reports whether somebody is signed in.
func (b *browser) in() bool {
	b.h.t.Helper()
	return b.get("/account").status == http.StatusOK
}

// mustUser is one of everybody, as they are kept.
func mustUser(t *testing.T, h *house, who string) users.User {
	t.Helper()
	u, ok, err := h.store.UserByID(t.Context(), "id-"+who)
	if err != nil || !ok {
		t.Fatalf("%s: %t, error %v", who, ok, err)
	}
	return u
}
