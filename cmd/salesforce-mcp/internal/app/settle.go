package app

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"salesforce-mcp/tools/returns"
)

// settlePage asks what became of a refund of which the gateway can never tell.
func settlePage(r *request) error {
	s, err := r.run()
	if err != nil {
		return err
	}
	if err := r.confirmed(); err != nil {
		return err
	}
	if !returns.InDoubt(s.Run, s.steps) {
		return r.showRun(s, http.StatusConflict, r.t("There is nothing to say now: the refund is not in doubt, or is being looked for at this moment."))
	}
	return r.showSettle(s, http.StatusOK, field{}, field{}, field{})
}

// showSettle sends the form, with what was typed into it before.
func (r *request) showSettle(s runStory, status int, made, reference, note field) error {
	p := r.page(r.t("What became of the refund?"))
	made.name, made.label = "made", r.t("What you have found")
	made.options = []option{{"", r.t("Choose")}, {"yes", r.t("The refund was made")}, {"no", r.t("The refund was not made, and will not be")}}
	reference.name, reference.label, reference.autocomplete = "reference", r.t("Reference, if it was made"), "off"
	reference.hint = r.t("What the gateway calls it, such as re_… of Stripe, or the ID of its Refund record in Salesforce.")
	note.name, note.label, note.required, note.autocomplete = "note", r.t("How you know that"), true, "off"
	note.hint = r.t("The audit trail keeps it.")
	p.problems(made, reference, note)
	p.notice("warn", r.t("Look it up first, in the gateway's own pages, by the key %s.", returns.Key(s.Run, s.At)))
	p.Put(`<p>{}</p>`, r.t("No money is sent by this. If it was made, the records are written and the return is done. If it was not, everything is put back, and the customer can ask again. The gateway is asked once more before: if it tells of the refund now, that counts."))
	path := "/workspaces/" + r.workspace + "/returns/" + url.PathEscape(s.ID)
	p.Put(`<form class="narrow" method="post" action="{}">`, path+"/settle")
	p.choice(made)
	p.field(reference)
	p.field(note)
	p.button(r.t("Say so"))
	p.Put(`</form>`)
	p.more(r.t("Back to the return"), path)
	return p.send(status)
}

// settleRun says what became of a refund.
func settleRun(r *request) error {
	s, err := r.run()
	if err != nil {
		return err
	}
	f, err := r.form()
	if err != nil {
		return err
	}
	if err := r.confirmed(); err != nil {
		return err
	}
	made, reference, note := field{value: f.Get("made")}, field{value: strings.TrimSpace(f.Get("reference"))}, field{value: strings.TrimSpace(f.Get("note"))}
	if made.value != "yes" && made.value != "no" {
		made.problem = r.t("Say whether it was made.")
	}
	if made.value == "yes" && reference.value == "" {
		reference.problem = r.t("A refund that was made has a reference.")
	}
	if made.value == "no" && reference.value != "" {
		reference.problem = r.t("A refund that was not made has no reference.")
	}
	if note.value == "" {
		note.problem = r.t("Say how you know that.")
	}
	if made.problem+reference.problem+note.problem != "" {
		return r.showSettle(s, http.StatusUnprocessableEntity, made, reference, note)
	}
	hand := returns.Hand{By: r.person.by(), Surface: "app", Note: note.value}
	_, err = hand.Settle(r.Context(), r.app.Tools.Journal, r.app.Runs, r.workspace, s.ID, made.value == "yes", reference.value)
	if errors.Is(err, returns.ErrTestimony) {
		reference.problem = r.t("The reference may have 255 characters on one line.")
		return r.showSettle(s, http.StatusUnprocessableEntity, made, reference, note)
	}
	if err != nil {
		return r.unmoved(err)
	}
	return r.redirect("/workspaces/"+r.workspace+"/returns/"+url.PathEscape(s.ID), r.t("The return goes on with what you said."))
}
