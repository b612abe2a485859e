package app

import (
	"context"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
)

// How long a session is good for: without a request, and at all.
const (
	sessionIdle = time.Hour
	sessionLife = 12 * time.Hour
)

// newSessions returns the sessions. Over https their cookie has the prefix that lets no
// other host set it (RFC 6265bis, section 4.1.3.2), which browsers know there only.
func (a *App) newSessions() *scs.SessionManager {
	s := scs.New()
	s.IdleTimeout, s.Lifetime = sessionIdle, sessionLife
	s.HashTokenInStore = true
	s.Cookie.Name, s.Cookie.Secure = "salesforce-mcp-session", a.secure()
	if a.secure() {
		s.Cookie.Name = "__Host-" + s.Cookie.Name
	}
	s.Cookie.HttpOnly, s.Cookie.SameSite, s.Cookie.Persist = true, http.SameSiteLaxMode, false
	s.ErrorFunc = func(w http.ResponseWriter, _ *http.Request, err error) {
		a.Log.Error().Err(err).Msg("sessions cannot be read")
		http.Error(w, "The server failed; its log has the cause.", http.StatusInternalServerError)
	}
	return s
}

// signedIn returns the person of the session, or nobody.
func (a *App) signedIn(ctx context.Context) (Person, error) {
	name := a.sessions.GetString(ctx, "person")
	if name == "" {
		return Person{}, nil
	}
	return Person{ID: name, Name: name, Platform: PlatformOwner}, nil
}
