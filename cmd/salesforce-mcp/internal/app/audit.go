package app

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

var auditRoutes = []route{
	{"GET /workspaces/{workspace}/audit", auditing, auditList},
	{"GET /workspaces/{workspace}/audit/calls/{id}", auditing, auditCall},
	{"GET /workspaces/{workspace}/audit/runs/{run}", auditing, auditRun},
	{"GET /workspaces/{workspace}/audit/charts", auditing, auditCharts},
	{"GET /workspaces/{workspace}/audit/export", auditing, auditExport},
	{"GET /workspaces/{workspace}/audit/proof", auditing, auditProof},
	{"POST /workspaces/{workspace}/audit/proof", auditing, auditVerify},
	{"GET /platform/audit", platform, auditList},
	{"GET /platform/audit/calls/{id}", platform, auditCall},
	{"GET /platform/audit/charts", platform, auditCharts},
	{"GET /platform/audit/export", platform, auditExport},
	{"GET /platform/audit/proof", platform, auditProof},
	{"POST /platform/audit/proof", platform, auditVerify},
}

// Trail is the audit trail as the pages read it.
type Trail interface {
	proof.Log
	Index(ctx context.Context, workspace string) (left int64, err error)
	Unindexed(ctx context.Context, workspace string) (entries int64, err error)
	Calls(ctx context.Context, q store.CallQuery, before int64, limit int) (store.Calls, error)
	Entries(ctx context.Context, q store.CallQuery, before int64, each func(proof.Leaf) error) error
	Tallies(ctx context.Context, workspace string, from time.Time, hours, steps int) ([]store.Tally, error)
	Call(ctx context.Context, workspace, id string) (ids []string, err error)
	Leaf(ctx context.Context, workspace, id string) (proof.Leaf, bool, error)
	Signatures(ctx context.Context) ([]store.Signature, error)
	StartVerification(ctx context.Context, workspace, id, person string) (bool, error)
	VerificationAt(ctx context.Context, workspace, id string, lookedAt int64) (bool, error)
	EndVerification(ctx context.Context, workspace, id string, report []byte) error
	LastVerification(ctx context.Context, workspace string) (store.Verification, bool, error)
}

// callsOnPage is how many calls a page of the list has.
const callsOnPage = 50

// ofServer is the log of what is about no workspace.
const ofServer = audit.WholeServer

// trail is the log that the pages of a request are about: that of the workspace or, on
// those of the platform, of the whole server.
func (r *request) trail() string { return cmp.Or(r.workspace, ofServer) }

// trailPath is the path of the list, and with below that of a page below it.
func (r *request) trailPath(below string) string {
	if r.workspace == "" {
		return "/platform/audit" + below
	}
	return "/workspaces/" + r.workspace + "/audit" + below
}

// catchUp takes what was recorded in the last moments into the index, and returns how
// many entries are not in it: after an upgrade, an old trail takes some minutes.
func (r *request) catchUp() (left int64, err error) {
	left = 1
	for range 4 {
		if left, err = r.app.Trail.Index(r.Context(), r.trail()); err != nil || left == 0 {
			break
		}
	}
	if err != nil { // a page can be shown all the same
		r.app.Log.Warn().Err(err).Msg("cannot index the audit trail")
		return r.app.Trail.Unindexed(r.Context(), r.trail())
	}
	return left, nil
}

// trailTabs leads from one page of the trail to the others.
func (p *page) trailTabs(at string) {
	p.Put(`<nav class="tabs" aria-label="{}"><ul>`, p.r.t("Audit trail"))
	for _, l := range []struct{ label, path string }{{words("Calls"), ""}, {words("Charts"), "/charts"}, {words("Proof"), "/proof"}} {
		if l.path == at {
			p.Put(`<li><a href="{}" aria-current="page">{}</a></li>`, p.r.trailPath(l.path), p.r.t(l.label))
		} else {
			p.Put(`<li><a href="{}">{}</a></li>`, p.r.trailPath(l.path), p.r.t(l.label))
		}
	}
	p.Put(`</ul></nav>`)
}

// lagging says that the newest entries are not in the index.
func (p *page) lagging(left int64) {
	if left > 0 {
		p.notice("warn", p.r.t("The newest %s entries are not in here yet: they are being indexed, some thousands a second. Nothing is missing in the trail itself.", p.r.number(left)))
	}
}

