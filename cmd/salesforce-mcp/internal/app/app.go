// Package app is the configuration app: the pages with which people set a workspace up,
// decide about what waits for them and watch what agents do.
//
// # How it is made
//
// A page or a form is a [route]. All of them stand in one table, each with the right
// that a person needs, which is checked before anything else on every request. Pages are
// written with package markup, so that no text becomes markup, and work without
// JavaScript; htmx keeps parts of some of them current. Every text is in English in the
// code and in French in a map beside it.
//
// # What keeps others out
//
// A session is a random number in a cookie that scripts cannot read, of which the
// database has the hash. Forms of other sites are refused by what browsers say of where
// they come from ([http.CrossOriginProtection]), and pages stand in no frame, run no
// script but ours and load nothing from elsewhere.
package app

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/alexedwards/scs/v2"
	"github.com/rs/zerolog"

	"salesforce-mcp/cmd/salesforce-mcp/internal/host"
	"salesforce-mcp/tools"
)

// App serves the configuration app. Its fields are set before Handler and not changed;
// it is safe for concurrent use.
type App struct {
	PublicURL string // origin under which browsers reach it, as in https://salesforce.example.com; "" on loopback
	Version   string // of the program
	Log       zerolog.Logger
	Tools     *tools.Server
	Settings  workspaceSettings
	Refused   refusals
	Hosts     []*host.Platform // in whose catalogs people publish; the operator's
	// Names returns the names of all workspaces, sorted.
	Names func(context.Context) ([]string, error)

	sessions *scs.SessionManager
	rights   map[string]right // by the pattern of the route
	ticket   string           // of the first start
	mu       sync.Mutex
}

// Handler returns the pages. Who may connect to this server at all is checked before.
func (a *App) Handler() http.Handler {
	a.sessions = a.newSessions()
	mux := http.NewServeMux()
	mux.Handle("GET /assets/", http.HandlerFunc(serveAsset))
	a.rights = map[string]right{}
	for _, route := range routes() {
		a.rights[route.pattern] = route.right
		mux.Handle(route.pattern, a.serve(route))
	}
	mux.Handle("/", a.serve(route{right: signedIn, serve: func(*request) error { return errNothing }}))
	return a.guard(a.sessions.LoadAndSave(mux))
}

// policy is what pages may load: files of this server, and nothing from elsewhere
// (Content Security Policy level 3).
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// guard sets what browsers are to keep to, and refuses what pages of other sites send.
func (a *App) guard(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		h.Del("Access-Control-Allow-Origin") // no other origin reads pages, whatever it may call
		if a.secure() {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if err := crossOrigin.Check(r); err != nil {
			a.Log.Warn().Str("log", "security").Str("refused", "cross-origin form").Str("method", r.Method).Str("path", r.URL.Path[:min(len(r.URL.Path), 200)]).Msg("request refused")
			http.Error(w, "another site sent this form: open the page here and send it again", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// secure reports whether browsers reach the app over https.
func (a *App) secure() bool { return strings.HasPrefix(a.PublicURL, "https:") }
