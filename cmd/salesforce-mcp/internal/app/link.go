package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

// Links keep what a secret that was handed out stands for. *store.Store does.
type Links interface {
	AddPending(ctx context.Context, kind, secret string, life time.Duration, content []byte) error
	Pending(ctx context.Context, kind, secret string) (content []byte, ok bool, err error)
	TakePending(ctx context.Context, kind, secret string) (content []byte, ok bool, err error)
}

// A link lets whoever opens it in, once.
type link struct {
	User string `json:"user,omitempty"` // ID of the one it is for
	// Generation is the user's, and OfOwner whether they were an owner, when it was made:
	// what ends their sessions ends it too, and nobody but an owner makes one for an owner.
	Generation int64 `json:"generation,omitempty"`
	OfOwner    bool  `json:"ofOwner,omitempty"`

	First bool `json:"first,omitempty"` // whoever opens it becomes the owner, while there is no user
	Owner bool `json:"owner,omitempty"` // whoever opens it becomes an owner, whoever is there
}

// How long links are good for: that of the first start, and others.
const (
	firstLinkLife = 24 * time.Hour
	linkLife      = time.Hour
)

const linkKind = "app-link"

// FirstLink returns the path of a link with which somebody becomes the owner, once, while
// there is no user; "" when there are some.
func FirstLink(ctx context.Context, rows users.Rows, links Links) (path string, err error) {
	all, err := rows.Users(ctx)
	if err != nil || len(all) > 0 {
		return "", err
	}
	return newLink(ctx, links, link{First: true}, firstLinkLife)
}

// OwnerLink returns the path of a link with which somebody becomes an owner, once, within
// an hour, whoever else there is: for an operator who is locked out.
func OwnerLink(ctx context.Context, links Links) (path string, err error) {
	return newLink(ctx, links, link{Owner: true}, linkLife)
}

// UserLink returns the path of a link with which a user comes in and takes a new password,
// once, within an hour.
func UserLink(ctx context.Context, links Links, u users.User) (path string, err error) {
	return newLink(ctx, links, link{User: u.ID, Generation: u.Generation, OfOwner: u.Roles().Platform == users.Owner}, linkLife)
}

// lets reports whether a link that was made for a user lets them in as they are now.
func (l link) lets(u users.User) bool {
	return u.ID != "" && u.ID == l.User && !u.Suspended && u.Generation == l.Generation && (l.OfOwner || u.Roles().Platform != users.Owner)
}

func newLink(ctx context.Context, links Links, l link, life time.Duration) (string, error) {
	text, err := json.Marshal(l)
	if err != nil {
		return "", err
	}
	secret := rand.Text()
	return "/setup?ticket=" + secret, links.AddPending(ctx, linkKind, secret, life, text)
}

// openLink looks at what a link is for, and leaves it.
func (a *App) openLink(ctx context.Context, ticket string) (l link, u users.User, ok bool, err error) {
	content, ok, err := a.Links.Pending(ctx, linkKind, ticket)
	if err != nil || !ok {
		return l, u, false, err
	}
	if err := json.Unmarshal(content, &l); err != nil {
		return l, u, false, err
	}
	switch {
	case l.User != "":
		u, ok, err = a.Users.UserByID(ctx, l.User)
		return l, u, ok && l.lets(u), err
	case l.First:
		all, err := a.Users.Users(ctx)
		return l, u, len(all) == 0, err
	}
	return l, u, l.Owner, nil
}

// takeLink takes a link, once.
func (a *App) takeLink(ctx context.Context, ticket string) (l link, ok bool, err error) {
	content, ok, err := a.Links.TakePending(ctx, linkKind, ticket)
	if err != nil || !ok {
		return l, false, err
	}
	return l, true, json.Unmarshal(content, &l)
}

// setupPage is what a link leads to: it shows a form, and takes nothing yet, since
// programs that look at links in messages open them too.
func setupPage(r *request) error {
	ticket := r.URL.Query().Get("ticket")
	l, u, ok, err := r.app.openLink(r.Context(), ticket)
	if err != nil {
		return err
	}
	if !ok {
		return r.linkGone()
	}
	return r.askSetup(http.StatusOK, l, u, ticket, setupFields{name: u.Name, email: u.Email})
}

func (r *request) linkGone() error {
	r.refused("link", "")
	return r.problem(http.StatusNotFound, "This link was used, or is too old. The command salesforce-mcp signin-link makes another, and so does an admin on the page Users and roles.")
}

// setupFields are what the form was filled in with, and what is wrong with it.
type setupFields struct {
	name, email, emailProblem, passwordProblem string
}

