package app

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/catalog"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/host"
	"salesforce-mcp/salesforce"
)

// Agents of the host platform, found by their names there with the person's own rights,
// and given this server as a capability.

var hostedRoutes = []route{
	{"GET /workspaces/{workspace}/agents/platform", administer, hostedPage},
	{"POST /workspaces/{workspace}/agents/platform", administer, findHosted},
	{"POST /workspaces/{workspace}/agents/install", administer, installCapability},
}

// mostHosted is how many agents of the platform are shown at once.
const mostHosted = 100

// platformOf is the platform that a form names.
func (r *request) platformOf(name string) (*host.Platform, bool) {
	i := slices.IndexFunc(r.app.Hosts, func(p *host.Platform) bool { return p.Name == name })
	if i < 0 {
		return nil, false
	}
	return r.app.Hosts[i], true
}

func hostedPage(r *request) error {
	if err := r.confirmed(); err != nil {
		return err
	}
	return r.hosted(url.Values{"q": {r.URL.Query().Get("q")}}, nil, nil, http.StatusOK)
}

// hosted is the page with the agents that were found, and what is wrong with the form.
func (r *request) hosted(form url.Values, found []host.Agent, problems []problemOf, status int) error {
	w, changeable, err := r.ruled()
	if err != nil {
		return err
	}
	if len(r.app.Hosts) == 0 {
		return errNothing
	}
	if !changeable {
		return r.declared()
	}
	p := r.page(r.t("Agents of the platform"))
	if r.partial() {
		if len(problems) > 0 {
			p.notice("error", problems[0].text)
		} else {
			p.hostedAgents(w, form, found)
		}
		return p.send(http.StatusOK) // htmx leaves out what has another status
	}
	p.Put(`<p><a href="{}">{}</a></p>`, r.agentsPath(""), r.t("All agents on the list"))
	p.Put(`<p>{}</p>`, r.t("Find agents by the names that they have on the platform. This is done with your own rights there: your access token is sent to the platform, and kept nowhere."))
	f := r.hostedFields(form, problems)
	p.problems(f...)
	p.Put(`<form method="post" action="{}" id="platform-form">`, r.agentsPath("/platform"))
	if len(r.app.Hosts) == 1 {
		p.Put(`<input type="hidden" name="platform" value="{}">`, r.app.Hosts[0].Name)
	} else {
		p.choice(f[0])
	}
	p.field(f[1])
	p.field(f[2])
	p.Put(`<button hx-post="{}" hx-target="#hosted" hx-sync="closest form:replace">{}</button>`, r.agentsPath("/platform"), r.t("Find agents"))
	p.Put(`<details class="tool"><summary>{}</summary>`, r.t("To install the capability"))
	p.field(f[3])
	p.Put(`</details></form><div id="hosted" aria-live="polite">`)
	if form.Has("token") && len(problems) == 0 {
		p.hostedAgents(w, form, found)
	}
	p.Put(`</div>`)
	return p.send(status)
}

// hostedFields are the fields of the page.
func (r *request) hostedFields(form url.Values, problems []problemOf) []field {
	var platforms []option
	for _, p := range r.app.Hosts {
		platforms = append(platforms, option{p.Name, p.Name})
	}
	all := []field{
		{name: "platform", label: r.t("Platform"), value: form.Get("platform"), options: platforms},
		{name: "token", label: r.t("Your access token of the platform"), kind: "password", autocomplete: "off", required: true, hint: r.t("Sign in to the platform and copy the token of your session.")},
		{name: "q", label: r.t("Name or id of the agent"), kind: "search", value: form.Get("q"), autocomplete: "off"},
		{name: "hostToken", label: r.t("Host token"), kind: "password", autocomplete: "off", hint: r.t("With it the platform proves itself to this server; it is sent to the platform with the capability. Make one on the page MCP endpoint.")},
	}
	for i := range all {
		for _, p := range problems {
			if p.field == all[i].name {
				all[i].problem = p.text
			}
		}
	}
	return all
}

