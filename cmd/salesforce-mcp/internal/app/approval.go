package app

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns/decimal"
	"salesforce-mcp/tools/returns/loop"
	returnpolicy "salesforce-mcp/tools/returns/policy"
)

// An asked is an approval as a person has to see it who decides.
type asked struct {
	tools.Approval
	proposal *loop.Proposal // of a return's; nil of a call's
	cut      bool           // not all of its arguments can be shown: nobody decides on that
}

// asked is the approval of the path, with all of its arguments.
func (r *request) asked() (a asked, err error) {
	ctx := r.Context()
	kept, found, err := r.app.Tools.Approvals.Approval(ctx, r.workspace, r.PathValue("approval"))
	if err != nil {
		return a, err
	}
	if !found {
		return a, errNothing
	}
	a.Approval = kept
	whole, err := tools.Whole(ctx, r.app.Tools.Sealer, kept)
	if err != nil {
		r.app.Log.Error().Err(err).Str("approval", kept.ID).Msg("the arguments of an approval cannot be opened")
		a.cut = true
	} else {
		a.Approval = whole
	}
	if a.Run != "" {
		a.proposal = new(loop.Proposal)
		if err := json.Unmarshal(a.Arguments, a.proposal); err != nil {
			a.proposal, a.cut = nil, true
		}
	}
	return a, nil
}

// by is what the audit trail calls who decides.
func (p Person) by() string { return p.Account }

// requested reports whether the agent has asked for this person.
func (r *request) requested(a tools.Approval) bool {
	return a.User != "" && (strings.EqualFold(a.User, r.person.by()) || strings.EqualFold(a.User, r.person.Name) || strings.EqualFold(a.User, r.person.ID))
}

// proves are the effects of calls whose approval asks for a fresh proof of who approves.
var proves = map[string]bool{tools.Remove.String(): true, tools.Act.String(): true}

// mustProve reports whether who approves has to prove again who they are: for calls that
// remove or act, and for returns worth more than the workspace says.
func (r *request) mustProve(a asked) bool {
	if a.Run == "" {
		return proves[a.Effect]
	}
	if a.proposal == nil {
		return true
	}
	settings := r.app.Returns(r.workspace)
	return settings == nil || worth(a.proposal) > settings.ReauthenticateOver[a.proposal.Currency]
}

// worth is what a return is worth to whoever gets it, in minor units.
func worth(p *loop.Proposal) int64 {
	if p.Outcome != returnpolicy.OutcomeReplace {
		return p.Amount
	}
	total := int64(0)
	for _, l := range p.Lines {
		total += l.Value
	}
	return total
}

// approvalPage shows one approval to whoever decides, or wants to know.
func approvalPage(r *request) error {
	a, err := r.asked()
	if err != nil {
		return err
	}
	if r.URL.Query().Get("prove") != "" && r.may(decide) {
		if err := r.confirmed(); err != nil {
			return err
		}
	}
	return r.showApproval(a, http.StatusOK, "", r.comment(""))
}

// showApproval sends the page of an approval. Said is what went wrong, "" for nothing.
func (r *request) showApproval(a asked, status int, said string, note field) error {
	p := r.page(r.titleOf(a.Approval))
	if said != "" {
		p.notice("error", said)
	}
	p.problems(note)
	p.decided(a)
	p.Put(`<section aria-labelledby="asked"><h2 id="asked">{}</h2>`, r.t("What is asked"))
	facts := []string{r.t("State"), r.t(labelOf(stateNames, string(a.State))), r.t("Operation"), a.Tool + "." + a.Action + " (" + a.Instruction + ")",
		r.t("Effect"), r.t(labelOf(effectNames, a.Effect)), r.t("Agent"), a.Agent, r.t("For"), orNone(r, a.User), r.t("Host"), a.Host,
		r.t("Rule that asks"), a.Rule, r.t("Asked"), r.date(a.Requested) + " (" + r.ago(a.Requested) + ")", r.t("Until"), r.date(a.Expires)}
	if a.Context != "" {
		facts = append(facts, r.t("Conversation"), a.Context)
	}
	p.facts(facts...)
	if a.Run != "" {
		p.more(r.t("The run of this return"), "/workspaces/"+r.workspace+"/returns/"+url.PathEscape(a.Run))
	}
	p.Put(`</section>`)
	p.agentSays(a.Reasoning, a.Confidence)
	if a.cut {
		p.notice("error", r.t("Not all of what is asked can be read now, so nobody can decide about it here. The server's log has the cause."))
	}
	if a.proposal != nil {
		p.proposal(a.proposal)
	} else {
		if a.State == tools.Waiting && r.may(decide) && !r.requested(a.Approval) {
			p.wouldChange(a.Approval)
		}
		p.arguments(a.Arguments)
	}
	p.decision(a, note)
	return p.send(status)
}

// comment is the field for what a person says about their decision.
func (r *request) comment(text string) field {
	return field{name: "note", label: r.t("Comment"), value: text, hint: r.t("The agent reads it, and the audit trail keeps it."), rows: 3}
}

// decided says what somebody has decided.
func (p *page) decided(a asked) {
	r := p.r
	if a.Decided == nil || a.By == "" {
		return
	}
	text := r.t("%s has approved this %s.", a.By, r.ago(*a.Decided))
	if a.State == tools.Denied {
		text = r.t("%s has denied this %s.", a.By, r.ago(*a.Decided))
	}
	if a.Note != "" {
		text += " " + r.t("They say: %s", a.Note)
	}
	p.notice("info", text)
}

