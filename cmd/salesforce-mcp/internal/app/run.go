package app

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
	"salesforce-mcp/tools/returns"
)

// A runStory is a run with all that is known of it.
type runStory struct {
	audit.Run
	steps    map[string]audit.Step
	approval string // ID of the one that it waits for, or ""
	entries  []audit.Entry
}

// mostEntries is how many entries of a run its page shows; the audit page has all.
const mostEntries = 500

// run is the run of the path.
func (r *request) run() (s runStory, err error) {
	ctx, id := r.Context(), r.PathValue("run")
	run, found, err := r.app.Runs.Run(ctx, r.workspace, id)
	if err == nil && !found {
		err = errNothing
	}
	if err != nil {
		return s, err
	}
	s.Run = run
	if s.steps, err = r.app.Runs.Steps(ctx, id); err != nil {
		return s, err
	}
	waits, err := r.app.Tools.Approvals.ListApprovals(ctx, tools.ApprovalQuery{Workspace: r.workspace, Run: id, State: tools.Waiting, Limit: 1})
	if err != nil {
		return s, err
	}
	if len(waits) > 0 {
		s.approval = waits[0].ID
	}
	s.entries, err = r.app.Entries.List(ctx, audit.Query{Workspace: r.workspace, Run: id, Limit: mostEntries})
	return s, err
}

// runPage tells the story of a run.
func runPage(r *request) error {
	s, err := r.run()
	if err != nil {
		return err
	}
	return r.showRun(s, http.StatusOK, "")
}

// showRun sends the page of a run. Said is what went wrong, "" for nothing.
func (r *request) showRun(s runStory, status int, said string) error {
	p := r.page(r.titleOfRun(s.Run))
	in, view := inputOf(s.Run), returns.ViewOf(s.Run, s.steps, s.approval)
	if said != "" {
		p.notice("error", said)
	}
	p.Put(`<p>`)
	p.runBadges(s.Run)
	p.Put(`</p>`)
	if needed := r.todo(s); needed != "" {
		p.notice("warn", needed)
	}
	if s.approval != "" {
		p.more(r.t("The approval that it waits for"), "/workspaces/"+r.workspace+"/approvals/"+url.PathEscape(s.approval))
	}
	facts := []string{r.t("Step"), s.At, r.t("Asked for"), r.t(labelOf(outcomeNames, in.Outcome)), r.t("Case"), s.Subject, r.t("Agent"), in.Agent, r.t("For"), orNone(r, in.User),
		r.t("Begun"), r.date(s.Started), r.t("Last change"), r.date(s.Moved), r.t("Refund"), r.t(labelOf(pivotNames, s.Pivot))}
	if view.Wakes != nil {
		facts = append(facts, r.t("Goes on"), r.date(*view.Wakes))
	}
	if because := view.Because(); because != "" {
		facts = append(facts, r.t("Why"), because)
	}
	if word, ok := returns.TestimonyOf(s.Answer); ok {
		said := r.t("%s says that it was not made: %s", word.By, word.Note)
		if word.Made {
			said = r.t("%s says that it was made as %s: %s", word.By, word.Reference, word.Note)
		}
		facts = append(facts, r.t("What a person said"), said)
	}
	p.facts(facts...)
	p.agentSays(in.Reasoning, in.Confidence)
	p.steps(view.Steps)
	p.story(s.entries)
	p.moves(s)
	return p.send(status)
}

// outcomeNames are what a return can ask for, for people.
var outcomeNames = []option{{"refund", words("the money back")}, {"replace", words("a replacement")}, {"", words("not known")}}

// pivotNames are what is known of a run's refund, for people.
var pivotNames = []option{{"", words("not made")}, {"begun", words("perhaps made: nobody can tell yet")}, {"passed", words("made, or none was needed")}}

