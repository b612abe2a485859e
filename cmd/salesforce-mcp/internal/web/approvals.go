package web

import (
	"encoding/json"
	"mime"
	"net/http"
	"strconv"

	"salesforce-mcp/tools"
)

// approvals adds the routes through which administrators decide about calls that
// wait for a person. They prove themselves with a bearer token of their own and with
// nothing that a browser sends by itself, so that no other page can decide for them.
func (s *Server) approvals(mux *http.ServeMux, security *securityLog) {
	mux.Handle("GET /w/{workspace}/approvals", s.administered(security, s.listApprovals))
	mux.Handle("GET /w/{workspace}/approvals/{id}", s.administered(security, s.getApproval))
	mux.Handle("POST /w/{workspace}/approvals/{id}/approve", s.administered(security, s.decide(true)))
	mux.Handle("POST /w/{workspace}/approvals/{id}/deny", s.administered(security, s.decide(false)))
}

// administered lets administrators of the workspace in. Everybody else gets one and
// the same answer, whether the workspace exists or not; a host's token is none.
func (s *Server) administered(log *securityLog, next func(w http.ResponseWriter, r *http.Request, workspace, admin string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, given := bearer(r)
		from := s.source(r)
		if given && s.tooMany(w, r, from, token) {
			return
		}
		workspace := r.PathValue("workspace")
		admin, ok := s.Admins.Authenticate(token, workspace)
		if _, exists := s.Gate.Workspace(workspace); !ok || !exists {
			if given {
				s.attempts.failed(from)
			}
			log.refused(r, "admin token", "")
			w.Header().Set("WWW-Authenticate", `Bearer realm="salesforce-mcp administrators"`)
			http.Error(w, "send the token of an administrator of this workspace as Authorization: Bearer …", http.StatusUnauthorized)
			return
		}
		s.attempts.proven(token)
		next(w, r, workspace, admin)
	})
}

// approvalPage is a part of a list. Next is where the following one begins, as the
// parameter before; "" after the last.
type approvalPage struct {
	Approvals []tools.Approval `json:"approvals"`
	Next      string           `json:"next,omitempty"`
}

// mostApprovals is how many approvals one answer has at most.
const mostApprovals = 200

// listApprovals answers with what waits and what was decided, the newest first.
func (s *Server) listApprovals(w http.ResponseWriter, r *http.Request, workspace, _ string) {
	query := r.URL.Query()
	q := tools.ApprovalQuery{Workspace: workspace, State: tools.State(query.Get("state")), Before: query.Get("before"), Limit: 50}
	switch q.State {
	case "", tools.Waiting, tools.Approved, tools.Denied, tools.Used, tools.Expired:
	default:
		refuse(w, &httpError{http.StatusBadRequest, "state must be one of waiting, approved, denied, used, expired"})
		return
	}
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > mostApprovals {
			refuse(w, &httpError{http.StatusBadRequest, "limit must be a number from 1 to 200"})
			return
		}
		q.Limit = n
	}
	q.Limit++ // to see whether it goes on
	list, err := s.Tools.Approvals.ListApprovals(r.Context(), q)
	if err != nil {
		s.refuse(w, err)
		return
	}
	page := approvalPage{Approvals: list}
	if len(list) == q.Limit {
		page.Approvals = list[:q.Limit-1]
		page.Next = page.Approvals[q.Limit-2].ID
	}
	if list == nil {
		page.Approvals = []tools.Approval{}
	}
	s.json(w, http.StatusOK, page)
}

// getApproval answers with one approval, with all of its arguments.
func (s *Server) getApproval(w http.ResponseWriter, r *http.Request, workspace, _ string) {
	a, found, err := s.Tools.Approvals.Approval(r.Context(), workspace, r.PathValue("id"))
	if err == nil && !found {
		err = &tools.Error{Code: tools.NoApproval, Message: "there is no such approval in this workspace"}
	}
	if err == nil {
		a, err = tools.Whole(r.Context(), s.Tools.Sealer, a)
	}
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.json(w, http.StatusOK, a)
}

// decide records what an administrator decides. The body is a JSON object with a
// note, or nothing.
func (s *Server) decide(approve bool) func(w http.ResponseWriter, r *http.Request, workspace, admin string) {
	return func(w http.ResponseWriter, r *http.Request, workspace, admin string) {
		note, ok := noteIn(w, r)
		if !ok {
			return
		}
		a, err := tools.Decide(r.Context(), s.Tools.Journal, s.Tools.Approvals, workspace, r.PathValue("id"),
			tools.Verdict{Approve: approve, By: admin, Note: note, Surface: "admin"})
		if err != nil {
			s.refuse(w, err)
			return
		}
		s.json(w, http.StatusOK, a)
	}
}

// noteIn is the note in a request's body, which is a JSON object with it, or nothing.
// What is neither is refused.
func noteIn(w http.ResponseWriter, r *http.Request) (note string, ok bool) {
	var body struct {
		Note string `json:"note"`
	}
	if r.ContentLength == 0 {
		return "", true
	}
	ok = bodyIn(w, r, &body, "note, or nothing")
	return body.Note, ok
}

// bodyIn reads a request's body, a JSON object with no other members than body has;
// members names them. What is something else is refused.
func bodyIn(w http.ResponseWriter, r *http.Request, body any, members string) bool {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		refuse(w, &httpError{http.StatusUnsupportedMediaType, "send a JSON object, with Content-Type application/json: " + members})
		return false
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(body); err != nil || d.More() {
		refuse(w, &httpError{http.StatusBadRequest, "the body must be a JSON object with no other members than these: " + members})
		return false
	}
	return true
}
