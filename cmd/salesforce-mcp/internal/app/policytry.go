package app

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
	returnpolicy "salesforce-mcp/tools/returns/policy"
	returnrecords "salesforce-mcp/tools/returns/records"
)

const (
	// mostTried is how many cases a policy is tried on at once.
	mostTried = 10
	// tryTime bounds it.
	tryTime = 30 * time.Second
)

// A triedCase is what two policies say about one case.
type triedCase struct {
	number  string
	facts   returnpolicy.Facts
	now     returnpolicy.Decision // of the policy in force
	then    returnpolicy.Decision // of the text
	problem string                // why it cannot be tried
}

// tryFields are what a policy is tried on.
func (p *page) tryFields(d policyDraft) {
	r := p.r
	d.caseID.name, d.caseID.label, d.caseID.autocomplete = "case", r.t("ID of a case"), "off"
	d.caseID.hint = r.t("Without one: the %d oldest open cases that ask for a return.", mostTried)
	d.outcome.name, d.outcome.label = "outcome", r.t("Asked for")
	d.outcome.options = []option{{"refund", r.t("the money back")}, {"replace", r.t("a replacement")}}
	d.confidence.name, d.confidence.label, d.confidence.autocomplete = "confidence", r.t("Confidence of the agent"), "off"
	d.confidence.hint = r.t("From 0 to 1. Without it a person decides.")
	p.field(d.caseID)
	p.choice(d.outcome)
	p.field(d.confidence)
}

// tryPolicy tries a text on real cases, without effect, beside the policy in force.
func tryPolicy(r *request) error {
	d, err := r.sentDraft()
	if err != nil {
		return err
	}
	rules, err := returnpolicy.Parse([]byte(d.text))
	if err != nil {
		return r.showPolicy(d, http.StatusUnprocessableEntity, func(p *page) {
			p.notice("error", r.t("The text cannot be tried: it has problems, which stand below it."))
		})
	}
	ask := returnrecords.Ask{Outcome: d.outcome.value}
	if ask.Outcome != returnpolicy.OutcomeReplace {
		ask.Outcome = returnpolicy.OutcomeRefund
	}
	if d.caseID.value != "" {
		if ask.CaseID, err = salesforce.To18(d.caseID.value); err != nil {
			d.caseID.problem = r.t("That is no ID of a case: it has 15 or 18 letters and digits.")
		}
	}
	var sure *float64
	if d.confidence.value != "" {
		n, err := strconv.ParseFloat(d.confidence.value, 64)
		if err != nil || !(n >= 0 && n <= 1) {
			d.confidence.problem = r.t("It must be a number from 0 to 1, such as 0.9.")
		}
		sure = &n
	}
	if d.caseID.problem+d.confidence.problem != "" {
		return r.showPolicy(d, http.StatusUnprocessableEntity, func(p *page) {
			p.notice("error", r.t("It was not tried: see the fields below the text."))
		})
	}
	list, err := r.try(d, rules, ask, sure)
	if err != nil {
		return r.showPolicy(d, http.StatusBadGateway, func(p *page) {
			p.notice("error", r.t("It could not be tried: %s", tryError(err)))
		})
	}
	return r.showPolicy(d, http.StatusOK, func(p *page) { p.triedOn(list) })
}

// tryError is why something could not be tried, for people. What this server and the org
// say is meant for them.
func tryError(err error) string {
	if e := tools.AsError(err); e.Code != tools.Internal {
		return e.Message
	}
	return err.Error()
}

