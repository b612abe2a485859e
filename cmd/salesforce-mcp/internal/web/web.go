// Package web is the HTTP face of the server. What stands here guards the way
// to the tools: who may connect at all, from where, with how large a message.
package web

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/connect"
	"salesforce-mcp/tools"
)

// Server serves HTTP. Its fields are set before Handler and not changed.
type Server struct {
	MCP       *tools.MCP
	Tools     *tools.Server
	Gate      *allowlist.Gate
	PublicURL string        // origin under which clients reach the server; may be empty on loopback
	Origins   []string      // further origins from which browsers may call
	MaxBody   int64         // bytes of a request's body
	MaxUpload int64         // bytes of a body that is streamed to Salesforce
	Patience  time.Duration // for the next part of a body that is streamed, either way; 0 means 30 seconds
	Version   string        // of the program, for openapi.json
	Ready     func(context.Context) error
	People    *connect.People
	Orgs      Orgs
	Admins    allowlist.Admins             // who decide about calls that wait for a person
	Runs      Runs                         // that administrators look after
	RunLease  time.Duration                // of those who work on them; 0 is the default
	App       http.Handler                 // the configuration app; nil serves none
	Catalog   func(origin string) []Listed // of workspaces that are in the catalog; nil is none
	Log       zerolog.Logger
	// TrustedProxies are the addresses of proxies whose X-Forwarded-For says where
	// a request comes from.
	TrustedProxies allowlist.Networks

	attempts attempts            // to prove oneself
	shutOut  *securityLog        // of those who have made too many, which these would crowd out
	files    *semaphore.Weighted // held while arguments that hold a file are read
}

