package allowlist

import (
	"fmt"
	"slices"
	"strings"
)

// Kind says where a [Source] reads an identifier.
type Kind string

// The kinds of sources.
const (
	FromHeader   Kind = "header"   // an HTTP request header
	FromArgument Kind = "argument" // a top-level tools/call argument that the host sets
	FromClaim    Kind = "claim"    // a claim of the JWT that proved the host
	FromCert     Kind = "cert"     // the client certificate that proved the host
	Static       Kind = "static"   // the configuration itself
)

// Source is one place where an identifier may stand. In configuration it is
// written "header:agent-id", "argument:agent_id", "claim:act.sub", "cert:uri" or
// "static:desk"; see [ParseSource].
type Source struct {
	Kind Kind
	// Name is the header's, argument's or claim's name (act.sub is the claim sub
	// inside the claim act), a part of the certificate (one of [CertParts]), or
	// the identifier itself when Kind is Static.
	Name string
}

// ParseSource reads the configuration form of a source: a kind, a colon and a
// name. Space around either part is not accepted.
func ParseSource(text string) (Source, error) {
	kind, name, _ := strings.Cut(text, ":")
	s := Source{Kind: Kind(kind), Name: name}
	switch s.Kind {
	case FromHeader:
		if !headerName(name) {
			return Source{}, fmt.Errorf("source %q: %q is not a header name", text, name)
		}
	case FromArgument:
		if name == "" {
			return Source{}, fmt.Errorf("source %q: the argument's name is missing", text)
		}
	case FromClaim:
		if name == "" || strings.TrimSpace(name) != name {
			return Source{}, fmt.Errorf("source %q: %q is no name of a claim", text, name)
		}
	case FromCert:
		if !slices.Contains(CertParts, name) {
			return Source{}, fmt.Errorf("source %q: %q is no part of a certificate; there are %s", text, name, strings.Join(CertParts, ", "))
		}
	case Static:
		if err := checkIdentifier(name); err != nil {
			return Source{}, fmt.Errorf("source %q: %w", text, err)
		}
	default:
		return Source{}, fmt.Errorf(`source %q: must be "header:NAME", "argument:NAME", "claim:NAME", "cert:PART" or "static:IDENTIFIER"`, text)
	}
	return s, nil
}

// String returns the configuration form.
func (s Source) String() string { return string(s.Kind) + ":" + s.Name }

// MarshalText writes the configuration form.
func (s Source) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the configuration form, so that configuration files can
// be decoded straight into a [Profile]. It accepts every text: what is wrong with
// it [Workspace.Validate] says, together with all else.
func (s *Source) UnmarshalText(text []byte) error {
	kind, name, _ := strings.Cut(string(text), ":")
	*s = Source{Kind: Kind(kind), Name: name}
	return nil
}

// headerName reports whether name is an HTTP field name (RFC 9110 §5.1: a
// token).
func headerName(name string) bool {
	for _, c := range []byte(name) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		digit := '0' <= c && c <= '9'
		if !letter && !digit && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return name != ""
}