// agentSays are the words of an agent, which are no proof of anything.
func (p *page) agentSays(reasoning string, confidence *float64) {
	r := p.r
	p.Put(`<section aria-labelledby="says"><h2 id="says">{}</h2>`, r.t("What the agent says"))
	if reasoning == "" && confidence == nil {
		p.Put(`<p>{}</p></section>`, r.t("It gave no reason and no confidence."))
		return
	}
	p.Put(`<figure class="words"><figcaption>{}</figcaption><p>{}</p></figure>`, r.t("The agent's own words. Nobody has checked them, and what customers wrote may be in them."), shown(cmp.Or(reasoning, r.t("(no reason)"))))
	sure := r.t("not given")
	if confidence != nil {
		sure = r.t("%.2f of 1, by its own account", *confidence)
	}
	p.facts(r.t("Confidence"), sure)
	p.Put(`</section>`)
}

// wouldChange is what a call would change, read from the org now.
func (p *page) wouldChange(a tools.Approval) {
	r := p.r
	p.Put(`<section aria-labelledby="changes"><h2 id="changes">{}</h2>`, r.t("What would change"))
	found, err := r.app.Tools.Proposed(r.Context(), a, r.person.by())
	switch {
	case err != nil:
		p.notice("warn", r.t("How the records are now could not be read: %s", tools.AsError(err).Message))
	case !found.Known:
		p.Put(`<p>{}</p>`, r.t("Nobody can tell before the call is made. Read its arguments below."))
	default:
		if found.Missing > 0 {
			p.notice("warn", r.count(found.Missing, "%d record of the call is not there.", "%d records of the call are not there."))
		}
		p.Put(`<p class="hint">{}</p>`, r.t("Before is read from Salesforce now, with the rights of the call. After is what the call sends."))
		p.changes(found.Changes)
	}
	p.Put(`</section>`)
}

// decision is the form of who may decide, or why they cannot.
func (p *page) decision(a asked, note field) {
	r := p.r
	if a.State != tools.Waiting || !r.may(decide) {
		return
	}
	path := "/workspaces/" + r.workspace + "/approvals/" + url.PathEscape(a.ID)
	p.Put(`<section aria-labelledby="decide"><h2 id="decide">{}</h2>`, r.t("Your decision"))
	defer p.Put(`</section>`)
	switch {
	case a.cut:
		p.Put(`<p>{}</p>`, r.t("You can only deny this: not all of it can be read."))
	case r.requested(a.Approval):
		p.notice("info", r.t("The agent asked this for you, so somebody else has to decide."))
		return
	}
	p.keys(r.t("a to Approve, d to Deny; Enter decides"))
	p.Put(`<form method="post" action="{}">`, path+"/deny")
	p.textarea(note)
	switch {
	case a.cut:
	case r.mustProve(a) && r.confirmed() != nil:
		p.Put(`<p>{}</p><p><a class="button" id="approve" href="{}">{}</a></p>`, r.t("Approving this asks for a fresh proof of who you are."), path+"?prove=1#approve", r.t("Prove who you are, then approve"))
	default:
		p.Put(`<button id="approve" formaction="{}">{}</button> `, path+"/approve", r.t("Approve"))
	}
	p.Put(`<button class="danger" id="deny">{}</button></form>`, r.t("Deny"))
}

func approve(r *request) error { return r.decide(true) }

func deny(r *request) error { return r.decide(false) }

// decide records what a person decides. Of two who decide at once, one has their way,
// and the other is shown who that was.
func (r *request) decide(yes bool) error {
	a, err := r.asked()
	if err != nil {
		return err
	}
	f, err := r.form()
	if err != nil {
		return err
	}
	if yes && a.cut {
		return r.problem(http.StatusConflict, "Not all of what is asked can be read now, so nobody can approve it.")
	}
	if yes && a.State == tools.Waiting && r.mustProve(a) {
		if err := r.confirmed(); err != nil {
			return err
		}
	}
	note := r.comment(f.Get("note"))
	decided, err := tools.Decide(r.Context(), r.app.Tools.Journal, r.app.Tools.Approvals, r.workspace, a.ID,
		tools.Verdict{Approve: yes, By: r.person.by(), Names: []string{r.person.ID, r.person.Name}, Note: strings.TrimSpace(note.value), Surface: "app"})
	if err != nil {
		return r.undecided(a, note, err)
	}
	flash := r.t("Denied: %s", r.titleOf(decided))
	if yes {
		flash = r.t("Approved: %s", r.titleOf(decided))
	}
	return r.redirect("/workspaces/"+r.workspace+"/approvals", flash)
}

// undecided shows why a decision did not take effect.
func (r *request) undecided(a asked, note field, err error) error {
	failed := tools.AsError(err)
	switch failed.Code {
	case tools.NotWaiting:
		now, err := r.asked()
		if err != nil {
			return err
		}
		if now.State == tools.Waiting { // its run is at work
			return r.showApproval(now, http.StatusConflict, r.t("Nothing was decided: the run is at work at this moment. Try again."), note)
		}
		return r.showApproval(now, http.StatusConflict, r.t("Nothing was decided by you: this does not wait any more."), note)
	case tools.FourEyes:
		return r.showApproval(a, http.StatusForbidden, r.t("Nothing was decided: the agent asked this for you, so somebody else has to decide."), note)
	case tools.InvalidArgument:
		note.problem = r.t("The comment may be text of at most %d bytes.", tools.MaxNote)
		return r.showApproval(a, http.StatusUnprocessableEntity, "", note)
	case tools.NotRecorded:
		return r.showApproval(a, http.StatusServiceUnavailable, r.t("Nothing was decided: the audit trail cannot be written now."), note)
	}
	return err
}

// money is an amount for people.
func money(minor int64, currency string) string { return decimal.Text(minor, currency) }
