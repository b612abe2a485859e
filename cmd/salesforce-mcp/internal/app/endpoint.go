package app

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
	"salesforce-mcp/salesforce"
)

var endpointRoutes = []route{
	{"GET /workspaces/{workspace}/endpoint", see, endpointPage},
	{"POST /workspaces/{workspace}/endpoint/hosts", administer, addHostForm},
	{"POST /workspaces/{workspace}/endpoint/hosts/remove", administer, removeHostForm},
	{"POST /workspaces/{workspace}/endpoint/tokens", administer, addTokenForm},
	{"POST /workspaces/{workspace}/endpoint/tokens/revoke", administer, revokeTokenForm},
}

// Scope is what a capability of Agent Factory asks the host to put into the arguments
// of calls (documentation of the Salesforce connector).
const Scope = "context_id,agent_id,user_id"

// A hostKind is how a host says on whose behalf it calls.
type hostKind struct {
	kind, label string
	profile     func(agent string) allowlist.Profile
}

func source(kind allowlist.Kind, name string) []allowlist.Source {
	return []allowlist.Source{{Kind: kind, Name: name}}
}

var hostKinds = []hostKind{
	{"factory", words("Agent Factory: it sets context_id, agent_id and user_id in the arguments of every call"), func(string) allowlist.Profile {
		return allowlist.Profile{OverwritesArguments: true, Agent: append(source(allowlist.FromHeader, "agent-id"), source(allowlist.FromArgument, "agent_id")...),
			User: source(allowlist.FromArgument, "user_id"), Context: source(allowlist.FromArgument, "context_id")}
	}},
	{"headers", words("It names its agents in the header agent-id, and people in user-id"), func(string) allowlist.Profile {
		return allowlist.Profile{Agent: source(allowlist.FromHeader, "agent-id"), User: source(allowlist.FromHeader, "user-id"), Context: source(allowlist.FromHeader, "context-id")}
	}},
	{"one", words("It is one agent: Claude, Cursor, VS Code or a program of yours"), func(agent string) allowlist.Profile {
		return allowlist.Profile{Agent: source(allowlist.Static, agent)}
	}},
}

func endpointPage(r *request) error { return r.showEndpoint(http.StatusOK, nil, nil, "", "") }

// showEndpoint shows how hosts connect. A token that was just made is shown this once.
func (r *request) showEndpoint(status int, typed url.Values, problems map[string]string, host string, token salesforce.Secret) error {
	w, err := r.current()
	if err != nil {
		return err
	}
	p := r.page(r.t("MCP endpoint"))
	p.state(w)
	if token != "" {
		p.notice("ok", r.t("This is the new token of %s. Copy it now: it is shown this once. The snippets below have it too.", host))
		p.code(r.t("Host token"), token.Reveal())
	}
	mcp := r.app.Origin + "/w/" + r.workspace + "/mcp"
	p.Put(`<section><h2>{}</h2><p>{}</p>`, r.t("Address"), r.t("Streamable HTTP, stateless. Hosts prove themselves with a token."))
	p.code(r.t("MCP endpoint"), mcp)
	p.Put(`<h3>{}</h3><p>{}</p>`, r.t("Scope"), r.t("In Agent Factory, the capability’s Scope must have these three. Without agent_id every call is refused."))
	p.code(r.t("Scope"), Scope)
	p.Put(`</section>`)
	if err := r.hostList(p, w); err != nil {
		return err
	}
	if !w.Declared && r.may(administer) {
		r.addHost(p, w, typed, problems)
	}
	r.snippets(p, mcp, token)
	return p.send(status)
}

// hostList lists who may connect, each with its tokens.
func (r *request) hostList(p *page, w settings.Workspace) error {
	p.Put(`<section><h2>{}</h2>`, r.t("Hosts"))
	if len(w.Profiles) == 0 {
		p.notice("info", r.t("No host may connect yet. Add one below, and copy its token."))
	}
	change := !w.Declared && r.may(administer)
	for _, profile := range w.Profiles {
		p.Put(`<h3>{}</h3>`, profile.Name)
		var agent []string
		for _, s := range profile.Agent {
			agent = append(agent, s.String())
		}
		p.facts(r.t("Agent"), strings.Join(agent, ", "))
		switch {
		case profile.JWT != nil:
			p.facts(r.t("Proves itself with"), r.t("a token that %s has signed", profile.JWT.Issuer))
			continue
		case profile.ClientCert != nil:
			p.facts(r.t("Proves itself with"), r.t("a client certificate"))
			continue
		case profile.Local:
			p.facts(r.t("Proves itself with"), r.t("nothing: it is the local host of stdio"))
			continue
		}
		var failed error
		p.table(r.t("Tokens of %s", profile.Name), []string{r.t("Token"), r.t("Made"), r.t("Action")}, len(profile.Tokens), func(i int) {
			hash := profile.Tokens[i]
			made := r.t("not known")
			if info, ok, err := r.app.Settings.TokenInfo(r.Context(), r.workspace, hash); err != nil {
				failed = err
			} else if ok {
				made = r.t("%s by %s", r.ago(info.At), info.By)
			}
			p.Put(`<tr><th scope="row"><code>{}</code></th><td>{}</td><td>`, hash[:min(len(hash), 8)]+"…", made)
			if change && len(profile.Tokens) > 1 {
				p.action(r.at("/endpoint/tokens/revoke"), r.t("Revoke %s…", hash[:min(len(hash), 8)]), "host", profile.Name, "token", hash)
			}
			p.Put(`</td></tr>`)
		})
		if failed != nil {
			return failed
		}
		if change {
			p.Put(`<p class="hint">{}</p>`, r.t("To replace a token, make another one, give it to the host, and revoke the old one when nothing uses it any more. Both are good meanwhile."))
			p.action(r.at("/endpoint/tokens"), r.t("Make another token of %s", profile.Name), "host", profile.Name)
			p.Put(`<details><summary>{}</summary><p>{}</p>`, r.t("Remove %s", profile.Name), r.t("Its tokens end at once, and the rules that are for it alone go with it."))
			p.action(r.at("/endpoint/hosts/remove"), r.t("Remove it"), "host", profile.Name)
			p.Put(`</details>`)
		}
	}
	p.Put(`</section>`)
	return nil
}

