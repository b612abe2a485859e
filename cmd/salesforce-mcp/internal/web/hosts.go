package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"salesforce-mcp/allowlist"
)

// authenticated lets hosts in that prove themselves to the workspace. What it
// answers does not tell whether the workspace exists, unless that is in public
// metadata, and never what was wrong with a proof.
func (s *Server) authenticated(log *securityLog, next func(http.ResponseWriter, *http.Request, *identity)) http.Handler {
	nobody := &allowlist.Workspace{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		workspace, ok := s.Gate.Workspace(r.PathValue("workspace"))
		if !ok {
			workspace = nobody
		}
		token, given := bearer(r)
		from := s.source(r)
		if given && s.tooMany(w, r, from, token) {
			return
		}
		presented := allowlist.Presented{Bearer: token, Header: r.Header, Peer: peer(r), Resource: s.resource(r)}
		if ignored := workspace.Ignored(presented); len(ignored) > 0 {
			log.refused(r, "client certificate", "the header "+strings.Join(ignored, ", ")+" is ignored: it came from none of the profile's proxies")
		}
		host, err := workspace.Authenticate(r.Context(), presented)
		switch {
		case err != nil:
			if given && !errors.Is(err, allowlist.ErrExpired) && !errors.Is(err, allowlist.ErrScope) && !errors.Is(err, allowlist.ErrNoKeys) {
				s.attempts.failed(from)
			}
			log.refused(r, "token", why(err))
			s.challenge(w, r, workspace, given, err)
			return
		case given && host.Profile.ClientCert == nil:
			s.attempts.proven(token)
		}
		next(w, r, &identity{gate: s.Gate, workspace: workspace, host: host, request: r, log: log})
	})
}

// tooMany answers a request of an address that has failed to prove itself too often.
func (s *Server) tooMany(w http.ResponseWriter, r *http.Request, from netip.Addr, token string) bool {
	wait := s.attempts.wait(from, token)
	if wait == 0 {
		return false
	}
	s.shutOut.refused(r, "attempts", from.String())
	w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
	http.Error(w, "too many requests from this address did not prove who sends them; wait, then send the right token", http.StatusTooManyRequests)
	return true
}

// why is what an operator wants to know about a failed proof: nothing about
// requests without one, of which any client sends some.
func why(err error) string {
	if errors.Is(err, allowlist.ErrNothingPresented) {
		return ""
	}
	return strings.ReplaceAll(strings.TrimPrefix(err.Error(), allowlist.ErrUnauthenticated.Error()+"\n"), "\n", "; ")
}

// challenge tells a client that it is not let in, and where it can get a token
// (RFC 6750 §3, RFC 9728 §5.1).
func (s *Server) challenge(w http.ResponseWriter, r *http.Request, workspace *allowlist.Workspace, given bool, err error) {
	servers, scopes := workspace.Issuers()
	status, text := http.StatusUnauthorized, "send the host token of this workspace as Authorization: Bearer …"
	challenge := `Bearer realm="salesforce-mcp"`
	switch {
	case errors.Is(err, allowlist.ErrScope):
		status, text = http.StatusForbidden, "the token was not granted a scope that this workspace requires"
		challenge += `, error="insufficient_scope"`
	case errors.Is(err, allowlist.ErrNoKeys) && len(servers) > 0:
		w.Header().Set("Retry-After", "10")
		http.Error(w, "the keys of the token's issuer cannot be had at present; try again", http.StatusServiceUnavailable)
		return
	case given:
		challenge += `, error="invalid_token"`
	}
	if len(scopes) > 0 {
		challenge += `, scope="` + strings.Join(scopes, " ") + `"`
	}
	if len(servers) > 0 && strings.HasSuffix(r.URL.Path, "/mcp") { // the metadata is of that URL alone
		challenge += `, resource_metadata="` + s.origin(r) + "/.well-known/oauth-protected-resource" + r.URL.EscapedPath() + `"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	http.Error(w, text, status)
}

// metadata serves where clients get tokens for a workspace (RFC 9728). A
// workspace without such an issuer, or whose issuers are unlisted, looks like
// none.
func (s *Server) metadata(w http.ResponseWriter, r *http.Request) {
	workspace, ok := s.Gate.Workspace(r.PathValue("workspace"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	servers, scopes := workspace.Issuers()
	if len(servers) == 0 {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct {
		Resource string   `json:"resource"`
		Name     string   `json:"resource_name"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported,omitempty"`
		Methods  []string `json:"bearer_methods_supported"`
	}{s.resource(r), "salesforce-mcp: " + workspace.Name, servers, scopes, []string{"header"}})
}

// origin is under which the client reaches this server. Without a public URL
// that is on this machine, and the guard has checked the Host header.
func (s *Server) origin(r *http.Request) string {
	if s.PublicURL != "" {
		return strings.TrimSuffix(s.PublicURL, "/")
	}
	return "http://" + r.Host
}

// resource is the URL of the workspace's MCP endpoint, for which tokens are made
// out (RFC 8707).
func (s *Server) resource(r *http.Request) string {
	return s.origin(r) + "/w/" + r.PathValue("workspace") + "/mcp"
}

// peer is the address at the other end of the connection.
func peer(r *http.Request) netip.Addr {
	at, _ := netip.ParseAddrPort(r.RemoteAddr)
	return at.Addr().Unmap()
}

// source is the address that a request comes from.
func (s *Server) source(r *http.Request) netip.Addr { return Source(r, s.TrustedProxies) }

// Source is the address that a request comes from: the peer's, or the last one in
// X-Forwarded-For that no trusted proxy has written.
func Source(r *http.Request, trusted allowlist.Networks) netip.Addr {
	from := peer(r)
	passed := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(passed) - 1; i >= 0 && trusted.Contain(from); i-- {
		before, err := netip.ParseAddr(strings.TrimSpace(passed[i]))
		if err != nil {
			break
		}
		from = before.Unmap().WithZone("")
	}
	return from
}

// bearer returns the token of the Authorization header.
func bearer(r *http.Request) (token string, given bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", len(values) > 0
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", true
	}
	return strings.TrimSpace(token), true
}
