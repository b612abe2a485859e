package app

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

// TestLinksEnd: a link that an admin has made for a user lets nobody in any more when the
// user has another password, when their sessions were ended, or when they have become an
// owner, whom admins cannot make links for.
func TestLinksEnd(t *testing.T) {
	h := newHouse(t)
	boss := h.as("owner")
	for name, change := range map[string]func(){
		"new password": func() {
			if a := h.as("nobody").post("/account/password", url.Values{"now": {goodPassword}, "password": {"another " + goodPassword}}); a.status != http.StatusSeeOther {
				t.Fatalf("%d", a.status)
			}
		},
		"sessions ended": func() { boss.post("/platform/users/id-nobody/signout", nil) },
		"signed out":     func() { h.as("nobody").post("/account/signout", nil) },
		"suspended for once": func() {
			boss.post("/platform/users/id-nobody", url.Values{"suspended": {"yes"}})
			boss.post("/platform/users/id-nobody", nil)
		},
		"an owner": func() { boss.post("/platform/users/id-nobody", url.Values{"platform": {"owner"}}) },
	} {
		boss.post("/platform/users/id-nobody", nil)
		if err := users.Change(t.Context(), h.store, "id-nobody", func(u *users.User) error { u.Password = goodHash(); return nil }); err != nil {
			t.Fatal(err)
		}
		path, err := UserLink(t.Context(), h.store, mustUser(t, h, "nobody"))
		if err != nil {
			t.Fatal(err)
		}
		if a := h.browser().get(path); a.status != http.StatusOK {
			t.Fatalf("a fresh link: %d", a.status)
		}
		change()
		ticket := strings.TrimPrefix(path, "/setup?ticket=")
		b := h.browser()
		if a := b.get(path); a.status != http.StatusNotFound {
			t.Errorf("%s: the link of before shows %d", name, a.status)
		}
		if a := b.post("/setup", url.Values{"ticket": {ticket}, "password": {"the password of a thief"}}); a.status != http.StatusNotFound || b.in() {
			t.Errorf("%s: the link of before lets in: %d", name, a.status)
		}
	}
	// One that was made for an owner, by whoever may, goes on.
	boss.post("/platform/users/id-nobody", url.Values{"platform": {"owner"}})
	path, err := UserLink(t.Context(), h.store, mustUser(t, h, "nobody"))
	if err != nil {
		t.Fatal(err)
	}
	if a := h.browser().get(path); a.status != http.StatusOK {
		t.Errorf("a link for an owner: %d", a.status)
	}
}

// TestClaimedRolesEnd: what the OpenID provider once said of somebody gives them nothing
// when they come in without it: it may have taken that back, or does not know them any
// more.
func TestClaimedRolesEnd(t *testing.T) {
	h, p := loginHouse(t, Claim{"groups", "platform", users.Roles{Platform: users.PlatformAdmin}})
	p.mu.Lock()
	p.groups["s-fresh"] = []string{"platform"}
	p.mu.Unlock()
	b := h.browser()
	if a := b.through("s-fresh", "/signin/login"); a.to() != "/" || b.get("/platform/users").status != http.StatusOK {
		t.Fatalf("an admin by a claim: %d", a.status)
	}
	if a := b.post("/account/password", url.Values{"password": {goodPassword}}); a.status != http.StatusSeeOther {
		t.Fatalf("a password of their own: %d %s", a.status, a.body)
	}
	p.mu.Lock()
	delete(p.people, "s-fresh") // has left the company
	p.mu.Unlock()
	old := h.browser()
	if a := old.signIn("fresh", goodPassword); a.status != http.StatusSeeOther {
		t.Fatalf("sign-in with the password: %d", a.status)
	}
	if a := old.get("/platform/users"); a.status != http.StatusNotFound {
		t.Errorf("who was an admin by a claim, and comes in with a password, sees %d", a.status)
	}
}