// addHost is the form for one host more.
func (r *request) addHost(p *page, w settings.Workspace, typed url.Values, problems map[string]string) {
	p.Put(`<section><h2>{}</h2>`, r.t("Add a host"))
	name := field{name: "name", label: r.t("Name"), hint: r.t("Stands in rules and in the audit trail."), value: typed.Get("name"), problem: problems["name"], required: true, autocomplete: "off"}
	if typed == nil && len(w.Profiles) == 0 {
		name.value = "agent-factory"
	}
	kind := field{name: "kind", label: r.t("How it says which agent calls"), value: typed.Get("kind")}
	for _, k := range hostKinds {
		kind.options = append(kind.options, option{k.kind, r.t(k.label)})
	}
	agent := field{name: "agent", label: r.t("Name of its one agent"), hint: r.t("Only for a host that is one agent. Rules name it so."), value: typed.Get("agent"), problem: problems["agent"], autocomplete: "off"}
	p.problems(name, agent)
	if problems[""] != "" {
		p.notice("error", problems[""])
	}
	p.Put(`<form method="post" action="{}">`, r.at("/endpoint/hosts"))
	p.field(name)
	p.choice(kind)
	p.field(agent)
	p.button(r.t("Add and make a token"))
	p.Put(`</form></section>`)
}

func addHostForm(r *request) error {
	f, err := r.form()
	if err != nil {
		return err
	}
	if err := r.confirmed(); err != nil {
		return err
	}
	i := slices.IndexFunc(hostKinds, func(k hostKind) bool { return k.kind == f.Get("kind") })
	if i < 0 {
		return r.problem(http.StatusBadRequest, "There is no such kind of host.")
	}
	agent := strings.TrimSpace(f.Get("agent"))
	if hostKinds[i].kind == "one" && agent == "" {
		return r.showEndpoint(http.StatusUnprocessableEntity, f, map[string]string{"agent": r.t("Say what the agent is called, such as claude.")}, "", "")
	}
	host := hostKinds[i].profile(agent)
	host.Name = strings.TrimSpace(f.Get("name"))
	token, err := r.app.Settings.AddHost(r.Context(), r.workspace, host, r.author())
	var invalid *settings.Invalid
	if errors.As(err, &invalid) {
		problems := map[string]string{}
		for _, problem := range invalid.Problems {
			at := problem.Field[strings.LastIndex(problem.Field, ".")+1:]
			if at != "name" && !strings.HasPrefix(at, "agent") {
				at = ""
			}
			at, _, _ = strings.Cut(at, "[")
			problems[at] = strings.TrimSpace(problems[at] + " " + problem.Text)
		}
		return r.showEndpoint(http.StatusUnprocessableEntity, f, problems, "", "")
	}
	if err != nil {
		return r.settingsError(err)
	}
	return r.showEndpoint(http.StatusOK, nil, nil, host.Name, token)
}

func addTokenForm(r *request) error {
	f, err := r.form()
	if err != nil {
		return err
	}
	if err := r.confirmed(); err != nil {
		return err
	}
	token, err := r.app.Settings.AddToken(r.Context(), r.workspace, f.Get("host"), r.author())
	if err != nil {
		return r.settingsError(err)
	}
	return r.showEndpoint(http.StatusOK, nil, nil, f.Get("host"), token)
}

func revokeTokenForm(r *request) error {
	f, err := r.form()
	if err != nil {
		return err
	}
	if err := r.app.Settings.RevokeToken(r.Context(), r.workspace, f.Get("host"), f.Get("token"), r.author()); err != nil {
		return r.settingsError(err)
	}
	return r.redirect(r.at("/endpoint"), r.t("The token is revoked: it opens nothing any more."))
}

func removeHostForm(r *request) error {
	f, err := r.form()
	if err != nil {
		return err
	}
	if err := r.confirmed(); err != nil {
		return err
	}
	if err := r.app.Settings.RemoveHost(r.Context(), r.workspace, f.Get("host"), r.author()); err != nil {
		return r.settingsError(err)
	}
	return r.redirect(r.at("/endpoint"), r.t("%s is removed.", f.Get("host")))
}
