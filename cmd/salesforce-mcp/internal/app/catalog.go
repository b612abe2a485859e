package app

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/bridge"
	"salesforce-mcp/cmd/salesforce-mcp/internal/catalog"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/host"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
)

var catalogRoutes = []route{
	{"GET /platform/catalog", platform, catalogPage},
	{"GET /platform/catalog/{name}", platform, entryPage},
	{"POST /platform/catalog/{name}/check", platform, checkEntry},
	{"POST /platform/catalog/{name}/publish", platform, publishEntry},
	{"POST /platform/catalog/{name}/withdraw", platform, withdrawEntry},
	{"POST /platform/catalog/{name}/listing", platform, changeListing},
	{"GET /platform/catalog/{name}/salesforce.zip", platform, downloadBridge},
}

// catalogPage lists the workspaces, each with how it stands in this server's catalog.
func catalogPage(r *request) error {
	names, err := r.app.Names(r.Context())
	if err != nil {
		return err
	}
	var all []settings.Workspace
	for _, name := range names {
		w, err := r.app.Settings.Workspace(r.Context(), name)
		if errors.Is(err, settings.ErrNone) { // it has just been deleted
			continue
		}
		if err != nil {
			return err
		}
		all = append(all, w)
	}
	p := r.page(r.t("Catalog"))
	p.Put(`<p>{}</p>`, r.t("A workspace can be published as a capability, so that builders of agents find it. That makes it known, and lets nobody in: each agent is still allowed in the workspace."))
	if len(all) == 0 {
		p.notice("info", r.t("There is no workspace yet."))
		return p.send(http.StatusOK)
	}
	p.table(r.t("Workspaces"), []string{r.t("Workspace"), r.t("MCP endpoint"), r.t("Catalog of this server")}, len(all), func(i int) {
		w := &all[i]
		p.Put(`<tr><th scope="row"><a href="{}">{}</a></th><td><code>{}</code></td><td>{}</td></tr>`,
			"/platform/catalog/"+w.Name, w.Name, catalog.Endpoint(&w.Workspace, r.origin()), r.t(listed(w.Catalog)))
	})
	p.more(r.t("What everybody sees of the catalog of this server"), "/catalog")
	return p.send(http.StatusOK)
}

// listed says who sees a workspace in the catalog of this server.
func listed(c *config.Catalog) string {
	switch {
	case c == nil, c.Unlisted:
		return words("not in it")
	case c.Public:
		return words("everybody sees it")
	}
	return words("its hosts see it")
}

// An entryState is what is known of a workspace's entry on the host platform.
type entryState struct {
	org   host.Org
	found []host.Capability
	err   error // why nothing is known

	problems []problemOf // of the form, with which nobody was asked
}

// status is that of a page with the state.
func (s *entryState) status() int {
	if len(s.problems) > 0 {
		return http.StatusUnprocessableEntity
	}
	return http.StatusOK
}

func entryPage(r *request) error {
	w, err := r.named()
	if err != nil {
		return err
	}
	return r.entryPage(http.StatusOK, w, nil, nil)
}

// entryPage shows a workspace's entry, what was found of it on the host, and what is
// wrong with its settings: nil for either when nobody has asked.
func (r *request) entryPage(status int, w settings.Workspace, state *entryState, wrong *settings.Invalid) error {
	entry := catalog.Entry(&w.Workspace, r.origin(), "")
	p := r.page(r.t("Publish %s", w.Name))
	if u, err := url.Parse(r.origin()); err == nil && u.Scheme != "https" {
		p.notice("warn", r.t("This server has no public address, so that hosts elsewhere cannot reach it. The operator sets publicURL."))
	}
	p.facts(r.t("Name in the catalog"), entry.Name, r.t("Agents are led to"), entry.Endpoint(), r.t("Scope"), catalog.Scope, r.t("People connect"), r.connects(entry))
	p.onHost(w, state)
	p.manually(&w.Workspace, entry)
	p.listing(w, wrong)
	p.throughBridge(&w.Workspace)
	return p.send(status)
}

