package app

import (
	"context"
	"errors"
	"net/http"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// errDeclared is the error for a change of a workspace of the configuration file.
var errDeclared = errors.New("the workspace stands in the configuration file")

// ruleSettings keep the rules of workspaces.
type ruleSettings interface {
	Workspace(ctx context.Context, name string) (w config.Workspace, declared bool, err error)
	Change(ctx context.Context, name string, by Person, change func(*config.Workspace) error) error
}

// ruled is the workspace of the path, and whether it can be changed here.
func (r *request) ruled() (w config.Workspace, changeable bool, err error) {
	if r.app.Rules == nil {
		return w, false, errNothing
	}
	w, declared, err := r.app.Rules.Workspace(r.Context(), r.workspace)
	return w, !declared, err
}

// declared says that a workspace is not changed here.
func (r *request) declared() error {
	return r.problem(http.StatusConflict, "This workspace stands in the configuration file, and is changed there.")
}

// changeRules changes the workspace of the path. What change returns is returned; it may
// be called several times.
func (r *request) changeRules(change func(*config.Workspace) error) error {
	err := r.app.Rules.Change(r.Context(), r.workspace, r.person, change)
	if errors.Is(err, errDeclared) {
		return r.declared()
	}
	return err
}
