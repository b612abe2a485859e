package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
)

// Runs are the runs that administrators look after.
type Runs interface {
	Runs(ctx context.Context, q audit.RunQuery) ([]audit.Run, error)
	returns.Runs
}

// returns adds the routes through which administrators look after returns, as they
// decide about calls.
func (s *Server) returns(mux *http.ServeMux, security *securityLog) {
	mux.Handle("GET /w/{workspace}/returns", s.administered(security, s.listReturns))
	mux.Handle("GET /w/{workspace}/returns/{run}", s.administered(security, s.getReturn))
	mux.Handle("POST /w/{workspace}/returns/{run}/retry", s.administered(security, s.moveReturn(func(r *http.Request, hand returns.Hand, workspace, run string) error {
		_, err := hand.Retry(r.Context(), s.Tools.Journal, s.Runs, workspace, run)
		return err
	})))
	mux.Handle("POST /w/{workspace}/returns/{run}/cancel", s.administered(security, s.moveReturn(func(r *http.Request, hand returns.Hand, workspace, run string) error {
		_, err := hand.Cancel(r.Context(), s.Tools.Journal, s.Runs, workspace, run, s.RunLease)
		return err
	})))
	mux.Handle("POST /w/{workspace}/returns/{run}/settle", s.administered(security, s.settleReturn))
}

// returnsPage is a part of a list. Next is where the following one begins, as the
// parameter before; "" after the last.
type returnsPage struct {
	Returns []returns.View `json:"returns"`
	Next    string         `json:"next,omitempty"`
}

// listReturns answers with runs, without their steps, the newest first.
func (s *Server) listReturns(w http.ResponseWriter, r *http.Request, workspace, _ string) {
	query := r.URL.Query()
	q := audit.RunQuery{Workspace: workspace, Status: query.Get("status"), Subject: query.Get("case"), Before: query.Get("before"), Limit: 50}
	if !slices.Contains([]string{"", returns.Running, returns.Waiting, returns.Undoing, returns.Done, returns.Denied, returns.Cancelled, returns.Failed}, q.Status) {
		refuse(w, &httpError{http.StatusBadRequest, "status must be one of running, waiting, undoing, done, denied, cancelled, failed"})
		return
	}
	switch query.Get("escalated") {
	case "", "false":
	case "true":
		q.Escalated = true
	default:
		refuse(w, &httpError{http.StatusBadRequest, "escalated must be true or false"})
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
	runs, err := s.Runs.Runs(r.Context(), q)
	if err != nil {
		s.refuse(w, err)
		return
	}
	page := returnsPage{Returns: []returns.View{}}
	if len(runs) == q.Limit {
		runs = runs[:q.Limit-1]
		page.Next = runs[len(runs)-1].ID
	}
	for _, run := range runs {
		page.Returns = append(page.Returns, returns.ViewOf(run, nil, ""))
	}
	s.json(w, http.StatusOK, page)
}

// getReturn answers with one run, its steps, and what is needed.
func (s *Server) getReturn(w http.ResponseWriter, r *http.Request, workspace, _ string) {
	ctx, id := r.Context(), r.PathValue("run")
	run, found, err := s.Runs.Run(ctx, workspace, id)
	if err == nil && !found {
		err = returns.ErrNoRun
	}
	var steps map[string]audit.Step
	if err == nil {
		steps, err = s.Runs.Steps(ctx, id)
	}
	var waits []tools.Approval
	if err == nil {
		waits, err = s.Tools.Approvals.ListApprovals(ctx, tools.ApprovalQuery{Workspace: workspace, Run: id, State: tools.Waiting})
	}
	if err != nil {
		s.refuse(w, runError(err))
		return
	}
	approval := ""
	if len(waits) > 0 {
		approval = waits[0].ID
	}
	s.json(w, http.StatusOK, returns.ViewOf(run, steps, approval))
}

// moveReturn makes a move that an administrator wants, and answers with the run as it
// is then. The body is a JSON object with a note, or nothing.
func (s *Server) moveReturn(move func(r *http.Request, hand returns.Hand, workspace, run string) error) func(w http.ResponseWriter, r *http.Request, workspace, admin string) {
	return func(w http.ResponseWriter, r *http.Request, workspace, admin string) {
		note, ok := noteIn(w, r)
		if !ok {
			return
		}
		if err := move(r, returns.Hand{By: admin, Surface: "admin", Note: note}, workspace, r.PathValue("run")); err != nil {
			s.refuse(w, runError(err))
			return
		}
		s.getReturn(w, r, workspace, admin)
	}
}

// settleReturn ends the doubt about a refund, and answers with the run as it is then. The
// body is a JSON object that says whether it was made.
func (s *Server) settleReturn(w http.ResponseWriter, r *http.Request, workspace, admin string) {
	var body struct {
		Made      *bool  `json:"made"`
		Reference string `json:"reference"`
		Note      string `json:"note"`
	}
	if !bodyIn(w, r, &body, "made (true or false), reference and note") {
		return
	}
	if body.Made == nil {
		refuse(w, &httpError{http.StatusBadRequest, "made must be true or false: say whether the refund was made"})
		return
	}
	hand := returns.Hand{By: admin, Surface: "admin", Note: body.Note}
	if _, err := hand.Settle(r.Context(), s.Tools.Journal, s.Runs, workspace, r.PathValue("run"), *body.Made, body.Reference); err != nil {
		s.refuse(w, runError(err))
		return
	}
	s.getReturn(w, r, workspace, admin)
}

// runError is the error of what an administrator wants of a run, as programs read it.
func runError(err error) error {
	code := tools.RunState
	switch {
	case errors.Is(err, returns.ErrNote), errors.Is(err, returns.ErrTestimony):
		code = tools.InvalidArgument
	case errors.Is(err, returns.ErrNoRun):
		code = tools.NoReturn
	case errors.Is(err, audit.ErrUnavailable):
		code = tools.NotRecorded
	case !errors.Is(err, returns.ErrEnded) && !errors.Is(err, returns.ErrCannot):
		return err
	}
	return &tools.Error{Code: code, Message: err.Error()}
}
