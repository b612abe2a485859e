package web

import (
	"context"
	"encoding/json"
	"net/http"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/connect"
	"salesforce-mcp/tools"
)

// Orgs says how the callers of a workspace are connected with its org.
type Orgs interface {
	// Status says whether a caller's calls would find tokens.
	Status(ctx context.Context, caller allowlist.Caller) (connect.Status, error)
	// Test makes one request with the caller's token, and returns the org's URL.
	Test(ctx context.Context, caller allowlist.Caller) (instanceURL string, err error)
}

// oauth adds the routes through which people connect: those for hosts, which
// prove themselves and say for whom they ask, and those for browsers.
func (s *Server) oauth(mux *http.ServeMux, security *securityLog) {
	mux.Handle("GET /w/{workspace}/oauth/status", s.authenticated(security, s.status))
	mux.Handle("POST /w/{workspace}/oauth/connect", s.authenticated(security, s.connect))
	mux.Handle("POST /w/{workspace}/testAuth", s.authenticated(security, s.testAuth))
	s.pages(mux, s.authenticated(security, s.disconnect))
}

// pages adds the routes for browsers, which bring a ticket. Disconnect serves a
// POST without one.
func (s *Server) pages(mux *http.ServeMux, disconnect http.Handler) {
	mux.HandleFunc("POST /w/{workspace}/oauth/disconnect", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("ticket") {
			s.People.DisconnectPage(w, r)
			return
		}
		disconnect.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /w/{workspace}/oauth/disconnect", s.People.DisconnectPage)
	mux.HandleFunc("GET /w/{workspace}/oauth/connect", s.People.Connect)
	mux.HandleFunc("GET /oauth/callback", s.People.Callback)
	mux.HandleFunc("GET /oauth/login", s.People.SignedIn)
}

// Pages returns the routes for browsers alone, behind the guard: what stdio needs
// for its one person to connect.
func (s *Server) Pages() http.Handler {
	mux := http.NewServeMux()
	s.pages(mux, http.NotFoundHandler())
	return s.guard(newSecurityLog(s.Log), mux)
}

// person is the caller of a request that has no arguments: the host, and the
// person for whom it asks. Hosts that set the arguments of calls name the person
// in the query.
func (id *identity) person() (allowlist.Caller, error) {
	caller, err := id.workspace.Person(id.host, id.request.URL.Query())
	if err != nil {
		id.refused("identity", err.Error())
		return caller, &tools.Error{Code: tools.NotIdentified, Message: err.Error()}
	}
	return caller, nil
}

// status answers whether a person is connected, as Agent Factory asks it before
// each call.
func (s *Server) status(w http.ResponseWriter, r *http.Request, who *identity) {
	caller, err := who.person()
	if err != nil {
		s.refuse(w, err)
		return
	}
	status, err := s.Orgs.Status(r.Context(), caller)
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.json(w, http.StatusOK, status)
}

// connect gives links for a person to a host that vouches for whom it gives
// them to.
func (s *Server) connect(w http.ResponseWriter, r *http.Request, who *identity) {
	caller, err := who.person()
	if err == nil && !who.host.Profile.Vouches {
		err = &tools.Error{Code: tools.NotAuthorized, Message: "this host's profile does not vouch for the people that it sends here",
			Hint: "An administrator sets vouches, if this host gives the links to its own signed-in user only."}
	}
	if err == nil && caller.User == "" {
		err = &tools.Error{Code: tools.NotIdentified, Message: "the request does not say which user it is for"}
	}
	if err != nil {
		s.refuse(w, err)
		return
	}
	links, err := s.People.Links(r.Context(), caller)
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.json(w, http.StatusOK, links)
}

// disconnect ends the connection of a person of the host.
func (s *Server) disconnect(w http.ResponseWriter, r *http.Request, who *identity) {
	caller, err := who.person()
	if err == nil && caller.User == "" {
		err = &tools.Error{Code: tools.NotIdentified, Message: "the request does not say which user it is for"}
	}
	if err == nil {
		err = s.People.Disconnect(r.Context(), caller)
	}
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.json(w, http.StatusOK, map[string]bool{"disconnected": true})
}

// tested is what testAuth answers.
type tested struct {
	OK      bool   `json:"ok"`
	BaseURL string `json:"baseUrl,omitempty"`
	Error   string `json:"error,omitempty"`
}

// testAuth says whether the workspace, or a person of it, gets tokens that the
// org takes, and else what to mend.
func (s *Server) testAuth(w http.ResponseWriter, r *http.Request, who *identity) {
	caller, err := who.person()
	if err != nil {
		s.refuse(w, err)
		return
	}
	url, err := s.Orgs.Test(r.Context(), caller)
	if err != nil {
		s.json(w, http.StatusOK, tested{Error: tools.AsError(err).Error()})
		return
	}
	s.json(w, http.StatusOK, tested{OK: true, BaseURL: url})
}

// refuse answers with an error, and logs one that is not for the caller to see.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	e := tools.AsError(err)
	if e.Code == tools.Internal {
		s.Log.Error().Err(err).Msg("request failed")
	}
	refuse(w, e)
}

func (s *Server) json(w http.ResponseWriter, status int, content any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(content); err != nil {
		s.Log.Debug().Err(err).Msg("an answer could not be sent") // the client is gone
	}
}
