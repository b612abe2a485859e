package app

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
)

// exportsAtOnce bounds the exports that are written at the same time: each reads the
// database all the while.
const exportsAtOnce = 4

// exportPatience is how long a browser may take for the next part of an export.
const exportPatience = time.Minute

// exports offers what a page shows for download.
func (p *page) exports(filter url.Values) {
	r := p.r
	filter.Del("before")
	link := func(form string) string {
		q := url.Values{"form": {form}}
		for name, values := range filter {
			q[name] = values
		}
		return r.trailPath("/export?" + q.Encode())
	}
	p.Put(`<h2>{}</h2><ul>`, r.t("Download"))
	p.Put(`<li><a href="{}" download>{}</a>: {}</li>`, link("entries"), r.t("Entries as lines of JSON"), r.t("for programs that read them"))
	p.Put(`<li><a href="{}" download>{}</a>: {}</li></ul>`, link("proof"), r.t("Entries with their proof"), r.t("for salesforce-mcp audit verify, which checks them without this server"))
}

// auditExport streams entries: those of the calls that the filter selects, or all, as
// they were recorded or with what proves them. It holds little of them in memory, and is
// itself recorded.
func auditExport(r *request) (err error) {
	q, _, wrong := r.callQuery()
	form := r.FormValue("form")
	if wrong || form != "entries" && form != "proof" {
		return r.problem(http.StatusBadRequest, "The filter of this export is not right.")
	}
	if n := r.app.exporting.Add(1); n > exportsAtOnce {
		r.app.exporting.Add(-1)
		return r.problem(http.StatusServiceUnavailable, "Other exports are being written. Try again later.")
	}
	defer r.app.exporting.Add(-1)
	filter := r.filters()
	filter.Del("before")
	if left, err := r.catchUp(); err != nil {
		return err
	} else if left > 0 && len(filter) > 0 {
		return r.problem(http.StatusServiceUnavailable, "The trail is still being indexed. Try again later, or export all of it.")
	}
	var leaves []proof.Leaf // of one call
	if id := r.FormValue("call"); id != "" {
		filter.Set("call", id)
		if leaves, err = r.leavesOfCall(id); err != nil {
			return err
		}
		if len(leaves) == 0 {
			return errNothing
		}
	}
	name := "audit-" + r.trail() + ".jsonl"
	var x *proof.Exporter
	if form == "proof" {
		name = "audit-proof-" + r.trail() + ".jsonl"
		_, key, ok, err := r.auditKey()
		if err != nil {
			return err
		}
		if !ok {
			return r.problem(http.StatusConflict, "Nothing is signed yet. The first signature comes within a second of the first entry.")
		}
		if x, err = proof.NewExporter(r.Context(), r.app.Trail, r.trail(), key); err != nil {
			return err
		}
	}
	args := map[string]any{"form": form}
	for name := range filter {
		args[name] = filter.Get(name)
	}
	entry := audit.Entry{Workspace: r.trail(), User: r.person.Account, Tool: "audit", Action: "export", Effect: "read"}
	begun := false
	err = r.app.recorded(r.Context(), entry, args, func() error {
		h := r.w.Header()
		h.Set("Content-Type", "application/x-ndjson; charset=utf-8")
		h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
		begun = true
		out := bufio.NewWriterSize(&patient{r.w, http.NewResponseController(r.w)}, 1<<16)
		if err := r.writeExport(out, x, leaves, func(each func(proof.Leaf) error, before int64) error {
			return r.app.Trail.Entries(r.Context(), q, before, each)
		}, len(filter) == 0); err != nil {
			return err
		}
		return out.Flush()
	})
	if err != nil && begun {
		if !errors.Is(err, context.Canceled) {
			r.app.Log.Warn().Err(err).Str("workspace", r.trail()).Msg("an export of the audit trail was cut short")
		}
		panic(http.ErrAbortHandler) // so that the browser sees that it is not whole
	}
	return err
}

// writeExport writes entries: with x those that are signed, with their proofs and at the
// end the checkpoint.
func (r *request) writeExport(out io.Writer, x *proof.Exporter, leaves []proof.Leaf, entries func(each func(proof.Leaf) error, before int64) error, all bool) error {
	if x != nil && all {
		return x.All(r.Context(), out)
	}
	before := int64(math.MaxInt64)
	each := func(l proof.Leaf) error {
		_, err := out.Write(append(l.Entry, '\n'))
		return err
	}
	if x != nil {
		before = x.Size()
		each = func(l proof.Leaf) error { return x.Write(out, l) }
	}
	if leaves == nil {
		if err := entries(each, before); err != nil {
			return err
		}
	}
	for _, l := range leaves {
		if l.N < before {
			if err := each(l); err != nil {
				return err
			}
		}
	}
	if x != nil {
		return x.End(out)
	}
	return nil
}

// patient writes for as long as the other side takes it, however long that is together.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write implements io.Writer.
func (p *patient) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(exportPatience)) // where there is none to set, there is none
	return p.ResponseWriter.Write(b)
}
