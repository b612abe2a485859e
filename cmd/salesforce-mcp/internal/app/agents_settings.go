package app

import (
	"errors"
	"net/http"
	"net/url"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
)

// ruled is the workspace of the path, and whether it can be changed here.
func (r *request) ruled() (w config.Workspace, changeable bool, err error) {
	s, err := r.app.Settings.Workspace(r.Context(), r.workspace)
	if errors.Is(err, settings.ErrNone) {
		return w, false, errNothing
	}
	return s.Workspace, !s.Declared, err
}

// ruling is the workspace of the path, which can be changed here, and the form that was
// sent.
func (r *request) ruling() (config.Workspace, url.Values, error) {
	form, err := r.form()
	if err != nil {
		return config.Workspace{}, nil, err
	}
	w, changeable, err := r.ruled()
	if err == nil && !changeable {
		err = r.declared()
	}
	return w, form, err
}

// declared says that a workspace is not changed here.
func (r *request) declared() error {
	return r.problem(http.StatusConflict, "This workspace stands in the configuration file, and is changed there.")
}

// changeRules changes the workspace of the path, in force when it returns. What change
// returns is returned; it may be called several times.
func (r *request) changeRules(change func(*config.Workspace) error) error {
	err := r.app.Settings.Change(r.Context(), r.workspace, r.author(), change)
	var invalid *settings.Invalid
	switch {
	case errors.Is(err, settings.ErrDeclared):
		return r.declared()
	case errors.As(err, &invalid):
		return r.problem(http.StatusUnprocessableEntity, "The settings would not be valid, and nothing was saved: %s", invalid.Error())
	}
	return err
}