// Handler returns the routes behind their guards.
//
//	POST /w/{workspace}/mcp                         MCP streamable HTTP, stateless
//	POST /w/{workspace}/instructions/{instruction}  one operation, answered as Salesforce does
//	GET  /w/{workspace}/openapi.json                what instructions there are
//	GET  /w/{workspace}/results/{id}                a large result, to its owner
//	GET  /w/{workspace}/oauth/status                whether the host's user is connected
//	POST /w/{workspace}/oauth/connect               links for a user, to a host that vouches for them
//	GET  /w/{workspace}/oauth/connect?ticket=       a person connects; GET and POST …/disconnect likewise
//	POST /w/{workspace}/oauth/disconnect            a host disconnects its user
//	GET  /w/{workspace}/approvals, …/approvals/{id}  calls that a person has to approve, to an administrator
//	POST /w/{workspace}/approvals/{id}/{approve|deny}  an administrator decides
//	GET  /w/{workspace}/returns, …/returns/{run}    returns under way, to an administrator
//	POST /w/{workspace}/returns/{run}/{retry|cancel}  an administrator moves one
//	POST /w/{workspace}/testAuth                    whether there are tokens that the org takes
//	GET  /oauth/callback, /oauth/login              browsers come back from Salesforce, or the OpenID provider
//	GET  /.well-known/oauth-protected-resource/w/{workspace}/mcp   where tokens for it are to be had
//	GET  /catalog                                   the entries of workspaces in the catalog
//	everything else                                 the configuration app
//	GET  /healthz                                   200 while the process lives
//	GET  /readyz                                    200 while calls can be recorded, and more are wanted
func (s *Server) Handler() http.Handler {
	s.files = semaphore.NewWeighted(fileBodies)
	security := newSecurityLog(s.Log)
	s.shutOut = newSecurityLog(s.Log)
	guarded := http.NewServeMux()
	guarded.Handle("/w/{workspace}/mcp", s.authenticated(security, s.serveMCP))
	guarded.Handle("POST /w/{workspace}/instructions/{instruction}", s.authenticated(security, s.instruction))
	guarded.Handle("GET /w/{workspace}/openapi.json", s.authenticated(security, s.openAPI))
	guarded.Handle("GET /w/{workspace}/results/{id}", s.authenticated(security, s.result))
	s.oauth(guarded, security)
	s.approvals(guarded, security)
	s.returns(guarded, security)
	guarded.HandleFunc("GET /.well-known/oauth-protected-resource/w/{workspace}/mcp", s.metadata)
	if s.Catalog != nil {
		guarded.HandleFunc("GET /catalog", s.catalog(security))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("/", s.guard(security, s.beside(guarded)))
	return mux
}

// beside serves what is not for programs from the configuration app, if there is one.
// What lies below the programs' paths is theirs alone, and so are the answers for what is
// not there.
func (s *Server) beside(programs http.Handler) http.Handler {
	if s.App == nil {
		return programs
	}
	mux := http.NewServeMux()
	for _, below := range []string{"/w/", "/oauth/", "/.well-known/", "/catalog"} {
		mux.Handle(below, programs)
	}
	mux.Handle("/", s.App)
	return mux
}

// HTTP returns an http.Server with the time limits that keep slow and idle
// clients from holding on to it. A call may take as long as callTimeout. What the
// library has to say goes to the log.
func HTTP(h http.Handler, callTimeout time.Duration, log zerolog.Logger) *http.Server {
	return &http.Server{
		ErrorLog:          slog.NewLogLogger(zerolog.NewSlogHandler(log), slog.LevelWarn),
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      callTimeout + time.Minute, // messages to agents wait for their turn
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}

func (s *Server) patience() time.Duration { return cmp.Or(s.Patience, 30*time.Second) }

// ErrStopping is why a server is not ready that was told to stop.
var ErrStopping = errors.New("the server was told to stop")

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	if err := s.Ready(ctx); err != nil {
		if !errors.Is(err, ErrStopping) {
			s.Log.Error().Err(err).Msg("not ready")
		}
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ready\n"))
}

// guard refuses requests that name a host that is not ours (DNS rebinding) or
// come from a web page of another origin. The pages of allowed origins are told
// so (CORS); whatever headers they send, none but the bearer token opens
// anything.
func (s *Server) guard(log *securityLog, next http.Handler) http.Handler {
	public, _ := url.Parse(s.PublicURL)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.hostAllowed(r.Host, public) {
			log.refused(r, "host", r.Host)
			http.Error(w, "this server is not called that: the Host header must be that of its public URL", http.StatusForbidden)
			return
		}
		if origins := r.Header.Values("Origin"); len(origins) > 0 && !s.originAllowed(origins, r.Host) {
			log.refused(r, "origin", strings.Join(origins, ", "))
			http.Error(w, "web pages of this origin may not call; an administrator can add it to allowedOrigins", http.StatusForbidden)
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" {
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate")
			w.Header().Set("Vary", "Origin")
		}
		if r.Method == http.MethodOptions {
			w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
			w.Header().Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
			w.Header().Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if len(r.TransferEncoding) > 0 {
			// It may have had a Content-Length too, which net/http drops and a
			// proxy may have believed: nothing that follows on the connection is
			// read (RFC 9112 §6.1).
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// hostAllowed reports whether the Host header names this server. Without a
// public URL the server is on loopback, and only loopback's names are its own.
func (s *Server) hostAllowed(host string, public *url.URL) bool {
	if public != nil && public.Host != "" {
		port := map[string]string{"https": ":443", "http": ":80"}[public.Scheme]
		return strings.EqualFold(strings.TrimSuffix(host, port), strings.TrimSuffix(public.Host, port))
	}
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	ip := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || ip != nil && ip.IsLoopback()
}

// originAllowed reports whether a web page of that origin may call: pages of
// this server and those of the listed origins.
func (s *Server) originAllowed(origins []string, host string) bool {
	if len(origins) != 1 {
		return false
	}
	own := []string{"http://" + host, "https://" + host}
	if s.PublicURL != "" {
		own = []string{s.PublicURL}
	}
	for _, allowed := range append(own, s.Origins...) {
		if strings.EqualFold(origins[0], strings.TrimSuffix(allowed, "/")) {
			return true
		}
	}
	return false
}

func (s *Server) serveMCP(w http.ResponseWriter, r *http.Request, who *identity) {
	r.Body = http.MaxBytesReader(w, r.Body, s.MaxBody)
	s.MCP.ServeHTTP(w, r, who)
}
