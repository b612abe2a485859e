package app

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

// TestGuessing (attack 21): who guesses a password is made to wait, across restarts and
// however many ask at once, and learns nothing on the way; the owner of the account comes
// in all the same from a browser that they have used before.
func TestGuessing(t *testing.T) {
	h := newHouse(t)
	own := h.browser()
	if a := own.signIn("owner", goodPassword); a.status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.status, a.body)
	}
	own.post("/signout", nil)

	// Many at once, from many addresses.
	var work sync.WaitGroup
	var tried, waits atomic.Int64
	for n := range 12 {
		work.Go(func() {
			b := h.browser()
			b.header.Set("X-Test-Source", fmt.Sprintf("203.0.113.%d/32", n))
			switch a := b.signIn("owner", "guess"); a.status {
			case http.StatusForbidden:
				tried.Add(1)
			case http.StatusTooManyRequests:
				waits.Add(1)
				if a.header.Get("Retry-After") == "" {
					t.Error("it is not said how long to wait")
				}
			default:
				t.Errorf("a guess: %d", a.status)
			}
		})
	}
	work.Wait()
	if tried.Load() != 5 || waits.Load() != 7 {
		t.Errorf("%d guesses were tried, %d wait", tried.Load(), waits.Load())
	}
	h.restart()
	stranger := h.browser()
	stranger.header.Set("X-Test-Source", "203.0.113.99/32")
	if a := stranger.signIn("owner", goodPassword); a.status != http.StatusTooManyRequests || stranger.in() {
		t.Errorf("a guess that is right, from elsewhere and after a restart: %d", a.status)
	}
	if a := own.signIn("owner", goodPassword); a.status != http.StatusSeeOther || !own.in() {
		t.Errorf("the owner, in their own browser: %d", a.status)
	}
	// That a browser is known to another account is worth nothing.
	other := h.browser()
	other.header.Set("X-Test-Source", "203.0.113.98/32")
	if a := other.signIn("admin", goodPassword); a.status != http.StatusSeeOther {
		t.Errorf("another account: %d", a.status)
	}
	if a := other.signIn("owner", goodPassword); a.status != http.StatusTooManyRequests {
		t.Errorf("from the browser of another account: %d", a.status)
	}

	// The trail has it, without what was typed, and the security log too.
	locked := 0
	for _, e := range h.entries(audit.WholeServer) {
		if e.Tool == "signin" && e.Outcome == audit.Refused {
			locked++
			if e.User != "owner@acme.example" || e.Code != "locked_out" {
				t.Errorf("%+v", e)
			}
		}
		if strings.Contains(string(e.Line()), goodPassword) {
			t.Error("the trail has a password")
		}
	}
	if locked != 1 {
		t.Errorf("the trail has %d lock-outs", locked)
	}
	if log := h.log.String(); !strings.Contains(log, `"refused":"password"`) || strings.Contains(log, goodPassword) || strings.Contains(log, "guess") {
		t.Errorf("the security log: %s", log)
	}
}

