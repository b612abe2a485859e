package connect

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/markup"
)

// A step is what a browser was sent away for: to sign in, or to Salesforce.
type step struct {
	Ticket   ticket
	Browser  string // hash of the cookie of the browser that began
	Verifier string // PKCE
	Nonce    string // OpenID Connect
}

// Connect serves GET /w/{workspace}/oauth/connect?ticket=, which a person opens.
// It shows what is about to happen, and to whom; its link, which works in this
// browser only, takes the ticket and goes on.
func (p *People) Connect(w http.ResponseWriter, r *http.Request) {
	t, workspace, ok := p.opened(w, r)
	if !ok {
		return
	}
	secret := r.URL.Query().Get("ticket")
	if !t.Proven && !p.provable(workspace) {
		p.show(w, http.StatusForbidden, page{Title: "Not from here", Text: []string{"Connect from the settings of " + t.Person.Host + ": this link does not prove who you are."}})
		return
	}
	yes := hashOf(p.browser(w, r) + secret)
	if r.URL.Query().Get("go") != yes {
		p.show(w, http.StatusOK, page{Title: "Connect Salesforce",
			Text: []string{
				"Agents of " + t.Person.Host + " that work for " + t.Person.User + " will work in Salesforce as you: with your rights, and under your name.",
				"Go on only if you are " + t.Person.User + " and asked for this.",
			},
			Link: "?ticket=" + url.QueryEscape(secret) + "&go=" + yes, Label: "Continue"})
		return
	}
	t, ok, err := take[ticket](r.Context(), p.Rows, "ticket", secret)
	switch {
	case err != nil:
		p.failed(w, err)
	case !ok:
		p.show(w, http.StatusNotFound, used)
	case !t.Proven && workspace.Proof == ByLogin:
		p.toLogin(w, r, t)
	default: // a proof of before, a proof to come, or none is wanted
		p.toSalesforce(w, r, t, workspace)
	}
}

// opened finds the ticket that a page was opened with, and leaves it.
func (p *People) opened(w http.ResponseWriter, r *http.Request) (t ticket, workspace Workspace, ok bool) {
	t, ok, err := peek(r, p.Rows)
	if err == nil && ok {
		workspace, err = p.Workspace(r.Context(), t.Person.Workspace)
	}
	switch {
	case err != nil:
		p.failed(w, err)
		return t, workspace, false
	case !ok || t.Person.Workspace != r.PathValue("workspace"):
		p.show(w, http.StatusNotFound, used)
		return t, workspace, false
	}
	return t, workspace, true
}

var used = page{Title: "This link is not good any more", Text: []string{"It was used, or is older than ten minutes. Ask your agent for a new one."}}

