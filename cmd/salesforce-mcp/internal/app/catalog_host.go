package app

import (
	"errors"
	"net/http"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/catalog"
	"salesforce-mcp/cmd/salesforce-mcp/internal/host"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
)

// onHost is the form that publishes on a host platform, and what is known there.
func (p *page) onHost(w settings.Workspace, state *entryState) {
	r := p.r
	p.Put(`<section aria-labelledby="on-host"><h2 id="on-host">{}</h2>`, r.t("On the host platform"))
	defer func() { p.Put(`</section>`) }()
	if len(r.app.Hosts) == 0 {
		p.notice("info", r.t("No host platform is configured. The operator of the server adds it to hostPlatforms; until then declare the capability by hand."))
		return
	}
	at := "/platform/catalog/" + w.Name
	p.Put(`<p>{}</p>`, r.t("This is done with your own rights on the host: owners and admins of an organisation may write its catalog. Your access token is used for what you press, and kept nowhere."))
	problem := map[string]string{}
	if state != nil {
		for _, one := range state.problems {
			problem[one.field] = one.text
		}
	}
	p.Put(`<form method="post" action="{}">`, at+"/check")
	options := make([]option, len(r.app.Hosts))
	for i, h := range r.app.Hosts {
		options[i] = option{h.Name, h.Name}
	}
	p.choice(field{name: "platform", label: r.t("Host platform"), options: options, value: r.PostForm.Get("platform"), problem: problem["platform"]})
	p.field(field{name: "token", label: r.t("Your access token of the host"), kind: "password", autocomplete: "off", required: true, problem: problem["token"],
		hint: r.t("Sign in to the host and copy it from there. It is not stored.")})
	p.Put(`<button class="plain" hx-post="{}" hx-target="#state" hx-swap="innerHTML" hx-indicator="#checking" hx-disabled-elt="this">{}</button> `, at+"/check", r.t("Check"))
	p.Put(`<button formaction="{}">{}</button> <button class="danger" formaction="{}">{}</button>`, at+"/publish", r.t("Add to catalog, or update"), at+"/withdraw", r.t("Remove from catalog"))
	p.Put(`<p id="checking" class="htmx-indicator" role="status">{}</p></form><div id="state" aria-live="polite">`, r.t("Checking…"))
	p.standing(state)
	p.Put(`</div>`)
}

// standing says what is known of the entry on the host.
func (p *page) standing(s *entryState) {
	r := p.r
	switch {
	case s == nil:
		p.Put(`<p>{}</p>`, r.t("Not checked."))
	case len(s.problems) > 0:
		for _, one := range s.problems {
			p.notice("error", one.text)
		}
	case host.Is(s.err, host.Forbidden):
		p.notice("error", s.err.Error())
		p.Put(`<p>{}</p>`, r.t("Ask an owner or admin of the organisation to publish it, or attach the endpoint to your agent yourself."))
	case s.err != nil:
		p.notice("error", r.t("The check failed: %s", r.hostSays(s.err)))
		p.Put(`<p>{}</p>`, r.t("You can still try: nothing is added while the catalog cannot be read to its end."))
	case len(s.found) == 0:
		p.notice("info", r.t("Absent: the catalog of %s has no entry for this endpoint. Press Add to catalog.", orgName(s.org)))
	default:
		p.notice("ok", r.t("Present: the catalog of %s has it as %s. Press Update to bring it up to date.", orgName(s.org), s.found[0].Name))
		if len(s.found) > 1 {
			p.notice("warn", r.count(len(s.found)-1, "%d more entry leads to this endpoint. Remove from catalog removes all of them.", "%d more entries lead to this endpoint. Remove from catalog removes all of them."))
		}
	}
}

func orgName(o host.Org) string {
	for _, name := range []string{o.Name, o.Slug} {
		if name != "" {
			return name
		}
	}
	return "?"
}

