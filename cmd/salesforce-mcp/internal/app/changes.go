package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools/returns/loop"
	returnpolicy "salesforce-mcp/tools/returns/policy"
)

// shown is a JSON value as people read it, with what cannot be seen spelled out.
func (r *request) shown(value json.RawMessage) string { return shown(r.plain(value)) }

func (r *request) plain(value json.RawMessage) string {
	var text string
	switch {
	case len(value) == 0:
		return r.t("(nothing)")
	case string(value) == "null":
		return r.t("(empty)")
	case json.Unmarshal(value, &text) == nil && text == "":
		return r.t("(empty)")
	case text != "":
		return text
	}
	return string(value)
}

// changes are fields before and after.
func (p *page) changes(changes []audit.Change) {
	r := p.r
	if len(changes) == 0 {
		p.Put(`<p>{}</p>`, r.t("Nothing changes."))
		return
	}
	p.table(r.t("Fields, before and after"), []string{r.t("Record"), r.t("Field"), r.t("Before"), r.t("After")}, len(changes), func(i int) {
		c := changes[i]
		record := c.Object + " " + c.Record
		if c.Record == "" {
			record = c.Object + " " + r.t("(new)")
		}
		p.Put(`<tr><td>{}</td><th scope="row">{}</th><td>`, shown(record), shown(c.Field))
		if len(c.Before) == 0 {
			p.Put(`{}`, r.t("(nothing)"))
		} else {
			p.Put(`<del>{}</del>`, r.shown(c.Before))
		}
		p.Put(`</td><td>`)
		if len(c.After) == 0 {
			p.Put(`{}`, r.t("(removed)"))
		} else {
			p.Put(`<ins>{}</ins>`, r.shown(c.After))
		}
		p.Put(`</td></tr>`)
	})
}

// arguments are all of those of a call.
func (p *page) arguments(raw json.RawMessage) {
	r := p.r
	p.Put(`<section aria-labelledby="arguments"><h2 id="arguments">{}</h2>`, r.t("Arguments of the call"))
	defer p.Put(`</section>`)
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || len(members) == 0 {
		p.Put(`<p>{}</p>`, r.t("It has none."))
		return
	}
	names := slices.Sorted(maps.Keys(members))
	p.table(r.t("All arguments"), []string{r.t("Name"), r.t("Value")}, len(names), func(i int) {
		value := r.shown(members[names[i]])
		p.Put(`<tr><th scope="row">{}</th><td>`, shown(names[i]))
		var pretty bytes.Buffer
		if strings.ContainsAny(value[:1], "{[") && json.Indent(&pretty, members[names[i]], "", "  ") == nil {
			p.Put(`<pre>{}</pre>`, shown(pretty.String()))
		} else {
			p.Put(`{}`, value)
		}
		p.Put(`</td></tr>`)
	})
}

// proposal is what a return would do, and what that is based on.
func (p *page) proposal(o *loop.Proposal) {
	r := p.r
	p.Put(`<section aria-labelledby="effect"><h2 id="effect">{}</h2><p><strong>{}</strong></p>`, r.t("What would be done"), shown(o.Effect))
	facts := []string{r.t("Case"), o.CaseNumber, r.t("Order"), o.OrderNumber, r.t("Amount"), money(o.Amount, o.Currency), r.t("Kept as a fee"), money(o.Fee, o.Currency), r.t("Gateway"), o.Gateway}
	if o.Payment != "" {
		facts = append(facts, r.t("Payment"), o.Payment)
	}
	p.facts(facts...)
	p.table(r.t("What goes back"), []string{r.t("Product"), r.t("Quantity"), r.t("Ordered"), r.t("Returned before"), r.t("Value")}, len(o.Lines), func(i int) {
		l := o.Lines[i]
		name := l.Product
		if name == "" {
			name = l.Item
		}
		p.Put(`<tr><th scope="row">{}</th><td class="number">{}</td><td class="number">{}</td><td class="number">{}</td><td class="number">{}</td></tr>`,
			shown(name), r.number(l.Quantity), r.number(l.Ordered), r.number(l.Returned), money(l.Value, o.Currency))
	})
	p.Put(`<h3>{}</h3>`, r.t("What would be written"))
	p.changes(o.Writes)
	p.Put(`</section><section aria-labelledby="why"><h2 id="why">{}</h2>`, r.t("Why a person decides"))
	p.reasons(o.Reasons)
	p.factsRead(o.Return.Facts.List())
	p.rules(o.Rules)
	p.Put(`</section>`)
}

// verdictNames are the verdicts of a policy, for people.
var verdictNames = []option{
	{string(returnpolicy.Approve), words("approve")},
	{string(returnpolicy.Review), words("a person decides")},
	{string(returnpolicy.Deny), words("deny")},
}

func (p *page) verdictBadge(v returnpolicy.Verdict) {
	label := p.r.t(labelOf(verdictNames, string(v)))
	switch v {
	case returnpolicy.Approve:
		p.Put(`<span class="badge good">{}</span>`, label)
	case returnpolicy.Deny:
		p.Put(`<span class="badge bad">{}</span>`, label)
	default:
		p.Put(`<span class="badge warn">{}</span>`, label)
	}
}

// reasons are those of a decision, in the words of the policy.
func (p *page) reasons(reasons []returnpolicy.Reason) {
	p.Put(`<ul>`)
	for _, reason := range reasons {
		p.Put(`<li>`)
		p.verdictBadge(reason.Verdict)
		p.Put(` <code>{}</code> {}</li>`, reason.Rule, reason.Text)
	}
	p.Put(`</ul>`)
}

// factsRead are facts, each with where it comes from.
func (p *page) factsRead(facts []returnpolicy.Read) {
	r := p.r
	p.Put(`<details><summary>{}</summary>`, r.t("All facts, and where each comes from"))
	p.table(r.t("Facts"), []string{r.t("Fact"), r.t("Value"), r.t("From")}, len(facts), func(i int) {
		f := facts[i]
		value := r.t("not known")
		if f.Known {
			value = factText(f.Value)
		}
		p.Put(`<tr><th scope="row"><code>{}</code></th><td>{}</td><td>{}</td></tr>`, f.Fact, shown(value), f.Source)
	})
	p.Put(`</details>`)
}

// factText is the value of a fact.
func factText(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return strings.Trim(string(text), `"`)
}

// rules are all rules of a policy, with what became of each.
func (p *page) rules(rules []returnpolicy.Outcome) {
	r := p.r
	p.Put(`<details><summary>{}</summary>`, r.t("All rules, and what each has read"))
	p.table(r.t("Rules"), []string{r.t("Rule"), r.t("Verdict"), r.t("Fires"), r.t("Has read")}, len(rules), func(i int) {
		o := rules[i]
		fires := r.t("no")
		switch {
		case o.Undecided != "":
			fires = r.t("cannot be decided: %s", o.Undecided)
		case o.Fired:
			fires = r.t("yes")
		}
		var reads []string
		for _, read := range o.Reads {
			reads = append(reads, read.Fact)
		}
		p.Put(`<tr><th scope="row"><code>{}</code></th><td>`, o.Rule)
		p.verdictBadge(o.Verdict)
		p.Put(`</td><td>{}</td><td>{}</td></tr>`, fires, strings.Join(reads, ", "))
	})
	p.Put(`</details>`)
}
