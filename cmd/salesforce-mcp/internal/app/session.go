package app

import (
	"context"
	"crypto/rand"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

// How long a session is good for: without a request, and at all.
const (
	sessionIdle = time.Hour
	sessionLife = 12 * time.Hour
)

// Sessions keep sessions by the hash of their token, for all processes. *store.Store does.
type Sessions interface {
	AppSession(ctx context.Context, hash string) (content []byte, ok bool, err error)
	PutAppSession(ctx context.Context, hash string, content []byte, expires time.Time) error
	EndAppSession(ctx context.Context, hash string) error
}

// What a session holds.
const (
	inUser       = "user"       // ID of who is signed in
	inGeneration = "generation" // of the user's sessions when they signed in
	inProved     = "proved"     // when they last proved who they are, in seconds since 1970
	inFlash      = "flash"      // what the next page says
	inDance      = "dance"      // what a browser was sent to the OpenID provider with, as JSON
)

// newSessions returns the sessions. Over https their cookie has the prefix that lets no
// other host set it (RFC 6265bis, section 4.1.3.2), which browsers know there only.
func (a *App) newSessions() *scs.SessionManager {
	s := scs.New()
	s.Store = sessionStore{a.Sessions}
	s.IdleTimeout, s.Lifetime = sessionIdle, sessionLife
	s.HashTokenInStore = true
	s.Cookie.Name, s.Cookie.Secure = a.cookieName("session"), a.secure()
	s.Cookie.HttpOnly, s.Cookie.SameSite, s.Cookie.Persist = true, http.SameSiteLaxMode, false
	s.ErrorFunc = func(w http.ResponseWriter, _ *http.Request, err error) {
		a.Log.Error().Err(err).Msg("sessions cannot be used")
		http.Error(w, "The server failed; its log has the cause.", http.StatusInternalServerError)
	}
	return s
}

func (a *App) cookieName(name string) string {
	if a.secure() {
		return "__Host-salesforce-mcp-" + name
	}
	return "salesforce-mcp-" + name
}

// sessionStore is what the session library knows of [Sessions].
type sessionStore struct{ rows Sessions }

var _ scs.CtxStore = sessionStore{}

// FindCtx implements [scs.CtxStore].
func (s sessionStore) FindCtx(ctx context.Context, hash string) ([]byte, bool, error) {
	return s.rows.AppSession(ctx, hash)
}

// CommitCtx implements [scs.CtxStore].
func (s sessionStore) CommitCtx(ctx context.Context, hash string, content []byte, expires time.Time) error {
	return s.rows.PutAppSession(context.WithoutCancel(ctx), hash, content, expires)
}

// DeleteCtx implements [scs.CtxStore].
func (s sessionStore) DeleteCtx(ctx context.Context, hash string) error {
	return s.rows.EndAppSession(context.WithoutCancel(ctx), hash)
}

// Find implements [scs.Store].
func (s sessionStore) Find(hash string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), hash)
}

// Commit implements [scs.Store].
func (s sessionStore) Commit(hash string, content []byte, expires time.Time) error {
	return s.CommitCtx(context.Background(), hash, content, expires)
}

// Delete implements [scs.Store].
func (s sessionStore) Delete(hash string) error { return s.DeleteCtx(context.Background(), hash) }

// signedIn returns the person of the session, as they are now, or nobody.
func (a *App) signedIn(ctx context.Context) (Person, error) {
	u, ok, err := a.userOf(ctx)
	if err != nil || !ok {
		return Person{}, err
	}
	return personOf(u), nil
}

// userOf is the user of the session, if it still is one's.
func (a *App) userOf(ctx context.Context) (users.User, bool, error) {
	id := a.sessions.GetString(ctx, inUser)
	if id == "" {
		return users.User{}, false, nil
	}
	u, ok, err := a.Users.UserByID(ctx, id)
	if err != nil || !ok || u.Suspended || u.Generation != a.sessions.GetInt64(ctx, inGeneration) {
		return users.User{}, false, err
	}
	return u, true, nil
}

// begin begins a session of a user under a new token: one that somebody knew before is
// worth nothing.
func (a *App) begin(ctx context.Context, u users.User) error {
	if err := a.sessions.Clear(ctx); err != nil {
		return err
	}
	if err := a.sessions.RenewToken(ctx); err != nil {
		return err
	}
	a.sessions.Put(ctx, inUser, u.ID)
	a.sessions.Put(ctx, inGeneration, u.Generation)
	a.sessions.Put(ctx, inProved, time.Now().Unix())
	return nil
}

// deviceLife is how long a browser is known in which somebody has signed in.
const deviceLife = 90 * 24 * time.Hour

// device returns what the browser is known as at a user; "" when it is not.
func (a *App) device(r *request, u users.User) (string, error) {
	c, err := r.Cookie(a.cookieName("device"))
	if err != nil || u.ID == "" {
		return "", nil //nolint:nilerr // no cookie
	}
	id, ok, err := a.Links.Pending(r.Context(), "app-device", c.Value)
	if err != nil || !ok || string(id) != u.ID {
		return "", err
	}
	return c.Value, nil
}

// knowDevice makes the browser known to a user, who has signed in with it.
func (a *App) knowDevice(r *request, u users.User) error {
	known, err := a.device(r, u)
	if err != nil || known != "" {
		return err
	}
	secret := rand.Text()
	if err := a.Links.AddPending(r.Context(), "app-device", secret, deviceLife, []byte(u.ID)); err != nil {
		return err
	}
	http.SetCookie(r.w, &http.Cookie{Name: a.cookieName("device"), Value: secret, Path: "/", MaxAge: int(deviceLife.Seconds()), HttpOnly: true, Secure: a.secure(), SameSite: http.SameSiteLaxMode}) //nolint:gosec // Secure wherever browsers take it
	return nil
}

// proofLife is how long a proof is good for, for what asks for a fresh one.
const proofLife = 10 * time.Minute

// errProof is the error that asks a person to prove again who they are.
type errProof struct{}

// Error implements error.
func (errProof) Error() string { return "a fresh proof of who this is" }

// confirmed returns nil if the person has proven themselves within the last ten
// minutes, and else the error that asks them to. It is called before secrets, tokens
// and approvals over a limit; by the page with the form too, so that nobody fills a
// form in for nothing.
func (r *request) confirmed() error {
	if time.Since(time.Unix(r.app.sessions.GetInt64(r.Context(), inProved), 0)) <= proofLife {
		return nil
	}
	return errProof{}
}
