package app

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// The page Authorized agents: which agents may call at all. What each may do is in the
// rule editor (rules.go).

var agentsRoutes = slices.Concat(listRoutes, hostedRoutes)

var listRoutes = []route{
	{"GET /workspaces/{workspace}/agents", see, agentsPage},
	{"GET /workspaces/{workspace}/agents/found", see, agentsFound},
	{"POST /workspaces/{workspace}/agents/allow", administer, allowAgent},
	{"GET /workspaces/{workspace}/agents/everybody", administer, everybodyPage},
	{"POST /workspaces/{workspace}/agents/everybody", administer, allowEverybody},
	{"POST /workspaces/{workspace}/agents/nobody", administer, withdrawEverybody},
}

// everyAgent is the agent of a rule for all of them.
const everyAgent = "*"

const (
	mostAgents  = 200 // that the list shows at once
	mostRefused = 25
)

// ruledBy returns the place of the rule for an agent through a host, or -1.
func ruledBy(rules []allowlist.Rule, agent, host string) int {
	return slices.IndexFunc(rules, func(r allowlist.Rule) bool { return r.Agent == agent && r.Host == host })
}

// covers reports whether a rule says something about an agent of a host. One for all
// agents that is switched off does not.
func covers(rules []allowlist.Rule, agent, host string) bool {
	return slices.ContainsFunc(rules, func(r allowlist.Rule) bool {
		return (r.Agent == agent || r.Agent == everyAgent && !r.Off) && (r.Host == "" || r.Host == host)
	})
}

// allowsAll reports whether a rule lets all agents in.
func allowsAll(rules []allowlist.Rule) bool {
	return slices.ContainsFunc(rules, func(r allowlist.Rule) bool { return r.Agent == everyAgent && !r.Off })
}

// rulePath is the page of the rule for an agent. What the host says of it is a text.
func (r *request) rulePath(agent, host string) string {
	return "/workspaces/" + r.workspace + "/agents/rule?" + url.Values{"agent": {agent}, "host": {host}}.Encode()
}

func (r *request) agentsPath(rest string) string {
	return "/workspaces/" + r.workspace + "/agents" + rest
}

func agentsPage(r *request) error {
	w, changeable, err := r.ruled()
	if err != nil {
		return err
	}
	refused, err := r.refusedLately(w)
	if err != nil {
		return err
	}
	p := r.page(r.t("Authorized agents"))
	p.Put(`<p>{}</p>`, r.t("An agent calls Salesforce through this server only if it is on this list, and does no more than its rule says. Changes hold within a second, for calls of open connections too."))
	if !changeable && r.may(administer) {
		p.notice("info", r.t("This workspace stands in the configuration file, and is changed there."))
	}
	changeable = changeable && r.may(administer)
	p.everybody(w.Rules, changeable)
	p.Put(`<section aria-labelledby="agents-title"><h2 id="agents-title">{}</h2>`, r.t("Agents on the list"))
	search := strings.TrimSpace(r.URL.Query().Get("q"))
	p.Put(`<form class="search" method="get" action="{}" role="search"><label for="q">{}</label> <input type="search" id="q" name="q" value="{}" autocomplete="off" hx-get="{}" hx-trigger="input changed delay:250ms, search" hx-target="#found" hx-sync="this:replace"> <button class="second">{}</button></form>`,
		r.agentsPath(""), r.t("Search by agent or host"), search, r.agentsPath("/found"), r.t("Search"))
	p.Put(`<p id="live" role="status"></p><div id="found">`)
	p.agents(w.Rules, search, changeable)
	p.Put(`</div>`)
	if changeable {
		if len(r.app.Hosts) > 0 {
			p.more(r.t("Find agents of the platform by their names, and install the capability on them"), r.agentsPath("/platform"))
		}
		p.newAgent(w)
		p.more(r.t("Write a rule for an agent that is not on the list"), r.agentsPath("/rule"))
	}
	p.Put(`</section>`)
	p.refusedAgents(w, refused, changeable)
	return p.send(http.StatusOK)
}