// TestNobodyIsTold (attack 21): who guesses does not learn who there is: an account that
// is not there, one without a password, and one that is suspended are answered alike.
func TestNobodyIsTold(t *testing.T) {
	h := newHouse(t)
	if err := users.Change(t.Context(), h.store, "id-auditor", func(u *users.User) error { u.Password = ""; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := users.Change(t.Context(), h.store, "id-approver", func(u *users.User) error { u.Suspended = true; return nil }); err != nil {
		t.Fatal(err)
	}
	own := regexp.MustCompile(`value="[^"]*"`)
	want := ""
	for who, guesses := range map[string]int{"admin": 7, "auditor": 1, "approver": 7, "stranger": 1} { // some take their time
		for n := range guesses {
			b := h.browser()
			b.header.Set("X-Test-Source", fmt.Sprintf("%s %d", url.PathEscape(who), n))
			password := "guess"
			if who == "approver" {
				password = goodPassword
			}
			a := b.post("/signin", url.Values{"email": {who + "@acme.example"}, "password": {password}})
			status := http.StatusForbidden
			if n >= 5 {
				status = http.StatusTooManyRequests
			}
			if a.status != status {
				t.Errorf("%q, guess %d: %d", who, n+1, a.status)
			}
			if body := own.ReplaceAllString(a.body, ""); n == 0 && want == "" {
				want = body
			} else if n == 0 && body != want {
				t.Errorf("%q is answered otherwise: %s", who, body)
			}
		}
	}
	for range 4 {
		if _, _, _, err := h.store.Try(t.Context(), []users.Attempt{users.AtAccount("stranger@acme.example")}); err != nil {
			t.Fatal(err)
		}
	}
	if a := h.browser().signIn("stranger", "guess"); a.status != http.StatusTooManyRequests {
		t.Errorf("an account that is not there does not wait: %d", a.status)
	}
}

// TestSourceIsBounded (attack 21): one address cannot try one password at many accounts.
func TestSourceIsBounded(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	for n := range 18 {
		if _, _, _, err := h.store.Try(t.Context(), []users.Attempt{users.AtAccount(fmt.Sprint(n)), users.AtSource("198.51.100.1/32")}); err != nil {
			t.Fatal(err)
		}
	}
	for _, who := range []string{"admin", "approver"} {
		if a := b.signIn(who, "guess"); a.status != http.StatusForbidden {
			t.Errorf("a guess: %d", a.status)
		}
	}
	if a := b.signIn("auditor", goodPassword); a.status != http.StatusTooManyRequests {
		t.Errorf("after 20 guesses at as many accounts: %d", a.status)
	}
	other := h.browser()
	other.header.Set("X-Test-Source", "203.0.113.1/32")
	if a := other.signIn("admin", goodPassword); a.status != http.StatusSeeOther {
		t.Errorf("somebody elsewhere: %d", a.status)
	}
}

// TestConfirmed: what asks for a fresh proof gets one, in the form that sends what it
// asks for too, and guesses at it are bounded apart from those at the sign-in.
func TestConfirmed(t *testing.T) {
	h := newHouse(t)
	b := h.as("owner")
	if a := b.post("/platform/users", url.Values{"email": {"new@acme.example"}}); a.status != http.StatusSeeOther || !strings.HasPrefix(a.to(), "/platform/users/") {
		t.Fatalf("with a fresh proof: %d %s", a.status, a.to())
	}
	b.post("/test/age", nil)
	for _, path := range []string{"/platform/users", "/platform/users/id-admin", "/platform/users/id-admin/link", "/platform/users/id-admin/delete"} {
		a := b.send(http.MethodPost, path, url.Values{"email": {"newer@acme.example"}}, "Referer", h.origin+"/platform/users?x=y")
		if want := "/confirm?next=" + url.QueryEscape("/platform/users?x=y"); a.to() != want {
			t.Errorf("%s with an old proof leads to %q, want %q", path, a.to(), want)
		}
	}
	if a := b.send(http.MethodPost, "/platform/users/id-admin/delete", url.Values{}, "HX-Request", "true", "Referer", "https://evil.example/x"); a.header.Get("HX-Redirect") != "/confirm?next=%2F" {
		t.Errorf("asked by htmx: %v", a.header)
	}
	for _, email := range []string{"newer@acme.example"} {
		if _, ok, err := h.store.UserByEmail(t.Context(), email); ok || err != nil {
			t.Errorf("%s was added, error %v", email, err)
		}
	}
	if a := b.post("/confirm", url.Values{"password": {"guess"}, "next": {"/account"}}); a.status != http.StatusForbidden {
		t.Errorf("a wrong password confirms: %d", a.status)
	}
	if a := b.post("/platform/users/id-admin/delete", nil); !strings.HasPrefix(a.to(), "/confirm") {
		t.Errorf("after a wrong password: %s", a.to())
	}
	if a := b.post("/confirm", url.Values{"password": {goodPassword}, "next": {"/platform/users?x=y"}}); a.to() != "/platform/users?x=y" {
		t.Errorf("confirmed: %d %s", a.status, a.to())
	}
	if a := b.post("/platform/users", url.Values{"email": {"newer@acme.example"}}); !strings.HasPrefix(a.to(), "/platform/users/") {
		t.Errorf("after the proof: %d %s", a.status, a.to())
	}
	thief := h.as("owner")
	thief.post("/test/age", nil)
	for range 6 {
		thief.post("/confirm", url.Values{"password": {"guess"}})
	}
	if a := thief.post("/confirm", url.Values{"password": {goodPassword}}); a.status != http.StatusTooManyRequests {
		t.Errorf("guesses of who stole a session: %d", a.status)
	}
	if a := h.browser().signIn("owner", goodPassword); a.status != http.StatusSeeOther {
		t.Errorf("and the owner cannot sign in: %d", a.status)
	}
}
