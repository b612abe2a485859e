package app

import (
	"net/http"
	"slices"
	"strings"

	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

// accountPage shows a person what is known of them.
func accountPage(r *request) error { return r.showAccount(http.StatusOK, "", "") }

func (r *request) showAccount(status int, passwordProblem, nowProblem string) error {
	u, _, err := r.app.userOf(r.Context())
	if err != nil {
		return err
	}
	p := r.page(r.t("Your account"))
	facts := []string{r.t("E-mail address"), u.Email}
	if u.Subject != "" {
		facts = append(facts, r.t("Known to"), providerName(u.Issuer), r.t("As subject"), u.Subject)
	}
	p.facts(append(facts, r.t("Roles"), r.rolesText(u.Roles()))...)
	p.Put(`<form method="post" action="/account" class="narrow">`)
	p.field(field{name: "name", label: r.t("Your name"), value: u.Name, autocomplete: "name"})
	p.button(r.t("Save"))
	p.Put(`</form>`)

	if u.Email != "" {
		p.Put(`<h2>{}</h2>`, r.t("Password"))
		now := field{name: "now", label: r.t("Present password"), kind: "password", autocomplete: "current-password", required: true, problem: nowProblem}
		next := field{name: "password", label: r.t("New password"), kind: "password", autocomplete: "new-password", required: true, problem: passwordProblem,
			hint: r.t("%d characters or more.", users.ShortestPassword)}
		p.problems(now, next)
		p.Put(`<form method="post" action="/account/password" class="narrow">`)
		if u.Password != "" {
			p.field(now)
		}
		p.field(next)
		p.button(r.t("Change the password"))
		p.Put(`</form>`)
	}
	p.Put(`<h2>{}</h2><p>{}</p>`, r.t("Sessions"), r.t("This ends your sessions in all browsers, and this one too."))
	p.action("/account/signout", r.t("Sign out everywhere"))
	return p.send(status)
}

// roleNames are what roles are called on pages.
var roleNames = map[users.Role]string{
	users.Owner: words("owner"), users.Admin: words("admin"), users.Approver: words("approver"), users.Auditor: words("auditor"),
}

// rolesText is roles in words.
func (r *request) rolesText(roles users.Roles) string {
	var all []string
	if roles.Platform != "" {
		all = append(all, r.t("platform: %s", r.t(roleNames[roles.Platform])))
	}
	names := make([]string, 0, len(roles.Workspaces))
	for name := range roles.Workspaces {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		var these []string
		for _, role := range roles.Workspaces[name] {
			these = append(these, r.t(roleNames[role]))
		}
		if these != nil {
			all = append(all, name+": "+strings.Join(these, ", "))
		}
	}
	if all == nil {
		return r.t("none")
	}
	return strings.Join(all, "; ")
}

// accountForm takes what a person wants to be called.
func accountForm(r *request) error {
	f, err := r.form()
	if err != nil {
		return err
	}
	name := cutText(f.Get("name"))
	err = r.app.recorded(r.Context(), r.about("user", "rename"), map[string]any{"user": r.person.Account, "name": name, "before": r.person.Name}, func() error {
		return users.Change(r.Context(), r.app.Users, r.person.ID, func(u *users.User) error { u.Name = name; return nil })
	})
	if err != nil {
		return err
	}
	return r.redirect("/account", r.t("Your name is saved."))
}

// passwordForm takes a new password, from whoever knows the present one. All other
// sessions end.
func passwordForm(r *request) error {
	f, err := r.form()
	if err != nil {
		return err
	}
	ctx := r.Context()
	u, _, err := r.app.userOf(ctx)
	if err != nil {
		return err
	}
	if u.Password == "" {
		if err := r.confirmed(); err != nil {
			return err
		}
	} else {
		ok, wait, err := r.proves(u, f.Get("now"), users.AtConfirmation(u.ID))
		switch {
		case err != nil:
			return err
		case wait > 0:
			return r.showAccount(http.StatusTooManyRequests, "", r.tooMany(wait))
		case !ok:
			return r.showAccount(http.StatusUnprocessableEntity, "", r.t("The password is wrong."))
		}
	}
	if problem := r.passwordProblem(users.CheckPassword(f.Get("password"), u.Email)); problem != "" {
		return r.showAccount(http.StatusUnprocessableEntity, problem, "")
	}
	hash, err := users.Hash(ctx, f.Get("password"))
	if err != nil {
		return err
	}
	err = r.app.recorded(ctx, ofUser(u, "user", "changePassword"), map[string]any{"user": u.Shown()}, func() error {
		if err := users.Change(ctx, r.app.Users, u.ID, func(now *users.User) error {
			now.Password, now.Generation = hash, now.Generation+1
			u = *now
			return nil
		}); err != nil {
			return err
		}
		return r.app.begin(ctx, u)
	})
	if err != nil {
		return err
	}
	return r.redirect("/account", r.t("The password is changed. Your other sessions have ended."))
}

// signOutEverywhere ends all sessions of the person.
func signOutEverywhere(r *request) error {
	ctx := r.Context()
	err := r.app.recorded(ctx, ofUser(users.User{Name: r.person.Account}, "signin", "signOutEverywhere"), map[string]any{"user": r.person.Account}, func() error {
		if err := users.Change(ctx, r.app.Users, r.person.ID, func(u *users.User) error { u.Generation++; return nil }); err != nil {
			return err
		}
		return r.app.sessions.Destroy(ctx)
	})
	if err != nil {
		return err
	}
	r.lead("/signin")
	return nil
}
