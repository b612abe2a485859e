package app

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/tools"
)

// The rule editor: what one agent may do, drawn from the table of operations.

var rulesRoutes = []route{
	{"GET /workspaces/{workspace}/agents/rule", see, rulePage},
	{"POST /workspaces/{workspace}/agents/rule", administer, saveRule},
	{"POST /workspaces/{workspace}/agents/rule/preview", administer, previewRule},
	{"POST /workspaces/{workspace}/agents/rule/remove", administer, removeRule},
}

// A draft is a rule that is being edited.
type draft struct {
	rule     allowlist.Rule
	known    bool        // the workspace has a rule for its agent and host
	was      string      // print of the rule that the editor was opened with; "" was none
	form     url.Values  // what was typed; nil shows the rule
	problems []problemOf // of what was typed
	through  string      // host of the preview
	view     tools.View  // of the preview
}

// print tells whether two rules are the same.
func print(rule allowlist.Rule) string {
	text, err := json.Marshal(rule)
	if err != nil { // a rule is texts, numbers and lists
		panic(err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// rulePage shows the rule for an agent, or one that may become it.
func rulePage(r *request) error {
	w, changeable, err := r.ruled()
	if err != nil {
		return err
	}
	query := r.URL.Query()
	d := draft{rule: allowlist.Rule{Agent: query.Get("agent"), Host: query.Get("host"), Preset: allowlist.PresetRead}, through: query.Get("through")}
	if d.view, err = tools.ParseView(query.Get("view")); err != nil {
		return errNothing
	}
	if i := ruledBy(w.Rules, d.rule.Agent, d.rule.Host); i >= 0 {
		d.rule, d.known, d.was = w.Rules[i], true, print(w.Rules[i])
	} else if !changeable || !r.may(administer) {
		return errNothing
	} else if d.rule.Agent == everyAgent {
		return r.redirect(r.agentsPath("/everybody"), "")
	}
	return r.editor(w, d, changeable && r.may(administer), http.StatusOK)
}

// editor shows a rule, to be changed or to be read, and what its agent sees.
func (r *request) editor(w config.Workspace, d draft, changeable bool, status int) error {
	title := r.t("Rule of %s", d.rule.Agent)
	switch {
	case d.rule.Agent == everyAgent:
		title = r.t("Rule for all agents")
	case !d.known:
		title = r.t("New rule")
	}
	p := r.page(title)
	p.Put(`<p><a href="{}">{}</a></p>`, r.agentsPath(""), r.t("All agents on the list"))
	if d.rule.Agent == everyAgent {
		p.notice("warn", r.t("This rule is for every agent that no other rule names: whoever holds a token of a host may call, under whatever name."))
	} else if unusual(d.rule.Agent) != "" {
		p.notice("warn", r.t("The name of this agent has characters that are not plain ASCII; some look like others. Allow it only if its host really calls it that."))
	}
	if d.rule.Agent != "" {
		p.Put(`<p>`)
		p.identifier(d.rule.Agent)
		p.Put(`</p>`)
	}
	if !changeable {
		p.readRule(d.rule)
		if err := p.preview(w, d); err != nil {
			return err
		}
		return p.send(status)
	}
	p.ruleForm(w, d)
	if d.known {
		p.Put(`<section aria-labelledby="remove-title"><h2 id="remove-title">{}</h2><p>{}</p>`, r.t("Remove the rule"), r.t("The agent is not on the list any more, and what its rule says is in the history only. To refuse an agent for a while, untick it instead."))
		p.Put(`<form method="post" action="{}"><input type="hidden" name="agent" value="{}"><input type="hidden" name="host" value="{}"><input type="hidden" name="was" value="{}">`, r.agentsPath("/rule/remove"), d.rule.Agent, d.rule.Host, d.was)
		p.danger(r.t("Remove the rule"))
		p.Put(`</form></section>`)
	}
	return p.send(status)
}

// readRule is a rule for those who may not change it.
func (p *page) readRule(rule allowlist.Rule) {
	r := p.r
	list := func(names []string) string { return strings.Join(names, ", ") }
	var facts []string
	add := func(term, text string) {
		if text != "" {
			facts = append(facts, term, text)
		}
	}
	add(r.t("May do"), r.summary(rule))
	add(r.t("Host"), rule.Host)
	add(r.t("Only these objects"), list(rule.SObjects.Allow))
	add(r.t("Not these objects"), list(rule.SObjects.Deny))
	add(r.t("Only these fields"), list(rule.Fields.Allow))
	add(r.t("Not these fields"), list(rule.Fields.Deny))
	add(r.t("Actions"), list(rule.Actions))
	add(r.t("A person approves"), list(rule.Confirm))
	if len(rule.Confirm) > 0 && rule.ConfirmWithin > 0 {
		add(r.t("Waits for"), short(rule.ConfirmWithin))
	}
	add(r.t("Values before and after"), list(rule.Changes))
	for _, l := range r.limits(rule.Limits) {
		if l.value > 0 {
			add(l.label, r.number(l.value))
		}
	}
	p.facts(facts...)
}

// ruleForm is the editor. Its fields are named as [ruleOf] reads them.
func (p *page) ruleForm(w config.Workspace, d draft) {
	r, rule := p.r, d.rule
	f := d.fields(r, w)
	p.problems(f.all()...)
	p.Put(`<form method="post" action="{}" class="rule"><div class="rule-fields"><input type="hidden" name="was" value="{}">`, r.agentsPath("/rule"), d.was)
	if d.known {
		p.Put(`<input type="hidden" name="agent" value="{}"><input type="hidden" name="host" value="{}">`, rule.Agent, rule.Host)
		if rule.Host != "" {
			p.Put(`<p>{}</p>`, r.t("through %s", rule.Host))
		}
	} else {
		p.field(f["agent"])
		p.choice(f["host"])
	}
	if rule.Agent != everyAgent {
		p.ticked("allowed", "yes", r.t("Allowed"), r.t("Without this tick the agent is refused, and its rule is kept."), d.has("allowed", "yes", !rule.Off))
	} else if d.has("allowed", "yes", !rule.Off) { // that is decided elsewhere, with a warning
		p.Put(`<input type="hidden" name="allowed" value="yes">`)
	}

	p.Put(`<fieldset><legend>{}</legend><p class="hint">{}</p>`, r.t("What the agent may do"),
		r.t("A preset lets actions through by their effect. Ticks below narrow it: then an action must have such an effect and be ticked. Without a preset the ticks decide alone."))
	p.choice(f["preset"])
	p.Put(`<dl class="effects">`)
	for _, effect := range allowlist.Effects(allowlist.PresetAll) {
		p.Put(`<div><dt>`)
		p.effect(effect)
		p.Put(`</dt><dd>{}</dd></div>`, r.t(effectDoc[effect]))
	}
	p.Put(`</dl>`)
	for _, tool := range r.app.Tools.Table {
		p.toolTicks(tool, d)
	}
	p.Put(`</fieldset>`)

	p.Put(`<fieldset><legend>{}</legend><p class="hint">{}</p>`, r.t("With which objects and fields"),
		r.t("The lists hold for everything a call touches, whether it reads, writes, filters or sorts by it. What an allow list does not name is refused. Actions marked opaque are refused under any list, unless they are ticked by themselves."))
	for _, name := range []string{"sObjectsAllow", "sObjectsDeny", "fieldsAllow", "fieldsDeny"} {
		p.textarea(f[name])
	}
	p.Put(`</fieldset><fieldset><legend>{}</legend><p class="hint">{}</p>`, r.t("What a person approves first"),
		r.t("A call that has one of these effects waits until somebody approves it. Single actions are ticked beside the action above."))
	for _, effect := range allowlist.Effects(allowlist.PresetAll) {
		if effect != "read" {
			p.ticked("confirm", effect, r.effectWord(effect), r.t(effectDoc[effect]), d.has("confirm", effect, slices.Contains(rule.Confirm, effect)))
		}
	}
	p.field(f["confirmWithin"])
	p.Put(`</fieldset><fieldset><legend>{}</legend><p class="hint">{}</p>`, r.t("How much"), r.t("Empty is no limit. Days are days of UTC; refused calls do not count."))
	for _, l := range r.limits(rule.Limits) {
		p.field(f[l.name])
	}
	p.Put(`</fieldset><fieldset><legend>{}</legend>`, r.t("What the audit trail keeps of changes"))
	p.choice(f["changes"])
	p.textarea(f["changesOf"])
	p.Put(`</fieldset>`)
	p.button(r.t("Save the rule"))
	p.Put(`</div>`)
	p.previewForm(w, d)
	p.Put(`</form>`)
}

// toolTicks are the ticks of one tool.
func (p *page) toolTicks(tool tools.Tool, d draft) {
	r := p.r
	n := 0
	for _, op := range tool.Ops {
		for name, list := range map[string][]string{"actions": d.rule.Actions, "confirm": d.rule.Confirm} {
			value := tool.Name + "." + op.Action
			if d.has(name, value, slices.Contains(list, value)) {
				n++
			}
		}
	}
	whole := d.has("actions", tool.Name, slices.Contains(d.rule.Actions, tool.Name))
	if whole || n > 0 || d.has("confirm", tool.Name, slices.Contains(d.rule.Confirm, tool.Name)) {
		p.Put(`<details class="tool" open>`)
	} else {
		p.Put(`<details class="tool">`)
	}
	p.Put(`<summary>{} <small lang="en">{}</small></summary><div class="scroll"><table><thead><tr><th scope="col">{}</th><th scope="col">{}</th><th scope="col">{}</th><th scope="col">{}</th></tr></thead><tbody>`,
		tool.Name, tool.Doc, r.t("May"), r.t("Action"), r.t("Effect"), r.t("A person approves"))
	p.Put(`<tr><td>`)
	p.bareTick("actions", tool.Name, r.t("all of %s", tool.Name), whole)
	p.Put(`</td><th scope="row">{}</th><td></td><td>`, r.t("all of %s", tool.Name))
	p.confirmTick(tool.Name, tool.Name, d)
	p.Put(`</td></tr>`)
	for _, op := range tool.Ops {
		name := tool.Name + "." + op.Action
		p.Put(`<tr><td>`)
		p.bareTick("actions", name, name, d.has("actions", name, slices.Contains(d.rule.Actions, name)))
		p.Put(`</td><th scope="row"><code>{}</code> <small lang="en">{}</small></th><td>`, op.Action, op.Doc)
		p.effect(op.Effect.String())
		if op.Opaque {
			p.Put(` <span class="badge" title="{}">{}</span>`, r.t("Nobody can say which objects and fields it touches."), r.t("opaque"))
		}
		p.Put(`</td><td>`)
		p.confirmTick(tool.Name, name, d)
		p.Put(`</td></tr>`)
	}
	p.Put(`</tbody></table></div></details>`)
}

// confirmTick lets a person approve a tool or an action, if there is something to approve.
func (p *page) confirmTick(tool, name string, d draft) {
	if tool == tools.ApprovalsTool.Name { // with it agents read what became of their approvals
		return
	}
	p.bareTick("confirm", name, p.r.t("a person approves %s", name), d.has("confirm", name, slices.Contains(d.rule.Confirm, name)))
}

// bareTick is a tick in a table, whose label is read out.
func (p *page) bareTick(name, value, label string, checked bool) {
	if checked {
		p.Put(`<input type="checkbox" id="{}" name="{}" value="{}" aria-label="{}" checked>`, name+"-"+value, name, value, label)
		return
	}
	p.Put(`<input type="checkbox" id="{}" name="{}" value="{}" aria-label="{}">`, name+"-"+value, name, value, label)
}

// ticked is a tick with what it means.
func (p *page) ticked(name, value, label, hint string, checked bool) {
	p.checkbox(name, value, label, hint, checked)
}

// saveRule keeps what was typed, if the rule is still the one that the editor was opened
// with.
func saveRule(r *request) error {
	w, form, err := r.ruling()
	if err != nil {
		return err
	}
	d := r.drafted(w, form)
	if len(d.problems) > 0 {
		return r.editor(w, d, true, http.StatusUnprocessableEntity)
	}
	err = r.changeRules(func(w *config.Workspace) error {
		rules := slices.Clone(w.Rules)
		i := ruledBy(rules, d.rule.Agent, d.rule.Host)
		switch {
		case i < 0 && d.was != "", i >= 0 && d.was != print(rules[i]):
			return r.problem(http.StatusConflict, "Somebody changed this rule since you opened it. Open it again: nothing was saved.")
		case d.rule.Agent == everyAgent && !d.rule.Off && (i < 0 || rules[i].Off):
			return r.problem(http.StatusUnprocessableEntity, "All agents are allowed on a page of their own, with its warning.")
		case i < 0:
			rules = append(rules, d.rule)
		default:
			rules[i] = d.rule
		}
		w.Rules = rules
		return nil
	})
	if err != nil {
		return err
	}
	return r.redirect(r.rulePath(d.rule.Agent, d.rule.Host), r.t("The rule is saved, and holds from now on."))
}

// removeRule takes a rule away.
func removeRule(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	agent, host := form.Get("agent"), form.Get("host")
	err = r.changeRules(func(w *config.Workspace) error {
		i := ruledBy(w.Rules, agent, host)
		if i < 0 || form.Get("was") != print(w.Rules[i]) {
			return r.problem(http.StatusConflict, "Somebody changed this rule since you opened it. Open it again: nothing was saved.")
		}
		w.Rules = slices.Delete(slices.Clone(w.Rules), i, i+1)
		return nil
	})
	if err != nil {
		return err
	}
	return r.redirect(r.agentsPath(""), r.t("The rule of %s is removed.", agent))
}
