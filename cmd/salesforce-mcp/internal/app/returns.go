package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools/returns"
	"salesforce-mcp/tools/returns/loop"
)

var returnsRoutes = []route{
	{"GET /workspaces/{workspace}/returns", see, runsPage},
	{"GET /workspaces/{workspace}/returns/{run}", see, runPage},
	{"POST /workspaces/{workspace}/returns/{run}/retry", administer, retryRun},
	{"POST /workspaces/{workspace}/returns/{run}/cancel", administer, cancelRun},
	{"GET /workspaces/{workspace}/returns/{run}/settle", administer, settlePage},
	{"POST /workspaces/{workspace}/returns/{run}/settle", administer, settleRun},
	{"GET /workspaces/{workspace}/policy", see, policyPage},
	{"POST /workspaces/{workspace}/policy", administer, savePolicy},
	{"POST /workspaces/{workspace}/policy/check", administer, checkPolicy},
	{"POST /workspaces/{workspace}/policy/try", administer, tryPolicy},
	{"GET /workspaces/{workspace}/policy/versions", see, policyVersions},
	{"GET /workspaces/{workspace}/policy/versions/{revision}", see, policyVersion},
	{"POST /workspaces/{workspace}/policy/versions/{revision}/restore", administer, restorePolicy},
}

// Runs are the runs of returns, as people look after them.
type Runs interface {
	Runs(ctx context.Context, q audit.RunQuery) ([]audit.Run, error)
	returns.Runs
}

// runsOnPage is how many runs a page has.
const runsOnPage = 25

// wantsPerson is the filter of runs that have called for a person.
const wantsPerson = "person"

// runFilters are what the list of runs can be cut down to.
var runFilters = []option{
	{"", words("All, those that want a person first")},
	{wantsPerson, words("Wants a person")},
	{returns.Running, words("Running")},
	{returns.Waiting, words("Waiting")},
	{returns.Undoing, words("Going back")},
	{returns.Done, words("Done")},
	{returns.Denied, words("Denied")},
	{returns.Cancelled, words("Cancelled")},
	{returns.Failed, words("Failed")},
}

// A runList is what one page of runs shows.
type runList struct {
	urgent []audit.Run // on the first page of all
	others []audit.Run
	next   string
}

func (r *request) runList(filter, before string) (l runList, err error) {
	ctx := r.Context()
	if filter == "" && before == "" {
		if l.urgent, err = r.app.Runs.Runs(ctx, audit.RunQuery{Workspace: r.workspace, Person: true, Limit: mostWaiting}); err != nil {
			return l, err
		}
	}
	q := audit.RunQuery{Workspace: r.workspace, Before: before, Limit: runsOnPage + 1, Status: filter}
	if filter == wantsPerson {
		q.Status, q.Person = "", true
	}
	if l.others, err = r.app.Runs.Runs(ctx, q); err != nil {
		return l, err
	}
	if len(l.others) > runsOnPage {
		l.others = l.others[:runsOnPage]
		l.next = l.others[runsOnPage-1].ID
	}
	return l, nil
}

// tag tells one list from another.
func (l runList) tag() string {
	sum := sha256.New()
	for _, run := range append(append([]audit.Run{}, l.urgent...), l.others...) {
		_, _ = sum.Write([]byte(run.ID + strconv.FormatInt(run.Turn, 10) + "\n"))
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// runsPage shows the returns of a workspace. What htmx gets is the list alone, or nothing
// when it is what the browser has.
func runsPage(r *request) error {
	parameters := r.URL.Query()
	filter, before := parameters.Get("show"), parameters.Get("before")
	if labelOf(runFilters, filter) == filter && filter != "" {
		return errNothing
	}
	l, err := r.runList(filter, before)
	if err != nil {
		return err
	}
	if r.partial() && parameters.Get("seen") == l.tag() {
		r.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	path := "/workspaces/" + r.workspace + "/returns"
	p := r.page(r.t("Returns"))
	if !r.partial() {
		if r.app.Returns(r.workspace) == nil {
			p.notice("info", r.t("This workspace does no returns: its settings have no section for them."))
			if r.may(administer) {
				p.more(r.t("Change the settings as text"), r.at("/settings"))
			}
		} else {
			p.more(r.t("The policy that decides about returns"), "/workspaces/"+r.workspace+"/policy")
		}
		p.filter(r.t("Show"), path, "show", filter, runFilters)
		p.keys(r.t("j next, k previous; Enter opens"))
	}
	to := url.Values{"seen": {l.tag()}}
	if filter != "" {
		to.Set("show", filter)
	}
	if before != "" {
		to.Set("before", before)
	}
	p.Put(`<div id="runs" hx-get="{}" hx-trigger="every 10s" hx-swap="outerHTML">`, path+"?"+to.Encode())
	if filter == "" && before == "" && len(l.urgent) > 0 {
		p.Put(`<h2>{}</h2>`, r.t("Those that wait, or want a person"))
		for _, run := range l.urgent {
			p.runCard(run)
		}
	}
	p.Put(`<h2>{}</h2>`, r.t("Latest first"))
	shown := 0
	for _, run := range l.others {
		if filter != "" || !run.Escalated && run.Status != returns.Waiting || before != "" {
			p.runCard(run)
			shown++
		}
	}
	if shown == 0 {
		p.Put(`<p>{}</p>`, r.t("There are none."))
	}
	if l.next != "" {
		to.Del("seen")
		to.Set("before", l.next)
		p.more(r.t("Older ones"), path+"?"+to.Encode())
	}
	p.Put(`</div>`)
	return p.send(http.StatusOK)
}

// inputOf is what a run was started with, as far as it can be read.
func inputOf(run audit.Run) (in loop.Input) {
	_ = json.Unmarshal(run.Input, &in) // of another kind of run
	return in
}

// titleOfRun is which return a run is.
func (r *request) titleOfRun(run audit.Run) string {
	if in := inputOf(run); in.CaseNumber != "" {
		return r.t("Return %s", in.CaseNumber)
	}
	return r.t("Return of case %s", run.Subject)
}

// runCard is one run in a list.
func (p *page) runCard(run audit.Run) {
	r, in := p.r, inputOf(run)
	view := returns.ViewOf(run, nil, "")
	p.Put(`<article class="card"><h3><a href="{}" id="{}" data-item="">{}</a></h3><p>`, "/workspaces/"+r.workspace+"/returns/"+url.PathEscape(run.ID), "run-"+run.ID, r.titleOfRun(run))
	p.runBadges(run)
	p.Put(`</p>`)
	facts := []string{r.t("Step"), run.At, r.t("Agent"), in.Agent, r.t("Begun"), r.ago(run.Started), r.t("Last change"), r.ago(run.Moved)}
	if because := view.Because(); because != "" {
		facts = append(facts, r.t("Why"), because)
	}
	p.facts(facts...)
	p.Put(`</article>`)
}

func (p *page) runBadges(run audit.Run) {
	label := p.r.t(labelOf(runFilters, run.Status))
	switch run.Status {
	case returns.Done:
		p.Put(`<span class="badge good">{}</span> `, label)
	case returns.Waiting, returns.Undoing:
		p.Put(`<span class="badge warn">{}</span> `, label)
	case returns.Failed, returns.Denied:
		p.Put(`<span class="badge bad">{}</span> `, label)
	default:
		p.Put(`<span class="badge">{}</span> `, label)
	}
	if run.Escalated && !returns.Ended(run.Status) {
		p.Put(`<span class="badge bad">{}</span>`, p.r.t("Wants a person"))
	}
}
