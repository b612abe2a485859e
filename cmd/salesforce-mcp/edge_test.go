package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"salesforce-mcp/cmd/salesforce-mcp/internal/web"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/tools"
)

// The tests of this file are attacks 1 to 11 of the security catalogue. Each
// fails without its defence.

// TestForeignOrigin (attack 1): a web page of another origin gets nowhere.
func TestForeignOrigin(t *testing.T) {
	w := newWorld(t)
	for _, origin := range []string{"null", "https://evil.example", w.origin + ".evil.example", "http://127.0.0.1:1", "https://localhost.evil.example",
		"http://127.0.0.1@evil.example", "file://", "", " ", "HTTPS://EVIL.EXAMPLE", "http://xn--l-fda.example", w.origin + ", https://evil.example"} {
		for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete, http.MethodOptions} {
			r := w.request(query(1, 1))
			r.Method = method
			r.Header["Origin"] = []string{origin}
			if status, body := w.do(r); status != http.StatusForbidden {
				t.Errorf("%s from %q: %d %s, want 403", method, origin, status, body)
			}
		}
	}
	if !strings.Contains(w.log.String(), `"refused":"origin"`) {
		t.Error("the security log has no refused origin")
	}
	r := w.request(query(1, 1))
	r.Header.Set("Origin", w.origin)
	if status, body := w.do(r); status != http.StatusOK {
		t.Errorf("from our own origin: %d %s", status, body)
	}
	r = w.request("")
	r.Method = http.MethodOptions
	r.Header.Del("Authorization")
	r.Header.Set("Origin", w.origin)
	r.Header.Set("Access-Control-Request-Headers", "authorization,agent-id")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent || resp.Header.Get("Access-Control-Allow-Origin") != w.origin || resp.Header.Get("Access-Control-Allow-Headers") != "authorization,agent-id" {
		t.Errorf("a preflight of our own origin: %d %v", resp.StatusCode, resp.Header)
	}
	if got := w.sent(); got != 1 {
		t.Errorf("%d requests reached the org, want 1", got)
	}
}

// TestForeignHost (attack 2): a name that an attacker rebinds to us is not ours.
func TestForeignHost(t *testing.T) {
	w := newWorld(t)
	port := w.origin[strings.LastIndexByte(w.origin, ':'):]
	for _, host := range []string{"evil.test", "evil.test" + port, "localhost.evil.test", "127.0.0.1.evil.test" + port, "10.0.0.1" + port, "[::2]" + port} {
		for _, forwarded := range []string{"", "localhost"} {
			r := w.request(query(1, 1))
			r.Host = host
			if forwarded != "" {
				r.Header.Set("X-Forwarded-Host", forwarded)
			}
			if status, _ := w.do(r); status != http.StatusForbidden {
				t.Errorf("Host %s: %d, want 403", host, status)
			}
		}
	}
	for _, host := range []string{"localhost" + port, "127.0.0.1" + port, "[::1]" + port, "LOCALHOST"} {
		r := w.request(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
		r.Host = host
		if status, _ := w.do(r); status != http.StatusOK {
			t.Errorf("Host %s: %d, want 200", host, status)
		}
	}
}

// TestSmuggledKeys (attack 3): no second reading of a message runs anything.
func TestSmuggledKeys(t *testing.T) {
	w := newWorld(t)
	admin := `"params":{"name":"records","arguments":{"action":"delete","sObjectName":"Account","recordId":"001Sm0000000001IAA"}}`
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call",` + admin + `}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/list","METHOD":"tools/call",` + admin + `}`,
		`{"jsonrpc":"2.0","id":1,"METHOD":"tools/call",` + admin + `}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query"},` + strings.Replace(admin, "params", "param"+"ſ", 1) + `}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","Name":"records","arguments":{}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","name\u0000":"records"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"records","arguments":{"action":"get","action":"delete"}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"records","arguments":{"action":"create","body":{"Name":"a","name":"b"}}}}`,
	} {
		if status, answer := w.post(body); status != http.StatusBadRequest || !strings.Contains(answer, `"error"`) {
			t.Errorf("%s: %d %s, want 400 and a JSON-RPC error", body, status, answer)
		}
	}
	if n := w.sent(); n != 0 {
		t.Errorf("%d requests reached the org", n)
	}
}

