// Package secrets keeps the secrets of workspaces: consumer secrets, private
// keys, and the tokens of people who connected their Salesforce user.
//
// A [Store] keeps them sealed in the server's own database ([Sealed]) or in
// HashiCorp Vault. Both pass the same conformance suite.
package secrets

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"salesforce-mcp/salesforce"
)

// A Store keeps secrets by workspace and name. It is safe for concurrent use, by
// several processes too. Errors never hold a secret.
type Store interface {
	// Get returns a secret with its version, which every Put changes. The error
	// is [ErrNone] when there is none of that name, and [*Unavailable] when the
	// store cannot be asked.
	Get(ctx context.Context, workspace, name string) (value salesforce.Secret, version int64, err error)
	// Put keeps a secret if the one that is there has the given version: 0 means
	// that there must be none, [Any] that it does not matter. The error is
	// [ErrChanged] when it has another one. It returns the new version.
	Put(ctx context.Context, workspace, name string, value salesforce.Secret, version int64) (int64, error)
	// Delete forgets a secret, in all its versions. That there is none is no
	// error.
	Delete(ctx context.Context, workspace, name string) error
}

// Any is the version of a Put that overwrites whatever is there.
const Any int64 = -1

// Errors of a Store.
var (
	ErrNone    = errors.New("there is no such secret")
	ErrChanged = errors.New("the secret was changed in the meantime")
)

// Unavailable is the error of a store that cannot be asked now.
type Unavailable struct {
	Why  string // for the operator: what is wrong and what to do
	Err  error  // the cause, without secrets; may be nil
	Away bool   // it does not answer, and may again without anything being changed
}

// Error returns what is wrong.
func (e *Unavailable) Error() string { return "the secret store is not available: " + e.Why }

// Unwrap returns the cause.
func (e *Unavailable) Unwrap() error { return e.Err }

// segment is a part of a path that leads nowhere else.
const segment = `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`

var (
	workspaceRE = regexp.MustCompile(`^` + segment + `$`)
	nameRE      = regexp.MustCompile(`^` + segment + `(/` + segment + `){0,3}$`)
)

// check refuses names that could mean another place to some store: a workspace
// is one segment of letters, digits, ".", "_" and "-", a name up to four.
func check(workspace, name string) error {
	if !workspaceRE.MatchString(workspace) || !nameRE.MatchString(name) {
		return fmt.Errorf("%q of workspace %q is no name of a secret", name, workspace)
	}
	return nil
}
