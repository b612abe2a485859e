package allowlist

import (
	"errors"
	"fmt"
	"strings"
)

// Workspace is the policy of one tenant: the hosts that may call and what their
// agents may do. Nothing in it refers to another workspace.
type Workspace struct {
	Name     string     `yaml:"name"`
	Profiles []*Profile `yaml:"profiles"`
	Rules    []Rule     `yaml:"rules"`
	// Missing are tools that the workspace does not have, whatever a rule says, because
	// nobody has configured them.
	Missing []string `yaml:"-"`
	// Suspended says that the workspace refuses every call for now, whatever a rule
	// says.
	Suspended bool `yaml:"-"`
	// Keys fetches the keys with which the profiles' JWTs are checked. Workspaces
	// share one. Without it no JWT is accepted.
	Keys *Keys `yaml:"-"`
}

// Validate returns every problem of the workspace at once, each naming field
// and value, or nil. Names of hosts, and the pairs of agent and host of rules,
// are unique; a token belongs to one host.
func (w *Workspace) Validate() error {
	var problems []error
	if err := checkIdentifier(w.Name); err != nil {
		problems = append(problems, fmt.Errorf("name: %q %w", w.Name, err))
	}
	hosts := map[string]bool{}
	tokens := map[string]bool{}
	local := false
	for i, p := range w.Profiles {
		field := fmt.Sprintf("profiles[%d]", i)
		if p == nil {
			problems = append(problems, fmt.Errorf("%s: is empty; give it a name, a proof such as tokens, and an agent source", field))
			continue
		}
		problems = append(problems, p.validate(field))
		if hosts[p.Name] {
			problems = append(problems, fmt.Errorf("%s.name: %q is the name of two profiles", field, p.Name))
		}
		hosts[p.Name] = true
		if p.Local && local {
			problems = append(problems, fmt.Errorf("%s.local: true in a second profile; stdio has one", field))
		}
		local = local || p.Local
		for k, token := range p.Tokens {
			if tokens[strings.ToLower(token)] {
				problems = append(problems, fmt.Errorf("%s.tokens[%d]: is listed twice; a token belongs to one host", field, k))
			}
			tokens[strings.ToLower(token)] = true
		}
	}
	rules := map[[2]string]bool{}
	for i, r := range w.Rules {
		field := fmt.Sprintf("rules[%d]", i)
		problems = append(problems, r.validate(field))
		if r.Host != "" && !hosts[r.Host] {
			problems = append(problems, fmt.Errorf("%s.host: %q is not the name of a profile", field, r.Host))
		}
		if rules[[2]string{r.Agent, r.Host}] {
			problems = append(problems, fmt.Errorf("%s.agent: %q has two rules; join them into one", field, r.Agent))
		}
		rules[[2]string{r.Agent, r.Host}] = true
	}
	return errors.Join(problems...)
}

// ruleFor returns the rule that decides about an agent of a host. A rule for
// the agent wins over the one for "*", and then one for the host over one for
// all hosts. One for "*" that is switched off is as if it were not there.
func (w *Workspace) ruleFor(agent, host string) (Rule, bool) {
	for _, wanted := range [][2]string{{agent, host}, {agent, ""}, {anyAgent, host}, {anyAgent, ""}} {
		for _, r := range w.Rules {
			if r.Agent == wanted[0] && r.Host == wanted[1] && !(r.Off && r.Agent == anyAgent) {
				return r, true
			}
		}
	}
	return Rule{}, false
}

// allowsAnyAgent reports whether a rule for "*" covers the host, so that an
// agent without a name may be let through.
func (w *Workspace) allowsAnyAgent(host string) bool {
	_, found := w.ruleFor("", host)
	return found
}
