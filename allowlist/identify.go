package allowlist

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Caller says who calls. It is comparable, and all of its fields have been
// validated: visible characters, no space around them, at most 128 bytes.
type Caller struct {
	Workspace string // the workspace whose URL was called
	Host      string // the name of the host profile that authenticated
	// Agent is the agent on whose behalf the host calls. It is empty only where
	// the workspace has a rule for "*" and the host named no agent.
	Agent   string
	User    string // the person the agent works for; empty when the host does not say
	Context string // the conversation or run; empty when the host does not say
}

// identityKeys are the arguments in which hosts inject who calls, and
// attachmentKeys those in which they inject files (Agent Factory, field "scope"
// of a capability).
var (
	identityKeys   = []string{"agent_id", "user_id", "context_id"}
	attachmentKeys = []string{"attachments", "attachment_urls"}
)

// Identify says who calls, from the headers of the request and the arguments of
// a tools/call, and returns the arguments that remain. It reads nothing but
// the sources of the profile, which must be one that [Workspace.Authenticate]
// or [Workspace.Local] returned.
//
// Where the profile overwrites arguments, the injected keys (context_id,
// agent_id, user_id, attachments, attachment_urls) do not remain, and the first
// three must be there together; a call without any of them is identified when
// another source names the agent. In every other profile the first three are
// refused.
//
// The given map is not changed, the returned one is never nil, and the values
// inside are shared. The error is a *[Refusal].
func (w *Workspace) Identify(p *Profile, header http.Header, args map[string]any) (Caller, map[string]any, error) {
	injected, err := p.injected(args)
	if err != nil {
		return Caller{}, nil, err
	}
	caller, err := w.read(p, header, injected)
	if err != nil {
		return Caller{}, nil, err
	}
	if caller.Agent == "" && !w.allowsAnyAgent(p.Name) {
		return Caller{}, nil, unidentifiedf(MissingAgent, "%s", p.howToName())
	}
	rest := make(map[string]any, len(args))
	maps.Copy(rest, args)
	if p.OverwritesArguments {
		for _, key := range slices.Concat(identityKeys, attachmentKeys) {
			delete(rest, key)
		}
	}
	return caller, rest, nil
}

// IdentifyHeader says who calls as far as it is known without the arguments of
// a tools/call: for tools/list and the other requests that have none. Known is
// false when the agent is not named yet; some hosts name it only in tools/call.
// The error is a *[Refusal].
func (w *Workspace) IdentifyHeader(p *Profile, header http.Header) (caller Caller, known bool, err error) {
	caller, err = w.read(p, header, nil)
	if err != nil {
		return Caller{}, false, err
	}
	return caller, caller.Agent != "", nil
}

// Person says for whom a host asks where there are no arguments: how a person's
// Salesforce user is connected. A profile that overwrites arguments may name them
// in the query, under the names of the arguments. The error is a *[Refusal].
func (w *Workspace) Person(p *Profile, header http.Header, query url.Values) (Caller, error) {
	named := map[string]string{}
	for _, key := range identityKeys {
		if p.OverwritesArguments && query.Has(key) {
			named[key] = query.Get(key)
		}
	}
	return w.read(p, header, named)
}

// read asks every source of the profile.
func (w *Workspace) read(p *Profile, header http.Header, injected map[string]string) (Caller, error) {
	caller := Caller{Workspace: w.Name, Host: p.Name}
	fields := [3]*string{&caller.Agent, &caller.User, &caller.Context}
	for i, identity := range p.identities() {
		for _, value := range identity.values(header, injected) {
			if err := checkIdentifier(value.text); err != nil {
				return Caller{}, unidentifiedf(InvalidIdentity, "the %s in %s %v", identity.field, value.source.place(), err)
			}
			if *fields[i] != "" && *fields[i] != value.text {
				return Caller{}, unidentifiedf(InvalidIdentity,
					"the %s in %s differs from the one in another place where this host names it; all of them must be the same",
					identity.field, value.source.place())
			}
			*fields[i] = value.text
		}
	}
	return caller, nil
}

// injected returns the identity keys among the arguments of a profile that
// overwrites them: all three, or none.
func (p *Profile) injected(args map[string]any) (map[string]string, error) {
	found := make(map[string]string, len(identityKeys))
	for _, key := range identityKeys {
		given, ok := args[key]
		if !ok {
			continue
		}
		if !p.OverwritesArguments {
			return nil, unidentifiedf(InvalidIdentity,
				"the argument %q is not accepted from this host, because the model could have written it; leave it out, "+
					"or let an administrator declare that the host overwrites it", key)
		}
		text, ok := given.(string)
		if !ok {
			return nil, unidentifiedf(InvalidIdentity, "the argument %q must be a string", key)
		}
		if err := checkIdentifier(text); err != nil {
			return nil, unidentifiedf(InvalidIdentity, "the argument %q %v", key, err)
		}
		found[key] = text
	}
	if len(found) != 0 && len(found) != len(identityKeys) {
		return nil, unidentifiedf(InvalidIdentity,
			"%s must come together or not at all; set the capability's Scope to context_id,agent_id,user_id",
			strings.Join(identityKeys, ", "))
	}
	return found, nil
}

// howToName says how this host can name the agent.
func (p *Profile) howToName() string {
	var ways []string
	for _, source := range p.Agent {
		switch source.Kind {
		case FromHeader:
			ways = append(ways, "send it in the request header "+source.Name)
		case FromArgument:
			ways = append(ways, "set the capability's Scope to context_id,agent_id,user_id")
		}
	}
	return strings.Join(ways, ", or ")
}

// place names the source for the caller.
func (s Source) place() string {
	if s.Kind == Static {
		return "the host profile"
	}
	return "the " + string(s.Kind) + " " + s.Name
}
