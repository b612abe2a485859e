package app

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/oauth2"

	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

// A Claim gives roles to whoever the OpenID provider says something of.
type Claim struct {
	Name  string // of the claim; a dot leads into an object, as in realm_access.roles
	Value string // what it is, or one of what it lists
	Roles users.Roles
}

// rolesOf are the roles that claims give.
func rolesOf(all []Claim, claims map[string]any) (roles users.Roles) {
	for _, c := range all {
		if c.holds(claims) {
			roles = roles.Plus(c.Roles)
		}
	}
	return roles
}

// holds reports whether claims say what the claim wants.
func (c Claim) holds(claims map[string]any) bool {
	value, whole := claims[c.Name]
	for path := c.Name; !whole && path != ""; {
		name, rest, _ := strings.Cut(path, ".")
		value, path = claims[name], rest
		if inner, is := value.(map[string]any); is && path != "" {
			claims = inner
		} else if path != "" {
			return false
		}
	}
	switch value := value.(type) {
	case string:
		return value == c.Value
	case []any:
		return slices.ContainsFunc(value, func(v any) bool { return v == any(c.Value) })
	}
	return false
}

// A dance is what a browser was sent to the OpenID provider with. It is in the session,
// so that nobody can finish what another browser has begun.
type dance struct {
	State, Nonce, Verifier string
	Next                   string
	Ticket                 string // of a link that was opened; "" without one
	Again                  string // ID of the user who is to prove again who they are; "" at sign-in
	Begun                  time.Time
}

// longestDance is how many bytes of what a stranger sends are kept for them, in each of
// any number of sessions.
const longestDance = 2048

// danceLife is how long a person may take at the provider.
const danceLife = 10 * time.Minute

func (a *App) callback(r *request) string { return a.origin(r.Request) + "/signin/callback" }

// origin is under which the browser reaches this server. Without a public URL that is on
// this machine, and the Host header was checked.
func (a *App) origin(r *http.Request) string {
	if a.PublicURL != "" {
		return strings.TrimSuffix(a.PublicURL, "/")
	}
	return "http://" + r.Host
}

// toProvider sends the browser to the OpenID provider.
func toProvider(r *request) error {
	if r.app.Login == nil {
		return errNothing
	}
	q := r.URL.Query()
	d := dance{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: ownPath(q.Get("next")), Ticket: q.Get("ticket"), Begun: time.Now()}
	if len(d.Next)+len(d.Ticket) > longestDance {
		d.Next, d.Ticket = "/", ""
	}
	scopes := append([]string{"openid", "email", "profile"}, r.app.Login.Scopes...)
	slices.Sort(scopes)
	options := []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("scope", strings.Join(slices.Compact(scopes), " "))}
	if q.Get("again") != "" {
		if r.person.ID == "" {
			return r.toSignIn()
		}
		d.Again = r.person.ID
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	to, err := r.app.Login.URL(r.Context(), r.app.callback(r), d.State, d.Nonce, d.Verifier, options...)
	if err != nil {
		r.app.Log.Error().Err(err).Msg("nobody can sign in with the OpenID provider")
		return r.problem(http.StatusBadGateway, "The OpenID provider cannot be reached. Try again, or sign in with a password.")
	}
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	r.app.sessions.Put(r.Context(), inDance, string(text))
	http.Redirect(r.w, r.Request, to, http.StatusSeeOther)
	return nil
}

// fromProvider is where the OpenID provider sends the browser back to.
func fromProvider(r *request) error {
	if r.app.Login == nil {
		return errNothing
	}
	q := r.URL.Query()
	var d dance
	if text := r.app.sessions.PopString(r.Context(), inDance); text != "" {
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return err
		}
	}
	switch {
	case d.State == "" || len(q["state"]) != 1 || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(d.State)) != 1 || time.Since(d.Begun) > danceLife:
		r.refused("sign-in that was not begun here", "")
		return r.problem(http.StatusBadRequest, "This sign-in was not begun in this browser, or took more than ten minutes. Sign in again.")
	case len(q["iss"]) > 1 || q.Get("iss") != "" && q.Get("iss") != r.app.Login.Issuer:
		r.refused("answer of another OpenID provider", q.Get("iss"))
		return r.problem(http.StatusForbidden, "The answer is of another OpenID provider than the one that was asked.")
	case q.Get("error") != "":
		return r.problem(http.StatusForbidden, "The OpenID provider did not sign you in: %s", cutText(q.Get("error")+" "+q.Get("error_description")))
	case len(q["code"]) != 1 || q.Get("code") == "":
		return r.problem(http.StatusBadRequest, "The answer of the OpenID provider has no code.")
	}
	claims, err := r.app.Login.Claims(r.Context(), r.app.callback(r), q.Get("code"), d.Nonce, d.Verifier)
	if err != nil {
		r.app.Log.Error().Err(err).Msg("a sign-in with the OpenID provider failed")
		return r.problem(http.StatusBadGateway, "The answer of the OpenID provider cannot be used; the server’s log has the cause.")
	}
	if d.Again != "" {
		return r.provedAgain(d, claims)
	}
	u, err := r.app.known(r.Context(), r, claims, d.Ticket)
	if err != nil {
		return err
	}
	return r.enter(u, "login", d.Next, "")
}

