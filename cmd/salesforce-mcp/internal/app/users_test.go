package app

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

// newPassword is one that is long enough, and not the one that everybody has.
const newPassword = "another good password"

// TestFirstStart: while there is nobody, a link makes an owner, once; with somebody there
// every such link is void.
func TestFirstStart(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	if path, err := FirstLink(ctx, h.store, h.store); path != "" || err != nil {
		t.Errorf("with users there is a first link: %q, error %v", path, err)
	}
	if err := h.store.ChangeUsers(ctx, func(all []users.User) (_ []users.User, ids []string, _ error) {
		for _, u := range all {
			ids = append(ids, u.ID)
		}
		return nil, ids, nil
	}); err != nil {
		t.Fatal(err)
	}
	h.app.peopled.Store(false)
	if a := h.browser().get("/signin"); !strings.Contains(a.body, "Nobody has been added yet") {
		t.Errorf("the sign-in page does not say that nobody is there: %s", a.body)
	}
	var links []string
	for range 2 { // two processes that start
		path, err := FirstLink(ctx, h.store, h.store)
		if err != nil {
			t.Fatal(err)
		}
		links = append(links, path)
	}
	ticket := strings.TrimPrefix(links[0], "/setup?ticket=")
	b := h.browser()
	for range 2 { // it is looked at more than once
		if a := b.get(links[0]); a.status != http.StatusOK || b.in() {
			t.Errorf("the link shows %d", a.status)
		}
	}
	form := url.Values{"ticket": {ticket}, "name": {"Ada"}, "email": {"Ada@Acme.example"}, "password": {newPassword}}
	for field, wrong := range map[string]string{"email": "ada", "password": "short"} {
		f := url.Values{}
		for name, values := range form {
			f[name] = values
		}
		f[field] = []string{wrong}
		a := b.post("/setup", f)
		if a.status != http.StatusUnprocessableEntity || b.in() || !strings.Contains(a.body, `href="#`+field+`"`) || !strings.Contains(a.body, `value="Ada"`) || strings.Contains(a.body, newPassword) {
			t.Errorf("a wrong %s: %d %s", field, a.status, a.body)
		}
	}
	if a := b.post("/setup", form); a.to() != "/" || !b.in() {
		t.Fatalf("set up: %d %s", a.status, a.body)
	}
	u, ok, err := h.store.UserByEmail(ctx, "ada@acme.example")
	if err != nil || !ok || u.Given.Platform != users.Owner || u.SignedIn.IsZero() {
		t.Errorf("the owner is %+v, error %v", u, err)
	}
	for _, link := range links {
		other := h.browser()
		form.Set("ticket", strings.TrimPrefix(link, "/setup?ticket="))
		form.Set("email", "eve@evil.example")
		if a, p := other.get(link), other.post("/setup", form); a.status != http.StatusNotFound || p.status != http.StatusNotFound || other.in() {
			t.Errorf("a link of the first start afterwards: %d, %d", a.status, p.status)
		}
	}
	if a := h.browser().get("/signin"); strings.Contains(a.body, "Nobody has been added yet") {
		t.Error("the sign-in page says that nobody is there")
	}
}