// auditList is the list of calls, and what it is searched by.
func auditList(r *request) error {
	left, err := r.catchUp()
	if err != nil {
		return err
	}
	q, fields, wrong := r.callQuery()
	var found store.Calls
	if !wrong {
		before, _ := strconv.ParseInt(r.FormValue("before"), 10, 64)
		if found, err = r.app.Trail.Calls(r.Context(), q, max(before, 0), callsOnPage); err != nil {
			return err
		}
	}
	title := r.t("Audit")
	if r.workspace == "" {
		title = r.t("Audit of the server")
	}
	p := r.page(title)
	p.trailTabs("")
	p.lagging(left)
	p.auditFilter(fields, wrong)
	if wrong {
		return p.send(http.StatusBadRequest)
	}
	p.callTable(r.t("Calls, the newest first"), found.Calls)
	switch {
	case len(found.Calls) == 0 && found.Before == 0:
		p.Put(`<p>{}</p>`, r.t("No call matches."))
	case !found.Searched.IsZero():
		p.Put(`<p>{}</p>`, r.t("The search has come to %s. There may be more.", r.date(found.Searched)))
	}
	here := r.filters()
	if here.Has("before") {
		first := r.filters()
		first.Del("before")
		p.more(r.t("Back to the newest"), r.trailPath("?"+first.Encode()))
	}
	if found.Before > 0 {
		here.Set("before", strconv.FormatInt(found.Before, 10))
		label := r.t("Older calls")
		if !found.Searched.IsZero() {
			label = r.t("Search on")
		}
		p.more(label, r.trailPath("?"+here.Encode()))
	}
	p.exports(r.filters())
	return p.send(http.StatusOK)
}

// filterNames are the fields of the filter, as the query of an address has them.
var filterNames = []string{"agent", "user", "host", "tool", "action", "effect", "decision", "outcome", "code", "record", "run", "context", "approval", "since", "until"}

// filters are those of the present address that are not empty, and where the page begins.
func (r *request) filters() url.Values {
	kept := url.Values{}
	for _, name := range append(slices.Clone(filterNames), "before") {
		if value := r.FormValue(name); value != "" {
			kept.Set(name, value)
		}
	}
	return kept
}

// underWay stands for the calls that have not ended, among outcomes.
const underWay = "under-way"

// callQuery reads the filter, and returns it as fields that say what is wrong with them.
func (r *request) callQuery() (q store.CallQuery, fields map[string]*field, wrong bool) {
	fields = map[string]*field{}
	for _, name := range filterNames {
		fields[name] = &field{name: name, value: strings.TrimSpace(r.FormValue(name)), autocomplete: "off"}
	}
	value := func(name string) string { return fields[name].value }
	q = store.CallQuery{Workspace: r.trail(), Agent: value("agent"), User: value("user"), Host: value("host"), Tool: value("tool"), Action: value("action"), Effect: value("effect"),
		Decision: value("decision"), Code: value("code"), Run: value("run"), Context: value("context"), Approval: value("approval")}
	if tool, action, both := strings.Cut(q.Tool, "."); both {
		q.Tool, q.Action = tool, action
	}
	switch outcome := value("outcome"); outcome {
	case underWay:
		q.UnderWay = true
	case "", string(audit.OK), string(audit.Failed), string(audit.Unknown), string(audit.Refused):
		q.Outcome = audit.Status(outcome)
	default:
		fields["outcome"].problem, wrong = r.t("There is no such outcome."), true
	}
	if text := value("record"); text != "" {
		if id, err := salesforce.To18(text); err == nil {
			q.Record = id
		} else if strings.Count(text, "-") == 4 { // an event that was published
			q.Record = text
		} else {
			fields["record"].problem, wrong = r.t("Write an ID of 15 or 18 characters, as in 001000000000001AAA."), true
		}
	}
	for name, at := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if text := value(name); text != "" {
			var err error
			if *at, err = parseMoment(text); err != nil {
				fields[name].problem, wrong = r.t("Write a date and a time, as in 2026-11-24T10:00."), true
			}
		}
	}
	return q, fields, wrong
}

// parseMoment reads a time as browsers write it, in UTC, or a date.
func parseMoment(text string) (at time.Time, err error) {
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339, time.DateOnly} {
		if at, err = time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	return at, err
}