// agentsFound is the list alone, for a search that is being typed.
func agentsFound(r *request) error {
	if !r.partial() {
		return r.redirect(r.agentsPath("?"+url.Values{"q": {r.URL.Query().Get("q")}}.Encode()), "")
	}
	w, changeable, err := r.ruled()
	if err != nil {
		return err
	}
	p := r.page("")
	p.agents(w.Rules, strings.TrimSpace(r.URL.Query().Get("q")), changeable && r.may(administer))
	return p.send(http.StatusOK)
}

// through names the host of a rule.
func (r *request) through(host string) string {
	if host == "" {
		return r.t("Through any host:")
	}
	return r.t("Through %s:", host)
}

// agents is the list of agents that a search finds.
func (p *page) agents(rules []allowlist.Rule, search string, changeable bool) {
	r := p.r
	var found []allowlist.Rule
	for _, rule := range rules {
		if rule.Agent != everyAgent && strings.Contains(strings.ToLower(rule.Agent+"\n"+rule.Host), strings.ToLower(search)) {
			found = append(found, rule)
		}
	}
	slices.SortStableFunc(found, func(a, b allowlist.Rule) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Agent), strings.ToLower(b.Agent)), cmp.Compare(a.Agent, b.Agent), cmp.Compare(a.Host, b.Host))
	})
	switch {
	case len(found) == 0 && search == "":
		p.Put(`<p>{}</p>`, r.t("There is no agent on the list yet."))
		return
	case len(found) == 0:
		p.Put(`<p role="status">{}</p>`, r.t("No agent on the list has this in its name."))
		return
	}
	p.Put(`<p role="status">{}</p><ul class="agents">`, r.count(len(found), "%d agent", "%d agents"))
	for _, rule := range found[:min(len(found), mostAgents)] {
		p.agent(rule, changeable, "")
	}
	p.Put(`</ul>`)
	if len(found) > mostAgents {
		p.Put(`<p>{}</p>`, r.t("These are the first %d; search for the others.", mostAgents))
	}
}

// agentID is the id of the elements of an agent, whose name may be anything.
func agentID(agent, host string) string {
	sum := sha256.Sum256([]byte(agent + "\x00" + host))
	return "agent-" + hex.EncodeToString(sum[:8])
}

// agent is one agent of the list. With scripts its tick is saved at once, and said says
// what became of it.
func (p *page) agent(rule allowlist.Rule, changeable bool, said string) {
	r, id := p.r, agentID(rule.Agent, rule.Host)
	p.Put(`<li class="agent" id="{}">`, id)
	if changeable {
		p.Put(`<form method="post" action="{}" hx-post="{}" hx-trigger="change" hx-target="closest li" hx-swap="outerHTML" hx-sync="this:replace"><input type="hidden" name="agent" value="{}"><input type="hidden" name="host" value="{}">`,
			r.agentsPath("/allow"), r.agentsPath("/allow"), rule.Agent, rule.Host)
		label, failed := r.t("Allow %s", rule.Agent), r.t("This was not saved, and is as it was before.")
		if rule.Off {
			p.Put(`<input type="checkbox" name="allowed" value="yes" id="{}" aria-label="{}" data-live="{}">`, id+"-tick", label, failed)
		} else {
			p.Put(`<input type="checkbox" name="allowed" value="yes" id="{}" aria-label="{}" data-live="{}" checked>`, id+"-tick", label, failed)
		}
		p.Put(` <button class="second without-script">{}</button></form>`, r.t("Save"))
	}
	p.Put(`<div>`)
	p.identifier(rule.Agent)
	if rule.Host != "" {
		p.Put(` <small>{}</small>`, r.t("through %s", rule.Host))
	}
	if rule.Off {
		p.Put(` <span class="badge bad">{}</span>`, r.t("not allowed"))
	} else {
		p.Put(` <span class="badge good">{}</span>`, r.t("allowed"))
	}
	p.Put(`<br><span class="hint">{}</span> `, r.summary(rule))
	label := r.t("Rule of %s", rule.Agent)
	p.Put(`<a href="{}" aria-label="{}">{}</a>`, r.rulePath(rule.Agent, rule.Host), label, r.t("Rule"))
	if said != "" {
		p.Put(` <strong role="status">{}</strong>`, said)
	}
	p.Put(`</div></li>`)
}

