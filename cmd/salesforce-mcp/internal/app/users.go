package app

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

// usersPage lists who may come in.
func usersPage(r *request) error {
	return r.showUsers(http.StatusOK, url.Values{}, "", "")
}

func (r *request) showUsers(status int, f url.Values, emailProblem, subjectProblem string) error {
	all, err := r.app.Users.Users(r.Context())
	if err != nil {
		return err
	}
	p := r.page(r.t("Users and roles"))
	email := field{name: "email", label: r.t("E-mail address"), kind: "email", value: f.Get("email"), autocomplete: "off", problem: emailProblem}
	subject := field{name: "subject", label: r.t("Subject at the OpenID provider"), value: f.Get("subject"), autocomplete: "off", problem: subjectProblem,
		hint: r.t("In place of an address that the provider has verified.")}
	p.problems(email, subject)
	p.table(r.t("Users"), []string{r.t("User"), r.t("Name"), r.t("Roles"), r.t("Signed in"), r.t("State")}, len(all), func(i int) {
		u := all[i]
		signedIn, state := r.t("never"), r.t("active")
		if !u.SignedIn.IsZero() {
			signedIn = r.ago(u.SignedIn)
		}
		if u.Suspended {
			state = r.t("suspended")
		}
		p.Put(`<tr><th scope="row"><a href="{}">{}</a></th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>`, "/platform/users/"+u.ID, u.Shown(), u.Name, r.rolesText(u.Roles()), signedIn, state)
	})
	p.Put(`<section><h2>{}</h2><form method="post" action="/platform/users" class="narrow">`, r.t("Add a user"))
	p.field(email)
	if r.app.Login != nil {
		p.field(subject)
	}
	p.field(field{name: "name", label: r.t("Name"), value: f.Get("name"), autocomplete: "off"})
	p.button(r.t("Add"))
	p.Put(`</form></section>`)
	return p.send(status)
}

// addUserForm adds a user, who has no role yet.
func addUserForm(r *request) error {
	f, err := r.form()
	if err != nil {
		return err
	}
	if err := r.confirmed(); err != nil {
		return err
	}
	u := users.User{ID: newID(), Name: cutText(f.Get("name")), Created: time.Now().UTC(), CreatedBy: r.person.Account}
	if f.Get("email") != "" || f.Get("subject") == "" {
		if u.Email, err = users.Email(f.Get("email")); err != nil {
			return r.showUsers(http.StatusUnprocessableEntity, f, r.t("This is no e-mail address, as in ada@example.com."), "")
		}
	}
	if f.Get("subject") != "" && r.app.Login != nil {
		u.Issuer, u.Subject = r.app.Login.Issuer, cutText(f.Get("subject"))
	}
	err = r.app.recorded(r.Context(), r.about("user", "add"), map[string]any{"user": u.Shown(), "subject": u.Subject}, func() error { return users.Add(r.Context(), r.app.Users, u) })
	if errors.Is(err, users.ErrTaken) {
		return r.showUsers(http.StatusUnprocessableEntity, f, r.t("Somebody has this e-mail address, or this subject, already."), "")
	}
	if err != nil {
		return err
	}
	return r.redirect("/platform/users/"+u.ID, r.t("%s is added. Now say what they may do.", u.Shown()))
}

// about is the entry of something that the person does about the server.
func (r *request) about(tool, action string) audit.Entry {
	return audit.Entry{Workspace: audit.WholeServer, User: r.person.Account, Tool: tool, Action: action, Effect: "set"}
}

// user is the user of the path. Only owners change owners.
func (r *request) user(change bool) (users.User, error) {
	u, ok, err := r.app.Users.UserByID(r.Context(), r.PathValue("user"))
	if err == nil && !ok {
		err = errNothing
	}
	if err == nil && change && u.Roles().Platform == users.Owner && !r.may(owner) {
		err = r.problem(http.StatusForbidden, "Only an owner can change an owner.")
	}
	return u, err
}

