package app

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
)

// The settings as they are kept, for what no other page has a form for: returns,
// Agentforce, the audit log in the org, hosts that sign tokens.

func documentPage(r *request) error {
	if err := r.confirmed(); err != nil {
		return err
	}
	document, err := r.document()
	if err != nil {
		return err
	}
	return r.showDocument(http.StatusOK, document, document, "")
}

// document is what is in force, as text.
func (r *request) document() (string, error) {
	w, err := r.current()
	if err != nil {
		return "", err
	}
	if w.Declared {
		return "", r.declared()
	}
	v, err := r.app.Settings.Revision(r.Context(), r.workspace, w.Revision)
	if err != nil {
		return "", r.settingsError(err)
	}
	return string(v.Document), nil
}

// showDocument shows text to change, which began as base.
func (r *request) showDocument(status int, base, text, problem string) error {
	f := field{name: "document", label: r.t("Settings of %s", r.workspace), value: text, rows: 30, required: true, problem: problem,
		hint: r.t("YAML, with the members that a workspace has in the configuration file. Secrets are set on the page Authentication. A rule for the agent * lets every agent of the hosts in.")}
	p := r.page(r.t("Settings as text"))
	p.problems(f)
	p.Put(`<form method="post"><input type="hidden" name="base" value="{}">`, digestOf(base))
	p.textarea(f)
	p.button(r.t("Save"))
	p.Put(`</form>`)
	p.more(r.t("History"), r.at("/history"))
	return p.send(status)
}

// errMeanwhile is the error of a change to settings that somebody else has changed.
var errMeanwhile = errors.New("the settings have changed meanwhile")

// saveDocument puts a text in the place of the settings, if they are still those that
// the person has seen. It is checked like the configuration file.
func saveDocument(r *request) error {
	if err := r.confirmed(); err != nil {
		return err
	}
	form, err := r.form()
	if err != nil {
		return err
	}
	before, err := r.document()
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(form.Get("document"), "\r\n", "\n")
	next, err := config.ParseWorkspace([]byte(text))
	if err == nil && next.Name != r.workspace {
		err = errors.New(r.t("name: a workspace keeps its name, %s", r.workspace))
	}
	if err != nil {
		return r.keptText(form, before, text, err.Error())
	}
	err = r.app.Settings.Change(r.Context(), r.workspace, r.author(), func(w *config.Workspace) error {
		now, err := w.Document()
		if err != nil {
			return err
		}
		if digestOf(string(now)) != form.Get("base") {
			return errMeanwhile
		}
		*w = next
		return nil
	})
	var invalid *settings.Invalid
	switch {
	case errors.Is(err, errMeanwhile):
		return r.showDocument(http.StatusConflict, before, text, r.t("Somebody has changed the settings meanwhile: History shows how. Saving again puts this text in the place of theirs."))
	case errors.As(err, &invalid):
		return r.keptText(form, before, text, invalid.Error())
	case err != nil:
		return r.settingsError(err)
	}
	return r.redirect(r.at("/history"), r.t("Saved. It holds from the next call on."))
}

// keptText shows a text that was not saved again, over what its author has seen.
func (r *request) keptText(form url.Values, before, text, problem string) error {
	if digestOf(before) != form.Get("base") {
		return r.showDocument(http.StatusConflict, before, text, problem+"\n"+r.t("Somebody has changed the settings meanwhile: History shows how. Saving again puts this text in the place of theirs."))
	}
	return r.showDocument(http.StatusUnprocessableEntity, before, text, problem)
}