// hostedAgents are agents of the platform, and how each of them stands here.
func (p *page) hostedAgents(w config.Workspace, form url.Values, found []host.Agent) {
	r := p.r
	if len(found) == 0 {
		p.Put(`<p role="status">{}</p>`, r.t("The platform shows you no agent with this in its name."))
		return
	}
	p.Put(`<p role="status">{}</p><ul class="agents">`, r.count(len(found), "%d agent", "%d agents"))
	through, sure := "", len(w.Profiles) < 2 // through which host the platform's agents come
	if !sure {
		through = holder(w, form.Get("hostToken"))
		sure = through != ""
	}
	for _, agent := range found[:min(len(found), mostHosted)] {
		p.Put(`<li class="agent"><div><strong>{}</strong> `, cmp.Or(agent.Name, r.t("without a name")))
		p.identifier(agent.ID)
		if agent.Description != "" {
			p.Put(`<br><span class="hint">{}</span>`, agent.Description)
		}
		p.Put(`<br>`)
		i := slices.IndexFunc(w.Rules, func(rule allowlist.Rule) bool { return rule.Agent == agent.ID })
		switch {
		case i >= 0 && stands(w.Rules, agent.ID):
			p.Put(`<span class="badge good">{}</span> `, r.t("allowed"))
			fallthrough
		case i >= 0:
			p.Put(`<a href="{}">{}</a> `, r.rulePath(agent.ID, w.Rules[i].Host), r.t("Rule"))
		case unusual(agent.ID) != "", !sure:
			p.Put(`<a href="{}">{}</a> `, r.rulePath(agent.ID, through), r.t("Look and allow…"))
		default:
			p.action(r.agentsPath("/allow"), r.t("Allow %s", agent.ID), "allowed", "yes", "agent", agent.ID, "host", through)
		}
		p.Put(`<button class="second" form="platform-form" formaction="{}" hx-post="{}" hx-target="closest li" hx-swap="outerHTML" name="agent" value="{}" aria-label="{}">{}</button></div></li>`, r.agentsPath("/install"), r.agentsPath("/install"), agent.ID,
			r.t("Install capability on %s", agent.ID), r.t("Install capability"))
	}
	p.Put(`</ul>`)
	if len(found) > mostHosted {
		p.Put(`<p>{}</p>`, r.t("These are the first %d; search for the others.", mostHosted))
	}
}

// stands reports whether a rule names an agent and lets it in.
func stands(rules []allowlist.Rule, agent string) bool {
	return slices.ContainsFunc(rules, func(rule allowlist.Rule) bool { return rule.Agent == agent && !rule.Off })
}

// holder is the host of a workspace that a token proves, or "".
func holder(w config.Workspace, token string) string {
	for _, profile := range w.Profiles {
		if token != "" && profile != nil && slices.Contains(profile.Tokens, allowlist.HashToken(token)) {
			return profile.Name
		}
	}
	return ""
}

// session is what a form lets this server do on the platform for the person.
func (r *request) session(form url.Values) (host.Session, []problemOf) {
	name := form.Get("platform")
	platform, ok := r.platformOf(name)
	if !ok {
		return host.Session{}, []problemOf{{"platform", r.t("There is no such platform.")}}
	}
	token := strings.TrimSpace(form.Get("token"))
	if token == "" {
		return host.Session{}, []problemOf{{"token", r.t("Paste your access token of the platform.")}}
	}
	return host.Session{Platform: platform, Token: salesforce.Secret(token)}, nil
}

// findHosted asks the platform for agents.
func findHosted(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	session, problems := r.session(form)
	if len(problems) > 0 {
		return r.hosted(form, nil, problems, http.StatusUnprocessableEntity)
	}
	found, err := session.Agents(r.Context(), form.Get("q"))
	if err != nil {
		problem, err := r.hostProblem(err)
		if err != nil {
			return err
		}
		return r.hosted(form, nil, []problemOf{problem}, http.StatusUnprocessableEntity)
	}
	return r.hosted(form, found, nil, http.StatusOK)
}

// hostProblem is what a person can do about an error of the platform. What the platform
// said itself follows, as it is.
func (r *request) hostProblem(err error) (problemOf, error) {
	var failed *host.Error
	if !errors.As(err, &failed) {
		return problemOf{}, err
	}
	switch failed.Kind {
	case host.Unauthorized:
		return problemOf{"token", r.t("The platform does not take this access token. Sign in there and copy a new one. (%s)", failed.Message)}, nil
	case host.Forbidden:
		return problemOf{"token", r.t("The platform does not let you do this. (%s)", failed.Message)}, nil
	case host.Limited, host.Unreachable:
		return problemOf{"platform", r.t("The platform cannot be asked now; try again later. (%s)", failed.Message)}, nil
	}
	return problemOf{"platform", r.t("The platform did not do it. (%s)", failed.Message)}, nil
}

