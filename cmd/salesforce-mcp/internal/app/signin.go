package app

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

// signInPage asks who this is.
func signInPage(r *request) error {
	next := ownPath(r.URL.Query().Get("next"))
	if r.person.ID != "" {
		r.lead(next)
		return nil
	}
	return r.askSignIn(http.StatusOK, "", "", next)
}

// askSignIn is the page that asks; problem is what was wrong.
func (r *request) askSignIn(status int, problem, email, next string) error {
	p := r.page(r.t("Sign in"))
	if empty, err := r.app.empty(r.Context()); err != nil {
		return err
	} else if empty {
		p.notice("info", r.t("Nobody has been added yet. Open the link that the server printed when it started."))
	}
	if problem != "" {
		p.notice("error", problem)
	}
	if r.app.Login != nil {
		p.Put(`<p><a class="button" href="{}">{}</a></p>`, "/signin/login?next="+url.QueryEscape(next), r.t("Sign in with %s", providerName(r.app.Login.Issuer)))
		p.Put(`<h2>{}</h2>`, r.t("Or with a password"))
	}
	p.Put(`<form method="post" action="/signin" class="narrow"><input type="hidden" name="next" value="{}">`, next)
	p.field(field{name: "email", label: r.t("E-mail address"), kind: "email", value: email, autocomplete: "username", required: true})
	p.field(field{name: "password", label: r.t("Password"), kind: "password", autocomplete: "current-password", required: true})
	p.button(r.t("Sign in"))
	p.Put(`</form>`)
	return p.send(status)
}

// empty reports whether there is no user. Once there is one, there always is.
func (a *App) empty(ctx context.Context) (bool, error) {
	if a.peopled.Load() {
		return false, nil
	}
	all, err := a.Users.Users(ctx)
	a.peopled.Store(len(all) > 0)
	return err == nil && len(all) == 0, err
}

// providerName is what an OpenID provider is called: its host.
func providerName(issuer string) string {
	if u, err := url.Parse(issuer); err == nil && u.Host != "" {
		return u.Host
	}
	return issuer
}

// signInForm takes an e-mail address and a password.
func signInForm(r *request) error {
	f, err := r.form()
	if err != nil {
		return err
	}
	next := ownPath(f.Get("next"))
	var u users.User
	email, err := users.Email(f.Get("email"))
	if err != nil { // nobody has it, and a database may not even take it
		email = strings.ToLower(strings.TrimSpace(f.Get("email")))
	} else if u, _, err = r.app.Users.UserByEmail(r.Context(), email); err != nil {
		return err
	}
	device, err := r.app.device(r, u)
	if err != nil {
		return err
	}
	ways := []users.Attempt{users.AtAccount(email), users.AtSource(r.app.Source(r.Request))}
	if device != "" {
		ways = []users.Attempt{users.AtDevice(device)}
	}
	ok, wait, err := r.proves(u, f.Get("password"), ways...)
	switch {
	case err != nil:
		return err
	case wait > 0:
		return r.askSignIn(http.StatusTooManyRequests, r.tooMany(wait), email, next)
	case !ok:
		return r.askSignIn(http.StatusForbidden, r.t("The e-mail address or the password is wrong."), email, next)
	}
	return r.enter(u, "password", next, "")
}

// proves reports whether a password is that of a user who may come in, or how long to
// wait before that is looked at. A user who is none is told the same, as slowly. The
// attempt is counted in all ways, of which the first is about the account. A browser that
// is known is not counted by where it is: a stranger who guesses behind the same address
// keeps nobody out who has come in before.
func (r *request) proves(u users.User, password string, ways ...users.Attempt) (ok bool, wait time.Duration, err error) {
	ctx := r.Context()
	wait, way, failures, err := r.app.Attempts.Try(ctx, ways)
	if err != nil {
		return false, 0, err
	}
	if wait > 0 {
		r.refused("attempts", "")
		return false, wait, nil
	}
	ok, err = users.Matches(ctx, u.Password, password, len(ways) > 1)
	if errors.Is(err, users.ErrBusy) { // it was not looked at
		err = errors.Join(r.problem(http.StatusServiceUnavailable, "Too many people sign in at this moment. Try again in some seconds."), r.app.Attempts.Succeeded(ctx, nil, ways))
	}
	if err != nil {
		return false, 0, err
	}
	if ok && !u.Suspended {
		return true, 0, r.app.Attempts.Succeeded(ctx, ways[:1], ways[1:])
	}
	r.refused("password", "")
	if u.ID != "" && way.Wait(failures) > 0 { // waits bound how many entries strangers can cause
		entry := ofUser(u, "signin", "password")
		entry.Surface, entry.Code, entry.Message = "app", "locked_out", "attempts with a wrong password: "+strconv.Itoa(failures)+"; the next has to wait"
		if _, err := r.app.Journal.Refuse(ctx, entry); err != nil {
			return false, 0, err
		}
	}
	return false, 0, nil
}

