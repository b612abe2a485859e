package app

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"

	"salesforce-mcp/tools"
)

var approvalsRoutes = []route{
	{"GET /workspaces/{workspace}/approvals", see, approvalsPage},
	{"GET /workspaces/{workspace}/approvals/{approval}", see, approvalPage},
	{"POST /workspaces/{workspace}/approvals/{approval}/approve", decide, approve},
	{"POST /workspaces/{workspace}/approvals/{approval}/deny", decide, deny},
}

// approvalsOnPage is how many approvals a page has, and mostWaiting how many that wait
// stand before them.
const (
	approvalsOnPage = 25
	mostWaiting     = 100
)

// stateNames are the states of approvals, for people, in the order of the filter.
var stateNames = []option{
	{"", words("All, those that wait first")},
	{string(tools.Waiting), words("Waiting")},
	{string(tools.Approved), words("Approved")},
	{string(tools.Denied), words("Denied")},
	{string(tools.Used), words("Used")},
	{string(tools.Expired), words("Expired")},
}

// labelOf is the label of a value, or the value.
func labelOf(options []option, value string) string {
	for _, o := range options {
		if o.value == value {
			return o.label
		}
	}
	return value
}

// filter links to the parts of a list, of which one is shown.
func (p *page) filter(label, path, parameter, chosen string, options []option) {
	p.Put(`<nav class="states" aria-label="{}"><ul>`, label)
	for _, o := range options {
		to := path
		if o.value != "" {
			to += "?" + url.Values{parameter: {o.value}}.Encode()
		}
		if o.value == chosen {
			p.Put(`<li><a href="{}" aria-current="page">{}</a></li>`, to, p.r.t(o.label))
		} else {
			p.Put(`<li><a href="{}">{}</a></li>`, to, p.r.t(o.label))
		}
	}
	p.Put(`</ul></nav>`)
}

// approvalQueue is what one page of approvals shows.
type approvalQueue struct {
	waiting []tools.Approval // on the first page of all
	others  []tools.Approval
	next    string // the others go on before this one
}

