package app

import (
	"net/http"
	"net/url"
	"slices"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// Allowing all agents, which asks first and warns while it holds.

// everybody says whether all agents are let in.
func (p *page) everybody(rules []allowlist.Rule, changeable bool) {
	r := p.r
	p.Put(`<section aria-labelledby="everybody-title"><h2 id="everybody-title">{}</h2>`, r.t("All agents"))
	if !allowsAll(rules) {
		p.Put(`<p>{}</p>`, r.t("Only the agents on the list may call."))
		if changeable {
			p.more(r.t("Allow all agents…"), r.agentsPath("/everybody"))
		}
		p.Put(`</section>`)
		return
	}
	p.notice("warn", r.t("All agents are allowed. Whoever holds a token of a host may call, under whatever name of an agent; the list below only makes exceptions."))
	for _, rule := range rules {
		if rule.Agent == everyAgent && !rule.Off {
			p.Put(`<p>{} {}</p><p><a href="{}">{}</a></p>`, r.through(rule.Host), r.summary(rule), r.rulePath(rule.Agent, rule.Host), r.t("Change what all agents may do"))
		}
	}
	if changeable {
		p.Put(`<form method="post" action="{}"><button class="danger">{}</button></form>`, r.agentsPath("/nobody"), r.t("Allow only the agents on the list"))
	}
	p.Put(`</section>`)
}

// everybodyPage asks whether all agents are really to be allowed.
func everybodyPage(r *request) error {
	return everybodyForm(r, url.Values{"preset": {allowlist.PresetRead}}, "", http.StatusOK)
}

func everybodyForm(r *request, form url.Values, problem string, status int) error {
	w, changeable, err := r.ruled()
	if err != nil {
		return err
	}
	if !changeable {
		return r.declared()
	}
	p := r.page(r.t("Allow all agents"))
	p.notice("warn", r.t("With this the list decides nothing any more: whoever holds a token of a host may call, under whatever name of an agent, names that somebody makes up among them. Limits count each name by itself, so that they do not bound such a host."))
	p.Put(`<p>{}</p>`, r.t("What is safer: let the agents call once, and allow them in Refused lately."))
	agree := field{name: "sure", label: r.t("I want all agents to be allowed"), problem: problem}
	p.problems(agree)
	p.Put(`<form method="post" action="{}">`, r.agentsPath("/everybody"))
	p.choice(field{name: "preset", label: r.t("What all agents may do"), value: form.Get("preset"), options: r.presets(false)})
	p.choice(field{name: "host", label: r.t("Host"), value: form.Get("host"), options: r.hosts(w)})
	if problem != "" {
		p.Put(`<p class="problem" id="sure-problem">{}</p>`, problem)
	}
	p.Put(`<div class="tick"><input type="checkbox" id="sure" name="sure" value="yes"><label for="sure">{}</label></div>`, agree.label)
	p.danger(r.t("Allow all agents"))
	p.Put(` <a href="{}">{}</a></form>`, r.agentsPath(""), r.t("Back to the list"))
	return p.send(status)
}

// allowEverybody makes the rule for all agents.
func allowEverybody(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	if form.Get("sure") != "yes" {
		return everybodyForm(r, form, r.t("Tick this first."), http.StatusUnprocessableEntity)
	}
	rule := allowlist.Rule{Agent: everyAgent, Host: form.Get("host"), Preset: form.Get("preset")}
	if !slices.Contains(allowlist.Presets(), rule.Preset) {
		return r.problem(http.StatusBadRequest, "There is no such preset.")
	}
	err = r.changeRules(func(w *config.Workspace) error {
		if i := ruledBy(w.Rules, everyAgent, rule.Host); i >= 0 && !w.Rules[i].Off {
			return r.problem(http.StatusConflict, "All agents are allowed already; their rule says what they may do.")
		} else if i >= 0 {
			w.Rules = slices.Delete(slices.Clone(w.Rules), i, i+1)
		}
		if problems := r.problemsOf(w, rule); len(problems) > 0 {
			return r.problem(http.StatusUnprocessableEntity, "This cannot be a rule for all agents: %s", problems[0].text)
		}
		w.Rules = append(slices.Clone(w.Rules), rule)
		return nil
	})
	if err != nil {
		return err
	}
	return r.redirect(r.agentsPath(""), r.t("All agents are allowed."))
}

// withdrawEverybody removes the rules for all agents, so that the list decides.
func withdrawEverybody(r *request) error {
	if _, err := r.form(); err != nil {
		return err
	}
	err := r.changeRules(func(w *config.Workspace) error {
		w.Rules = slices.DeleteFunc(slices.Clone(w.Rules), func(rule allowlist.Rule) bool { return rule.Agent == everyAgent })
		return nil
	})
	if err != nil {
		return err
	}
	return r.redirect(r.agentsPath(""), r.t("Only the agents on the list are allowed."))
}
