package web

import (
	"net/http"
	"strings"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/host"
)

// Listed is a workspace that stands in the catalog of this server.
type Listed struct {
	Workspace string
	Public    bool // everybody may see it
	Entry     *host.Entry
}

// catalog answers hosts that pull with the entries of workspaces that their
// administrators put into the catalog: everybody with the public ones, and a host with
// those to which it proves itself as well. Of other workspaces nobody learns anything.
func (s *Server) catalog(log *securityLog) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, given := bearer(r)
		from := s.source(r)
		if given && s.tooMany(w, r, from, token) {
			return
		}
		entries, proven := []*host.Entry{}, false
		for _, listed := range s.Catalog(s.origin(r)) {
			is := given && s.proves(r, token, listed.Workspace)
			proven = proven || is
			if listed.Public || is {
				entries = append(entries, listed.Entry)
			}
		}
		if given && !proven {
			s.attempts.failed(from)
			log.refused(r, "token", "it proves no host of a workspace in the catalog")
			w.Header().Set("WWW-Authenticate", `Bearer realm="salesforce-mcp", error="invalid_token"`)
			http.Error(w, "the token is no host token of a workspace in the catalog; without one there are the public entries", http.StatusUnauthorized)
			return
		}
		if given {
			s.attempts.proven(token)
		}
		w.Header().Set("Vary", "Authorization")
		s.json(w, http.StatusOK, map[string]any{"items": entries, "total": len(entries), "page": 1, "limit": max(len(entries), 1)})
	}
}

// proves reports whether a token proves a host of a workspace.
func (s *Server) proves(r *http.Request, token, name string) bool {
	workspace, ok := s.Gate.Workspace(name)
	if !ok {
		return false
	}
	host, err := workspace.Authenticate(r.Context(), allowlist.Presented{Bearer: token, Header: r.Header, Peer: peer(r),
		Resource: strings.TrimSuffix(s.origin(r), "/") + "/w/" + name + "/mcp"})
	return err == nil && host.Profile.ClientCert == nil // which is no matter of the token
}
