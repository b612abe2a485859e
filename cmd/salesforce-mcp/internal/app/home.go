package app

import (
	"net/http"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools"
)

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

// purposes say what the pages of a workspace are for, by their paths.
var purposes = map[string]string{
	"/authentication": words("With whose credentials Salesforce is called, and whether that works."),
	"/endpoint":       words("Where hosts connect, their tokens, and what to paste into a client."),
	"/agents":         words("Which agents may call, and what each may do."),
	"/approvals":      words("Calls that a person decides about."),
	"/returns":        words("Returns under way, and the policy that decides about them."),
	"/audit":          words("Who did what, charts, and the proof that nothing was changed."),
	"/history":        words("Who changed the settings, when, and from what to what."),
}

// workspaceOverview leads to the pages of one workspace, and says what waits there.
func workspaceOverview(r *request) error {
	waiting, err := r.waiting()
	if err != nil {
		return err
	}
	p := r.page(r.workspace)
	p.Put(`<ul class="cards">`)
	for _, l := range workspaceLinks[1:] {
		if needs, ok := r.app.rightOf("GET /workspaces/{workspace}" + l.path); ok && r.may(needs) {
			p.Put(`<li><a href="{}">{}</a>`, "/workspaces/"+r.workspace+l.path, r.t(l.label))
			if waiting[l.path] != "" {
				p.Put(` <span class="badge warn">{}</span>`, waiting[l.path])
			}
			p.Put(`<p class="hint">{}</p></li>`, r.t(purposes[l.path]))
		}
	}
	p.Put(`</ul>`)
	return p.send(http.StatusOK)
}

// waiting says what waits for a person in a workspace, by the path of the page.
func (r *request) waiting() (map[string]string, error) {
	said := map[string]string{}
	atLeast := func(n int) string {
		if n == mostWaiting {
			return r.t("%d or more wait", n)
		}
		return r.count(n, "%d waits", "%d wait")
	}
	asked, err := r.app.Tools.Approvals.ListApprovals(r.Context(), tools.ApprovalQuery{Workspace: r.workspace, State: tools.Waiting, Limit: mostWaiting})
	if err != nil {
		return nil, err
	}
	if len(asked) > 0 {
		said["/approvals"] = atLeast(len(asked))
	}
	runs, err := r.app.Runs.Runs(r.Context(), audit.RunQuery{Workspace: r.workspace, Person: true, Limit: mostWaiting})
	if err != nil {
		return nil, err
	}
	if len(runs) > 0 {
		said["/returns"] = atLeast(len(runs))
	}
	return said, nil
}
