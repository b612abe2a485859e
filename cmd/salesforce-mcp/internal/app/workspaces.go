package app

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
)

var workspacesRoutes = []route{
	{"GET /platform/workspaces", platform, workspacesPage},
	{"POST /platform/workspaces", platform, createForm},
	{"GET /platform/workspaces/{name}", platform, workspacePage},
	{"POST /platform/workspaces/{name}/suspend", platform, suspendForm},
	{"POST /platform/workspaces/{name}/resume", platform, resumeForm},
	{"GET /platform/workspaces/{name}/settings", platform, settingsFile},
	{"POST /platform/workspaces/{name}/delete", platform, deleteForm},
}

func workspacesPage(r *request) error { return r.showWorkspaces(http.StatusOK, nil, "") }

func (r *request) showWorkspaces(status int, typed url.Values, problem string) error {
	all, err := r.app.Settings.Workspaces(r.Context())
	if err != nil {
		return err
	}
	p := r.page(r.t("Workspaces"))
	name := field{name: "name", label: r.t("Name"), value: typed.Get("name"), problem: problem, required: true, autocomplete: "off",
		hint: r.t("Lower-case letters, digits and -. It stands in URLs and in the audit trail, and is never changed.")}
	p.problems(name)
	p.table(r.t("Workspaces"), []string{r.t("Name"), r.t("State"), r.t("Stands in"), r.t("Last change")}, len(all), func(i int) {
		w := all[i]
		p.Put(`<tr><th scope="row"><a href="{}">{}</a></th><td>`, "/platform/workspaces/"+w.Name, w.Name)
		switch {
		case w.Problem != "":
			p.Put(`<span class="badge bad">{}</span>`, r.t("not in force"))
		case w.Suspended:
			p.Put(`<span class="badge warn">{}</span>`, r.t("suspended"))
		case w.Auth == nil:
			p.Put(`<span class="badge warn">{}</span>`, r.t("not configured"))
		default:
			p.Put(`<span class="badge good">{}</span>`, r.t("active"))
		}
		in, last := r.t("the database"), r.t("%s by %s", r.ago(w.At), w.By)
		if w.Declared {
			in, last = r.t("the configuration file"), ""
		}
		if w.Hidden {
			in = r.t("the configuration file, and the database, which does not count")
		}
		p.Put(`</td><td>{}</td><td>{}</td></tr>`, in, last)
	})
	p.Put(`<section><h2>{}</h2><form method="post" action="/platform/workspaces" class="narrow">`, r.t("Create a workspace"))
	p.field(name)
	p.button(r.t("Create"))
	p.Put(`</form></section>`)
	return p.send(status)
}

func createForm(r *request) error {
	f, err := r.form()
	if err != nil {
		return err
	}
	var w config.Workspace
	w.Name = strings.TrimSpace(f.Get("name"))
	err = r.app.Settings.Create(r.Context(), r.author(), w)
	var invalid *settings.Invalid
	if errors.As(err, &invalid) {
		return r.showWorkspaces(http.StatusUnprocessableEntity, f, invalid.Problems[0].Text)
	}
	if err != nil {
		return err
	}
	next := "/platform/workspaces/" + w.Name
	if r.person.May(administer, w.Name) {
		next = "/workspaces/" + w.Name + "/authentication"
	}
	return r.redirect(next, r.t("Workspace %s is created. Now say how it gets tokens.", w.Name))
}

// named is the workspace that a page of the platform is about.
func (r *request) named() (settings.Workspace, error) {
	w, err := r.app.Settings.Workspace(r.Context(), r.PathValue("name"))
	if errors.Is(err, settings.ErrNone) {
		err = errNothing
	}
	return w, err
}

func workspacePage(r *request) error { return r.showWorkspace(http.StatusOK, "") }

