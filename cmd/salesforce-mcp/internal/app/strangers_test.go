package app

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

// TestSharedAddress (attack 21): who fails again and again makes those wait who come from
// the same address in a browser that is not known, and not those who have come in from
// theirs before, or are in.
func TestSharedAddress(t *testing.T) {
	h := newHouse(t)
	own, in := h.browser(), h.as("admin")
	own.signIn("owner", goodPassword)
	own.post("/signout", nil)
	for n := range 25 { // as many forms of a stranger would
		if _, _, _, err := h.store.Try(t.Context(), []users.Attempt{users.AtAccount(fmt.Sprintf("guess-%d@evil.example", n)), users.AtSource("198.51.100.1/32")}); err != nil {
			t.Fatal(err)
		}
	}
	if a := h.browser().signIn("approver", goodPassword); a.status != http.StatusTooManyRequests {
		t.Errorf("a browser that nobody knows, from there: %d", a.status)
	}
	if a := own.signIn("owner", goodPassword); a.status != http.StatusSeeOther || !own.in() {
		t.Errorf("the owner, in their own browser, from the address of a stranger who guesses: %d", a.status)
	}
	if a := in.post("/confirm", url.Values{"password": {goodPassword}}); a.status != http.StatusSeeOther {
		t.Errorf("who is in proves again who they are: %d", a.status)
	}
}

// TestStrangersKeepLittle: what a stranger sends on the way to the OpenID provider is not
// kept for them at any length.
func TestStrangersKeepLittle(t *testing.T) {
	h, _ := loginHouse(t)
	for _, query := range []url.Values{{"next": {"/" + strings.Repeat("x", 50_000)}}, {"ticket": {strings.Repeat("x", 50_000)}}} {
		b := h.browser()
		if a := b.get("/signin/login?" + query.Encode()); a.status != http.StatusSeeOther {
			t.Fatalf("%d", a.status)
		}
		sum := sha256.Sum256([]byte(b.cookie("session")))
		content, ok, err := h.store.AppSession(t.Context(), base64.RawURLEncoding.EncodeToString(sum[:]))
		if err != nil || !ok || len(content) > 4096 {
			t.Errorf("the database keeps %d bytes of a stranger (%t, error %v)", len(content), ok, err)
		}
	}
}

// strict are users of a database that takes no more text than PostgreSQL does.
type strict struct{ users.Rows }

func (s strict) UserByEmail(ctx context.Context, email string) (users.User, bool, error) {
	if !utf8.ValidString(email) || strings.ContainsRune(email, 0) {
		return users.User{}, false, errors.New("invalid byte sequence for encoding \"UTF8\"")
	}
	return s.Rows.UserByEmail(ctx, email)
}

// TestStrangeAddress: what can be nobody's e-mail address is a wrong one, and no failure of
// the server, whatever database there is.
func TestStrangeAddress(t *testing.T) {
	h := newHouse(t, func(a *App) { a.Users = strict{a.Users} })
	for _, email := range []string{"a\x00@acme.example", "\xff@acme.example"} {
		if a := h.browser().post("/signin", url.Values{"email": {email}, "password": {"guess"}}); a.status != http.StatusForbidden {
			t.Errorf("%q: %d", email, a.status)
		}
	}
	if log := h.log.String(); strings.Contains(log, "a page failed") {
		t.Errorf("a stranger fills the log: %s", log)
	}
	b := h.as("admin")
	if b.post("/account", url.Values{"name": {"Ada\x00\r\nLovelace"}}); mustUser(t, h, "admin").Name != "Ada   Lovelace" {
		t.Errorf("a name on several lines: %q", mustUser(t, h, "admin").Name)
	}
}