// auditFilter is the form that the list is searched with.
func (p *page) auditFilter(fields map[string]*field, wrong bool) {
	r := p.r
	asked := len(r.filters()) > 0
	if asked {
		p.Put(`<details class="filter" open>`)
	} else {
		p.Put(`<details class="filter">`)
	}
	p.Put(`<summary>{}</summary><form method="get" action="{}" role="search">`, r.t("Search"), r.trailPath(""))
	if wrong {
		p.notice("error", r.t("Please correct what is marked below."))
	}
	choose := func(name, label string, options ...option) {
		f := *fields[name]
		f.label, f.options = label, append([]option{{"", r.t("any")}}, options...)
		p.choice(f)
	}
	line := func(name, label, hint, kind string) {
		f := *fields[name]
		f.label, f.hint, f.kind, f.required = label, hint, kind, false
		p.field(f)
	}
	p.Put(`<div class="grid">`)
	line("agent", r.t("Agent"), r.t("The whole name, or a part with *, as in desk*."), "")
	line("user", r.t("User"), r.t("For whom it was, or who decided."), "")
	line("host", r.t("Host"), "", "")
	var named []option
	for _, t := range tools.All {
		named = append(named, option{t.Name, t.Name})
	}
	for _, name := range []string{"returns", "approvals", "connection", "settings", "secret", "keys", "audit", fields["tool"].value} { // of people and commands
		if name != "" && !slices.ContainsFunc(named, func(o option) bool { return o.value == name }) {
			named = append(named, option{name, name})
		}
	}
	choose("tool", r.t("Tool"), named...)
	line("action", r.t("Action"), "", "")
	var effects []option
	for _, o := range effectNames {
		effects = append(effects, option{o.value, r.t(o.label)})
	}
	choose("effect", r.t("Effect"), effects...)
	choose("decision", r.t("Decision"), option{audit.DecisionAllowed, r.t("allowed")}, option{audit.DecisionRefused, r.t("refused")})
	choose("outcome", r.t("Outcome"), option{string(audit.OK), r.t("done")}, option{string(audit.Failed), r.t("error")}, option{string(audit.Refused), r.t("refused")},
		option{string(audit.Unknown), r.t("unknown")}, option{underWay, r.t("under way")})
	line("code", r.t("Code"), r.t("A part of it is enough."), "")
	line("record", r.t("Record"), r.t("ID of a record that was read or written."), "")
	line("since", r.t("From (UTC)"), "", "datetime-local")
	line("until", r.t("Before (UTC)"), "", "datetime-local")
	p.Put(`</div>`)
	for _, name := range []string{"run", "context", "approval"} {
		if f := fields[name]; f.value != "" {
			label := map[string]string{"run": r.t("Return"), "context": r.t("Conversation"), "approval": r.t("Approval")}[name]
			line(name, label, "", "")
		}
	}
	p.button(r.t("Search"))
	if asked {
		p.Put(` <a href="{}">{}</a>`, r.trailPath(""), r.t("Show all"))
	}
	p.Put(`</form></details>`)
}

// callTable lists calls.
func (p *page) callTable(caption string, calls []store.Call) {
	if len(calls) == 0 {
		return
	}
	r := p.r
	p.table(caption, []string{r.t("Time (UTC)"), r.t("Agent"), r.t("User"), r.t("Call"), r.t("Outcome"), r.t("Records"), r.t("Duration")}, len(calls), func(i int) {
		c := calls[i]
		e := c.Entry
		id := cmp.Or(e.Intent, e.ID)
		p.Put(`<tr><th scope="row"><a href="{}"><time datetime="{}">{}</time></a></th><td>{}</td><td>{}</td><td>{}</td><td>`, r.trailPath("/calls/"+url.PathEscape(id)),
			c.Began.UTC().Format(time.RFC3339), r.second(c.Began), shown(cmp.Or(e.Agent, "–")), shown(cmp.Or(e.By, e.User, "–")), shown(callName(e)))
		p.outcome(e)
		records := ""
		if len(e.Records) > 0 {
			records = shown(e.Records[0])
			if len(e.Records) > 1 {
				records += " +" + r.number(int64(len(e.Records)-1))
			}
		}
		p.Put(`</td><td>{}</td><td class="number">{}</td></tr>`, records, r.duration(e.Duration))
	})
}

// callName is what was called.
func callName(e audit.Entry) string {
	if e.Tool == "returns" && e.Action == "step" {
		return "returns: " + e.Instruction
	}
	if e.Action == "" {
		return e.Tool
	}
	return e.Tool + "." + e.Action
}

// outcome says how a call ended, in a word and its code.
func (p *page) outcome(e audit.Entry) {
	r := p.r
	switch {
	case e.Phase == audit.PhaseIntent:
		p.Put(`<span class="badge">{}</span>`, r.t("under way"))
	case e.Outcome == audit.OK:
		p.Put(`<span class="badge good">{}</span>`, r.t("done"))
	case e.Outcome == audit.Refused:
		p.Put(`<span class="badge warn">{}</span>`, r.t("refused"))
	case e.Outcome == audit.Unknown:
		p.Put(`<span class="badge bad">{}</span>`, r.t("unknown"))
	default:
		p.Put(`<span class="badge bad">{}</span>`, r.t("error"))
	}
	if e.Code != "" {
		p.Put(` <small>{}</small>`, shown(e.Code))
	}
}

// shown is a text from outside as a person should see it: what cannot be seen, or
// turns the direction of what can, is spelled out.
func shown(text string) string { return tools.Printable(text) }

// second is a time to the second, in UTC, short.
func (r *request) second(at time.Time) string {
	if r.language == french {
		return at.UTC().Format("02/01/2006 15:04:05")
	}
	return at.UTC().Format("2 Jan 2006, 15:04:05")
}

// duration is a duration with three figures.
func (r *request) duration(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Millisecond:
		return r.decimal(float64(d)/float64(time.Millisecond), 2) + " ms"
	case d < time.Second:
		return r.number(d.Round(time.Millisecond).Milliseconds()) + " ms"
	case d < 100*time.Second:
		return r.decimal(d.Seconds(), 1) + " s"
	}
	return r.number(int64(d.Round(time.Second).Seconds())) + " s"
}

// decimal is a number with so many places.
func (r *request) decimal(n float64, places int) string {
	text := strconv.FormatFloat(n, 'f', places, 64)
	if r.language == french {
		text = strings.Replace(text, ".", ",", 1)
	}
	return text
}