func (r *request) showWorkspace(status int, problem string) error {
	w, err := r.named()
	if err != nil {
		return err
	}
	at := "/platform/workspaces/" + w.Name
	p := r.page(w.Name)
	p.state(w)
	if r.person.May(see, w.Name) {
		p.more(r.t("Open its pages"), "/workspaces/"+w.Name)
	}
	if w.Declared {
		return p.send(status)
	}
	p.facts(r.t("Revision"), r.number(w.Revision), r.t("Last change"), r.t("%s by %s", r.ago(w.At), w.By))
	if !w.Suspended {
		p.Put(`<section><h2>{}</h2><p>{}</p>`, r.t("Suspend"), r.t("Every call is refused, with a sentence that says so, until the workspace is resumed. What is under way ends."))
		p.action(at+"/suspend", r.t("Suspend %s", w.Name))
		p.Put(`</section>`)
		p.notice("info", r.t("To delete the workspace, suspend it first."))
		return p.send(status)
	}
	p.Put(`<section><h2>{}</h2>`, r.t("Resume"))
	p.action(at+"/resume", r.t("Resume %s", w.Name))
	p.Put(`</section><section><h2>{}</h2><p>{}</p><ol><li><a href="{}" download>{}</a></li><li><a href="{}" download>{}</a></li></ol>`,
		r.t("Delete"), r.t("Its settings, secrets and connections are forgotten for good. Its audit trail stays in the database, and its name is never given again. First download both:"),
		"/workspaces/"+w.Name+"/audit/export?form=proof", r.t("The audit trail, with its proof"), at+"/settings", r.t("All revisions of the settings"))
	name := field{name: "name", label: r.t("To delete it, type its name"), problem: problem, required: true, autocomplete: "off"}
	p.problems(name)
	p.Put(`<form method="post" action="{}" class="narrow">`, at+"/delete")
	p.field(name)
	p.danger(r.t("Delete for good"))
	p.Put(`</form></section>`)
	return p.send(status)
}

func suspendForm(r *request) error {
	if _, err := r.form(); err != nil {
		return err
	}
	if err := r.app.Settings.Suspend(r.Context(), r.author(), r.PathValue("name")); err != nil {
		return r.settingsError(err)
	}
	return r.redirect("/platform/workspaces/"+r.PathValue("name"), r.t("%s is suspended: every call is refused.", r.PathValue("name")))
}

func resumeForm(r *request) error {
	if _, err := r.form(); err != nil {
		return err
	}
	if err := r.app.Settings.Resume(r.Context(), r.author(), r.PathValue("name")); err != nil {
		return r.settingsError(err)
	}
	return r.redirect("/platform/workspaces/"+r.PathValue("name"), r.t("%s takes calls again.", r.PathValue("name")))
}

// settingsFile is all revisions of the settings, as one YAML document each, the oldest
// first. The audit trail has that it was taken.
func settingsFile(r *request) error {
	w, err := r.named()
	if err != nil {
		return err
	}
	if w.Declared {
		return r.declared()
	}
	var text strings.Builder
	entry := audit.Entry{Workspace: w.Name, User: r.person.Account, By: r.person.Account, Tool: "settings", Action: "export", Effect: "read"}
	err = r.app.recorded(r.Context(), entry, map[string]any{"revision": w.Revision}, func() error {
		for number := int64(1); number <= w.Revision; number++ {
			v, err := r.app.Settings.Revision(r.Context(), w.Name, number)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(&text, "---\n# revision %d, %s, by %q: %q\n%s", v.Number, v.At.Format("2006-01-02T15:04:05Z"), v.By.Name, v.What, v.Document)
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	r.w.Header().Set("Content-Disposition", `attachment; filename="`+w.Name+`-settings.yaml"`)
	_, _ = r.w.Write([]byte(text.String())) // the browser may be gone
	return nil
}

// exported reports whether the audit trail and the settings of a workspace were taken
// since it was suspended: the trail says so.
func (r *request) exported(w settings.Workspace) (bool, error) {
	for _, tool := range []string{"audit", "settings"} {
		found, err := r.app.Entries.List(r.Context(), audit.Query{Workspace: w.Name, Tool: tool, Action: "export", Outcome: audit.OK, Since: w.Since, Limit: 1})
		if err != nil || len(found) == 0 {
			return false, err
		}
	}
	return true, nil
}

func deleteForm(r *request) error {
	f, err := r.form()
	if err != nil {
		return err
	}
	if err := r.confirmed(); err != nil {
		return err
	}
	w, err := r.named()
	if err != nil {
		return err
	}
	if strings.TrimSpace(f.Get("name")) != w.Name {
		return r.showWorkspace(http.StatusUnprocessableEntity, r.t("This is not the name of the workspace."))
	}
	if !w.Declared && w.Suspended {
		done, err := r.exported(w)
		if err != nil {
			return err
		}
		if !done {
			return r.showWorkspace(http.StatusConflict, r.t("Download the audit trail and the settings first."))
		}
	}
	err = r.app.Settings.Delete(r.Context(), r.author(), w.Name)
	switch {
	case errors.Is(err, settings.ErrNotSuspended):
		return r.problem(http.StatusConflict, "To delete the workspace, suspend it first.")
	case errors.Is(err, store.ErrUnderWay):
		return r.problem(http.StatusConflict, "Returns are under way in the workspace: finish or cancel them first.")
	case err != nil:
		return r.settingsError(err)
	}
	return r.redirect("/platform/workspaces", r.t("%s is deleted.", w.Name))
}
