package allowlist

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// anyWorkspace is every workspace, in the list of an administrator's.
const anyWorkspace = "*"

// An Admin is a person who decides about what waits for one, through the HTTP API.
// It is no host: its tokens open nothing that agents use.
type Admin struct {
	// Name is who decides, in the audit trail. It should be what hosts call the
	// person as a user, because nobody approves what an agent does for themselves.
	Name string `yaml:"name"`
	// Tokens are the SHA-256 hashes of bearer tokens, as those of a [Profile].
	Tokens []string `yaml:"tokens"`
	// Workspaces are those the administrator is of, or "*" for all.
	Workspaces []string `yaml:"workspaces"`
}

// Admins are all administrators. The zero value lets nobody in.
type Admins []Admin

// Authenticate returns the name of the administrator of a workspace whose token it
// is. It is compared with all kept hashes, in constant time.
func (a Admins) Authenticate(token, workspace string) (name string, ok bool) {
	sum := sha256.Sum256([]byte(token))
	for i := range a {
		of := slices.Contains(a[i].Workspaces, workspace) || slices.Contains(a[i].Workspaces, anyWorkspace)
		if (&Profile{Tokens: a[i].Tokens}).holds(sum) && of && token != "" && !ok {
			name, ok = a[i].Name, true
		}
	}
	return name, ok
}

// Validate returns every problem, each naming field and value. Names are unique; a
// token belongs to one administrator, and to no host of the workspaces.
func (a Admins) Validate(workspaces ...*Workspace) error {
	var problems []error
	known, tokens := []string{anyWorkspace}, map[string]bool{}
	for _, w := range workspaces {
		known = append(known, w.Name)
		for _, p := range w.Profiles {
			if p != nil {
				for _, token := range p.Tokens {
					tokens[strings.ToLower(token)] = true
				}
			}
		}
	}
	names := map[string]bool{}
	for i, admin := range a {
		bad := func(format string, args ...any) {
			problems = append(problems, fmt.Errorf("admins[%d].%w", i, fmt.Errorf(format, args...)))
		}
		if err := checkIdentifier(admin.Name); err != nil {
			bad("name: %q %w", admin.Name, err)
		}
		if names[strings.ToLower(admin.Name)] {
			bad("name: %q is the name of two administrators", admin.Name)
		}
		names[strings.ToLower(admin.Name)] = true
		if len(admin.Tokens) == 0 {
			bad("tokens: at least one SHA-256 hash of a bearer token is needed")
		}
		for k, token := range admin.Tokens {
			if err := checkHash(token); err != nil {
				bad("tokens[%d]: %w", k, err)
			} else if tokens[strings.ToLower(token)] {
				bad("tokens[%d]: is listed twice; a token belongs to one administrator and to no host", k)
			}
			tokens[strings.ToLower(token)] = true
		}
		if len(admin.Workspaces) == 0 {
			bad("workspaces: at least one is needed, or %q for all", anyWorkspace)
		}
		for k, name := range admin.Workspaces {
			if !slices.Contains(known, name) {
				bad("workspaces[%d]: there is no workspace %q", k, name)
			}
		}
	}
	return errors.Join(problems...)
}