// hostSays is an error of the host's in the reader's language, where it is one that is
// known, and else its own words.
func (r *request) hostSays(err error) string {
	var e *host.Error
	if !errors.As(err, &e) {
		r.app.Log.Error().Err(err).Msg("the host platform could not be asked")
		return r.t("The server failed; its log has the cause.")
	}
	switch {
	case e.Kind == host.Unauthorized && e.Status != 0:
		return r.t("the host does not take your access token; it may be over")
	case e.Kind == host.Unreachable:
		return r.t("the host does not answer: %s", e.Message)
	}
	return e.Message
}

// onPlatform reads the form that was sent: the workspace, and what the person lets this
// server do on the platform.
func (r *request) onPlatform() (w settings.Workspace, s host.Session, problems []problemOf, err error) {
	if w, err = r.named(); err != nil {
		return w, s, nil, err
	}
	form, err := r.form()
	if err != nil {
		return w, s, nil, err
	}
	s, problems = r.session(form)
	return w, s, problems, nil
}

// checkEntry looks whether the entry is there.
func checkEntry(r *request) error {
	w, s, problems, err := r.onPlatform()
	if err != nil {
		return err
	}
	state := &entryState{problems: problems}
	if len(problems) == 0 {
		state.org, state.found, state.err = look(r, s, catalog.Entry(&w.Workspace, r.origin(), "").Endpoint())
	}
	if r.partial() {
		p := r.page("")
		p.standing(state)
		return p.send(http.StatusOK)
	}
	return r.entryPage(state.status(), w, state, nil)
}

// look finds the entries that lead to an endpoint, for who may write the catalog.
func look(r *request, s host.Session, endpoint string) (host.Org, []host.Capability, error) {
	me, err := s.Me(r.Context())
	if err == nil && !me.MayPublish() {
		err = host.ErrMayNotPublish
	}
	if err != nil {
		return me.Org, nil, err
	}
	found, err := s.Find(r.Context(), endpoint)
	return me.Org, found, err
}

// publishEntry adds or updates the entry, with the person's rights on the host.
func publishEntry(r *request) error {
	return r.changeEntry("publish", func(s host.Session, entry *host.Entry) (string, error) {
		done, err := s.Publish(r.Context(), entry)
		if done.Created {
			return r.t("The entry was added to the catalog of %s.", orgName(done.Org)), err
		}
		return r.t("The entry in the catalog of %s was updated.", orgName(done.Org)), err
	})
}

// withdrawEntry removes the entry from the host.
func withdrawEntry(r *request) error {
	return r.changeEntry("withdraw", func(s host.Session, entry *host.Entry) (string, error) {
		n, err := s.Withdraw(r.Context(), entry.Endpoint())
		return r.count(n, "%d entry was removed from the catalog.", "%d entries were removed from the catalog."), err
	})
}

// changeEntry changes the entry on the host that the form names, and says what came of
// it. What the host refuses stands on the page of the entry.
func (r *request) changeEntry(action string, change func(host.Session, *host.Entry) (said string, err error)) error {
	w, s, problems, err := r.onPlatform()
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		state := &entryState{problems: problems}
		return r.entryPage(state.status(), w, state, nil)
	}
	entry := catalog.Entry(&w.Workspace, r.origin(), s.Platform.AuthType)
	said := ""
	err = r.onRecord(w.Name, action, s.Platform.Name, entry.Endpoint(), func() (err error) {
		said, err = change(s, entry)
		return err
	})
	var refused *host.Error
	switch {
	case errors.As(err, &refused):
		return r.entryPage(http.StatusOK, w, &entryState{err: err}, nil)
	case err != nil:
		return err
	}
	return r.redirect("/platform/catalog/"+w.Name, said)
}

// onRecord does what goes beyond this server between an intent and an outcome in the
// audit trail of the workspace. The person's token is in neither.
func (r *request) onRecord(workspace, action, platform, endpoint string, do func() error) error {
	effect := map[string]string{"publish": "set", "withdraw": "remove"}[action]
	entry := audit.Entry{Workspace: workspace, User: r.person.Account, By: r.person.Account, Tool: "catalog", Action: action, Effect: effect}
	return r.app.recorded(r.Context(), entry, map[string]any{"platform": platform, "endpoint": endpoint}, do)
}