// toLogin sends the browser to the OpenID provider.
func (p *People) toLogin(w http.ResponseWriter, r *http.Request, t ticket) {
	s := step{Ticket: t, Browser: p.browser(w, r), Verifier: oauth2.GenerateVerifier(), Nonce: rand.Text()}
	state, err := p.add(r.Context(), "login", ticketLife, s)
	if err != nil {
		p.failed(w, err)
		return
	}
	to, err := p.Login.URL(r.Context(), p.PublicURL+"/oauth/login", state, s.Nonce, s.Verifier)
	if err != nil {
		p.failed(w, err)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// SignedIn serves GET /oauth/login, where the OpenID provider sends the browser
// back to. Nobody but the ticket's user goes on.
func (p *People) SignedIn(w http.ResponseWriter, r *http.Request) {
	s, code, ok := p.back(w, r, "login")
	if !ok {
		return
	}
	if iss := r.URL.Query()["iss"]; len(iss) > 0 && (len(iss) > 1 || iss[0] != p.Login.Issuer) {
		p.failed(w, errMixedUp)
		return
	}
	user, err := p.Login.user(r.Context(), p.PublicURL+"/oauth/login", code, s.Nonce, s.Verifier)
	if err != nil {
		p.failed(w, err)
		return
	}
	if user != s.Ticket.Person.User {
		p.Log.Warn().Str("log", "security").Str("refused", "person").Str("workspace", s.Ticket.Person.Workspace).Msg("somebody else opened a link to connect")
		p.show(w, http.StatusForbidden, page{Title: "This link is for somebody else", Text: []string{"You are signed in as another person than the one the link was made for. Nothing was connected. " +
			"If you did not ask an agent to connect to Salesforce, somebody sent you their link: tell your administrator."}})
		return
	}
	workspace, err := p.Workspace(r.Context(), s.Ticket.Person.Workspace)
	if err != nil {
		p.failed(w, err)
		return
	}
	p.toSalesforce(w, r, s.Ticket, workspace)
}

// toSalesforce sends the browser to the login host, which asks the person.
func (p *People) toSalesforce(w http.ResponseWriter, r *http.Request, t ticket, workspace Workspace) {
	app, err := p.app(workspace)
	if err != nil {
		p.failed(w, err)
		return
	}
	s := step{Ticket: t, Browser: p.browser(w, r), Verifier: oauth2.GenerateVerifier()}
	state, err := p.add(r.Context(), "authorization", ticketLife, s)
	if err != nil {
		p.failed(w, err)
		return
	}
	http.Redirect(w, r, app.AuthorizeURL(state, s.Verifier), http.StatusSeeOther) //nolint:gosec // to the login host of the configuration
}

// Callback serves GET /oauth/callback, where Salesforce sends the browser back
// to.
func (p *People) Callback(w http.ResponseWriter, r *http.Request) {
	s, code, ok := p.back(w, r, "authorization")
	if !ok {
		return
	}
	grant, err := p.connect(r, s, code)
	if err != nil {
		p.failed(w, err)
		return
	}
	p.show(w, http.StatusOK, page{Title: "Salesforce is connected", Text: []string{"Agents of " + s.Ticket.Person.Host + " now work as " + grant.Username + ". You can close this window and go on where you were."}})
}

// connect makes a grant of a code and keeps it in place of the one there was.
func (p *People) connect(r *http.Request, s step, code string) (grant auth.Grant, err error) {
	ctx, who := r.Context(), s.Ticket.Person
	workspace, err := p.Workspace(ctx, who.Workspace)
	if err != nil {
		return grant, err
	}
	app, err := p.app(workspace)
	if err != nil {
		return grant, err
	}
	caller := allowlist.Caller{Workspace: who.Workspace, Host: who.Host, Agent: s.Ticket.Agent, User: who.User}
	return grant, p.recorded(ctx, caller, "connect", func() error {
		if iss := r.URL.Query()["iss"]; len(iss) > 0 && (len(iss) > 1 || !app.Issued(iss[0])) {
			return errMixedUp
		}
		if grant, err = app.Exchange(ctx, code, s.Verifier); err != nil {
			return err
		}
		if workspace.Proof == ByUsername && !s.Ticket.Proven && lower(grant.Username) != lower(who.User) {
			return errors.Join(errSomebodyElse, app.Revoke(ctx, grant))
		}
		g := p.grants(who, workspace)
		unlock, err := g.Lock(ctx)
		if err != nil {
			return err
		}
		defer unlock()
		before, err := g.Load(ctx)
		switch {
		case damaged(err):
			g.set(secrets.Any)
		case err != nil && !errors.Is(err, auth.ErrNotConnected):
			return err
		}
		if err := g.Save(ctx, grant); err != nil {
			return errors.Join(err, app.Revoke(ctx, grant))
		}
		if before.RefreshToken != "" && before.RefreshToken != grant.RefreshToken {
			if err := app.Revoke(ctx, before); err != nil {
				p.Log.Warn().Err(err).Str("workspace", who.Workspace).Msg("the connection before could not be revoked")
			}
		}
		return nil
	})
}

// lower is a username in lower case, which does not matter at Salesforce. Only
// A to Z have one here: Unicode counts more letters as equal, as ſ and s.
func lower(username string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, username)
}

var errSomebodyElse = errors.New("you signed in to Salesforce as another user than the one the link was made for; nothing was connected")

// errMixedUp is for an answer of another authorization server than the one that
// was asked (RFC 9207): the code is not for us to send to the one that was.
var errMixedUp = errors.New("the answer is not of the login host that was asked; nothing was connected")

// back finds the step that a browser comes back from, once, and only in the
// browser that began it. Errors that it brings are shown.
func (p *People) back(w http.ResponseWriter, r *http.Request, kind string) (s step, code string, ok bool) {
	q := r.URL.Query()
	s, ok, err := take[step](r.Context(), p.Rows, kind, q.Get("state"))
	cookie, noCookie := r.Cookie(p.cookieName())
	switch {
	case err != nil:
		p.failed(w, err)
	case !ok || len(q["state"]) != 1:
		p.show(w, http.StatusBadRequest, page{Title: "This came too late", Text: []string{"It was used, or took more than ten minutes. Ask your agent for a new link."}})
	case noCookie != nil || hashOf(cookie.Value) != s.Browser:
		p.show(w, http.StatusForbidden, page{Title: "Another browser began this", Text: []string{"Open the link, sign in and say yes in one browser. Ask your agent for a new link."}})
	case q.Get("error") != "":
		p.show(w, http.StatusForbidden, page{Title: "Salesforce was not connected", Text: []string{auth.Refusal(q.Get("error"), q.Get("error_description")).Error()}})
	case len(q["code"]) != 1 || q.Get("code") == "":
		p.show(w, http.StatusBadRequest, page{Title: "Salesforce was not connected", Text: []string{"The answer has no code."}})
	default:
		return s, q.Get("code"), true
	}
	return s, "", false
}

// DisconnectPage serves GET and POST /w/{workspace}/oauth/disconnect?ticket=. A
// GET shows a page, whose button posts. Only the links of a host that vouches for
// whoever opens them lead here: those that agents hand out connect.
func (p *People) DisconnectPage(w http.ResponseWriter, r *http.Request) {
	t, _, ok := p.opened(w, r)
	if !ok {
		return
	}
	if !t.Proven {
		p.show(w, http.StatusNotFound, used)
		return
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		p.show(w, http.StatusForbidden, page{Title: "Not from here", Text: []string{"Another site sent this form. Open the link yourself."}})
		return
	}
	if r.Method != http.MethodPost {
		p.show(w, http.StatusOK, page{Title: "Disconnect Salesforce", Text: []string{"Agents of " + t.Person.Host + " will not work in Salesforce as you any more."}, Button: "Disconnect"})
		return
	}
	t, ok, err := take[ticket](r.Context(), p.Rows, "ticket", r.URL.Query().Get("ticket"))
	if err == nil && ok {
		err = p.Disconnect(r.Context(), allowlist.Caller{Workspace: t.Person.Workspace, Host: t.Person.Host, Agent: t.Agent, User: t.Person.User})
	}
	switch {
	case err != nil:
		p.failed(w, err)
	case !ok:
		p.show(w, http.StatusNotFound, used)
	default:
		p.show(w, http.StatusOK, page{Title: "Salesforce is disconnected", Text: []string{"You can close this window."}})
	}
}

// browser makes sure of the cookie that binds what follows to this browser, and
// returns its hash.
func (p *People) browser(w http.ResponseWriter, r *http.Request) string {
	value := rand.Text()
	if cookie, err := r.Cookie(p.cookieName()); err == nil && len(cookie.Value) == len(value) {
		value = cookie.Value // of another window
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever browsers take it
		Name: p.cookieName(), Value: value, Path: "/", MaxAge: int(ticketLife.Seconds()), HttpOnly: true,
		Secure: strings.HasPrefix(p.PublicURL, "https:"), SameSite: http.SameSiteLaxMode}) // the way back is a link from elsewhere
	return hashOf(value)
}