// TestLinks: a link lets its user in once, who takes a new password, and an operator's
// makes an owner beside those there are.
func TestLinks(t *testing.T) {
	h := newHouse(t)
	boss := h.as("owner")
	a := boss.post("/platform/users/id-auditor/link", nil)
	link := regexp.MustCompile(regexp.QuoteMeta(h.origin) + `(/setup\?ticket=([A-Z0-9]+))<`).FindStringSubmatch(a.body)
	if a.status != http.StatusOK || link == nil {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if log := h.log.String(); strings.Contains(log, link[2]) {
		t.Error("the link is in the log")
	}
	old, b := h.as("auditor"), h.browser()
	if a := b.post("/setup", url.Values{"ticket": {link[2]}, "email": {"eve@evil.example"}, "password": {newPassword}}); a.to() != "/" || !b.in() {
		t.Fatalf("the link: %d %s", a.status, a.body)
	}
	if old.in() {
		t.Error("sessions of before go on")
	}
	if a := h.browser().signIn("auditor", newPassword); a.status != http.StatusSeeOther {
		t.Errorf("with the new password, at the address of before: %d", a.status)
	}
	if a := h.browser().post("/setup", url.Values{"ticket": {link[2]}, "password": {newPassword}}); a.status != http.StatusNotFound {
		t.Errorf("the link again: %d", a.status)
	}
	for _, e := range h.entries(audit.WholeServer) {
		if strings.Contains(string(e.Line()), link[2]) {
			t.Error("the link is in the trail")
		}
	}

	path, err := UserLink(t.Context(), h.store, mustUser(t, h, "approver"))
	if err != nil {
		t.Fatal(err)
	}
	boss.post("/platform/users/id-approver", url.Values{"suspended": {"yes"}})
	if a := h.browser().get(path); a.status != http.StatusNotFound {
		t.Errorf("the link of who is suspended since: %d", a.status)
	}

	path, err = OwnerLink(t.Context(), h.store)
	if err != nil {
		t.Fatal(err)
	}
	locked, form := h.browser(), url.Values{"ticket": {strings.TrimPrefix(path, "/setup?ticket=")}, "email": {"owner@acme.example"}, "password": {newPassword}}
	if a := locked.post("/setup", form); a.status != http.StatusUnprocessableEntity || locked.in() {
		t.Errorf("an operator's link with somebody's address: %d", a.status)
	}
	form.Set("email", "operator@acme.example")
	if a := locked.post("/setup", form); a.to() != "/" || locked.get("/platform/users").status != http.StatusOK {
		t.Errorf("an operator's link: %d", a.status)
	}
}

// TestUserPages: admins of the platform look after people; owners, and what makes one, are
// for owners alone, however it is tried; and the last owner stays.
func TestUserPages(t *testing.T) {
	h := newHouse(t)
	admin, boss := h.as("platform-admin"), h.as("owner")
	for name, try := range map[string]func() answer{
		"make oneself an owner": func() answer {
			return admin.post("/platform/users/id-platform-admin", url.Values{"platform": {"owner"}})
		},
		"make another an owner": func() answer { return admin.post("/platform/users/id-nobody", url.Values{"platform": {"owner"}}) },
		"take an owner's role":  func() answer { return admin.post("/platform/users/id-owner", url.Values{"platform": {""}}) },
		"suspend an owner": func() answer {
			return admin.post("/platform/users/id-owner", url.Values{"platform": {"owner"}, "suspended": {"yes"}})
		},
		"come in as an owner":    func() answer { return admin.post("/platform/users/id-owner/link", nil) },
		"end an owner's session": func() answer { return admin.post("/platform/users/id-owner/signout", nil) },
		"delete an owner":        func() answer { return admin.post("/platform/users/id-owner/delete", nil) },
		"make up a role":         func() answer { return admin.post("/platform/users/id-nobody", url.Values{"platform": {"root"}}) },
		"make up another":        func() answer { return admin.post("/platform/users/id-nobody", url.Values{"in-demo": {"owner"}}) },
	} {
		if a := try(); a.status != http.StatusForbidden && a.status != http.StatusBadRequest || strings.Contains(a.body, "ticket=") {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if u := mustUser(t, h, "owner"); u.Suspended || u.Given.Platform != users.Owner || u.Generation != 0 || mustUser(t, h, "nobody").Given.Platform != "" || !boss.in() {
		t.Errorf("somebody was changed: %+v", u)
	}
	for name, try := range map[string]func() answer{
		"demoted": func() answer { return boss.post("/platform/users/id-owner", url.Values{"platform": {"admin"}}) },
		"suspended": func() answer {
			return boss.post("/platform/users/id-owner", url.Values{"platform": {"owner"}, "suspended": {"yes"}})
		},
		"deleted": func() answer { return boss.post("/platform/users/id-owner/delete", nil) },
	} {
		if a := try(); a.status != http.StatusConflict || !boss.in() {
			t.Errorf("the last owner is %s: %d", name, a.status)
		}
	}

	if a := admin.post("/platform/users", url.Values{"email": {"NEW@acme.example"}, "name": {"<b>New</b>"}}); a.status != http.StatusSeeOther {
		t.Fatalf("add: %d %s", a.status, a.body)
	}
	if a := admin.post("/platform/users", url.Values{"email": {"new@acme.example"}}); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `value="new@acme.example"`) {
		t.Errorf("add again: %d", a.status)
	}
	if a := admin.get("/platform/users"); !strings.Contains(a.body, "&lt;b&gt;New&lt;/b&gt;") || strings.Contains(a.body, "<b>") || strings.Contains(a.body, "argon2id") {
		t.Errorf("the list: %s", a.body)
	}
	if a := admin.post("/platform/users/id-nobody", url.Values{"name": {"N"}, "in-demo": {"approver", "auditor"}, "in-gone": {"admin"}}); a.status != http.StatusSeeOther {
		t.Fatalf("change: %d %s", a.status, a.body)
	}
	if got := mustUser(t, h, "nobody"); !got.Given.Equal(users.Roles{Workspaces: map[string][]users.Role{"demo": {users.Approver, users.Auditor}}}) || got.Name != "N" {
		t.Errorf("%+v", got)
	}
	if a := admin.get("/platform/users/id-nobody"); !strings.Contains(a.body, `value="approver" aria-describedby="in-demo-approver-hint" checked`) {
		t.Errorf("the page: %s", a.body)
	}
	// The trail of the workspace has who got a role in it, and that of others does not.
	found := false
	for _, e := range h.entries("demo") {
		found = found || e.Tool == "user" && e.Action == "change" && e.User == "platform-admin@acme.example" && strings.Contains(string(e.Arguments), "approver")
	}
	if !found || len(h.entries("other")) != 0 {
		t.Errorf("the trail of demo has the change: %t; that of other: %v", found, h.entries("other"))
	}
	if a := admin.post("/platform/users/id-nobody/delete", nil); a.to() != "/platform/users" {
		t.Errorf("delete: %d", a.status)
	}
	if a := admin.get("/platform/users/id-nobody"); a.status != http.StatusNotFound {
		t.Errorf("who was deleted: %d", a.status)
	}
}

// TestPasswordOfOwn: a person changes their password with the present one, and with
// nothing less.
func TestPasswordOfOwn(t *testing.T) {
	h := newHouse(t)
	b := h.as("admin")
	for _, tt := range []struct {
		now, next string
		status    int
	}{
		{"guess", newPassword, http.StatusUnprocessableEntity},
		{"", newPassword, http.StatusUnprocessableEntity},
		{goodPassword, "short", http.StatusUnprocessableEntity},
		{goodPassword, "admin@acme.example", http.StatusUnprocessableEntity},
		{goodPassword, newPassword, http.StatusSeeOther},
	} {
		if a := b.post("/account/password", url.Values{"now": {tt.now}, "password": {tt.next}}); a.status != tt.status {
			t.Errorf("%q instead of %q: %d, want %d", tt.next, tt.now, a.status, tt.status)
		}
	}
	if a := h.browser().signIn("admin", goodPassword); a.status != http.StatusForbidden {
		t.Errorf("the password of before: %d", a.status)
	}
	if !b.in() {
		t.Error("the session in which it was changed has ended")
	}
}
