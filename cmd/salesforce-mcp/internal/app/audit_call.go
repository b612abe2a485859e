package app

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
)

// recordsShown bounds the records, requests and changes that a page lists; an export has
// them all.
const recordsShown = 200

// leavesOfCall returns the entries of the call that an entry belongs to.
func (r *request) leavesOfCall(id string) (leaves []proof.Leaf, err error) {
	ids, err := r.app.Trail.Call(r.Context(), r.trail(), id)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		l, ok, err := r.app.Trail.Leaf(r.Context(), r.trail(), id)
		if err != nil {
			return nil, err
		}
		if ok {
			leaves = append(leaves, l)
		}
	}
	return leaves, nil
}

// auditCall is one call, with all that is recorded of it.
func auditCall(r *request) error {
	leaves, err := r.leavesOfCall(r.PathValue("id"))
	if err != nil {
		return err
	}
	if len(leaves) == 0 {
		return errNothing
	}
	var first, last audit.Entry // the same one, for a refusal
	for i, l := range leaves {
		var e audit.Entry
		if err := json.Unmarshal(l.Entry, &e); err != nil {
			continue // the entry below shows it as it is
		}
		if i == 0 {
			first = e
		}
		last = e
	}
	p := r.page(shown(cmp.Or(callName(first), r.t("Audit"))))
	p.trailTabs("-")
	p.callFacts(first, last, leaves)
	if first.Reasoning != "" {
		p.Put(`<h2>{}</h2><p>{}</p>`, r.t("Why the agent did so, in its own words"), shown(first.Reasoning))
	}
	if first.Confidence != nil {
		p.Put(`<p>{}</p>`, r.t("How sure it was: %s of 1.", r.decimal(*first.Confidence, 2)))
	}
	if len(first.Arguments) > 0 {
		p.Put(`<h2>{}</h2>`, r.t("Arguments"))
		p.Put(`<p class="hint">{}</p>`, r.t("As they were recorded: what is secret was left out before that, and is nowhere in the trail."))
		p.code(r.t("Arguments"), pretty(first.Arguments))
	}
	if n := len(last.Changes); n > 0 {
		p.Put(`<h2>{}</h2>`, r.t("Changes"))
		p.changes(last.Changes[:min(n, recordsShown)])
		p.andMore(n)
	}
	p.exchanges(last.Exchanges)
	p.recordList(last.Records)
	if len(last.Detail) > 0 {
		p.Put(`<h2>{}</h2>`, r.t("What came of it"))
		p.code(r.t("What came of it"), pretty(last.Detail))
	}
	p.Put(`<h2>{}</h2>`, r.t("Entries as they were recorded"))
	for _, l := range leaves {
		p.Put(`<details><summary>{}</summary>`, r.t("Entry %s of the log", strconv.FormatInt(l.N, 10)))
		p.code(r.t("Entry"), shown(string(l.Entry)))
		p.Put(`</details>`)
	}
	p.exports(url.Values{"call": {first.ID}})
	return p.send(http.StatusOK)
}

// callFacts are who called, what was called, what was decided, and how it ended.
func (p *page) callFacts(first, last audit.Entry, leaves []proof.Leaf) {
	r := p.r
	p.Put(`<dl class="facts">`)
	fact := func(term, text string) {
		if text != "" {
			p.Put(`<div><dt>{}</dt><dd>{}</dd></div>`, term, shown(text))
		}
	}
	linked := func(term, text, path string) {
		if text != "" {
			p.Put(`<div><dt>{}</dt><dd><a href="{}">{}</a></dd></div>`, term, path, shown(text))
		}
	}
	filtered := func(name, value string) string { return r.trailPath("?" + url.Values{name: {value}}.Encode()) }
	p.Put(`<div><dt>{}</dt><dd>`, r.t("Outcome"))
	p.outcome(last)
	p.Put(`</dd></div>`)
	fact(r.t("Message"), last.Message)
	fact(r.t("Began"), r.second(first.Time)+" UTC")
	fact(r.t("Duration"), r.duration(last.Duration))
	linked(r.t("Agent"), first.Agent, filtered("agent", first.Agent))
	linked(r.t("User"), first.User, filtered("user", first.User))
	fact(r.t("Host"), first.Host)
	linked(r.t("Conversation"), first.Context, filtered("context", first.Context))
	fact(r.t("Way in"), first.Surface)
	fact(r.t("Instruction"), first.Instruction)
	fact(r.t("Effect"), r.t(labelOf(effectNames, first.Effect)))
	fact(r.t("Decision"), map[string]string{audit.DecisionAllowed: r.t("allowed"), audit.DecisionRefused: r.t("refused")}[first.Decision])
	fact(r.t("Rule"), first.Rule)
	fact(r.t("Decided by"), first.By)
	linked(r.t("Approval"), first.Approval, filtered("approval", first.Approval))
	fact(r.t("Digest of what was approved"), first.Digest)
	if r.workspace != "" {
		linked(r.t("Return"), first.Run, r.trailPath("/runs/"+url.PathEscape(first.Run)))
	}
	if last.Replay != "" {
		linked(r.t("Given again"), r.t("nothing was sent: the outcome of an earlier call with the same key"), r.trailPath("/calls/"+url.PathEscape(last.Replay)))
	}
	if last.Bytes > 0 {
		fact(r.t("Bytes handed on"), r.number(last.Bytes))
	}
	fact(r.t("Call"), first.ID)
	var numbers []string
	for _, l := range leaves {
		numbers = append(numbers, strconv.FormatInt(l.N, 10))
	}
	fact(r.t("Numbers in the log"), strings.Join(numbers, ", "))
	p.Put(`</dl>`)
}