// try reads cases with the server's own credentials, and lets both policies decide. What
// is read is in the audit trail.
func (r *request) try(d policyDraft, rules *returnpolicy.Policy, ask returnrecords.Ask, sure *float64) (list []triedCase, err error) {
	arguments := map[string]any{"policy": rules.Digest(), "outcome": ask.Outcome}
	if ask.CaseID != "" {
		arguments["caseId"] = ask.CaseID
	}
	intent, err := r.app.Tools.Journal.Begin(r.Context(), audit.Entry{Workspace: r.workspace, Surface: "app", Tool: tools.ReturnsTool.Name, Action: "try", Effect: tools.Read.String(),
		Decision: audit.DecisionAllowed, By: r.person.by(), Arguments: audit.Redact(arguments, nil)})
	if err != nil {
		return nil, err
	}
	out := audit.Outcome{Status: audit.OK}
	defer func() {
		if err != nil {
			e := tools.AsError(err)
			out.Status, out.Code, out.Message = audit.Failed, string(e.Code), e.Message
		}
		err = errors.Join(err, intent.End(context.WithoutCancel(r.Context()), out))
	}()
	ctx, cancel := context.WithTimeout(r.Context(), tryTime)
	defer cancel()
	org, err := r.app.Tools.Orgs.Connect(ctx, allowlist.Caller{Workspace: r.workspace}, func(x salesforce.Exchange) { out.Exchanges = append(out.Exchanges, audit.Exchange(x)) })
	if err != nil {
		return nil, err
	}
	cases := []returnrecords.Open{{ID: ask.CaseID}}
	if ask.CaseID == "" {
		if cases, err = returnrecords.ListOpen(ctx, org, d.returns.Records, mostTried); err != nil {
			return nil, err
		}
	}
	for _, c := range cases {
		one := ask
		one.CaseID = c.ID
		t := triedCase{number: c.Number}
		ret, err := returnrecords.Read(ctx, org, d.returns.Records, one)
		switch {
		case ctx.Err() != nil:
			return nil, err
		case err != nil && ask.CaseID != "":
			return nil, err
		case err != nil: // of one of many
			t.problem = tryError(err)
			list = append(list, t)
			continue
		}
		out.Records = append(out.Records, ret.Case.ID)
		t.number, t.facts = ret.Case.Number, ret.Facts
		if t.now, err = d.returns.Rules.Decide(ctx, ret.Facts, sure); err != nil {
			return nil, err
		}
		if t.then, err = rules.Decide(ctx, ret.Facts, sure); err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// triedOn shows what a text says about cases, beside what the policy in force says.
func (p *page) triedOn(list []triedCase) {
	r := p.r
	p.Put(`<section aria-labelledby="tried"><h2 id="tried">{}</h2>`, r.t("What this text would decide"))
	defer p.Put(`</section>`)
	if len(list) == 0 {
		p.Put(`<p>{}</p>`, r.t("No open case asks for a return."))
		return
	}
	other := 0
	for _, t := range list {
		if t.problem == "" && (t.now.Verdict != t.then.Verdict || t.now.Amount != t.then.Amount) {
			other++
		}
	}
	p.Put(`<p role="status">{}</p>`, r.count(other, "%d case would be decided in another way than now.", "%d cases would be decided in another way than now."))
	p.table(r.t("Cases, now and with this text"), []string{r.t("Case"), r.t("Now"), r.t("Amount now"), r.t("With this text"), r.t("Amount"), r.t("Because")}, len(list), func(i int) {
		t := list[i]
		if t.problem != "" {
			p.Put(`<tr><th scope="row">{}</th><td colspan="5">{}</td></tr>`, t.number, r.t("It could not be tried: %s", t.problem))
			return
		}
		p.Put(`<tr><th scope="row">{}</th><td>`, t.number)
		p.verdictBadge(t.now.Verdict)
		p.Put(`</td><td class="number">{}</td><td>`, money(t.now.Amount, t.now.Currency))
		p.verdictBadge(t.then.Verdict)
		p.Put(`</td><td class="number">{}</td><td>`, money(t.then.Amount, t.then.Currency))
		for _, reason := range t.then.Reasons {
			p.Put(`<p><code>{}</code> {}</p>`, reason.Rule, reason.Text)
		}
		p.Put(`</td></tr>`)
	})
	if len(list) == 1 {
		p.factsRead(list[0].facts.List())
		p.rules(list[0].then.Rules)
	}
}
