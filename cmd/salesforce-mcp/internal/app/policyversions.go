package app

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
)

// A policyRevision is a revision of the settings that has changed the policy.
type policyRevision struct {
	store.Revision
	text string
}

// mostRevisions bounds how many revisions of the settings are looked through for those of
// the policy.
const mostRevisions = 200

// policyRevisions are the versions of the policy, the newest first: the revisions of the
// settings in which it became another one.
func (r *request) policyRevisions() (versions []policyRevision, err error) {
	ctx := r.Context()
	history, err := r.app.Settings.History(ctx, r.workspace)
	switch {
	case errors.Is(err, settings.ErrDeclared):
		return nil, r.declared()
	case errors.Is(err, settings.ErrNone):
		return nil, errNothing
	case err != nil:
		return nil, err
	}
	for i, revision := range history {
		oldest := i == len(history)-1
		if i >= mostRevisions || !oldest && !strings.Contains(revision.What, "returns") && !strings.Contains(revision.What, "created") {
			continue // it has not touched this section
		}
		w, err := r.app.Settings.At(ctx, r.workspace, revision.Number)
		if err != nil {
			return nil, err
		}
		if w.Returns == nil {
			continue
		}
		text, err := policyText(w.Returns)
		if err != nil {
			return nil, err
		}
		if n := len(versions); n > 0 && versions[n-1].text == text { // it was so before
			versions = versions[:n-1]
		}
		versions = append(versions, policyRevision{revision, text})
	}
	return versions, nil
}

// policyVersions lists the versions of the policy.
func policyVersions(r *request) error {
	versions, err := r.policyRevisions()
	if err != nil {
		return err
	}
	path := "/workspaces/" + r.workspace + "/policy"
	p := r.page(r.t("Versions of the policy"))
	p.more(r.t("The policy in force"), path)
	p.table(r.t("Versions, the newest first"), []string{r.t("Revision"), r.t("Since"), r.t("By"), r.t("Digest")}, len(versions), func(i int) {
		v := versions[i]
		number := strconv.FormatInt(v.Number, 10)
		p.Put(`<tr><th scope="row"><a href="{}">{}</a></th><td>{}</td><td>{}</td><td><code>{}</code></td></tr>`,
			path+"/versions/"+number, r.t("Revision %s", number), r.date(v.At), v.By.Name, digestOf(v.text)[:12])
	})
	return p.send(http.StatusOK)
}

// version is the one of the path, and the one before it, if there is one.
func (r *request) version() (v policyRevision, before string, newest bool, err error) {
	number, err := strconv.ParseInt(r.PathValue("revision"), 10, 64)
	if err != nil {
		return v, "", false, errNothing
	}
	versions, err := r.policyRevisions()
	if err != nil {
		return v, "", false, err
	}
	for i, version := range versions {
		if version.Number != number {
			continue
		}
		if i+1 < len(versions) {
			before = versions[i+1].text
		}
		return version, before, i == 0, nil
	}
	return v, "", false, errNothing
}

// policyVersion shows one version: what it has changed, and how it differs from what is
// in force.
func policyVersion(r *request) error {
	v, before, newest, err := r.version()
	if err != nil {
		return err
	}
	d, err := r.draft()
	if err != nil {
		return err
	}
	number := strconv.FormatInt(v.Number, 10)
	path := "/workspaces/" + r.workspace + "/policy/versions"
	p := r.page(r.t("Policy, revision %s", number))
	p.more(r.t("All versions"), path)
	p.facts(r.t("Since"), r.date(v.At), r.t("By"), v.By.Name)
	if problems := policyProblems(v.text); problems != nil {
		p.notice("warn", r.t("This text cannot be used any more: %s", problems[0].text))
	}
	p.Put(`<h2>{}</h2>`, r.t("What it changed"))
	p.difference(before, v.text)
	if newest || v.text == d.present {
		p.notice("info", r.t("This version is in force."))
		return p.send(http.StatusOK)
	}
	p.Put(`<h2>{}</h2>`, r.t("What restoring it would change"))
	p.difference(d.present, v.text)
	if d.changeable {
		p.action(path+"/"+number+"/restore", r.t("Restore this version"))
	}
	return p.send(http.StatusOK)
}

// restorePolicy makes the text of an earlier version the policy, as one version more.
// The other settings stay.
func restorePolicy(r *request) error {
	v, _, _, err := r.version()
	if err != nil {
		return err
	}
	if _, err := r.form(); err != nil {
		return err
	}
	if err := r.confirmed(); err != nil {
		return err
	}
	if problems := policyProblems(v.text); problems != nil {
		return r.problem(http.StatusUnprocessableEntity, "Nothing was restored: that text cannot be used any more: %s", problems[0].text)
	}
	if err := r.keepPolicy(v.text, ""); err != nil {
		return err
	}
	return r.redirect("/workspaces/"+r.workspace+"/policy", r.t("The version of revision %d is in force again.", v.Number))
}