// andMore says how many are left out of a list.
func (p *page) andMore(n int) {
	if n > recordsShown {
		p.Put(`<p>{}</p>`, p.r.t("And %s more, which an export has.", p.r.number(int64(n-recordsShown))))
	}
}

// exchanges are the requests to Salesforce.
func (p *page) exchanges(exchanges []audit.Exchange) {
	if len(exchanges) == 0 {
		return
	}
	r := p.r
	p.Put(`<h2>{}</h2>`, r.t("Requests to Salesforce"))
	p.table(r.t("Requests, in order"), []string{r.t("Method"), r.t("Path"), r.t("Status"), r.t("Request ID"), r.t("Duration")}, min(len(exchanges), recordsShown), func(i int) {
		x := exchanges[i]
		status := strconv.Itoa(x.Status)
		if x.Status == 0 {
			status = r.t("no answer")
		}
		if x.Err != "" {
			status += ": " + x.Err
		}
		p.Put(`<tr><td>{}</td><td><code>{}</code></td><td>{}</td><td>{}</td><td class="number">{}</td></tr>`, shown(x.Method), shown(x.Path), shown(status), shown(x.RequestID), r.duration(x.Duration))
	})
	p.andMore(len(exchanges))
}

// recordList are the records of a call, each with a link to what else was done to it.
func (p *page) recordList(records []string) {
	if len(records) == 0 {
		return
	}
	p.Put(`<h2>{}</h2><ul class="records">`, p.r.t("Records"))
	for _, id := range records[:min(len(records), recordsShown)] {
		p.Put(`<li><a href="{}">{}</a></li>`, p.r.trailPath("?"+url.Values{"record": {id}}.Encode()), shown(id))
	}
	p.Put(`</ul>`)
	p.andMore(len(records))
}

// pretty is JSON for people to read, and what is none as it is.
func pretty(text json.RawMessage) string {
	var b bytes.Buffer
	if json.Indent(&b, text, "", "  ") != nil {
		return shown(string(text))
	}
	return shown(b.String())
}

// storyEntries bounds the entries of a return that its page shows.
const storyEntries = 500

// auditRun is what happened to one return, oldest first, whoever moved it.
func auditRun(r *request) error {
	run := r.PathValue("run")
	if _, err := r.catchUp(); err != nil {
		return err
	}
	var entries []audit.Entry
	enough := errors.New("enough")
	err := r.app.Trail.Entries(r.Context(), store.CallQuery{Workspace: r.trail(), Run: run}, math.MaxInt64, func(l proof.Leaf) error {
		var e audit.Entry
		if json.Unmarshal(l.Entry, &e) == nil {
			entries = append(entries, e)
		}
		if len(entries) == storyEntries {
			return enough
		}
		return nil
	})
	if err != nil && !errors.Is(err, enough) {
		return err
	}
	if len(entries) == 0 {
		return errNothing
	}
	p := r.page(r.t("Return %s", shown(run)))
	p.trailTabs("-")
	if len(entries) == storyEntries {
		p.notice("info", r.t("These are the first %s entries; an export has all of them.", r.number(storyEntries)))
	}
	ends := map[string]audit.Entry{} // by intent
	for _, e := range entries {
		if e.Phase == audit.PhaseOutcome {
			ends[e.Intent] = e
		}
	}
	p.Put(`<ol class="story">`)
	tries, told := map[string]int{}, map[string]bool{}
	for _, e := range entries {
		end := ends[e.ID]
		switch {
		case e.Phase == audit.PhaseOutcome && told[e.Intent]:
			continue
		case e.Phase == audit.PhaseOutcome, e.Phase == audit.PhaseRefusal:
			end = e
		case end.ID == "":
			end = e // under way
		}
		told[e.ID] = true
		name := shown(callName(e))
		if e.Action == "step" {
			tries[e.Instruction]++
			name = r.t("%s, attempt %d", shown(e.Instruction), tries[e.Instruction])
		}
		p.chapter(name, e, end)
	}
	p.Put(`</ol>`)
	p.exports(url.Values{"run": {run}})
	return p.send(http.StatusOK)
}

// chapter is one step of a return, or what a person or an agent did to it.
func (p *page) chapter(name string, e, end audit.Entry) {
	r := p.r
	p.Put(`<li><h2><a href="{}">{}</a></h2><p><time datetime="{}">{}</time> `, r.trailPath("/calls/"+url.PathEscape(cmp.Or(e.Intent, e.ID))), name, e.Time.UTC().Format("2006-01-02T15:04:05Z"), r.second(e.Time)+" UTC")
	p.outcome(end)
	p.Put(` {}</p>`, r.duration(end.Duration))
	p.Put(`<dl class="facts">`)
	fact := func(term, text string) {
		if text != "" {
			p.Put(`<div><dt>{}</dt><dd>{}</dd></div>`, term, shown(text))
		}
	}
	fact(r.t("Message"), end.Message)
	fact(r.t("Agent"), e.Agent)
	fact(r.t("User"), e.User)
	fact(r.t("Decided by"), e.By)
	fact(r.t("Reasoning"), e.Reasoning)
	fact(r.t("Records"), strings.Join(end.Records[:min(len(end.Records), 20)], " "))
	p.Put(`</dl>`)
	if len(end.Detail) > 0 {
		p.code(r.t("What came of it"), pretty(end.Detail))
	}
	p.Put(`</li>`)
}