// connects says where people connect who call through an entry.
func (r *request) connects(e *host.Entry) string {
	if e.Auth == nil {
		return r.t("nowhere: the workspace has one Salesforce user, or the first call says it")
	}
	return e.Auth.ConnectURL
}

// manually shows what to paste into the host's own pages.
func (p *page) manually(w *config.Workspace, e *host.Entry) {
	r := p.r
	p.Put(`<section aria-labelledby="by-hand"><h2 id="by-hand">{}</h2>`, r.t("Declare it by hand"))
	p.Put(`<ol><li>{}</li><li>{}</li><li>{}</li></ol>`,
		r.t("On the host open AI Governance, Capabilities, and create a capability of the type mcp."),
		r.t("Paste the address, the scope and the headers."),
		r.t("Put the host token of the workspace into the secret that the headers name. Never paste the token itself."))
	p.Put(`<h3>{}</h3>`, "SSE/WebSocket URL")
	p.code("SSE/WebSocket URL", e.Endpoint())
	p.Put(`<h3>{}</h3>`, "Scope")
	p.code("Scope", catalog.Scope)
	if headers := catalog.Headers(w); headers != nil {
		p.Put(`<h3>{}</h3>`, "Auth Headers (JSON)")
		p.code("Auth Headers (JSON)", indented(headers))
	}
	p.Put(`<details><summary>{}</summary>`, r.t("The whole entry, as JSON"))
	p.code(r.t("The whole entry, as JSON"), indented(e))
	p.Put(`</details></section>`)
}

// indented is a document as people read it.
func indented(v any) string {
	var b strings.Builder
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if out.Encode(v) != nil { // it is made of texts
		return ""
	}
	return strings.TrimSpace(b.String())
}

// listing is the form with the workspace's settings for catalogs.
func (p *page) listing(w settings.Workspace, wrong *settings.Invalid) {
	r := p.r
	p.Put(`<section aria-labelledby="own"><h2 id="own">{}</h2>`, r.t("Catalog of this server"))
	defer func() { p.Put(`</section>`) }()
	p.Put(`<p>{}</p>`, r.t("Hosts that pull read /catalog. What stands here is in published entries too."))
	if w.Declared {
		p.notice("info", r.t("This workspace stands in the configuration file, and is changed there."))
		return
	}
	c := config.Catalog{}
	who := "nobody"
	if w.Catalog != nil {
		c = *w.Catalog
		switch {
		case c.Public:
			who = "everybody"
		case !c.Unlisted:
			who = "hosts"
		}
	}
	problem := map[string]string{}
	if wrong != nil {
		c, who = catalogOf(r.PostForm), r.PostForm.Get("who")
		for _, one := range wrong.Problems {
			problem[strings.TrimPrefix(one.Field, "catalog.")] = one.Text
		}
	}
	fields := []field{
		{name: "who", label: r.t("Who sees it in /catalog"), value: who, options: []option{{"nobody", r.t("nobody")}, {"hosts", r.t("hosts that prove themselves to this workspace")}, {"everybody", r.t("everybody")}}},
		{name: "displayName", label: r.t("Title"), value: c.DisplayName, problem: problem["displayName"]},
		{name: "description", label: r.t("Description"), value: c.Description, problem: problem["description"]},
		{name: "documentationURL", label: r.t("Address of your own documentation"), kind: "url", value: c.DocumentationURL, problem: problem["documentationURL"]},
		{name: "hostSecret", label: r.t("The host's secret with the host token"), value: c.HostSecret, problem: problem["hostSecret"],
			hint: r.t("Its name alone. By default %s.", w.HostSecretName())},
		{name: "bridge", label: r.t("Address of the bridge on the host"), kind: "url", value: c.Bridge, problem: problem["bridge"],
			hint: r.t("Without the name of a webhook, as in https://api.studio.prisme.ai/v2/workspaces/slug:sales/webhooks/Salesforce. Agents are led there then.")},
	}
	if wrong != nil {
		p.problems(fields...)
	}
	p.Put(`<form method="post" action="{}">`, "/platform/catalog/"+w.Name+"/listing")
	for _, f := range fields {
		switch f.name {
		case "who":
			p.choice(f)
		case "description":
			p.textarea(f)
		default:
			p.field(f)
		}
	}
	p.button(r.t("Save"))
	p.Put(`</form>`)
}