func (r *request) askSetup(status int, l link, u users.User, ticket string, in setupFields) error {
	title, text, button := r.t("Welcome"), r.t("You will be the owner: who may do everything here, and gives others their roles."), r.t("Begin")
	if l.User != "" {
		text, button = r.t("Choose the password with which you sign in from now on."), r.t("Sign in")
	}
	p := r.page(title)
	p.Put(`<p>{}</p>`, text)
	if r.app.Login != nil && u.Subject == "" {
		p.Put(`<p><a class="button" href="{}">{}</a></p><h2>{}</h2>`, again(ticket), r.t("Sign in with %s", providerName(r.app.Login.Issuer)), r.t("Or with a password"))
	}
	email := field{name: "email", label: r.t("E-mail address"), kind: "email", value: in.email, autocomplete: "username", required: true, problem: in.emailProblem,
		hint: r.t("You sign in with it. No mail is sent.")}
	password := field{name: "password", label: r.t("New password"), kind: "password", autocomplete: "new-password", required: true, problem: in.passwordProblem,
		hint: r.t("%d characters or more.", users.ShortestPassword)}
	p.problems(email, password)
	p.Put(`<form method="post" action="/setup" class="narrow"><input type="hidden" name="ticket" value="{}">`, ticket)
	if u.Email == "" {
		p.field(field{name: "name", label: r.t("Your name"), value: in.name, autocomplete: "name"})
		p.field(email)
	} else {
		p.facts(r.t("E-mail address"), u.Email)
	}
	p.field(password)
	p.button(button)
	p.Put(`</form>`)
	return p.send(status)
}

// setupForm takes the link, and lets in who filled the form in.
func setupForm(r *request) error {
	f, err := r.form()
	if err != nil {
		return err
	}
	ctx, ticket := r.Context(), f.Get("ticket")
	l, u, ok, err := r.app.openLink(ctx, ticket)
	if err != nil {
		return err
	}
	if !ok {
		return r.linkGone()
	}
	in := setupFields{name: cutText(f.Get("name")), email: u.Email}
	if u.Email == "" {
		if in.email, err = users.Email(f.Get("email")); err != nil {
			in.email, in.emailProblem = cutText(f.Get("email")), r.t("This is no e-mail address, as in ada@example.com.")
		}
	}
	in.passwordProblem = r.passwordProblem(users.CheckPassword(f.Get("password"), in.email))
	if in.emailProblem != "" || in.passwordProblem != "" {
		return r.askSetup(http.StatusUnprocessableEntity, l, u, ticket, in)
	}
	hash, err := users.Hash(ctx, f.Get("password"))
	if err != nil {
		return err
	}
	if _, found, err := r.app.Users.UserByEmail(ctx, in.email); err != nil {
		return err
	} else if found && u.ID == "" {
		in.emailProblem = r.t("Somebody has this e-mail address already.")
		return r.askSetup(http.StatusUnprocessableEntity, l, u, ticket, in)
	}
	if l, ok, err = r.app.takeLink(ctx, ticket); err != nil {
		return err
	} else if !ok {
		return r.linkGone()
	}
	if l.User == "" {
		u = users.User{ID: newID(), Email: in.email, Name: in.name, Password: hash, Given: users.Roles{Platform: users.Owner}, Created: time.Now().UTC(), CreatedBy: "link"}
	}
	err = r.app.recorded(ctx, ofUser(u, "user", "setUp"), map[string]any{"user": in.email}, func() error { return r.app.setUp(ctx, l, &u, in, hash) })
	if errors.Is(err, errNothing) {
		return r.linkGone()
	}
	if err != nil {
		return err
	}
	return r.enter(u, "link", "/", "")
}

// setUp keeps what a link was opened for.
func (a *App) setUp(ctx context.Context, l link, u *users.User, in setupFields, hash string) error {
	switch {
	case l.First:
		first, err := users.AddFirst(ctx, a.Users, *u)
		if err == nil && !first {
			err = errNothing
		}
		return err
	case l.Owner:
		return users.Add(ctx, a.Users, *u)
	}
	return users.Change(ctx, a.Users, u.ID, func(now *users.User) error {
		if !l.lets(*now) { // they may have changed meanwhile
			return errNothing
		}
		if now.Email == "" {
			now.Email = in.email
		}
		now.Password, now.Generation = hash, now.Generation+1
		*u = *now
		return nil
	})
}

// passwordProblem says what is wrong with a new password.
func (r *request) passwordProblem(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, users.ErrShort):
		return r.t("It is too short: take %d characters or more.", users.ShortestPassword)
	case errors.Is(err, users.ErrLong):
		return r.t("It is too long.")
	}
	return r.t("It is easy to guess: take several words, or what a password manager makes.")
}