// installCapability allows an agent, and makes this server be one of its tools on the
// platform.
func installCapability(r *request) error {
	if err := r.confirmed(); err != nil {
		return err
	}
	w, form, err := r.ruling()
	if err != nil {
		return err
	}
	agent := form.Get("agent")
	problems, err := r.install(w, form, agent)
	if err != nil {
		return err
	}
	done := r.t("The capability is installed on %s, and the agent is allowed.", agent)
	switch {
	case r.partial():
		p := r.page("")
		p.Put(`<li class="agent"><div>`)
		p.identifier(agent)
		if len(problems) > 0 {
			p.notice("error", problems[0].text)
		} else {
			p.notice("ok", done)
		}
		p.Put(`</div></li>`)
		return p.send(http.StatusOK) // htmx leaves out what has another status
	case len(problems) > 0:
		return r.hosted(form, nil, problems, http.StatusUnprocessableEntity)
	}
	return r.redirect(r.agentsPath("/platform"), done)
}

// install does it. The problems are those that the person can do something about.
func (r *request) install(w config.Workspace, form url.Values, agent string) ([]problemOf, error) {
	session, problems := r.session(form)
	hostToken := salesforce.Secret(strings.TrimSpace(form.Get("hostToken")))
	profile := holder(w, hostToken.Reveal())
	bridged := w.Catalog != nil && w.Catalog.Bridge != "" // it has a token of its own
	if profile == "" && !bridged {
		problems = append(problems, problemOf{"hostToken", r.t("This is no token of a host of this workspace.")})
	}
	if unusual(agent) != "" && !stands(w.Rules, agent) {
		problems = append(problems, problemOf{"q", r.t("The id of this agent is not plain ASCII: allow it on the page of its rule first.")})
	}
	if len(problems) > 0 {
		return problems, nil
	}
	if err := r.letIn(agent, profile); err != nil {
		return nil, err
	}
	entry := audit.Entry{Workspace: r.workspace, User: r.person.Account, By: r.person.Account, Tool: "platform", Action: "installCapability", Effect: "set"}
	err := r.app.recorded(r.Context(), entry, map[string]any{"platform": session.Platform.Name, "agent": agent}, func() error {
		_, err := session.Install(r.Context(), agent, catalog.Tool(&w, r.origin(), hostToken))
		return err
	})
	if err != nil {
		problem, err := r.hostProblem(err)
		problem.text = r.t("The agent is allowed here, but the capability is not installed.") + " " + problem.text
		return []problemOf{problem}, err
	}
	return nil, nil
}

// origin is where browsers and hosts reach this server.
func (r *request) origin() string { return cmp.Or(r.app.Origin, "http://"+r.Host) }

// letIn allows an agent, unless it is let in already: by its own rule, or by that for
// all.
func (r *request) letIn(agent, profile string) error {
	return r.changeRules(func(w *config.Workspace) error {
		through := ""
		if len(w.Profiles) > 1 {
			through = profile
		}
		for _, place := range []string{profile, ""} {
			if i := ruledBy(w.Rules, agent, place); i >= 0 {
				w.Rules = slices.Clone(w.Rules)
				w.Rules[i].Off = false
				return nil
			}
		}
		if slices.ContainsFunc(w.Rules, func(rule allowlist.Rule) bool {
			return rule.Agent == everyAgent && !rule.Off && (rule.Host == "" || rule.Host == profile)
		}) {
			return nil
		}
		rule := allowlist.Rule{Agent: agent, Host: through, Preset: allowlist.PresetRead}
		if problems := r.problemsOf(w, rule); len(problems) > 0 || agent == everyAgent {
			return r.problem(http.StatusUnprocessableEntity, "%q cannot be an agent here.", agent)
		}
		w.Rules = append(slices.Clone(w.Rules), rule)
		return nil
	})
}