// cookieName has the prefix that lets no other host set the cookie (RFC 6265bis,
// section 4.1.3.2), which browsers know over https only.
func (p *People) cookieName() string {
	if strings.HasPrefix(p.PublicURL, "https:") {
		return "__Host-salesforce-mcp"
	}
	return "salesforce-mcp"
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// A page is what a person sees.
type page struct {
	Title  string
	Text   []string
	Link   string // where Label leads
	Label  string
	Button string // what it is called that posts
}

// failed shows an error that a person can do something about, and logs others.
func (p *People) failed(w http.ResponseWriter, err error) {
	text, status := "The server failed; its log has the cause.", http.StatusInternalServerError
	var refused *auth.Error
	switch {
	case errors.As(err, &refused):
		text, status = refused.Error(), http.StatusBadGateway
	case errors.Is(err, errSomebodyElse):
		text, status = errSomebodyElse.Error(), http.StatusForbidden
	case errors.Is(err, errMixedUp):
		text, status = errMixedUp.Error(), http.StatusForbidden
	}
	p.Log.Error().Err(err).Msg("connecting failed")
	p.show(w, status, page{Title: "Salesforce was not connected", Text: []string{text}})
}

// style is the look of the pages, and styleHash what lets browsers use it.
const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:12vh auto;padding:0 1em;color:#222;background:#fff}
a,button{display:inline-block;font:inherit;padding:.5em 1.2em;border:0;border-radius:.3em;background:#0b5cab;color:#fff;text-decoration:none;cursor:pointer}
@media(prefers-color-scheme:dark){body{color:#eee;background:#181818}}`

var styleHash = func() string {
	sum := sha256.Sum256([]byte(style))
	return base64.StdEncoding.EncodeToString(sum[:])
}()

// html returns the page as it is sent.
func (content page) html() string {
	var p markup.Page
	p.Put(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{}</title><style>`+style+`</style></head>
<body><main><h1>{}</h1>`, content.Title, content.Title)
	for _, text := range content.Text {
		p.Put(`<p>{}</p>`, text)
	}
	if content.Link != "" {
		p.Put(`<p><a href="{}" rel="nofollow noreferrer">{}</a></p>`, content.Link, content.Label)
	}
	if content.Button != "" {
		p.Put(`<form method="post"><button>{}</button></form>`, content.Button)
	}
	p.Put(`</main></body></html>
`)
	return p.String()
}

// show writes a page that runs nothing, stands in no frame, and gives its
// address, which may hold a ticket, to nobody.
func (p *People) show(w http.ResponseWriter, status int, content page) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+styleHash+"'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := io.WriteString(w, content.html()); err != nil {
		p.Log.Debug().Err(err).Msg("a page could not be sent") // the browser is gone
	}
}