// userPage shows one user, and what they may do.
func userPage(r *request) error {
	u, err := r.user(false)
	if err != nil {
		return err
	}
	return r.showUser(http.StatusOK, u, "", "")
}

func (r *request) showUser(status int, u users.User, link, problem string) error {
	names, err := r.app.Names(r.Context())
	if err != nil {
		return err
	}
	p := r.page(u.Shown())
	if problem != "" {
		p.notice("error", problem)
	}
	if link != "" {
		p.notice("ok", r.t("Give this link to %s. It is shown this once, and is good once, for an hour.", u.Shown()))
		p.code(r.t("Link"), link)
	}
	facts := []string{r.t("Added by"), u.CreatedBy, r.t("Added"), r.date(u.Created)}
	if u.Subject != "" {
		facts = append(facts, r.t("Known to"), providerName(u.Issuer), r.t("As subject"), u.Subject, r.t("Roles that the provider gives"), r.rolesText(u.Claimed))
	}
	p.facts(facts...)
	if u.Roles().Platform == users.Owner && !r.may(owner) {
		p.notice("info", r.t("Only an owner can change an owner."))
		return p.send(status)
	}
	at := "/platform/users/" + u.ID
	p.Put(`<form method="post" action="{}">`, at)
	p.field(field{name: "name", label: r.t("Name"), value: u.Name, autocomplete: "off"})
	options := []option{{"", r.t("none")}, {string(users.PlatformAdmin), r.t("admin: looks after workspaces and users, and reads every workspace")}}
	if r.may(owner) {
		options = append(options, option{string(users.Owner), r.t("owner: may do everything")})
	}
	p.choice(field{name: "platform", label: r.t("Role on the platform"), value: string(u.Given.Platform), options: options})
	for _, name := range names {
		p.Put(`<fieldset><legend>{}</legend>`, r.t("In workspace %s", name))
		for _, role := range users.WorkspaceRoles {
			p.checkbox("in-"+name, string(role), r.t(roleNames[role]), r.t(roleHints[role]), slices.Contains(u.Given.Workspaces[name], role))
		}
		p.Put(`</fieldset>`)
	}
	p.checkbox("suspended", "yes", r.t("Suspended"), r.t("They cannot come in, and their sessions end."), u.Suspended)
	p.button(r.t("Save"))
	p.Put(`</form><section><h2>{}</h2>`, r.t("Sign-in"))
	if !u.Suspended {
		p.Put(`<p>{}</p>`, r.t("A link lets them in once, to choose a new password."))
		p.action(at+"/link", r.t("Make a sign-in link"))
	}
	p.action(at+"/signout", r.t("End all sessions"))
	p.Put(`<form class="inline" method="post" action="{}">`, at+"/delete")
	p.danger(r.t("Delete the user"))
	p.Put(`</form></section>`)
	return p.send(status)
}

// roleHints say what roles may do.
var roleHints = map[users.Role]string{
	users.Admin: words("sets the workspace up, and decides what waits"), users.Approver: words("decides what waits"), users.Auditor: words("reads everything, and changes nothing"),
}

// userForm changes a user.
func userForm(r *request) error {
	f, err := r.form()
	if err != nil {
		return err
	}
	if err := r.confirmed(); err != nil {
		return err
	}
	u, err := r.user(true)
	if err != nil {
		return err
	}
	names, err := r.app.Names(r.Context())
	if err != nil {
		return err
	}
	roles := users.Roles{Platform: users.Role(f.Get("platform")), Workspaces: map[string][]users.Role{}}
	for _, name := range names {
		for _, role := range f["in-"+name] {
			roles.Workspaces[name] = append(roles.Workspaces[name], users.Role(role))
		}
	}
	if err := roles.Validate(); err != nil || roles.Platform == users.Owner && !r.may(owner) {
		return r.problem(http.StatusBadRequest, "There is no such role.")
	}
	suspended := f.Get("suspended") == "yes"
	before := u.Given
	change := func() error {
		return users.Change(r.Context(), r.app.Users, u.ID, func(now *users.User) error {
			if now.Roles().Platform == users.Owner && !r.may(owner) { // it may have become one
				return errNothing
			}
			now.Name, now.Given = cutText(f.Get("name")), roles
			if suspended && !now.Suspended {
				now.Generation++
			}
			now.Suspended = suspended
			return nil
		})
	}
	args := map[string]any{"user": u.Shown(), "platform": string(roles.Platform), "workspaces": roles.Workspaces, "suspended": suspended}
	err = r.app.recorded(r.Context(), r.about("user", "change"), args, func() error { return r.app.recordedIn(r.Context(), r.person, u, before, roles, change) })
	if errors.Is(err, users.ErrLastOwner) {
		return r.showUser(http.StatusConflict, u, "", r.t("Nobody would be left who is an owner and may come in. Make somebody else an owner first."))
	}
	if err != nil {
		return err
	}
	return r.redirect("/platform/users/"+u.ID, r.t("%s is saved.", u.Shown()))
}

