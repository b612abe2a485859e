package allowlist

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Profile describes one host: how it proves itself and where it says on whose
// behalf it calls.
type Profile struct {
	// Name identifies the host within its workspace, in rules and in the audit
	// trail.
	Name string `yaml:"name"`

	// Tokens are the SHA-256 hashes, in hexadecimal, of the bearer tokens that
	// prove the host; see [HashToken]. Several are accepted at once, so that a
	// token can be replaced without a gap.
	Tokens []string `yaml:"tokens"`

	// JWT is the proof by a signed token, instead of Tokens.
	JWT *JWT `yaml:"jwt"`

	// ClientCert is the proof by a client certificate that a proxy has checked,
	// instead of Tokens.
	ClientCert *ClientCert `yaml:"clientCert"`

	// Local marks the profile of stdio, where the host is the process that
	// started the server. It has no tokens and cannot be reached over HTTP.
	Local bool `yaml:"local"`

	// Agent, User and Context are the places where the three identifiers may
	// stand. Every source that has a value must have the same one; their order
	// says which is named first in messages. Agent needs at least one source.
	Agent   []Source `yaml:"agent"`
	User    []Source `yaml:"user"`
	Context []Source `yaml:"context"`

	// OverwritesArguments is the administrator's declaration that this host
	// sets context_id, agent_id and user_id in the arguments of every
	// tools/call, whatever the model wrote there. Without it those arguments
	// are refused, since the model could have written them.
	OverwritesArguments bool `yaml:"overwritesArguments"`

	// Vouches is the administrator's declaration that this host gives a link to
	// connect Salesforce to nobody but the signed-in person whom it names as the
	// user. Only such a host may ask for a link that needs no further proof of
	// who opens it: with any other, an agent could have its own link opened by
	// somebody else and work as them.
	Vouches bool `yaml:"vouches"`

	// Elicits is the administrator's declaration that this host shows what it is
	// asked (MCP elicitation) to the person whom it names as the user, and lets
	// neither a model nor a program answer. Then that person's yes approves what a
	// rule wants confirmed; without it an administrator decides.
	Elicits bool `yaml:"elicits"`
}

// HashToken returns the form in which a profile keeps a bearer token. Tokens
// must be long and random: the hash protects nothing that can be guessed.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// holds reports whether one of the profile's hashes is sum. It compares with
// every hash in constant time, so that the time taken tells nothing about which
// one matched or how far.
func (p *Profile) holds(sum [sha256.Size]byte) bool {
	match := 0
	for _, token := range p.Tokens {
		kept, err := hex.DecodeString(token)
		if err == nil {
			match |= subtle.ConstantTimeCompare(kept, sum[:])
		}
	}
	return match == 1
}

// validate returns every problem of the profile, each naming field and value.
func (p *Profile) validate(field string) error {
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s.%w", field, fmt.Errorf(format, args...)))
	}
	if err := checkIdentifier(p.Name); err != nil {
		problem("name: %q %w", p.Name, err)
	}
	problems = append(problems, p.checkProof(field))
	for i, token := range p.Tokens {
		if err := checkHash(token); err != nil {
			problem("tokens[%d]: %w", i, err)
		}
	}
	if len(p.Agent) == 0 {
		problem("agent: at least one source is needed, such as %q", "header:agent-id")
	}
	for _, identity := range p.identities() {
		for i, source := range identity.sources {
			if err := p.checkSource(source, identity); err != nil {
				problem("%s[%d]: %q %w", identity.field, i, source, err)
			}
		}
	}
	return errors.Join(problems...)
}

// checkProof returns every problem with how the host proves itself: in one way.
func (p *Profile) checkProof(field string) error {
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s.%w", field, fmt.Errorf(format, args...)))
	}
	var ways []string
	for name, has := range map[string]bool{"tokens": len(p.Tokens) > 0, "jwt": p.JWT != nil, "clientCert": p.ClientCert != nil} {
		if has {
			ways = append(ways, name)
		}
	}
	slices.Sort(ways)
	switch {
	case p.Local:
		for _, way := range ways {
			problem("%s: a local profile is reached over stdio and has no %s; remove them or set local to false", way, way)
		}
		if p.OverwritesArguments {
			problem("overwritesArguments: a local profile speaks for one person; name its agent and user with static sources")
		}
		if p.Vouches {
			problem("vouches: a local profile is not asked for links; remove it")
		}
	case len(ways) == 0:
		problem("tokens: at least one SHA-256 hash of a bearer token is needed, or jwt, or clientCert, or local set to true")
	case len(ways) > 1:
		problem("%s: there is %s too; a profile has one proof, so make a profile of each", ways[1], ways[0])
	}
	if p.Vouches && !p.Local && len(p.User) == 0 {
		problem("vouches: true needs a source of the user, for whom the link is")
	}
	if p.JWT != nil {
		problems = append(problems, p.JWT.validate(field+".jwt"))
	}
	if p.ClientCert != nil {
		problems = append(problems, p.ClientCert.validate(field+".clientCert"))
	}
	return errors.Join(problems...)
}