// TestSlowClient and TestLargeBody (attack 4): nobody holds much of the server.
func TestSlowClient(t *testing.T) {
	w := newWorld(t)
	srv := web.HTTP(w.app.handler(), time.Second, w.app.log)
	for name, limit := range map[string]time.Duration{"header": srv.ReadHeaderTimeout, "body": srv.ReadTimeout, "answer": srv.WriteTimeout, "idle": srv.IdleTimeout} {
		if limit <= 0 || limit > 5*time.Minute {
			t.Errorf("the time for the %s is not bounded: %v", name, limit)
		}
	}
	srv.ReadHeaderTimeout, srv.ReadTimeout = 100*time.Millisecond, 200*time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = srv.Serve(l) }()
	defer func() { _ = srv.Close() }()
	for name, begun := range map[string]string{
		"header": "POST /w/a/mcp HTTP/1.1\r\nHost: local",
		"body":   "POST /w/a/mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token-a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
	} {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, begun); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.ReadAll(conn); err != nil {
			t.Errorf("a slow %s keeps its connection: %v", name, err)
		}
		_ = conn.Close()
	}
}

func TestLargeBody(t *testing.T) {
	w := newWorld(t)
	status, body := w.post(`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"` + strings.Repeat("x", tools.MaxMessage) + `"}}`)
	if status != http.StatusRequestEntityTooLarge || !strings.Contains(body, "1048576") {
		t.Errorf("%d %s, want 413 and the limit", status, body)
	}
	if status, _ := w.post(`{"jsonrpc":"2.0","id":1,"method":"ping"}`); status != http.StatusOK {
		t.Errorf("afterwards: %d", status)
	}
}

// TestBadJSON (attack 5).
func TestBadJSON(t *testing.T) {
	w := newWorld(t)
	for _, body := range []string{
		"", "{", "nul", `"x"`, "{}", `{"jsonrpc":"2.0"}`, strings.Repeat("[", 20000), strings.Repeat(`{"a":`, 20000),
		`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}}`,
		`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\ud800"}}`,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"a\":\"\xff\xfe\"}}",
		`{"jsonrpc":"2.0","id":1,"method":"ping"} {}`,
		`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`,
	} {
		if status, answer := w.post(body); status != http.StatusBadRequest || !json.Valid([]byte(answer)) {
			t.Errorf("%.60q: %d %.200s, want 400 and JSON", body, status, answer)
		}
	}
	id := "123456789012345678901234567890"
	if status, answer := w.post(`{"jsonrpc":"2.0","id":` + id + `,"method":"ping"}`); status != http.StatusOK || !strings.Contains(answer, `"id":`+id) {
		t.Errorf("a huge id: %d %s, want it back as it was", status, answer)
	}
	if status, answer := w.post(call(1, "versions", map[string]any{"action": "getRecent", "limit": json.Number("1e999999")})); status != http.StatusBadRequest || strings.Contains(answer, "Go ") {
		t.Errorf("a huge number: %d %s", status, answer)
	}
}

// TestEqualIDs (attack 6): many clients with the same JSON-RPC id at once each
// get their own answer, which carries the client's nonce.
func TestEqualIDs(t *testing.T) {
	w := newWorld(t)
	var clients sync.WaitGroup
	for n := range 24 {
		clients.Go(func() {
			nonce := fmt.Sprintf("nonce-%d-", n)
			w.post(call(1, "records", map[string]any{"action": "create", "sObjectName": "Lead", "body": map[string]any{"LastName": nonce, "Company": "C"}}))
			mine := call(1, "query", map[string]any{"action": "soql", "q": "SELECT LastName FROM Lead WHERE LastName = '" + nonce + "'"})
			for range 20 {
				if _, answer := w.post(mine); !strings.Contains(answer, `1,"result"`) || !strings.Contains(answer, nonce) || strings.Count(answer, "nonce-") != strings.Count(answer, nonce) {
					t.Errorf("client %d got %.200s", n, answer)
				}
			}
		})
	}
	clients.Wait()
}

