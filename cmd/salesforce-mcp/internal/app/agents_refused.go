package app

import (
	"context"
	"slices"
	"strings"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
)

// refusals know the agents of a workspace that were refused lately because no rule covers
// them, the last one first. *store.Store is one.
type refusals interface {
	RefusedAgents(ctx context.Context, workspace string, limit int) ([]store.RefusedAgent, error)
}

// refusedLately are the agents that were refused lately and that no rule covers now.
func (r *request) refusedLately(w config.Workspace) ([]store.RefusedAgent, error) {
	if r.app.Refused == nil {
		return nil, nil
	}
	if slices.ContainsFunc(w.Rules, func(rule allowlist.Rule) bool { return rule.Agent == everyAgent && rule.Host == "" && !rule.Off }) {
		return nil, nil
	}
	known := len(w.Rules) * max(1, len(w.Profiles)) // at most so many are covered by rules of their own
	agents, err := r.app.Refused.RefusedAgents(r.Context(), r.workspace, mostRefused+known)
	agents = slices.DeleteFunc(agents, func(a store.RefusedAgent) bool { return covers(w.Rules, a.Agent, a.Host) })
	return agents[:min(len(agents), mostRefused)], err
}

// refusedAgents are agents that may have been forgotten on the list.
func (p *page) refusedAgents(w config.Workspace, agents []store.RefusedAgent, changeable bool) {
	r := p.r
	p.Put(`<section aria-labelledby="refused-title"><h2 id="refused-title">{}</h2>`, r.t("Refused lately"))
	if len(agents) == 0 {
		p.Put(`<p>{}</p></section>`, r.t("No agent was refused in the last 30 days for not being on the list."))
		return
	}
	p.Put(`<p>{}</p>`, r.t("These agents called in the last 30 days and were refused, because they are not on the list. Their names are what hosts sent: allow only what you know."))
	p.table(r.t("Agents that are not on the list"), []string{r.t("Agent"), r.t("Host"), r.t("Calls"), r.t("Last"), r.t("Since"), r.t("Allow")}, len(agents), func(i int) {
		a := agents[i]
		p.Put(`<tr><td>`)
		p.identifier(a.Agent)
		if twin := r.twin(w.Rules, a.Agent); twin != "" {
			p.Put(` <span class="badge warn">{}</span>`, r.t("on the list is %s", twin))
		}
		p.Put(`</td><td>{}</td><td class="number">{}</td><td><time datetime="{}" title="{}">{}</time></td><td>{}</td><td>`, a.Host, r.number(a.Times),
			a.Last.Format("2006-01-02T15:04:05Z"), r.date(a.Last), r.ago(a.Last), r.date(a.First))
		host := ""
		if len(w.Profiles) > 1 {
			host = a.Host
		}
		switch {
		case !changeable:
			p.Put(`{}`, r.t("not allowed"))
		case unusual(a.Agent) != "": // not with one click
			p.Put(`<a href="{}">{}</a>`, r.rulePath(a.Agent, host), r.t("Look and allow…"))
		default:
			p.action(r.agentsPath("/allow"), r.t("Allow %s", a.Agent), "allowed", "yes", "agent", a.Agent, "host", host)
		}
		p.Put(`</td></tr>`)
	})
	p.Put(`</section>`)
}

// twin is an agent on the list that differs from another in upper and lower case alone.
func (r *request) twin(rules []allowlist.Rule, agent string) string {
	for _, rule := range rules {
		if rule.Agent != agent && strings.EqualFold(rule.Agent, agent) {
			return rule.Agent
		}
	}
	return ""
}