// cutText is a text of others that is shown.
func cutText(text string) string {
	return strings.TrimSpace(strings.ToValidUTF8(text[:min(len(text), 300)], ""))
}

// provedAgain checks that the one who came back is the one who went, and was asked.
func (r *request) provedAgain(d dance, claims map[string]any) error {
	u, ok, err := r.app.userOf(r.Context())
	if err != nil {
		return err
	}
	at, _ := claims["auth_time"].(float64)
	switch {
	case !ok || u.ID != d.Again || text(claims, "sub") != u.Subject || u.Issuer != r.app.Login.Issuer:
		r.refused("proof of another person", "")
		return r.problem(http.StatusForbidden, "You signed in as another person than the one who is signed in here.")
	case time.Unix(int64(at), 0).Before(d.Begun.Add(-time.Minute)): // clocks differ
		return r.problem(http.StatusForbidden, "The OpenID provider did not ask you again.")
	}
	return r.proved(u, d.Next)
}

func text(claims map[string]any, name string) string {
	value, _ := claims[name].(string)
	return value
}

// known finds or adds the user that the OpenID provider has signed in: whom an admin has
// added, by subject or by an address that the provider has verified, whoever has a role
// by their claims, and who was given a link.
func (a *App) known(ctx context.Context, r *request, claims map[string]any, ticket string) (users.User, error) {
	issuer, subject, claimed := a.Login.Issuer, text(claims, "sub"), rolesOf(a.Claims, claims)
	email, err := users.Email(text(claims, "email"))
	verified := err == nil && claims["email_verified"] == true
	if subject == "" {
		return users.User{}, r.problem(http.StatusForbidden, "The OpenID provider does not say who you are.")
	}
	var linked link
	if ticket != "" {
		var ok bool
		if linked, ok, err = a.takeLink(ctx, ticket); err != nil {
			return users.User{}, err
		} else if !ok {
			return users.User{}, r.problem(http.StatusNotFound, "This link is not good any more.")
		}
	}
	var u users.User
	find := func(all []users.User) (changed []users.User, removed []string, err error) {
		i := slices.IndexFunc(all, func(u users.User) bool { return u.Issuer == issuer && u.Subject == subject })
		if i < 0 && verified {
			i = slices.IndexFunc(all, func(u users.User) bool { return u.Email == email && u.Subject == "" })
		}
		if i < 0 && linked.User != "" {
			i = slices.IndexFunc(all, func(u users.User) bool { return linked.lets(u) && u.Subject == "" })
		}
		first := linked.First && len(all) == 0 || linked.Owner
		switch {
		case i >= 0:
			u = all[i]
		case first || claimed.Platform != "" || len(claimed.Workspaces) > 0:
			u = users.User{ID: newID(), Created: time.Now().UTC(), CreatedBy: issuer, Name: cutText(text(claims, "name"))}
			if verified && !slices.ContainsFunc(all, func(u users.User) bool { return u.Email == email }) {
				u.Email = email
			}
		default:
			return nil, nil, errUnknown
		}
		if first {
			u.Given.Platform = users.Owner
		}
		u.Issuer, u.Subject, u.Claimed = issuer, subject, claimed
		return []users.User{u}, nil, nil
	}
	all, err := a.Users.Users(ctx)
	if err != nil {
		return u, err
	}
	if _, _, err = find(all); err == nil { // strangers leave nothing in the trail
		args := map[string]any{"user": u.Shown(), "subject": subject, "roles": claimed}
		err = a.recorded(ctx, ofUser(u, "user", "takeClaims"), args, func() error { return a.Users.ChangeUsers(ctx, find) })
	}
	if errors.Is(err, errUnknown) {
		r.refused("person", subject)
		return u, r.problem(http.StatusForbidden, "Nobody has given you a role here. An admin can add you by your e-mail address %s or as subject %s.", cutText(text(claims, "email")), cutText(subject))
	}
	return u, err
}

var errUnknown = errors.New("nobody has added this person")

// newID is an ID for a user: a UUID version 7.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// GivesOwner reports whether some claim makes somebody an owner, so that nobody needs a
// link to begin with.
func (a *App) GivesOwner() bool {
	return a.Login != nil && slices.ContainsFunc(a.Claims, func(c Claim) bool { return c.Roles.Platform == users.Owner })
}

// again is the page to sign in with the provider that a link leads on to.
func again(ticket string) string { return "/signin/login?ticket=" + url.QueryEscape(ticket) }