// catalogOf are the settings that the form has.
func catalogOf(form url.Values) config.Catalog {
	text := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	return config.Catalog{DisplayName: text("displayName"), Description: text("description"), DocumentationURL: text("documentationURL"),
		HostSecret: text("hostSecret"), Bridge: strings.TrimSuffix(text("bridge"), ".mcp"), Public: form.Get("who") == "everybody", Unlisted: form.Get("who") == "nobody"}
}

// changeListing saves the workspace's settings for catalogs. What the form does not show
// stays as it is.
func changeListing(r *request) error {
	if err := r.confirmed(); err != nil { // it says where people and agents are led
		return err
	}
	w, err := r.named()
	if err != nil {
		return err
	}
	form, err := r.form()
	if err != nil {
		return err
	}
	next := catalogOf(form)
	err = r.app.Settings.Change(r.Context(), w.Name, r.author(), func(w *config.Workspace) error {
		if who := form.Get("who"); who != "nobody" && who != "hosts" && who != "everybody" {
			return r.problem(http.StatusBadRequest, "There is no such choice.")
		}
		changed := next
		if w.Catalog != nil {
			changed.Name, changed.Category, changed.IconURL, changed.NoAuth = w.Catalog.Name, w.Catalog.Category, w.Catalog.IconURL, w.Catalog.NoAuth
		}
		w.Catalog = &changed
		return nil
	})
	var invalid *settings.Invalid
	switch {
	case errors.Is(err, settings.ErrDeclared):
		return r.declared()
	case errors.As(err, &invalid):
		return r.entryPage(http.StatusUnprocessableEntity, w, nil, invalid)
	case err != nil:
		return err
	}
	return r.redirect("/platform/catalog/"+w.Name, r.t("The settings for catalogs were saved."))
}

// throughBridge offers the app for the host platform.
func (p *page) throughBridge(w *config.Workspace) {
	r := p.r
	p.Put(`<section aria-labelledby="bridge-app"><h2 id="bridge-app">{}</h2><p>{}</p>`, r.t("Bridge"),
		r.t("An app for the host platform: an instruction for each operation, and the webhooks by which agents call and people connect. The platform says who is signed in, and no token is in it."))
	if w.Auth != nil && w.Auth.Mode == auth.ModeOAuth {
		p.notice("info", r.t("In this workspace people connect their own Salesforce user. The host's own addresses cannot tell this server who they are, so that the bridge is the way to connect from there."))
	}
	p.Put(`<p><a href="{}" download="salesforce.zip">{}</a></p></section>`, "/platform/catalog/"+w.Name+"/salesforce.zip", r.t("Download the app (zip)"))
}

// downloadBridge is the app for the host platform.
func downloadBridge(r *request) error {
	w, err := r.named()
	if err != nil {
		return err
	}
	text, err := (&bridge.App{Server: strings.TrimSuffix(catalog.Endpoint(&w.Workspace, r.origin()), "/mcp"), Table: r.app.Tools.Table, Version: r.app.Version}).Zip()
	if err != nil {
		return err
	}
	r.w.Header().Set("Content-Type", "application/zip")
	r.w.Header().Set("Content-Disposition", `attachment; filename="salesforce.zip"`)
	_, err = r.w.Write(text)
	return err
}
