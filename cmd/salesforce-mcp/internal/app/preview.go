package app

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/tools"
)

// What an agent sees: the answer to its tools/list, made by the code that answers it.

// tried is who asks for a list under rules that do not hold yet.
type tried struct {
	gate   *allowlist.Gate
	caller allowlist.Caller
}

// Visible implements [tools.Identity], as a host's identity does.
func (t tried) Visible(table tools.Table) (tools.Table, error) {
	return table.Only(func(op allowlist.Operation) bool { return t.gate.Lists(t.caller, op) }), nil
}

// Identify implements [tools.Identity]: nobody calls.
func (t tried) Identify(map[string]any) (allowlist.Caller, map[string]any, error) {
	return allowlist.Caller{}, nil, errors.New("a preview makes no calls")
}

// Refused implements [tools.Identity].
func (t tried) Refused(string) {}

// unnamed is the choice of a preview for what a host gets before it has named an agent.
const unnamed = "before "

// seen is a list of tools, and its size.
type seen struct {
	json       json.RawMessage // the result of tools/list
	tools      []string
	characters int
	tokens     int64 // an estimate
	union      bool  // it is what any agent of the host may do
	own        int   // how many actions of it the agent itself may use
}

// charactersPerToken is by what the characters of a list are divided to estimate what
// it costs a model. Tokenizers differ; of JSON and English most have about four
// characters in a token.
const charactersPerToken = 4

// listed is the list that an agent is sent under a rule, through a host. Before it has
// named an agent, a host is sent what any of its agents may do.
func (r *request) listed(w config.Workspace, d draft) (seen, error) {
	policy := w.Workspace
	policy.Rules, policy.Suspended = slices.Clone(policy.Rules), false // what it sees when the workspace takes calls
	if d.rule.Agent == "" {                                            // not typed yet: what it sees does not depend on its name
		d.rule.Agent = "agent"
	}
	if i := ruledBy(policy.Rules, d.rule.Agent, d.rule.Host); i >= 0 {
		policy.Rules[i] = d.rule
	} else {
		policy.Rules = append(policy.Rules, d.rule)
	}
	gate, err := allowlist.NewGate(&policy)
	if err != nil {
		return seen{}, err
	}
	host, union := strings.CutPrefix(d.through, unnamed)
	caller := allowlist.Caller{Workspace: w.Name, Host: host, Agent: d.rule.Agent}
	s := seen{union: union}
	for _, op := range r.app.Tools.Table.Operations() {
		if gate.Lists(caller, op) {
			s.own++
		}
	}
	if union {
		caller.Agent = ""
	}
	list, err := r.app.Tools.ToolsList(r.Context(), tried{gate, caller}, d.view)
	if err != nil {
		return seen{}, err
	}
	var result struct{ Tools []struct{ Name string } }
	if err := json.Unmarshal(list, &result); err != nil {
		return seen{}, err
	}
	s.json, s.characters = list, utf8.RuneCount(list)
	s.tokens = int64((s.characters + charactersPerToken - 1) / charactersPerToken)
	for _, tool := range result.Tools {
		s.tools = append(s.tools, tool.Name)
	}
	return s, nil
}

// ways are the ways in which a list can be asked for under a rule: through each of its
// hosts, and by those that name the agent in calls only.
func (r *request) ways(w config.Workspace, rule allowlist.Rule) (options []option) {
	for _, profile := range w.Profiles {
		if profile == nil || rule.Host != "" && rule.Host != profile.Name {
			continue
		}
		inCalls := func(s allowlist.Source) bool { return s.Kind == allowlist.FromArgument }
		if slices.ContainsFunc(profile.Agent, func(s allowlist.Source) bool { return !inCalls(s) }) {
			options = append(options, option{profile.Name, r.t("the agent, through %s", profile.Name)})
		}
		if slices.ContainsFunc(profile.Agent, inCalls) {
			options = append(options, option{unnamed + profile.Name, r.t("%s, which names its agent in calls only", profile.Name)})
		}
	}
	return options
}

