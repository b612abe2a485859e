package allowlist

import (
	"crypto/sha256"
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
}

// ErrUnauthenticated is the error for a host that does not prove itself. It
// says nothing about why.
var ErrUnauthenticated = errors.New("the bearer token is not valid for this workspace")

// Authenticate returns the profile whose bearer token was presented, without
// its "Bearer " prefix. All tokens of the workspace are compared, in constant
// time. The only error is [ErrUnauthenticated].
func (w *Workspace) Authenticate(bearer string) (*Profile, error) {
	sum := sha256.Sum256([]byte(bearer))
	var found *Profile
	for _, p := range w.Profiles {
		if p.holds(sum) && !p.Local && found == nil {
			found = p
		}
	}
	if found == nil || bearer == "" {
		return nil, ErrUnauthenticated
	}
	return found, nil
}

// Local returns the profile of stdio.
func (w *Workspace) Local() (*Profile, error) {
	for _, p := range w.Profiles {
		if p.Local {
			return p, nil
		}
	}
	return nil, fmt.Errorf("workspace %q has no profile with local set to true, which stdio needs", w.Name)
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
			problems = append(problems, fmt.Errorf("%s: is empty; give it a name, tokens and an agent source", field))
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
// all hosts.
func (w *Workspace) ruleFor(agent, host string) (Rule, bool) {
	for _, wanted := range [][2]string{{agent, host}, {agent, ""}, {anyAgent, host}, {anyAgent, ""}} {
		for _, r := range w.Rules {
			if r.Agent == wanted[0] && r.Host == wanted[1] {
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