// identifier is what a host calls an agent. It is compared letter by letter, so that
// letters that only look like ASCII are named.
func (p *page) identifier(id string) {
	p.Put(`<code class="identifier" dir="ltr">{}</code>`, id)
	if points := unusual(id); points != "" {
		p.Put(` <span class="badge warn">{}</span>`, p.r.t("not plain ASCII: %s", points))
	}
}

// unusual are the characters of an identifier that are not plain ASCII, with their code
// points, or "".
func unusual(id string) string {
	var points []string
	seen := map[rune]bool{}
	for _, c := range id {
		if c > ' ' && c < 0x7f || seen[c] {
			continue
		}
		seen[c] = true
		points = append(points, fmt.Sprintf("%c = %U", c, c))
		if c == ' ' {
			points[len(points)-1] = fmt.Sprintf("%U", c)
		}
	}
	const most = 12
	if n := len(points); n > most {
		return strings.Join(points[:most], ", ") + fmt.Sprintf(" + %d", n-most)
	}
	return strings.Join(points, ", ")
}

// newAgent is the form that allows an agent by its id.
func (p *page) newAgent(w config.Workspace) {
	r := p.r
	p.Put(`<h3>{}</h3><form method="post" action="{}"><input type="hidden" name="allowed" value="yes">`, r.t("Allow an agent by its id"), r.agentsPath("/allow"))
	p.field(field{name: "agent", label: r.t("Agent id"), hint: r.t("As its host sends it, letter by letter. It may read at first; its rule says what else it may do."), required: true, autocomplete: "off"})
	p.choice(field{name: "host", label: r.t("Host"), hint: r.t("Where the hosts of a workspace do not trust each other, name the one through which the agent comes: a host can claim any agent."), options: r.hosts(w), value: onlyHost(w)})
	p.button(r.t("Allow"))
	p.Put(`</form>`)
}

// hosts are the hosts of a rule to choose from.
func (r *request) hosts(w config.Workspace) []option {
	options := []option{{"", r.t("any host of the workspace")}}
	for _, profile := range w.Profiles {
		if profile != nil {
			options = append(options, option{profile.Name, profile.Name})
		}
	}
	return options
}

// onlyHost is the host that a new rule names: none where there is but one.
func onlyHost(w config.Workspace) string {
	if len(w.Profiles) < 2 || w.Profiles[0] == nil {
		return ""
	}
	return w.Profiles[0].Name
}

// allowAgent allows one agent, or not any more. Its rule is kept for when it is allowed
// again; an agent that has none may read.
func allowAgent(r *request) error {
	form, err := r.form()
	if err != nil {
		return err
	}
	agent, host, allowed := form.Get("agent"), form.Get("host"), form.Get("allowed") == "yes"
	if agent == everyAgent {
		return r.problem(http.StatusUnprocessableEntity, "All agents are allowed on a page of their own, with its warning.")
	}
	rule := allowlist.Rule{Agent: agent, Host: host, Preset: allowlist.PresetRead}
	err = r.changeRules(func(w *config.Workspace) error {
		if i := ruledBy(w.Rules, agent, host); i >= 0 {
			w.Rules = slices.Clone(w.Rules)
			w.Rules[i].Off = !allowed
			rule = w.Rules[i]
			return nil
		}
		if problems := r.problemsOf(w, rule); len(problems) > 0 {
			return r.problem(http.StatusUnprocessableEntity, "%q cannot be an agent here: %s", agent, problems[0].text)
		}
		rule.Off = !allowed
		w.Rules = append(slices.Clone(w.Rules), rule)
		return nil
	})
	if err != nil {
		return err
	}
	said := r.t("%s is allowed.", agent)
	if !allowed {
		said = r.t("%s is not allowed any more.", agent)
	}
	if r.partial() {
		p := r.page("")
		p.agent(rule, true, r.t("Saved."))
		return p.send(http.StatusOK)
	}
	return r.redirect(r.agentsPath(""), said)
}
