package allowlist

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
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

	// Vouches is the administrator's declaration that this host gives links to
	// connect a Salesforce user to nobody but its own signed-in user, for whom it
	// asked. Only such hosts may ask for them.
	Vouches bool `yaml:"vouches"`
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
	switch {
	case p.Local && len(p.Tokens) > 0:
		problem("tokens: a local profile is reached over stdio and has no tokens; remove them or set local to false")
	case p.Local && p.OverwritesArguments:
		problem("overwritesArguments: a local profile speaks for one person; name its agent and user with static sources")
	case p.Local && p.Vouches:
		problem("vouches: a local profile has no people to send")
	case !p.Local && len(p.Tokens) == 0:
		problem("tokens: at least one SHA-256 hash of a bearer token is needed, or local set to true")
	}
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
		for _, secret := range secretHeaders {
			if strings.EqualFold(source.Name, secret) {
				return errors.New("carries a credential, not an identity")
			}
		}
	case FromArgument:
		if source.Name != of.argument {
			return fmt.Errorf("is not an argument that hosts set; the %s stands in %q", of.field, "argument:"+of.argument)
		}
		if !p.OverwritesArguments {
			return errors.New("lets the model choose who it is; use a header, or set overwritesArguments if this host sets the argument on every call")
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
// hold nothing. A header that is sent twice gives two values.
func (i identity) values(header http.Header, args map[string]string) []value {
	var found []value
	for _, source := range i.sources {
		switch source.Kind {
		case FromHeader:
			for _, text := range header.Values(source.Name) {
				found = append(found, value{source, text})
			}
		case FromArgument:
			if text, ok := args[source.Name]; ok {
				found = append(found, value{source, text})
			}
		case Static:
			found = append(found, value{source, source.Name})
		}
	}
	return found
}

// value is what one source said.
type value struct {
	source Source
	text   string
}
