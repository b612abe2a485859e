package web

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"salesforce-mcp/allowlist"
)

// TestAttempts: an address may fail so often, and then as time passes.
func TestAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a attempts
		from := netip.MustParseAddr("198.51.100.1")
		for n := range failuresAtOnce {
			if wait := a.wait(from, "guess"); wait != 0 {
				t.Fatalf("attempt %d waits %v", n, wait)
			}
			a.failed(from)
		}
		wait := a.wait(from, "guess")
		if wait <= 0 || wait > failurePause {
			t.Errorf("the next waits %v", wait)
		}
		time.Sleep(wait)
		if again := a.wait(from, "guess"); again != 0 {
			t.Errorf("after %v it waits %v more", wait, again)
		}
		a.failed(from)
		if a.wait(from, "guess") == 0 || a.wait(from, "") == 0 {
			t.Error("one more, and it need not wait")
		}
		a.proven("good")
		if a.wait(from, "good") != 0 || a.wait(from, "guess") == 0 {
			t.Error("a good token waits, or lets others in")
		}
		time.Sleep(time.Hour)
		if a.wait(from, "guess") != 0 {
			t.Error("an hour later it still waits")
		}
	})
}

// TestAttemptsAreBounded: however many addresses and tokens there are, what is
// remembered has a bound, and those seen last are in it.
func TestAttemptsAreBounded(t *testing.T) {
	var a attempts
	busy := netip.MustParseAddr("198.51.100.1")
	for range failuresAtOnce + 1 {
		a.failed(busy)
	}
	for n := range 5 * maxSources {
		a.failed(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}))
		a.proven(fmt.Sprint(n))
		if n%1000 == 0 && a.wait(busy, "guess") == 0 {
			t.Fatalf("forgotten after %d others", n)
		}
	}
	if n, m := len(a.failures.now)+len(a.failures.before), len(a.good.now)+len(a.good.before); n > 2*maxSources || m > 2*maxSources {
		t.Errorf("%d addresses and %d tokens are kept", n, m)
	}
}

// TestSource: where a request comes from, of what proxies say only the trusted ones.
func TestSource(t *testing.T) {
	s := &Server{TrustedProxies: allowlist.Networks{"10.0.0.0/8"}}
	for _, tt := range []struct {
		peer, forwarded, want string
	}{
		{"198.51.100.1:4", "", "198.51.100.1"},
		{"198.51.100.1:4", "203.0.113.9", "198.51.100.1"},
		{"10.0.0.1:4", "203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:4", "1.2.3.4, 203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:4", "1.2.3.4,203.0.113.9 , 10.0.0.2", "203.0.113.9"},
		{"10.0.0.1:4", "10.0.0.3,10.0.0.2", "10.0.0.3"},
		{"10.0.0.1:4", "", "10.0.0.1"},
		{"10.0.0.1:4", "203.0.113.9, unknown", "10.0.0.1"},
		{"[::ffff:10.0.0.1]:4", "::ffff:203.0.113.9", "203.0.113.9"},
		{"[2001:db8::1%eth0]:4", "1.2.3.4", "2001:db8::1%eth0"},
		{"@", "1.2.3.4", "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{}}
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		if got := s.source(r).String(); got != tt.want {
			t.Errorf("%s, %q: %s, want %s", tt.peer, tt.forwarded, got, tt.want)
		}
	}
}