// TestSessionID (attacks 7 and 8): there is no session that could be stolen or
// resumed.
func TestSessionID(t *testing.T) {
	w := newWorld(t)
	resp, err := http.DefaultClient.Do(w.request(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if id := resp.Header.Get("Mcp-Session-Id"); id != "" {
		t.Errorf("a session id %q was given out", id)
	}
	r := w.request(query(1, 1))
	r.Header.Set("Mcp-Session-Id", "stolen")
	r.Header.Set("Authorization", "Bearer token-of-nobody")
	if status, _ := w.do(r); status != http.StatusUnauthorized {
		t.Errorf("a session id instead of a token: %d, want 401", status)
	}
	r = w.request("")
	r.Method = http.MethodGet
	r.Header.Set("Last-Event-ID", "1")
	if status, _ := w.do(r); status != http.StatusMethodNotAllowed {
		t.Errorf("resuming a stream: %d, want 405", status)
	}
}

// TestForeignRequests (attack 9, and the leaks of mcp-go): nobody cancels,
// watches or lists what another does, not even with the same id.
func TestForeignRequests(t *testing.T) {
	w := newWorld(t)
	w.org.org.Inject(fakeorg.Fault{Path: "/query", DelayMS: 300})
	answered := make(chan string, 1)
	go func() {
		_, answer := w.post(query(1, 1))
		answered <- answer
	}()
	eventually(t, "the call", func() bool { return len(w.entries("a")) == 1 })
	for _, method := range []string{"notifications/cancelled", "tasks/list", "tasks/result", "tasks/cancel", "logging/setLevel"} {
		r := w.request(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{"requestId":1,"taskId":"1","level":"debug"}}`, method))
		if method == "notifications/cancelled" {
			r = w.request(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
		}
		r.URL.Path = "/w/b/mcp"
		r.Header.Set("Authorization", "Bearer token-b")
		status, answer := w.do(r)
		if method == "notifications/cancelled" && (status != http.StatusAccepted || answer != "") {
			t.Errorf("%s: %d %q, want 202 and nothing", method, status, answer)
		}
		if method != "notifications/cancelled" && !strings.Contains(answer, "-32601") {
			t.Errorf("%s: %d %s, want method not found", method, status, answer)
		}
	}
	if answer := <-answered; !strings.Contains(answer, "totalSize: 1") {
		t.Errorf("the call of workspace a: %s", answer)
	}
}

// TestRequestSmuggling (attack 10): requests that proxies could read otherwise
// are refused whole.
func TestRequestSmuggling(t *testing.T) {
	w := newWorld(t)
	head := "POST /w/a/mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token-a\r\nContent-Type: application/json\r\n"
	for name, raw := range map[string]string{
		"two lengths":      head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
		"unknown encoding": head + "Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"folded header":    head + "X-A: 1\r\n 2\r\nContent-Length : 2\r\n\r\n{}",
		"space in header":  head + "Content-Length : 2\r\n\r\n{}",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.origin, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, raw); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode < 400 || resp.StatusCode == http.StatusUnauthorized {
			t.Errorf("%s: %v %v, want it refused", name, resp, err)
		}
		_ = conn.Close()
	}
	// Both a length and chunks: the chunks count, the length is dropped, and
	// what follows on the connection is not taken for another request.
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.origin, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	hidden := "POST /w/a/mcp HTTP/1.1\r\nHost: localhost\r\n\r\n"
	if _, err := io.WriteString(conn, head+"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"+hidden); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	answers, _ := io.ReadAll(conn) // ends when the server closes
	if n := strings.Count(string(answers), "HTTP/1.1 "); n != 1 || !strings.HasPrefix(string(answers), "HTTP/1.1 400") {
		t.Errorf("%d answers: %.300s, want one 400 and a closed connection", n, answers)
	}
}

// TestWrongToken: what is answered does not tell a wrong token from a wrong
// workspace, and a token of one workspace is nothing in another.
func TestWrongToken(t *testing.T) {
	w := newWorld(t)
	var answers []string
	for _, try := range []struct{ path, token string }{{"/w/a/mcp", "Bearer token-b"}, {"/w/a/mcp", ""}, {"/w/a/mcp", "Bearer "}, {"/w/a/mcp", "Basic token-a"}, {"/w/none/mcp", "Bearer token-a"}} {
		r := w.request(query(1, 1))
		r.URL.Path = try.path
		r.Header.Set("Authorization", try.token)
		if try.token == "" {
			r.Header.Del("Authorization")
		}
		status, body := w.do(r)
		answers = append(answers, body)
		if status != http.StatusUnauthorized || body != answers[0] {
			t.Errorf("%+v: %d %s", try, status, body)
		}
	}
	if n := w.sent(); n != 0 {
		t.Errorf("%d requests reached the org", n)
	}
	if log := w.log.String(); strings.Contains(log, "token-b") || !strings.Contains(log, `"refused":"token"`) {
		t.Errorf("security log: %s", log)
	}
}
