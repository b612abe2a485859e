package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/web"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

// discard is a store for tests that look at the edge only.
type discard struct{}

func (discard) Append(context.Context, []audit.Entry) error { return nil }

// newServer is the edge of a server behind https://sales.example, whose workspace
// w has the host token "token" and lets the agent reader read.
func newServer(t *testing.T, log *bytes.Buffer) *web.Server {
	t.Helper()
	gate, err := allowlist.NewGate(&allowlist.Workspace{
		Name: "w",
		Profiles: []*allowlist.Profile{{Name: "h", Tokens: []string{allowlist.HashToken("token")},
			Agent: []allowlist.Source{{Kind: allowlist.FromHeader, Name: "agent-id"}}}},
		Rules: []allowlist.Rule{{Agent: "reader", Preset: "read"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	journal := audit.NewJournal(discard{})
	t.Cleanup(journal.Close)
	logger := zerolog.New(log)
	server := &tools.Server{Table: tools.All, Gate: gate, Journal: journal, Log: logger}
	return &web.Server{MCP: tools.NewMCP(server, "t", "1"), Tools: server, Gate: gate,
		PublicURL: "https://sales.example", Origins: []string{"https://app.example/"}, MaxBody: 1 << 20,
		Ready: func(context.Context) error { return nil }, Log: logger}
}

// request is a tools/list by the agent reader.
func request() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://sales.example/w/w/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
	r.Header.Set("Authorization", "Bearer token")
	r.Header.Set("Agent-Id", "reader")
	r.Header.Set("Content-Type", "application/json")
	return r
}

// TestPublicURL: behind a public name, only that name and the pages of it and of
// the listed origins count.
func TestPublicURL(t *testing.T) {
	h := newServer(t, new(bytes.Buffer)).Handler()
	for _, tt := range []struct {
		host    string
		origins []string
		status  int
	}{
		{"sales.example", nil, 200},
		{"SALES.example:443", nil, 200},
		{"sales.example", []string{"https://sales.example"}, 200},
		{"sales.example", []string{"https://app.example"}, 200},
		{"localhost", nil, 403},
		{"127.0.0.1:8080", nil, 403},
		{"sales.example.evil", nil, 403},
		{"sales.example:8080", nil, 403},
		{"sales.example", []string{"http://sales.example"}, 403},
		{"sales.example", []string{"https://sales.example", "https://evil.example"}, 403},
		{"sales.example", []string{"https://app.example.evil"}, 403},
	} {
		r := request()
		r.Host = tt.host
		r.Header["Origin"] = tt.origins
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.status {
			t.Errorf("Host %s, Origin %v: %d, want %d", tt.host, tt.origins, w.Code, tt.status)
		}
	}
}

// TestTokens: one bearer token, once.
func TestTokens(t *testing.T) {
	h := newServer(t, new(bytes.Buffer)).Handler()
	for _, tt := range []struct {
		values []string
		status int
	}{
		{[]string{"Bearer token"}, 200},
		{[]string{"bearer  token"}, 200},
		{[]string{"Bearer token", "Bearer token"}, 401},
		{[]string{"Bearer other", "Bearer token"}, 401},
		{[]string{"token"}, 401},
		{nil, 401},
	} {
		r := request()
		r.Header["Authorization"] = tt.values
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.status {
			t.Errorf("%q: %d, want %d", tt.values, w.Code, tt.status)
		}
		if challenge := w.Header().Get("WWW-Authenticate"); (tt.status == 401) != strings.HasPrefix(challenge, "Bearer ") {
			t.Errorf("%q: the challenge is %q", tt.values, challenge)
		}
	}
}

// TestInvalidIdentity: who names itself wrongly is shown nothing.
func TestInvalidIdentity(t *testing.T) {
	h := newServer(t, new(bytes.Buffer)).Handler()
	for agents, shown := range map[string]bool{"reader": true, "reader ": false, "reader,reader": false, "rea\u200bder": false, "Reader": false} {
		r := request()
		r.Header.Set("Agent-Id", agents)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if strings.Contains(w.Body.String(), `"records"`) != shown {
			t.Errorf("%q: %s", agents, w.Body)
		}
	}
	r := request()
	r.Header["Agent-Id"] = []string{"reader", "other"}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if strings.Contains(w.Body.String(), `"records"`) {
		t.Errorf("two agents: %s", w.Body)
	}
}

// TestSecurityLog: refusals are logged, with a bound on how many strangers can
// cause.
func TestSecurityLog(t *testing.T) {
	log := new(bytes.Buffer)
	h := newServer(t, log).Handler()
	smuggled := request()
	smuggled.Body = http.NoBody
	h.ServeHTTP(httptest.NewRecorder(), smuggled)
	if !strings.Contains(log.String(), `"log":"security","refused":"message"`) {
		t.Errorf("a message that is no JSON leaves %q", log)
	}
	for range 1000 {
		r := request()
		r.Header.Set("Authorization", "Bearer wrong")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if n := strings.Count(log.String(), "\n"); n < 2 || n > 40 {
		t.Errorf("1000 refusals left %d lines", n)
	}
}

// TestReady follows the journal.
func TestReady(t *testing.T) {
	s := newServer(t, new(bytes.Buffer))
	for _, err := range []error{nil, errors.New("disk gone: /secret/path")} {
		s.Ready = func(context.Context) error { return err }
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if (w.Code == http.StatusOK) != (err == nil) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%v: %d %s", err, w.Code, w.Body)
		}
	}
}

// TestModernStreams: streams cannot be resumed in 2026-07-28.
func TestModernStreams(t *testing.T) {
	h := newServer(t, new(bytes.Buffer)).Handler()
	r := request()
	r.Body = io.NopCloser(strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`))
	for name, value := range map[string]string{"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list", "Last-Event-Id": "7"} {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "-32020") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestHTTP: the limits that keep slow and idle clients from holding on.
func TestHTTP(t *testing.T) {
	srv := web.HTTP(http.NotFoundHandler(), time.Minute, zerolog.Nop())
	if srv.MaxHeaderBytes <= 0 || srv.MaxHeaderBytes > 1<<20 {
		t.Errorf("headers are bounded to %d bytes", srv.MaxHeaderBytes)
	}
	if srv.WriteTimeout <= time.Minute {
		t.Errorf("a call of a minute is cut off after %v", srv.WriteTimeout)
	}
}

// orgAt is an org with a token that never changes.
type orgAt struct {
	client *salesforce.Client
	url    string
}

func (o orgAt) Connect(_ context.Context, _ allowlist.Caller, sent func(salesforce.Exchange)) (tools.Org, error) {
	return &salesforce.Org{Client: o.client, Credentials: o, Sent: sent}, nil
}
func (o orgAt) Token(context.Context) (salesforce.Token, error) {
	return salesforce.Token{AccessToken: "00D!x", InstanceURL: o.url}, nil
}
func (o orgAt) Drop(salesforce.Token) {}

// serve serves HTTP for an org: an agent may do all, nobody waits for long.
func serve(t *testing.T, org string, maxUpload int64) *httptest.Server {
	t.Helper()
	s := newServer(t, new(bytes.Buffer))
	gate, err := allowlist.NewGate(&allowlist.Workspace{Name: "w", Rules: []allowlist.Rule{{Agent: "reader", Preset: "all"}},
		Profiles: []*allowlist.Profile{{Name: "h", Tokens: []string{allowlist.HashToken("token")}, Agent: []allowlist.Source{{Kind: allowlist.FromHeader, Name: "agent-id"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	s.PublicURL, s.Gate, s.Patience, s.MaxUpload = "", gate, 100*time.Millisecond, maxUpload
	client := salesforce.New(salesforce.Options{Hosts: salesforce.Hosts{Loopback: true}})
	t.Cleanup(client.Close)
	s.Tools.Gate, s.Tools.Orgs = gate, orgAt{client, org}
	served := httptest.NewServer(s.Handler())
	t.Cleanup(served.Close)
	return served
}

// TestSlowClients (attack 4, for bodies that are streamed): who sends or takes
// nothing for a while loses the connection, and the org is left in peace.
func TestSlowClients(t *testing.T) {
	ended := make(chan error, 2)
	org := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPut:
			_, err := io.Copy(io.Discard, r.Body)
			ended <- err
		case http.MethodGet:
			if !strings.HasSuffix(r.URL.Path, "Results/") {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"state":"Open"}`)
				return
			}
			w.Header().Set("Content-Type", "text/csv")
			var err error
			for err == nil {
				_, err = w.Write(bytes.Repeat([]byte("001\n"), 1<<16))
			}
			ended <- err
		}
	}))
	t.Cleanup(org.Close)
	served := serve(t, org.URL, 1<<30)

	for name, request := range map[string]string{
		"sends nothing": "POST /w/w/instructions/uploadIngestData?jobId=7505g00000QwErTAAV HTTP/1.1\r\nContent-Type: text/csv\r\nContent-Length: 1000\r\n",
		"takes nothing": "POST /w/w/instructions/getIngestFailed HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 30\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", served.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_, err = io.WriteString(conn, request+"Host: localhost\r\nAuthorization: Bearer token\r\nAgent-Id: reader\r\n\r\n"+`{"jobId":"7505g00000QwErTAAV"}`)
			if err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if err == nil {
					t.Error("the org saw a whole body")
				}
			case <-time.After(10 * time.Second):
				t.Error("the org still waits")
			}
		})
	}
}