// todo is what a person can do about a run; "" for nothing.
func (r *request) todo(s runStory) string {
	switch {
	case returns.Ended(s.Status):
		return ""
	case s.approval != "":
		return r.t("It waits for a decision.")
	case returns.Parked(s.Run, s.steps):
		return r.t("It is parked: put right what is said under Why, then have it tried again, or cancel it.")
	case returns.InDoubt(s.Run, nil):
		return r.t("Nobody can tell whether the refund was made. Look at the payment gateway for the key %s. It is asked again and again; if it can never tell, say below what became of the refund.", returns.Key(s.Run, s.At))
	case s.Escalated && s.Pivot == "" && s.Status == returns.Running:
		return r.t("Put right what is said under Why: the step is tried again by itself. Or cancel it.")
	case s.Escalated:
		return r.t("Put right what is said under Why: the step is tried again by itself.")
	}
	return ""
}

// stepStates are the states of steps, for people.
var stepStates = []option{{"intent", words("under way")}, {"done", words("done")}, {"unknown", words("nobody can tell")}, {"failed", words("not done")}, {"waiting", words("waiting")}}

// steps are those of a run, in the order of their beginning.
func (p *page) steps(steps []returns.StepView) {
	r := p.r
	p.Put(`<section aria-labelledby="steps"><h2 id="steps">{}</h2>`, r.t("Steps"))
	p.table(r.t("Steps, in the order of their beginning"), []string{r.t("Step"), r.t("State"), r.t("Attempts"), r.t("Begun"), r.t("Ended"), r.t("Key")}, len(steps), func(i int) {
		s := steps[i]
		ended := ""
		if s.Finished != nil {
			ended = s.Finished.UTC().Format(time.TimeOnly)
		}
		p.Put(`<tr><th scope="row">{}</th><td>{}</td><td class="number">{}</td><td>{}</td><td>{}</td><td><code>{}</code></td></tr>`,
			s.Name, r.t(labelOf(stepStates, s.State)), r.number(s.Attempts), s.Started.UTC().Format(time.DateTime), ended, s.Key)
	})
	p.Put(`</section>`)
}

// entryOutcomes are how calls end, for people.
var entryOutcomes = []option{{string(audit.OK), words("done")}, {string(audit.Failed), words("failed")}, {string(audit.Unknown), words("nobody can tell")}, {string(audit.Refused), words("refused")}, {"", words("under way")}}

// story tells what happened, from the audit trail.
func (p *page) story(entries []audit.Entry) {
	r := p.r
	p.Put(`<section aria-labelledby="story"><h2 id="story">{}</h2><p class="hint">{}</p><ol class="story">`, r.t("Story"), r.t("From the audit trail, oldest first. Times are in UTC."))
	outcomes := map[string]audit.Entry{} // by intent
	for _, e := range entries {
		if e.Phase == audit.PhaseOutcome {
			outcomes[e.Intent] = e
		}
	}
	for _, e := range entries {
		if e.Phase == audit.PhaseOutcome {
			continue
		}
		end := outcomes[e.ID]
		if e.Phase == audit.PhaseRefusal {
			end = e
			end.Outcome = audit.Refused
		}
		p.told(e, end)
	}
	p.Put(`</ol>`)
	if len(entries) > 0 && r.may(auditing) {
		p.more(r.t("All entries of this run in the audit trail"), "/workspaces/"+r.workspace+"/audit/runs/"+url.PathEscape(entries[0].Run))
	}
	p.Put(`</section>`)
}

// told is one entry of a story, with its outcome.
func (p *page) told(e, end audit.Entry) {
	r, name := p.r, e.Tool+"."+e.Action
	if e.Action == "step" {
		name = e.Instruction
	}
	p.Put(`<li><details><summary><time datetime="{}">{}</time> <strong>{}</strong> {}</summary>`, e.Time.Format(time.RFC3339), e.Time.Format(time.DateTime), name, r.t(labelOf(entryOutcomes, string(end.Outcome))))
	facts := []string{r.t("Entry"), e.ID}
	add := func(label, value string) {
		if value != "" {
			facts = append(facts, label, value)
		}
	}
	add(r.t("By"), e.By)
	var said struct{ Note string }
	if json.Unmarshal(e.Arguments, &said) == nil {
		add(r.t("Comment"), said.Note)
	}
	add(r.t("Code"), end.Code)
	add(r.t("Message"), end.Message)
	if end.Duration > 0 {
		add(r.t("Took"), end.Duration.Round(time.Millisecond).String())
	}
	add(r.t("Approval"), e.Approval)
	add(r.t("Records"), strings.Join(end.Records, " "))
	var detail map[string]json.RawMessage
	if json.Unmarshal(end.Detail, &detail) == nil {
		for _, name := range slices.Sorted(maps.Keys(detail)) {
			add(name, r.shown(detail[name]))
		}
	}
	for _, x := range end.Exchanges {
		add(x.Method+" "+x.Path, strings.TrimSpace(strconv.Itoa(x.Status)+" "+x.RequestID+" "+x.Err))
	}
	p.facts(facts...)
	if len(end.Changes) > 0 {
		p.changes(end.Changes)
	}
	p.Put(`</details></li>`)
}

