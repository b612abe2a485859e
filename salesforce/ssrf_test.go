package salesforce

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
)

// allowedHost is the list of hosts, written in another way than the code has it.
var allowedHost = regexp.MustCompile(`^(login|test|[a-z]{2,3}[0-9]{1,5}s?)\.salesforce\.com$` +
	`|^[a-z0-9-]+(\.[a-z0-9-]+){0,2}\.my(\.salesforce\.com|\.salesforce\.mil|\.sfcrmproducts\.cn|-salesforce\.com)$`)

// FuzzHostsCheck: what is accepted is https at the usual port of an allowed host,
// or this machine where that is allowed; nothing else is in it, and it reads the
// same however often it is read.
func FuzzHostsCheck(f *testing.F) {
	for _, seed := range []string{
		"https://acme.my.salesforce.com", "https://a@b.my.salesforce.com:443/", "http://[::1]:80", `https://evil.com\.my.salesforce.com`,
		"https://login.salesforce.com?", "https://acme.my.salesforce.com#@evil.com", "https://acme.my.salesforce。com", "https://ſ.my.salesforce.com",
		"http://0x7f.1", "http://[::ffff:127.0.0.1]", "https://evil.com%00.my.salesforce.com", "https://acme.my.salesforce.com.", "//evil.com",
		"https://acme--uat.sandbox.my.salesforce.com", "https://evilcrmforce.mil", "http://LocalHost:0", "https://127.0.0.1:65536", "https:acme.my.salesforce.com",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, raw string, loopback bool) {
		h := Hosts{Loopback: loopback}
		got, err := h.Check(raw)
		if err != nil {
			if strings.Contains(raw, "@") && strings.Contains(err.Error(), "@") {
				t.Errorf("Check(%q) tells of more than the host: %v", raw, err)
			}
			return
		}
		host := got.Hostname()
		ip, notIP := netip.ParseAddr(host)
		here := loopback && (host == "localhost" || notIP == nil && ip.IsLoopback() && !ip.Is4In6())
		switch {
		case got.User != nil || got.Path != "" || got.RawQuery != "" || got.ForceQuery || got.Fragment != "" || got.Opaque != "":
			t.Errorf("Check(%q) = %#v", raw, got)
		case here && got.Scheme != "https" && got.Scheme != "http":
			t.Errorf("Check(%q) = %v", raw, got)
		case !here && (got.Scheme != "https" || got.Host != host || !allowedHost.MatchString(host)):
			t.Errorf("Check(%q) = %v", raw, got)
		}
		given, err := url.Parse(raw)
		if err != nil || !strings.EqualFold(given.Hostname(), host) || !here && given.Port() != "" && given.Port() != "443" {
			t.Errorf("Check(%q) = %v, but net/url reads %v, %v", raw, got, given, err)
		}
		if again, err := url.Parse(got.String()); err != nil || again.Host != got.Host || again.Scheme != got.Scheme {
			t.Errorf("%v is read as %v, %v", got, again, err)
		}
		if again, err := h.Check(got.String()); err != nil || again.String() != got.String() {
			t.Errorf("Check(%q) = %v, then %v, %v", raw, got, again, err)
		}
		if r, err := http.NewRequest(http.MethodGet, got.String()+"/services/data", nil); err != nil || r.URL.Hostname() != host || r.Host != got.Host {
			t.Errorf("a request to %v goes to %v, %v", got, r, err)
		}
	})
}

// FuzzPath: a path that is accepted is sent as it is written, to the host before
// it.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{
		"/services/data/v62.0/query/01g5g00000AbCdE-2000", "/sobjects/Account/%2e%2e", "//evil.com/", "/a/../b", "/a/..%2fb", "/a%5c..", "/@evil.com", "/a?x=1",
		"/%2f%2fevil.com", "/a%23b", "/:80", "/.", "/a%252e%252e%252f", `/\evil.com`, "/%zz", "/é", "/a/", "@evil.com", ":80/x", `/%2f"`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if checkPath(path) != nil {
			return
		}
		const origin = "https://acme.my.salesforce.com"
		u, err := url.Parse(origin + path)
		if err != nil || u.Host != "acme.my.salesforce.com" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
			t.Fatalf("%q is read as %#v, %v", path, u, err)
		}
		if sent := u.RequestURI(); sent != path {
			t.Errorf("%q is sent as %q", path, sent)
		}
		for _, segment := range strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' || r == '\\' }) {
			if segment == "." || segment == ".." {
				t.Errorf("%q has dots", path)
			}
		}
	})
}

// resolving makes every name resolve to the address that is given at the time,
// as an attacker's name server can.
func resolving(t *testing.T, to *atomic.Pointer[netip.Addr]) {
	t.Helper()
	server, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		query := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(query)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(resolved(query[:n], *to.Load()), from)
		}
	}()
	was := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = was
		_ = server.Close()
		<-done
	})
}

// resolved is the answer to a DNS query (RFC 1035, section 4) of one question.
func resolved(query []byte, ip netip.Addr) []byte {
	end := 12
	for query[end] != 0 {
		end += 1 + int(query[end])
	}
	kind := binary.BigEndian.Uint16(query[end+1:])
	answer := append([]byte{}, query[:end+5]...) // without what else is asked
	copy(answer[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
	if kind == 1 && ip.Is4() || kind == 28 && ip.Is6() {
		answer[7] = 1
		answer = append(answer, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(ip.BitLen()/8)) // the name is that of the question
		answer = append(answer, ip.AsSlice()...)
	}
	return answer
}

// TestRebinding (attack 25): a name that passes every check and resolves to an
// internal address, or does so the second time, is not connected to.
func TestRebinding(t *testing.T) {
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(okay)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	var address atomic.Pointer[netip.Addr]
	point := func(to string) { ip := netip.MustParseAddr(to); address.Store(&ip) }
	point("127.0.0.1")
	resolving(t, &address)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	get := func(c *Client) error {
		resp, err := c.HTTP().Get("http://acme.my.salesforce.com:" + port)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	demo := New(Options{Hosts: Hosts{Loopback: true}})
	defer demo.Close()
	if err := get(demo); err != nil || connections.Load() != 1 {
		t.Fatalf("the name does not resolve to the server: %v", err)
	}
	client := New(Options{})
	defer client.Close()
	org := &Org{Client: client, Credentials: &minter{url: "https://acme.my.salesforce.com"}}
	for _, to := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "fd00:ec2::254", "0.0.0.0", "100.100.100.200"} {
		point(to)
		if err := get(client); !errors.Is(err, errAddress) {
			t.Errorf("%s: %v", to, err)
		}
		if e := errorOf(t, org, &Request{Method: "GET", Path: "/limits", Semantics: Safe}); !errors.Is(e, errAddress) || !e.NotExecuted {
			t.Errorf("%s: %v", to, e)
		}
		if ip := netip.MustParseAddr(to); !ip.Unmap().IsLoopback() {
			if err := get(demo); !errors.Is(err, errAddress) {
				t.Errorf("%s although only loopback is allowed: %v", to, err)
			}
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections to an internal address", n-1)
	}
}
