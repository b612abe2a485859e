package app

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"salesforce-mcp/markup"
)

// A page is what a person gets. What is put into it stands below its title, in the
// middle of the layout.
type page struct {
	markup.Page
	r     *request
	title string
	aside bool // without navigation: before anybody is signed in
}

// page begins a page. Its title is its heading too.
func (r *request) page(title string) *page { return &page{r: r, title: title} }

// A way of the navigation leads to a page for whoever has the right of that.
type way struct {
	label string
	path  string // below /workspaces/{workspace} for those of a workspace
}

var workspaceLinks = []way{
	{words("Overview"), ""},
	{words("Authentication"), "/authentication"},
	{words("MCP endpoint"), "/endpoint"},
	{words("Authorized agents"), "/agents"},
	{words("Approvals"), "/approvals"},
	{words("Returns"), "/returns"},
	{words("Audit"), "/audit"},
	{words("History"), "/history"},
}

var platformLinks = []way{
	{words("Workspaces"), "/platform/workspaces"},
	{words("Users and roles"), "/platform/users"},
	{words("Catalog"), "/platform/catalog"},
	{words("Audit of the server"), "/platform/audit"},
	{words("Health"), "/platform/health"},
}

// send sends the page in its layout, or what was put into it alone when htmx asked for
// a part. It is called once, last.
func (p *page) send(status int) error {
	r, whole := p.r, []string{p.String()}
	flash := ""
	if !r.partial() {
		flash = r.app.sessions.PopString(r.Context(), inFlash)
		whole = []string{p.before(flash), p.String(), p.after()}
	}
	h := r.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Add("Vary", "Accept-Language, HX-Request")
	r.w.WriteHeader(status)
	if _, err := io.WriteString(r.w, strings.Join(whole, "")); err != nil {
		return errors.Join(http.ErrAbortHandler, err) // the browser is gone
	}
	return nil
}

// before is the layout above what the page says.
func (p *page) before(flash string) string {
	r := p.r
	var b page
	b.r = r
	b.Put(`<!doctype html>
<html lang="{}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="htmx-config" content="{&quot;allowEval&quot;:false,&quot;includeIndicatorStyles&quot;:false,&quot;selfRequestsOnly&quot;:true,&quot;historyCacheSize&quot;:0,&quot;allowScriptTags&quot;:false}"><title>{}</title>
<link rel="icon" href="/assets/icon.svg"><link rel="stylesheet" href="/assets/app.css"><script src="/assets/htmx.min.js" defer></script><script src="/assets/app.js" defer></script></head>
<body><a class="skip" href="#content">{}</a>
<header class="top"><a class="brand" href="/">salesforce-mcp</a>`, r.language, p.title+" · salesforce-mcp", r.t("Skip to the content"))
	if !p.aside && r.person.ID != "" {
		b.navigation()
	}
	b.Put(`</header>
<main id="content"><h1>{}</h1>`, p.title)
	if flash != "" {
		b.notice("ok", flash)
	}
	return b.String()
}

// navigation leads to what the person may see.
func (p *page) navigation() {
	r := p.r
	p.Put(`<form class="person" method="post" action="/signout"><a href="/account">{}</a> <button class="plain">{}</button></form>`, r.person.Name, r.t("Sign out"))
	if r.workspace != "" {
		p.Put(`<nav aria-label="{}"><strong>{}</strong><ul>`, r.t("Workspace"), r.workspace)
		for _, l := range workspaceLinks {
			if needs, ok := r.app.rightOf("GET /workspaces/{workspace}" + l.path); ok && r.may(needs) {
				p.navigate(r.t(l.label), "/workspaces/"+r.workspace+l.path, l.path != "")
			}
		}
		p.Put(`</ul></nav>`)
	}
	if r.person.May(platform, "") {
		p.Put(`<nav aria-label="{}"><strong>{}</strong><ul>`, r.t("Platform"), r.t("Platform"))
		for _, l := range platformLinks {
			if needs, ok := r.app.rightOf("GET " + l.path); ok && r.may(needs) {
				p.navigate(r.t(l.label), l.path, true)
			}
		}
		p.Put(`</ul></nav>`)
	}
}

// navigate is one link of the navigation, which says whether it leads to this page, or
// with below to one above it.
func (p *page) navigate(label, path string, below bool) {
	at := p.r.URL.Path
	if at == path || below && strings.HasPrefix(at, path+"/") {
		p.Put(`<li><a href="{}" aria-current="page">{}</a></li>`, path, label)
		return
	}
	p.Put(`<li><a href="{}">{}</a></li>`, path, label)
}

// after is the layout below what the page says.
func (p *page) after() string {
	r := p.r
	var b markup.Page
	next := "/"
	if r.Method == http.MethodGet {
		next = ownPath(r.URL.RequestURI())
	}
	b.Put(`</main>
<footer><form method="post" action="/language"><input type="hidden" name="next" value="{}">`, next)
	for _, l := range []struct{ code, name string }{{english, "English"}, {french, "Français"}} {
		if l.code == r.language {
			b.Put(`<button class="plain" name="language" value="{}" lang="{}" aria-pressed="true">{}</button>`, l.code, l.code, l.name)
		} else {
			b.Put(`<button class="plain" name="language" value="{}" lang="{}" aria-pressed="false">{}</button>`, l.code, l.code, l.name)
		}
	}
	b.Put(`</form><small>salesforce-mcp {}</small></footer></body></html>
`, r.app.Version)
	return b.String()
}