// moves are what an admin of the workspace can do with a run.
func (p *page) moves(s runStory) {
	r := p.r
	if returns.Ended(s.Status) || !r.may(administer) {
		return
	}
	path := "/workspaces/" + r.workspace + "/returns/" + url.PathEscape(s.ID)
	p.Put(`<section aria-labelledby="moves"><h2 id="moves">{}</h2>`, r.t("What you can do"))
	defer p.Put(`</section>`)
	parked := returns.Parked(s.Run, s.steps)
	_, err := returns.TakenBack(s.Run, 0, nil)
	if returns.InDoubt(s.Run, nil) {
		p.more(r.t("Say what became of the refund"), path+"/settle")
	}
	if !parked && err != nil {
		p.Put(`<p>{}</p>`, r.t("It cannot be cancelled now."))
		return
	}
	p.Put(`<form method="post" action="{}">`, path+"/cancel")
	p.field(field{name: "note", label: r.t("Comment"), hint: r.t("The audit trail keeps it."), autocomplete: "off"})
	if parked {
		p.Put(`<button formaction="{}">{}</button> `, path+"/retry", r.t("Try again"))
	}
	if err == nil {
		p.Put(`<button class="danger">{}</button>`, r.t("Cancel this return"))
	}
	p.Put(`</form>`)
}

func retryRun(r *request) error {
	return r.moveRun(r.t("It is tried again."), func(h returns.Hand, id string) error {
		_, err := h.Retry(r.Context(), r.app.Tools.Journal, r.app.Runs, r.workspace, id)
		return err
	})
}

func cancelRun(r *request) error {
	return r.moveRun(r.t("It is taken back: what was done is put back within seconds."), func(h returns.Hand, id string) error {
		_, err := h.Cancel(r.Context(), r.app.Tools.Journal, r.app.Runs, r.workspace, id, 0)
		return err
	})
}

// moveRun makes a move of the run of the path.
func (r *request) moveRun(done string, move func(h returns.Hand, id string) error) error {
	s, err := r.run()
	if err != nil {
		return err
	}
	f, err := r.form()
	if err != nil {
		return err
	}
	if err := move(returns.Hand{By: r.person.by(), Surface: "app", Note: strings.TrimSpace(f.Get("note"))}, s.ID); err != nil {
		return r.unmoved(err)
	}
	return r.redirect("/workspaces/"+r.workspace+"/returns/"+url.PathEscape(s.ID), done)
}

// unmoved shows why a run did not move.
func (r *request) unmoved(err error) error {
	said, status := "", http.StatusConflict
	switch {
	case errors.Is(err, returns.ErrNote):
		said, status = r.t("The comment may be text of at most %d bytes.", tools.MaxNote), http.StatusUnprocessableEntity
	case errors.Is(err, returns.ErrEnded):
		said = r.t("Nothing was changed: the run has ended.")
	case errors.Is(err, returns.ErrCannot):
		said = r.t("Nothing was changed: %s", err.Error())
	case errors.Is(err, audit.ErrUnavailable):
		said, status = r.t("Nothing was changed: the audit trail cannot be written now."), http.StatusServiceUnavailable
	default:
		return err
	}
	s, failed := r.run()
	if failed != nil {
		return failed
	}
	return r.showRun(s, status, said)
}
