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
	"sync/atomic"

	"github.com/alexedwards/scs/v2"
	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/connect"
	"salesforce-mcp/cmd/salesforce-mcp/internal/host"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
	"salesforce-mcp/tools"
)

// App serves the configuration app. Its fields are set before Handler and not changed;
// it is safe for concurrent use.
type App struct {
	PublicURL string // origin under which browsers reach it, as in https://salesforce.example.com; "" on loopback
	Version   string // of the program
	Log       zerolog.Logger
	Tools     *tools.Server
	Settings  *settings.Settings
	Refused   refusals
	Hosts     []*host.Platform // the host platforms of the configuration, in the order of it
	Origin    string           // where clients reach this server, on loopback too
	// Try looks whether the org of a workspace can be used; the error says what to mend.
	Try    func(ctx context.Context, workspace string) (Connection, error)
	People people
	// Names returns the names of all workspaces, sorted.
	Names func(context.Context) ([]string, error)
	// Runs are the runs of returns, and Entries what the audit trail has.
	Runs    Runs
	Entries audit.Reader
	// Returns returns how a workspace does returns now; nil when it does none.
	Returns func(workspace string) *config.Returns

	Users    users.Rows
	Attempts users.Attempts
	Sessions Sessions
	Links    Links
	Journal  *audit.Journal
	// Login is the OpenID provider with which people may sign in; nil without one.
	Login *connect.Login
	// Claims say who of those that the provider knows has which roles here.
	Claims []Claim
	// Source is where a request comes from, as one sender has it: an address, or a network.
	Source func(*http.Request) string

	Trail       Trail
	Verifier    Verifier
	AuditKey    func(context.Context) (string, error) // public keys that the trail is verified with
	SecondPlace bool                                  // checkpoints are kept in one
	Health      func(context.Context) (*Health, error)

	exporting  atomic.Int64    // exports of the trail that are being written
	background context.Context // of work that goes on when its request has ended; Close ends it
	stop       context.CancelFunc
	work       sync.WaitGroup

	sessions *scs.SessionManager
	refusals *rate.Limiter    // of lines of the security log
	peopled  atomic.Bool      // there are users
	rights   map[string]right // by the pattern of the route
}

// Handler returns the pages. Who may connect to this server at all is checked before.
func (a *App) Handler() http.Handler {
	return a.handler(routes())
}

func (a *App) handler(routes []route) http.Handler {
	if a.background == nil {
		a.background, a.stop = context.WithCancel(context.Background())
	}
	a.sessions = a.newSessions()
	a.refusals = rate.NewLimiter(5, 20)
	mux := http.NewServeMux()
	a.rights = map[string]right{}
	for _, route := range routes {
		a.rights[route.pattern] = route.right
		mux.Handle(route.pattern, a.serve(route))
	}
	mux.Handle("/", a.serve(route{right: anyone, serve: func(*request) error { return errNothing }}))
	whole := http.NewServeMux()
	whole.HandleFunc("GET /assets/", serveAsset)
	whole.Handle("/", a.sessions.LoadAndSave(mux))
	return a.guard(whole)
}

// Close ends what goes on beside requests, and waits for that. No request comes after it.
func (a *App) Close() {
	if a.stop != nil {
		a.stop()
	}
	a.work.Wait()
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
