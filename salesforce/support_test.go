package salesforce

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// minter is Credentials that mint token-1, token-2, … as they are dropped.
type minter struct {
	mu      sync.Mutex
	url     string
	n       int
	dropped []string
}

func (m *minter) Token(context.Context) (Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.n == 0 {
		m.n = 1
	}
	return Token{AccessToken: Secret(fmt.Sprintf("token-%d", m.n)), InstanceURL: m.url}, nil
}

func (m *minter) Drop(t Token) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropped = append(m.dropped, t.AccessToken.Reveal())
	if t.AccessToken.Reveal() == fmt.Sprintf("token-%d", m.n) {
		m.n++
	}
}

// served is what a test server saw.
type served struct {
	mu       sync.Mutex
	requests []*http.Request // bodies are read, see bodies
	bodies   []string
}

func (s *served) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// record keeps the request and returns its number, counted from 1.
func (s *served) record(r *http.Request) int {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	s.bodies = append(s.bodies, string(body))
	return len(s.requests)
}

// script answers the n-th request with the n-th handler; the last one also
// answers all later requests.
func (s *served) script(handlers ...http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := s.record(r)
		handlers[min(n, len(handlers))-1](w, r)
	})
}

// newOrg serves a script over TCP and returns an org that talks to it.
func newOrg(t testing.TB, o Options, handlers ...http.HandlerFunc) (*Org, *served) {
	t.Helper()
	seen := &served{}
	server := httptest.NewServer(seen.script(handlers...))
	t.Cleanup(server.Close)
	o.Hosts.Loopback = true
	client := New(o)
	t.Cleanup(client.Close)
	return &Org{Client: client, Credentials: &minter{url: server.URL}}, seen
}

// newTimedOrg is newOrg over connections in memory, for tests that run in a
// synctest bubble, where time passes only when everybody waits. A dial for
// which refuse returns true is refused.
func newTimedOrg(t testing.TB, o Options, refuse func() bool, handler http.Handler) *Org {
	t.Helper()
	listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Hour}
	go func() { _ = server.Serve(listener) }()
	o.Hosts.Loopback = true
	client := New(o)
	transport := client.http.Transport.(*http.Transport)
	transport.DisableKeepAlives = true // so that every exchange dials
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		if refuse != nil && refuse() {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}
		ours, theirs := net.Pipe()
		listener.conns <- theirs
		return ours, nil
	}
	t.Cleanup(func() {
		_ = server.Close()
		client.Close()
	})
	return &Org{Client: client, Credentials: &minter{url: "http://127.0.0.1:1"}}
}

// pipes is a net.Listener of in-memory connections.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// reply answers with a status, a body and header pairs.
func reply(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// cut ends the connection without an answer.
func cut(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

// cutInside ends the connection in the middle of a body.
func cutInside(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"half\":")
		_ = conn.Close()
	}
}

// Answers of the platform and of its edge.
var (
	okay          = reply(200, `{"ok":true}`)
	expired       = reply(401, `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]`)
	expiredObject = reply(401, `{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}`)
	locked        = reply(400, `[{"message":"unable to obtain exclusive access to this record","errorCode":"UNABLE_TO_LOCK_ROW"}]`)
	unavailable   = reply(503, `[{"message":"Server is busy","errorCode":"SERVER_UNAVAILABLE"}]`)
	unknown       = reply(500, `[{"message":"An unexpected error occurred","errorCode":"UNKNOWN_EXCEPTION"}]`)
	concurrent    = reply(403, `[{"message":"ConcurrentRequests (Concurrent API Requests) Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`)
	daily         = reply(403, `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`)
	edge503       = reply(503, "<html><head><title>Down for maintenance</title></head></html>", "Content-Type", "text/html")
	edge502       = reply(502, "Bad Gateway", "Content-Type", "text/plain")
	edge420       = reply(420, "<html><body>no route</body></html>", "Content-Type", "text/html")
	gone          = reply(404, `[{"message":"entity is deleted","errorCode":"ENTITY_IS_DELETED","fields":[]}]`)
	wrong         = reply(400, `[{"message":"No such column 'Foo'","errorCode":"INVALID_FIELD","fields":["Foo"]}]`)
)
