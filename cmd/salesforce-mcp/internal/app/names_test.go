package app

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

// TestOwnName: nobody gives themselves the name under which the trail and the pages know
// somebody else, whether they have an e-mail address or not.
func TestOwnName(t *testing.T) {
	h := newHouse(t)
	if err := users.Add(t.Context(), h.store, users.User{ID: "id-subject", Issuer: "https://id.example", Subject: "s-1", Name: "owner@acme.example", Given: everybody["admin"], Created: time.Now()}); err != nil {
		t.Fatal(err)
	}
	u, _, err := h.store.UserByID(t.Context(), "id-subject")
	if err != nil {
		t.Fatal(err)
	}
	if p := personOf(u); p.Account != "s-1" || p.by() != "s-1" || u.Shown() != "s-1" {
		t.Errorf("who has no e-mail address goes by %q", p.Account)
	}
	b := h.as("admin")
	if a := b.post("/account", url.Values{"name": {"owner@acme.example"}}); a.status != http.StatusSeeOther {
		t.Fatalf("%d", a.status)
	}
	renamed := false
	for _, e := range h.entries(audit.WholeServer) {
		renamed = renamed || e.Tool == "user" && e.Action == "rename" && e.User == "admin@acme.example"
	}
	if !renamed {
		t.Error("the trail does not say that somebody has changed their name")
	}
	who, _, err := h.store.UserByID(t.Context(), "id-admin")
	if err != nil {
		t.Fatal(err)
	}
	if by := (&request{person: personOf(who)}).author(); by.ID != "admin@acme.example" || by.Name != "admin@acme.example" {
		t.Errorf("settings were changed by %+v", by)
	}
}