// approvalsPage shows what waits for a person and what was decided. What htmx gets is the
// list alone, or nothing when it is what the browser has.
func approvalsPage(r *request) error {
	parameters := r.URL.Query()
	state, before := parameters.Get("state"), parameters.Get("before")
	if labelOf(stateNames, state) == state && state != "" {
		return errNothing
	}
	q, err := r.approvalQueue(tools.State(state), before)
	if err != nil {
		return err
	}
	tag := q.tag()
	if r.partial() && parameters.Get("seen") == tag {
		r.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	path := "/workspaces/" + r.workspace + "/approvals"
	p := r.page(r.t("Approvals"))
	if !r.partial() {
		p.filter(r.t("State"), path, "state", state, stateNames)
		p.keys(r.t("j next, k previous, a approve, d deny; Enter opens"))
	}
	refresh := url.Values{"seen": {tag}}
	if state != "" {
		refresh.Set("state", state)
	}
	if before != "" {
		refresh.Set("before", before)
	}
	p.Put(`<div id="queue" hx-get="{}" hx-trigger="every 10s" hx-swap="outerHTML">`, path+"?"+refresh.Encode())
	p.queue(q, state, before)
	p.Put(`</div>`)
	return p.send(http.StatusOK)
}

func (r *request) approvalQueue(state tools.State, before string) (q approvalQueue, err error) {
	ctx, kept := r.Context(), r.app.Tools.Approvals
	if state == "" && before == "" {
		if q.waiting, err = kept.ListApprovals(ctx, tools.ApprovalQuery{Workspace: r.workspace, State: tools.Waiting, Limit: mostWaiting}); err != nil {
			return q, err
		}
	}
	list, err := kept.ListApprovals(ctx, tools.ApprovalQuery{Workspace: r.workspace, State: state, Before: before, Limit: approvalsOnPage + 1})
	if err != nil {
		return q, err
	}
	if len(list) > approvalsOnPage {
		list = list[:approvalsOnPage]
		q.next = list[approvalsOnPage-1].ID
	}
	for _, a := range list {
		if state != "" || a.State != tools.Waiting {
			q.others = append(q.others, a)
		}
	}
	return q, nil
}

// tag tells one queue from another.
func (q approvalQueue) tag() string {
	sum := sha256.New()
	for _, list := range [][]tools.Approval{q.waiting, q.others} {
		for _, a := range list {
			_, _ = sum.Write([]byte(a.ID + string(a.State) + "\n"))
		}
		_, _ = sum.Write([]byte("\n"))
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

func (p *page) queue(q approvalQueue, state, before string) {
	r := p.r
	if state == "" && before == "" {
		p.Put(`<h2>{}</h2><p role="status">{}</p>`, r.t("Waiting"), r.count(len(q.waiting), "%d waits for a decision.", "%d wait for a decision."))
		for _, a := range q.waiting {
			p.approvalCard(a)
		}
		if len(q.waiting) == mostWaiting {
			p.more(r.t("All that wait"), "/workspaces/"+r.workspace+"/approvals?state=waiting")
		}
	}
	if state == "" {
		p.Put(`<h2>{}</h2>`, r.t("Decided, used and expired"))
	} else {
		p.Put(`<h2>{}</h2>`, r.t(labelOf(stateNames, state)))
	}
	if len(q.others) == 0 {
		p.Put(`<p>{}</p>`, r.t("There are none."))
	}
	for _, a := range q.others {
		p.approvalCard(a)
	}
	if q.next != "" {
		to := url.Values{"before": {q.next}}
		if state != "" {
			to.Set("state", state)
		}
		p.more(r.t("Older ones"), "/workspaces/"+r.workspace+"/approvals?"+to.Encode())
	}
}

// approvalCard is one approval in a list.
func (p *page) approvalCard(a tools.Approval) {
	r := p.r
	path := "/workspaces/" + r.workspace + "/approvals/" + url.PathEscape(a.ID)
	p.Put(`<article class="card"><h3><a href="{}" id="{}" data-item="">{}</a></h3><p>`, path, "approval-"+a.ID, r.titleOf(a))
	p.stateBadge(a.State)
	p.effectBadge(a.Effect)
	p.Put(`</p>`)
	facts := []string{r.t("Agent"), a.Agent, r.t("For"), orNone(r, a.User), r.t("Asked"), r.ago(a.Requested)}
	if a.State == tools.Waiting {
		facts = append(facts, r.t("Until"), r.date(a.Expires))
	}
	if a.By != "" {
		facts = append(facts, r.t("Decided by"), a.By)
	}
	p.facts(facts...)
	p.Put(`</article>`)
}

// titleOf is what is asked for, in few words.
func (r *request) titleOf(a tools.Approval) string {
	if a.Run == "" {
		return shown(a.Instruction)
	}
	var proposal struct{ CaseNumber, Effect string }
	_ = json.Unmarshal(a.Arguments, &proposal) // a list may have cut them
	if proposal.CaseNumber == "" {
		return r.t("Return")
	}
	return shown(r.t("Return %s", proposal.CaseNumber) + ": " + proposal.Effect)
}

// orNone is a text, or that there is none.
func orNone(r *request, text string) string {
	if text == "" {
		return r.t("(nobody named)")
	}
	return text
}

func (p *page) stateBadge(s tools.State) {
	label := p.r.t(labelOf(stateNames, string(s)))
	switch s {
	case tools.Waiting:
		p.Put(`<span class="badge warn">{}</span> `, label)
	case tools.Denied:
		p.Put(`<span class="badge bad">{}</span> `, label)
	case tools.Approved, tools.Used:
		p.Put(`<span class="badge good">{}</span> `, label)
	default:
		p.Put(`<span class="badge">{}</span> `, label)
	}
}

// effectNames are the effects of operations, for people.
var effectNames = []option{
	{tools.Read.String(), words("reads")},
	{tools.Add.String(), words("adds")},
	{tools.Set.String(), words("changes")},
	{tools.Remove.String(), words("removes")},
	{tools.Act.String(), words("acts")},
}

func (p *page) effectBadge(effect string) {
	label := p.r.t(labelOf(effectNames, effect))
	if proves[effect] {
		p.Put(`<span class="badge bad">{}</span>`, label)
	} else {
		p.Put(`<span class="badge">{}</span>`, label)
	}
}

// keys tell of the keys that move in a list, where scripts run, and turn them off: they
// would be in the way of those who speak to their computer (WCAG 2.2, 2.1.4).
func (p *page) keys(text string) {
	p.Put(`<p class="keys" data-keys="" hidden><span>{}</span> <button type="button" class="plain" data-keys-off="{}" data-keys-on="{}">{}</button> <span role="status" data-keys-said="{}"></span></p>`,
		p.r.t("Keys: %s.", text), p.r.t("Turn keys off"), p.r.t("Turn keys on"), p.r.t("Turn keys off"), p.r.t("{at} of {all}"))
}
