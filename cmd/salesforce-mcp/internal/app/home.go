package app

import "net/http"

// overview shows the workspaces that the person has something to do in.
func overview(r *request) error {
	names, err := r.app.Names(r.Context())
	if err != nil {
		return err
	}
	p := r.page(r.t("Workspaces"))
	p.Put(`<ul class="cards">`)
	n := 0
	for _, name := range names {
		if r.person.May(see, name) {
			n++
			p.Put(`<li><a href="{}">{}</a></li>`, "/workspaces/"+name, name)
		}
	}
	p.Put(`</ul>`)
	switch {
	case n == 0 && r.person.May(platform, ""):
		p.notice("info", r.t("There is no workspace yet."))
		p.Put(`<p><a href="/platform/workspaces">{}</a></p>`, r.t("Create a workspace"))
	case n == 0:
		p.notice("info", r.t("You have no role in a workspace yet. An admin of the platform can give you one."))
	}
	return p.send(http.StatusOK)
}

// workspaceOverview leads to the pages of one workspace.
func workspaceOverview(r *request) error {
	p := r.page(r.workspace)
	p.Put(`<ul>`)
	for _, l := range workspaceLinks[1:] {
		if needs, ok := r.app.rightOf("GET /workspaces/{workspace}" + l.path); ok && r.may(needs) {
			p.Put(`<li><a href="{}">{}</a></li>`, "/workspaces/"+r.workspace+l.path, r.t(l.label))
		}
	}
	p.Put(`</ul>`)
	return p.send(http.StatusOK)
}
