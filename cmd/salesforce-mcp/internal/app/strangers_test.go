package app

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

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