// previewForm is the preview in the editor, which follows what is typed.
func (p *page) previewForm(w config.Workspace, d draft) {
	r := p.r
	p.Put(`<section class="rule-sees" aria-labelledby="sees-title"><h2 id="sees-title">{}</h2>`, r.t("What it sees"))
	p.seenBy(w, &d)
	p.Put(`<button class="second" formaction="{}" formnovalidate>{}</button>`, r.agentsPath("/rule/preview"), r.t("Show what it sees"))
	p.Put(`<div id="sees" hx-post="{}" hx-trigger="change from:closest form delay:200ms" hx-include="closest form" hx-sync="this:replace">`, r.agentsPath("/rule/preview"))
	p.sees(w, d)
	p.Put(`</div></section>`)
}

// seenBy chooses through which host, and as what tools.
func (p *page) seenBy(w config.Workspace, d *draft) {
	r := p.r
	ways := r.ways(w, d.rule)
	if !slices.ContainsFunc(ways, func(o option) bool { return o.value == d.through }) {
		d.through = ""
		if len(ways) > 0 {
			d.through = ways[0].value
		}
	}
	if len(ways) > 1 {
		p.choice(field{name: "through", label: r.t("Asked for by"), value: d.through, options: ways})
	}
	p.choice(field{name: "view", label: r.t("View"), value: string(d.view), options: []option{
		{string(tools.Dispatch), r.t("one tool for each noun, the default")}, {string(tools.Split), r.t("two for each noun, reading and writing")}, {string(tools.Flat), r.t("one for each operation")}}})
}

// sees is the list itself.
func (p *page) sees(w config.Workspace, d draft) {
	r := p.r
	if len(d.problems) > 0 {
		p.Put(`<p role="status">{}</p>`, r.t("There is something to correct first: %s", d.problems[0].text))
		return
	}
	if len(r.ways(w, d.rule)) == 0 {
		p.Put(`<p role="status">{}</p>`, r.t("Nothing: the workspace has no host yet through which an agent could come."))
		return
	}
	s, err := r.listed(w, d)
	if err != nil {
		r.app.Log.Error().Err(err).Str("workspace", w.Name).Msg("a list of tools cannot be shown")
		p.notice("error", r.t("The list cannot be made from this rule; the server's log has the cause."))
		return
	}
	p.Put(`<p role="status">{} {}</p>`, r.count(len(s.tools), "%d tool.", "%d tools."),
		r.t("Each conversation of the agent carries the list: %s characters, about %s tokens (an estimate: characters divided by %d).", r.number(int64(s.characters)), r.number(s.tokens), charactersPerToken))
	if s.union {
		p.Put(`<p>{} {}</p>`, r.t("This host names its agent in calls only, so that its list shows what any of its agents may do; each call is decided by the rule of its own agent."),
			r.count(s.own, "This one may use %d action.", "This one may use %d actions."))
	}
	if len(s.tools) > 0 {
		p.Put(`<ul class="tools">`)
		for _, name := range s.tools {
			p.Put(`<li><code>{}</code></li>`, name)
		}
		p.Put(`</ul>`)
	}
	p.Put(`<details class="whole"><summary>{}</summary>`, r.t("The answer to tools/list, as it is sent"))
	p.code(r.t("The answer to tools/list, as it is sent"), string(s.json))
	p.Put(`</details>`)
}

// preview is the preview of a rule that is read only.
func (p *page) preview(w config.Workspace, d draft) error {
	r := p.r
	p.Put(`<section aria-labelledby="sees-title"><h2 id="sees-title">{}</h2><form method="get" action="{}"><input type="hidden" name="agent" value="{}"><input type="hidden" name="host" value="{}">`, r.t("What it sees"), r.agentsPath("/rule"), d.rule.Agent, d.rule.Host)
	p.seenBy(w, &d)
	p.Put(`<button class="second">{}</button></form>`, r.t("Show what it sees"))
	p.sees(w, d)
	p.Put(`</section>`)
	return nil
}

// previewRule shows what the agent would see under the rule that is being typed: to
// scripts the list alone, otherwise the editor with it.
func previewRule(r *request) error {
	w, form, err := r.ruling()
	if err != nil {
		return err
	}
	d := r.drafted(w, form)
	if !r.partial() {
		return r.editor(w, d, true, http.StatusOK)
	}
	p := r.page("")
	if ways := r.ways(w, d.rule); !slices.ContainsFunc(ways, func(o option) bool { return o.value == d.through }) && len(ways) > 0 {
		d.through = ways[0].value
	}
	p.sees(w, d)
	return p.send(http.StatusOK)
}