// TestEarlyAnswer: when the org answers before it has the whole body, the body is
// not read any more once its request is answered, however the client goes on. The
// race detector finds it otherwise.
func TestEarlyAnswer(t *testing.T) {
	org := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(w, `{"state":"Open"}`)
	}))
	t.Cleanup(org.Close)
	served := serve(t, org.URL, 600<<10)
	answered := 0
	for range 50 {
		body, client := io.Pipe()
		go func() {
			for n := 0; n < 100; n++ { // more than may be uploaded
				if _, err := client.Write(make([]byte, 8<<10)); err != nil {
					return
				}
			}
			_ = client.Close()
		}()
		r, err := http.NewRequest(http.MethodPost, served.URL+"/w/w/instructions/uploadIngestData?jobId=7505g00000QwErTAAV", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Authorization": {"Bearer token"}, "Agent-Id": {"reader"}, "Content-Type": {"text/csv"}}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			continue // it was still sending when the connection closed
		}
		_ = resp.Body.Close()
		if answered++; resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%d", resp.StatusCode)
		}
	}
	if answered == 0 {
		t.Error("nothing was answered")
	}
}

// TestServerErrorsAreLogged: what net/http has to say is a line of the log.
func TestServerErrorsAreLogged(t *testing.T) {
	lines, log := io.Pipe()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("out of cheese") }))
	srv.Config = web.HTTP(srv.Config.Handler, time.Minute, zerolog.New(log))
	srv.Start()
	t.Cleanup(srv.Close)
	go func() { _, _ = http.Get(srv.URL) }() // it is cut off
	var line struct{ Level, Message string }
	if err := json.NewDecoder(lines).Decode(&line); err != nil || line.Level != "warn" || !strings.Contains(line.Message, "out of cheese") {
		t.Errorf("%+v, %v", line, err)
	}
}