// recordedIn records a change of roles in the trail of each workspace that it is about,
// too, where its auditors find it.
func (a *App) recordedIn(ctx context.Context, by Person, u users.User, before, after users.Roles, work func() error) error {
	names := map[string]bool{}
	for _, roles := range []users.Roles{before, after} {
		for name := range roles.Workspaces {
			names[name] = true
		}
	}
	for name := range names {
		was, is := before.Workspaces[name], after.Workspaces[name]
		if (users.Roles{Workspaces: map[string][]users.Role{name: was}}).Equal(users.Roles{Workspaces: map[string][]users.Role{name: is}}) {
			continue
		}
		next := work
		work = func() error {
			entry := audit.Entry{Workspace: name, User: by.Account, Tool: "user", Action: "change", Effect: "set"}
			return a.recorded(ctx, entry, map[string]any{"user": u.Shown(), "roles": is, "before": was}, next)
		}
	}
	return work()
}

// userLinkForm makes a link with which the user comes in.
func userLinkForm(r *request) error {
	if err := r.confirmed(); err != nil {
		return err
	}
	u, err := r.user(true)
	if err != nil {
		return err
	}
	if u.Suspended {
		return r.problem(http.StatusConflict, "This user is suspended.")
	}
	path := ""
	err = r.app.recorded(r.Context(), r.about("user", "makeLink"), map[string]any{"user": u.Shown()}, func() (err error) {
		path, err = UserLink(r.Context(), r.app.Links, u)
		return err
	})
	if err != nil {
		return err
	}
	return r.showUser(http.StatusOK, u, r.app.origin(r.Request)+path, "")
}

// userSignOutForm ends all sessions of a user.
func userSignOutForm(r *request) error {
	u, err := r.user(true)
	if err != nil {
		return err
	}
	err = r.app.recorded(r.Context(), r.about("user", "endSessions"), map[string]any{"user": u.Shown()}, func() error {
		return users.Change(r.Context(), r.app.Users, u.ID, func(now *users.User) error { now.Generation++; return nil })
	})
	if err != nil {
		return err
	}
	return r.redirect("/platform/users/"+u.ID, r.t("The sessions of %s have ended.", u.Shown()))
}

// deleteUserForm removes a user.
func deleteUserForm(r *request) error {
	if err := r.confirmed(); err != nil {
		return err
	}
	u, err := r.user(true)
	if err != nil {
		return err
	}
	remove := func() error { return users.Remove(r.Context(), r.app.Users, u.ID) }
	err = r.app.recorded(r.Context(), r.about("user", "remove"), map[string]any{"user": u.Shown()}, func() error {
		return r.app.recordedIn(r.Context(), r.person, u, u.Given, users.Roles{}, remove)
	})
	if errors.Is(err, users.ErrLastOwner) {
		return r.showUser(http.StatusConflict, u, "", r.t("Nobody would be left who is an owner and may come in. Make somebody else an owner first."))
	}
	if err != nil {
		return err
	}
	return r.redirect("/platform/users", r.t("%s is deleted.", u.Shown()))
}