// tooMany says how long to wait.
func (r *request) tooMany(wait time.Duration) string {
	seconds := int(math.Ceil(wait.Seconds()))
	r.w.Header().Set("Retry-After", strconv.Itoa(seconds))
	if seconds < 60 {
		return r.count(seconds, "There were too many attempts. Wait %d second, then try again.", "There were too many attempts. Wait %d seconds, then try again.")
	}
	return r.count((seconds+59)/60, "There were too many attempts. Wait %d minute, then try again.", "There were too many attempts. Wait %d minutes, then try again.")
}

// refused writes to the security log what was not let in. Strangers cause these lines.
func (r *request) refused(what, value string) {
	if !r.app.refusals.Allow() {
		return
	}
	e := r.app.Log.Warn().Str("log", "security").Str("refused", what).Str("from", r.app.Source(r.Request)).Str("path", r.URL.Path[:min(len(r.URL.Path), 200)])
	if value != "" {
		e = e.Str("value", value[:min(len(value), 200)])
	}
	e.Msg("request refused")
}

// enter signs a user in, and leads on. Roles that the OpenID provider gives are for those
// who come in through it: whoever does so otherwise has none of them until they do, since
// the provider may have taken them meanwhile, or the person's account.
func (r *request) enter(u users.User, how, next, flash string) error {
	ctx := r.Context()
	err := r.app.recorded(ctx, ofUser(u, "signin", how), map[string]any{"from": r.app.Source(r.Request)}, func() error {
		err := users.Change(ctx, r.app.Users, u.ID, func(now *users.User) error {
			if now.Suspended {
				return &Problem{http.StatusForbidden, r.t("An admin has suspended your account.")}
			}
			if how != "login" {
				now.Claimed = users.Roles{}
			}
			now.SignedIn = time.Now().UTC()
			u = *now
			return nil
		})
		if err != nil {
			return err
		}
		if err := r.app.knowDevice(r, u); err != nil {
			return err
		}
		return r.app.begin(ctx, u)
	})
	if err != nil {
		return err
	}
	return r.redirect(next, flash)
}

// signOut ends the session.
func signOut(r *request) error {
	u := users.User{Name: r.person.Account}
	if err := r.app.recorded(r.Context(), ofUser(u, "signin", "signout"), nil, func() error { return r.app.sessions.Destroy(r.Context()) }); err != nil {
		return err
	}
	r.w.Header().Set("Clear-Site-Data", `"cache"`)
	r.lead("/signin")
	return nil
}

// confirmPage asks a person who is signed in to prove again who they are.
func confirmPage(r *request) error {
	return r.askConfirm(http.StatusOK, "", ownPath(r.URL.Query().Get("next")))
}

func (r *request) askConfirm(status int, problem, next string) error {
	u, _, err := r.app.userOf(r.Context())
	if err != nil {
		return err
	}
	p := r.page(r.t("Confirm that it is you"))
	if problem != "" {
		p.notice("error", problem)
	}
	p.Put(`<p>{}</p>`, r.t("What comes next needs a proof that is not older than ten minutes."))
	if r.app.Login != nil && u.Subject != "" {
		p.Put(`<p><a class="button" href="{}">{}</a></p>`, "/signin/login?again=1&next="+url.QueryEscape(next), r.t("Sign in with %s", providerName(r.app.Login.Issuer)))
	}
	if u.Password != "" {
		p.Put(`<form method="post" action="/confirm" class="narrow"><input type="hidden" name="next" value="{}">`, next)
		p.field(field{name: "password", label: r.t("Password"), kind: "password", autocomplete: "current-password", required: true})
		p.button(r.t("Confirm"))
		p.Put(`</form>`)
	}
	return p.send(status)
}

// confirmForm takes the password of the person.
func confirmForm(r *request) error {
	f, err := r.form()
	if err != nil {
		return err
	}
	next := ownPath(f.Get("next"))
	u, ok, err := r.app.userOf(r.Context())
	if err != nil || !ok {
		return err
	}
	ok, wait, err := r.proves(u, f.Get("password"), users.AtConfirmation(u.ID))
	switch {
	case err != nil:
		return err
	case wait > 0:
		return r.askConfirm(http.StatusTooManyRequests, r.tooMany(wait), next)
	case !ok:
		return r.askConfirm(http.StatusForbidden, r.t("The password is wrong."), next)
	}
	return r.proved(u, next)
}

// proved notes that the person has proven again who they are, and leads back.
func (r *request) proved(u users.User, next string) error {
	ctx := r.Context()
	if err := r.app.recorded(ctx, audit.Entry{Workspace: audit.WholeServer, User: u.Shown(), Tool: "signin", Action: "confirm", Effect: "act"}, nil, func() error {
		if err := r.app.sessions.RenewToken(ctx); err != nil {
			return err
		}
		r.app.sessions.Put(ctx, inProved, time.Now().Unix())
		return nil
	}); err != nil {
		return err
	}
	return r.redirect(next, "")
}
