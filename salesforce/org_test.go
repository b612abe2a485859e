package salesforce

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// errorOf does a request that must fail.
func errorOf(t *testing.T, o *Org, r *Request) *Error {
	t.Helper()
	response, err := o.Do(t.Context(), r)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%s %s = %+v, %v; want an *Error", r.Method, r.Path, response, err)
	}
	return e
}

func TestDoSendsRequest(t *testing.T) {
	org, seen := newOrg(t, Options{}, reply(201, `{"id":"x"}`, "X-SFDC-Request-Id", "r-1", "Sforce-Limit-Info", "api-usage=18/5000; per-app-api-usage=17/250(appName=sample)"))
	var sent []Exchange
	org.Sent = func(x Exchange) { sent = append(sent, x) }
	if _, _, ok := org.Client.Limits(org.Credentials.(*minter).url); ok {
		t.Error("Limits is known before the first answer")
	}
	got, err := org.Do(t.Context(), &Request{
		Method: "POST", Path: "/sobjects/Account/Ext__c/a%2Fb%20c", Query: url.Values{"q": {"SELECT 'a b' & +"}},
		Header: http.Header{
			"authorization": {"Bearer stolen"}, "Cookie": {"sid=1"}, "accept-encoding": {"br"}, "Sforce-Auto-Assign": {"FALSE"},
		},
		Body: []byte(`{"Name":"x"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != 201 || string(got.Body) != `{"id":"x"}` || got.RequestID != "r-1" {
		t.Errorf("response = %+v", got)
	}
	r := seen.requests[0]
	if r.RequestURI != "/services/data/v62.0/sobjects/Account/Ext__c/a%2Fb%20c?q=SELECT+%27a+b%27+%26+%2B" {
		t.Errorf("sent %s", r.RequestURI)
	}
	want := http.Header{
		"Accept": {"application/json"}, "Accept-Encoding": {"gzip"}, "Authorization": {"Bearer token-1"},
		"Content-Length": {"12"}, "Content-Type": {"application/json"}, "Sforce-Auto-Assign": {"FALSE"}, "User-Agent": {"salesforce-mcp"},
	}
	if diff := cmp.Diff(want, r.Header); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if seen.bodies[0] != `{"Name":"x"}` {
		t.Errorf("body = %s", seen.bodies[0])
	}
	if used, allowed, ok := org.Client.Limits(org.Credentials.(*minter).url); used != 18 || allowed != 5000 || !ok {
		t.Errorf("Limits = %d, %d, %v", used, allowed, ok)
	}
	if len(sent) != 1 || sent[0].Duration <= 0 {
		t.Fatalf("sent = %+v", sent)
	}
	sent[0].Duration = 0
	if want := (Exchange{Method: "POST", Path: "/services/data/v62.0/sobjects/Account/Ext__c/a%2Fb%20c", Status: 201, RequestID: "r-1"}); sent[0] != want {
		t.Errorf("exchange = %+v", sent[0])
	}
}

func TestDoPathAndVersion(t *testing.T) {
	for _, test := range []struct{ version, path, want string }{
		{"", "/limits", "/services/data/v62.0/limits"},
		{"v58.0", "/limits", "/services/data/v58.0/limits"},
		{"v58.0", "/services/data", "/services/data"},
		{"v58.0", "/services/data/v62.0/query/01g-2000", "/services/data/v62.0/query/01g-2000"},
		{"v58.0", "/sobjects/", "/services/data/v58.0/sobjects/"},
	} {
		org, seen := newOrg(t, Options{}, okay)
		org.Version = test.version
		if _, err := org.Do(t.Context(), &Request{Method: "GET", Path: test.path, Semantics: Safe}); err != nil {
			t.Fatal(err)
		}
		if got := seen.requests[0].RequestURI; got != test.want {
			t.Errorf("%s at %q sent as %s, want %s", test.path, test.version, got, test.want)
		}
	}
}

func TestDoWithoutBodySendsNone(t *testing.T) {
	for _, method := range []string{"GET", "POST", "PATCH", "DELETE"} {
		org, seen := newOrg(t, Options{}, okay)
		if _, err := org.Do(t.Context(), &Request{Method: method, Path: "/x"}); err != nil {
			t.Fatal(err)
		}
		if r := seen.requests[0]; r.ContentLength != 0 || len(r.TransferEncoding) != 0 || r.Header.Get("Content-Type") != "" {
			t.Errorf("%s: length %d, encoding %v, headers %v", method, r.ContentLength, r.TransferEncoding, r.Header)
		}
	}
}

func TestDoRefusesBadRequests(t *testing.T) {
	org, seen := newOrg(t, Options{}, okay)
	for _, r := range []*Request{
		{Method: "CONNECT", Path: "/x"},
		{Method: "get", Path: "/x"},
		{Method: "GET", Path: ""},
		{Method: "GET", Path: "limits"},
		{Method: "GET", Path: "//evil.example/x"},
		{Method: "GET", Path: "/sobjects/../../../x"},
		{Method: "GET", Path: "/sobjects/%2e%2E/x"},
		{Method: "GET", Path: "/sobjects/a%2f..%2fb"},
		{Method: "GET", Path: "/sobjects/a%5c..%5cb"},
		{Method: "GET", Path: "/sobjects/./x"},
		{Method: "GET", Path: "/sobjects?x=1"},
		{Method: "GET", Path: "/sobjects#x"},
		{Method: "GET", Path: "/sobjects/a b"},
		{Method: "GET", Path: "/sobjects/a\r\nX: y"},
		{Method: "GET", Path: "/sobjects/%zz"},
		{Method: "GET", Path: `/sobjects\..\x`},
		{Method: "GET", Path: "/sobjects/é"},
	} {
		e := errorOf(t, org, r)
		if e.Class != ClassValidation || !e.NotExecuted || e.Message == "" {
			t.Errorf("%s %s: %+v", r.Method, r.Path, e)
		}
	}
	org.Version = "v62.0/../.."
	if e := errorOf(t, org, &Request{Method: "GET", Path: "/x"}); e.Class != ClassValidation {
		t.Errorf("bad version: %v", e)
	}
	if seen.count() != 0 {
		t.Errorf("%d requests were sent", seen.count())
	}
}

func TestDoRefusesForeignInstance(t *testing.T) {
	org, seen := newOrg(t, Options{}, okay)
	for _, instance := range []string{"https://evil.example", "http://acme.my.salesforce.com", ""} {
		org.Credentials = &minter{url: instance}
		if e := errorOf(t, org, &Request{Method: "GET", Path: "/limits"}); e.Class != ClassAuth || !e.NotExecuted {
			t.Errorf("%q: %+v", instance, e)
		}
	}
	if seen.count() != 0 {
		t.Errorf("%d requests were sent", seen.count())
	}
}

func TestDoFollowsNoRedirect(t *testing.T) {
	other, elsewhere := newOrg(t, Options{}, okay)
	org, seen := newOrg(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.Credentials.(*minter).url+"/services/data/v62.0/limits", http.StatusTemporaryRedirect)
	})
	e := errorOf(t, org, &Request{Method: "GET", Path: "/limits", Semantics: Safe})
	if e.Status != 307 || e.Class != ClassTransient || !strings.Contains(e.Message, "redirect") {
		t.Errorf("error = %+v", e)
	}
	if seen.count() != 1 || elsewhere.count() != 0 {
		t.Errorf("%d requests, %d at the other host", seen.count(), elsewhere.count())
	}
}

// TestDialRefusesInternalAddresses has a name that passes the list resolve to
// a loopback address, as an attacker's DNS would.
func TestDialRefusesInternalAddresses(t *testing.T) {
	server := httptest.NewServer(okay)
	defer server.Close()
	client := New(Options{Hosts: Hosts{Loopback: true}})
	defer client.Close()
	strict := New(Options{})
	defer strict.Close()
	client.http = strict.http // lets the URL pass, so that only the dialer is in the way
	org := &Org{Client: client, Credentials: &minter{url: server.URL}}
	e := errorOf(t, org, &Request{Method: "GET", Path: "/limits", Semantics: Safe})
	if !errors.Is(e, errAddress) || e.Class != ClassValidation || !e.NotExecuted {
		t.Errorf("error = %+v", e)
	}
}

// TestInternal: further addresses may be connected to when they are named.
func TestInternal(t *testing.T) {
	server := httptest.NewServer(okay)
	defer server.Close()
	var asked netip.Addr
	for _, allow := range []bool{true, false} {
		client := New(Options{Internal: func(a netip.Addr) bool { asked = a; return allow }})
		resp, err := client.HTTP().Get(server.URL)
		if err == nil {
			_ = resp.Body.Close()
		}
		if (err == nil) != allow || !asked.IsLoopback() {
			t.Errorf("%v of %v: %v", allow, asked, err)
		}
		client.Close()
	}
}

func TestDoBoundsBody(t *testing.T) {
	org, _ := newOrg(t, Options{BodyLimit: 100}, reply(200, strings.Repeat("x", 100)), reply(200, strings.Repeat("x", 101)), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip") // 1 MB in a kilobyte
		z := gzip.NewWriter(w)
		_, _ = z.Write(bytes.Repeat([]byte("x"), 1<<20))
		_ = z.Close()
	})
	request := &Request{Method: "GET", Path: "/limits", Semantics: Safe}
	if _, err := org.Do(t.Context(), request); err != nil {
		t.Errorf("100 bytes: %v", err)
	}
	for range 2 {
		if e := errorOf(t, org, request); e.Class != ClassValidation || !strings.Contains(e.Message, "larger than 100 bytes") {
			t.Errorf("error = %+v", e)
		}
	}
}

// TestDoStopsReading: an answer without end is read no further than its bound.
func TestDoStopsReading(t *testing.T) {
	ended := make(chan struct{})
	org, _ := newOrg(t, Options{BodyLimit: 1 << 20}, func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		chunk := bytes.Repeat([]byte("x"), 64<<10)
		for range 16 << 10 { // 1 GB
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
		t.Error("the whole answer was read")
	})
	if e := errorOf(t, org, &Request{Method: "GET", Path: "/limits"}); !strings.Contains(e.Message, "larger than") {
		t.Errorf("error = %+v", e)
	}
	<-ended
}

func TestDoUnzips(t *testing.T) {
	org, _ := newOrg(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write([]byte(`{"zipped":true}`))
		_ = z.Close()
	})
	got, err := org.Do(t.Context(), &Request{Method: "GET", Path: "/limits", Semantics: Safe})
	if err != nil || string(got.Body) != `{"zipped":true}` {
		t.Errorf("%s, %v", got.Body, err)
	}
}

func TestDoReplacesExpiredTokenOnce(t *testing.T) {
	org, seen := newOrg(t, Options{}, expired, okay)
	if _, err := org.Do(t.Context(), &Request{Method: "POST", Path: "/sobjects/Account", Body: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if a := seen.requests[1].Header.Get("Authorization"); a != "Bearer token-2" || seen.bodies[1] != "{}" {
		t.Errorf("second request has %s and body %q", a, seen.bodies[1])
	}

	org, seen = newOrg(t, Options{}, expired)
	e := errorOf(t, org, &Request{Method: "GET", Path: "/limits", Semantics: Safe})
	if e.Class != ClassAuth || e.Code != "INVALID_SESSION_ID" || !e.NotExecuted || seen.count() != 2 {
		t.Errorf("error = %+v after %d requests", e, seen.count())
	}
	if diff := cmp.Diff([]string{"token-1"}, org.Credentials.(*minter).dropped); diff != "" {
		t.Errorf("dropped (-want +got):\n%s", diff)
	}
}

// TestDoTakesTokenWhenItsTurnComes: a call that waited for its turn while the
// token was replaced does not send the old one, which would cost it its retry.
func TestDoTakesTokenWhenItsTurnComes(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	org, seen := newOrg(t, Options{Concurrency: 1}, func(w http.ResponseWriter, r *http.Request) {
		close(inside)
		<-leave
		okay(w, r)
	}, okay)
	asking := &watchedTokens{Credentials: org.Credentials, asked: make(chan struct{}, 10)}
	org.Credentials = asking
	var group sync.WaitGroup
	do := func() {
		if _, err := org.Do(t.Context(), &Request{Method: "GET", Path: "/limits", Semantics: Safe}); err != nil {
			t.Error(err)
		}
	}
	group.Go(do)
	<-inside
	for range 2 {
		<-asking.asked
	}
	group.Go(do)
	<-asking.asked // it has the old token, and waits
	org.Credentials.Drop(Token{AccessToken: "token-1"})
	close(leave)
	group.Wait()
	if a := seen.requests[1].Header.Get("Authorization"); a != "Bearer token-2" {
		t.Errorf("the call that waited sent %s", a)
	}
}

// watchedTokens tell when they are asked for.
type watchedTokens struct {
	Credentials
	asked chan struct{}
}

func (c *watchedTokens) Token(ctx context.Context) (Token, error) {
	token, err := c.Credentials.Token(ctx)
	c.asked <- struct{}{}
	return token, err
}

func TestDoKeepsTokenOfOther401s(t *testing.T) {
	for _, body := range []string{
		`{"errorCode":"INVALID_SESSION_ID","message":"This session is not valid for use with the REST API"}`,
		`[{"errorCode":"INVALID_SESSION_ID","message":"This session is not valid for use with the REST API"}]`,
		`[{"errorCode":"INVALID_SESSION_ID","message":"Connected app is not attached to Agent"}]`,
		`[{"errorCode":"INVALID_AUTH_HEADER","message":"INVALID_HEADER_TYPE"}]`,
		`<html>Unauthorized</html>`,
	} {
		org, seen := newOrg(t, Options{}, reply(401, body))
		e := errorOf(t, org, &Request{Method: "GET", Path: "/limits", Semantics: Safe})
		if e.Class != ClassAuth || seen.count() != 1 || len(org.Credentials.(*minter).dropped) != 0 {
			t.Errorf("%s: %+v after %d requests", body, e, seen.count())
		}
	}
}

func TestErrorNeverHoldsTokenOrQuery(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-SFDC-Request-Id", r.Header.Get("Authorization"))
		w.WriteHeader(400)
		_, _ = io.WriteString(w, `[{"errorCode":"X","message":"you sent `+r.Header.Get("Authorization")+`"}]`)
	}
	for name, handler := range map[string]http.HandlerFunc{"echo": echo, "cut": cut} {
		org, _ := newOrg(t, Options{RetryBudget: -1}, handler)
		var sent Exchange
		org.Sent = func(x Exchange) { sent = x }
		e := errorOf(t, org, &Request{Method: "GET", Path: "/query", Query: url.Values{"q": {"canary"}}, Semantics: Safe})
		all := e.Error() + e.Hint() + e.Message + sent.Err + sent.Path + sent.RequestID
		if e.Err != nil {
			all += e.Err.Error()
		}
		if strings.Contains(all, "token-1") || strings.Contains(all, "canary") {
			t.Errorf("%s: %s", name, all)
		}
	}
}

// failing are Credentials that give no token.
type failing struct{ error }

func (f failing) Token(context.Context) (Token, error) { return Token{}, f.error }
func (failing) Drop(Token)                             {}

// passingLogin is a login error like those of package auth.
type passingLogin struct {
	error
	wait time.Duration
}

func (passingLogin) Temporary() bool             { return true }
func (p passingLogin) RetryAfter() time.Duration { return p.wait }

func TestDoWithoutToken(t *testing.T) {
	cause := errors.New("check the private key")
	for _, test := range []struct {
		err  error
		want Class
	}{
		{cause, ClassAuth}, {passingLogin{cause, 0}, ClassTransient}, {passingLogin{cause, time.Minute}, ClassLimited},
	} {
		client := New(Options{RetryBudget: 300 * time.Millisecond})
		e := errorOf(t, &Org{Client: client, Credentials: failing{test.err}}, &Request{Method: "POST", Path: "/x"})
		if e.Class != test.want || !e.NotExecuted || e.Message != cause.Error() || !errors.Is(e, test.err) {
			t.Errorf("%#v: %+v", test.err, e)
		}
	}
}

// TestUnsafeGetIsNotReplayedByTransport meets a connection that dies under
// its second request, which net/http would replay by itself.
func TestUnsafeGetIsNotReplayedByTransport(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int32
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			reader := bufio.NewReader(conn)
			for range 2 {
				if _, err := http.ReadRequest(reader); err != nil {
					break
				}
				if requests.Add(1) == 1 {
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
					continue
				}
				break
			}
			_ = conn.Close()
		}
	})
	client := New(Options{Hosts: Hosts{Loopback: true}})
	org := &Org{Client: client, Credentials: &minter{url: "http://" + listener.Addr().String()}}
	request := &Request{Method: "GET", Path: "/services/apexrest/act"}
	if _, err := org.Do(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if e := errorOf(t, org, request); e.NotExecuted || e.Class != ClassTransient {
		t.Errorf("error = %+v", e)
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests reached the server, want 2", n)
	}
	client.Close()
	_ = listener.Close()
	group.Wait()
}

func TestDoEndsWithItsContext(t *testing.T) {
	arrived := make(chan struct{})
	org, seen := newOrg(t, Options{}, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	_, err := org.Do(ctx, &Request{Method: "GET", Path: "/limits", Semantics: Safe})
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, context.Canceled) || e.Class != ClassTransient || e.NotExecuted {
		t.Errorf("error = %+v", err)
	}
	if seen.count() != 1 {
		t.Errorf("%d requests", seen.count())
	}
}

// TestDoLimitsConcurrencyPerOrg: of a thousand clients that call at once no more
// than the limit are at the org, and all get there.
func TestDoLimitsConcurrencyPerOrg(t *testing.T) {
	const limit, callers = 10, 1000
	var running, most, above atomic.Int32
	arrived, release := make(chan struct{}, callers), make(chan struct{})
	org, _ := newOrg(t, Options{}, func(http.ResponseWriter, *http.Request) {
		switch n := running.Add(1); {
		case n > limit:
			above.Add(1)
		case n == limit:
			most.Store(limit)
		}
		arrived <- struct{}{}
		<-release
		running.Add(-1)
	})
	request := &Request{Method: "POST", Path: "/sobjects/Account", Body: []byte("{}")}
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			if _, err := org.Do(t.Context(), request); err != nil {
				t.Error(err)
			}
		})
	}
	for range limit {
		<-arrived
	}
	// All slots are taken: who gives up waiting has sent nothing.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var e *Error
	if _, err := org.Do(ctx, request); !errors.As(err, &e) || !e.NotExecuted || !errors.Is(err, context.Canceled) {
		t.Errorf("waiting call = %+v", err)
	}
	close(release)
	group.Wait()
	if most.Load() != limit || above.Load() != 0 || len(arrived) != callers-limit {
		t.Errorf("%d requests came while %d ran, %d ran at most, %d came in all", above.Load(), limit, most.Load(), len(arrived)+limit)
	}
}