// checkHash says why token is not the hash of a bearer token. It never repeats
// the value: whoever configures the token itself by mistake must not find it in
// a log.
func checkHash(token string) error {
	sum, err := hex.DecodeString(token)
	switch {
	case err != nil || len(sum) != sha256.Size:
		return fmt.Errorf("must be a SHA-256 hash in 64 hexadecimal digits, not %d characters of something else", len(token))
	case strings.EqualFold(token, HashToken("")):
		return errors.New("is the hash of an empty token")
	}
	return nil
}

// secretHeaders carry credentials. Read as an identity they would end up in the
// audit trail.
var secretHeaders = []string{"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key"}

func isSecretHeader(name string) bool {
	return slices.ContainsFunc(secretHeaders, func(secret string) bool { return strings.EqualFold(name, secret) })
}

// checkSource says why source cannot give this identifier.
func (p *Profile) checkSource(source Source, of identity) error {
	if _, err := ParseSource(source.String()); err != nil {
		return fmt.Errorf("is not a source: %w", err)
	}
	switch source.Kind {
	case FromHeader:
		if p.Local {
			return errors.New("cannot be read: stdio has no headers; use a static source")
		}
		if isSecretHeader(source.Name) {
			return errors.New("carries a credential, not an identity")
		}
	case FromArgument:
		if source.Name != of.argument {
			return fmt.Errorf("is not an argument that hosts set; the %s stands in %q", of.field, "argument:"+of.argument)
		}
		if !p.OverwritesArguments {
			return errors.New("lets the model choose who it is; use a header, or set overwritesArguments if this host sets the argument on every call")
		}
	case FromClaim:
		if p.JWT == nil {
			return errors.New("cannot be read: claims stand in a token, and this profile has no jwt")
		}
	case FromCert:
		if p.ClientCert == nil {
			return errors.New("cannot be read: this profile has no clientCert")
		}
	case Static:
		if len(of.sources) > 1 {
			return errors.New("must be the only source, since another one would either repeat it or contradict it")
		}
	}
	return nil
}

// identity is one of the three identifiers of a caller, as a profile reads it.
type identity struct {
	field    string // its name in configuration and messages
	argument string // the argument in which hosts inject it
	sources  []Source
}

// identities returns the three identifiers in the order of messages.
func (p *Profile) identities() [3]identity {
	return [3]identity{
		{"agent", "agent_id", p.Agent},
		{"user", "user_id", p.User},
		{"context", "context_id", p.Context},
	}
}

// values returns what the identity's sources hold, in order, without those that
// hold nothing. A header that is sent twice gives two values, and so does a
// claim with two.
func (i identity) values(h *Host, args map[string]string) ([]value, error) {
	var found []value
	add := func(source Source, texts ...string) {
		for _, text := range texts {
			found = append(found, value{source, text})
		}
	}
	for _, source := range i.sources {
		switch source.Kind {
		case FromHeader:
			add(source, h.header.Values(source.Name)...)
		case FromArgument:
			if text, ok := args[source.Name]; ok {
				add(source, text)
			}
		case FromClaim:
			for _, claim := range lookUp(h.claims, source.Name) {
				texts := words(source.Name, claim)
				if len(texts) == 0 {
					return nil, unidentifiedf(InvalidIdentity, "the %s in %s is no text", i.field, source.place())
				}
				add(source, texts...)
			}
		case FromCert:
			add(source, h.cert[source.Name]...)
		case Static:
			add(source, source.Name)
		}
	}
	return found, nil
}

// value is what one source said.
type value struct {
	source Source
	text   string
}
