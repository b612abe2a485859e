package app

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"salesforce-mcp/audit/proof"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
	"salesforce-mcp/cmd/salesforce-mcp/internal/trail"
)

// A Verifier verifies the log of a workspace, and tells how many entries it has looked
// at until that returns an error.
type Verifier interface {
	Verify(ctx context.Context, workspace string, looked func(entries int64) error) (*trail.Finding, error)
}

// auditKey returns the public key of the trail, and those before it, as text and to
// verify with; false when nothing is signed yet.
func (r *request) auditKey() (text string, key proof.PublicKey, ok bool, err error) {
	text, err = r.app.AuditKey(r.Context())
	if errors.Is(err, trail.ErrNoKey) {
		return "", key, false, nil
	}
	if err == nil {
		key, err = proof.ParsePublicKey(text)
	}
	return text, key, err == nil, err
}

// auditProof shows the newest checkpoint and the last verification.
func auditProof(r *request) error {
	last, verified, err := r.app.Trail.LastVerification(r.Context(), r.trail())
	if err != nil {
		return err
	}
	goesOn := verified && last.Finished.IsZero() && !last.Stopped
	p := r.page(r.t("Proof of the audit trail"))
	if r.partial() { // the part that is kept current
		if !goesOn {
			return r.redirect(r.trailPath("/proof"), "") // with the result, and the rest as it is then
		}
		p.verification(last, verified)
		return p.send(http.StatusOK)
	}
	p.trailTabs("/proof")
	p.Put(`<p>{}</p>`, r.t("Each entry is a leaf of a Merkle tree. Within a second of it, the server signs the tree's root: a checkpoint. Whoever changes, removes or adds an entry afterwards makes another root."))
	if err := p.checkpoint(); err != nil {
		return err
	}
	p.Put(`<h2>{}</h2>`, r.t("Verification"))
	p.Put(`<p>{}</p>`, r.t("Reads the whole trail and compares every entry with what was signed. A long one takes a while: 100,000 entries take some seconds, and the page may be left."))
	p.verification(last, verified)
	if !goesOn {
		p.action(r.trailPath("/proof"), r.t("Verify now"))
	}
	p.Put(`<h2>{}</h2><ul>`, r.t("What this cannot show"))
	p.Put(`<li>{}</li>`, r.t("This server verifies itself. Who has taken it over can make this page say anything: download the proof, and verify it elsewhere with a key that you have kept."))
	if !r.app.SecondPlace {
		p.Put(`<li>{}</li>`, r.t("There is no second place of checkpoints. That the whole database was put back to an older state, or the log signed anew by somebody who has the key, is not seen. The setting audit.checkpoints names such a place; it should be on another machine."))
	} else {
		p.Put(`<li>{}</li>`, r.t("That the whole database was put back to an older state, or the log signed anew by somebody who has the key, is seen only as far as the second place of checkpoints, which the setting audit.checkpoints names, is out of their reach."))
	}
	p.Put(`<li>{}</li>`, r.t("Entries of the last second are not signed yet."))
	p.Put(`<li>{}</li></ul>`, r.t("What somebody wrote into the database as the server would is signed like everything else."))
	p.Put(`<h2>{}</h2>`, r.t("To verify elsewhere"))
	key, _, ok, err := r.auditKey()
	if err != nil {
		return err
	}
	if !ok {
		p.notice("info", r.t("Nothing is signed yet. The first signature comes within a second of the first entry."))
		return p.send(http.StatusOK)
	}
	p.code(r.t("Public key"), key)
	p.Put(`<p class="hint">{}</p>`, r.t("Keep it somewhere else: whoever verifies needs it, and nothing else."))
	p.code(r.t("Command"), "salesforce-mcp audit verify --export audit-proof-"+r.trail()+".jsonl --key '"+key+"'")
	p.Put(`<p><a href="{}" download>{}</a></p>`, r.trailPath("/export?form=proof"), r.t("Download the whole trail with its proof"))
	return p.send(http.StatusOK)
}

// checkpoint shows the newest one.
func (p *page) checkpoint() error {
	r := p.r
	all, err := r.app.Trail.Signatures(r.Context())
	if err != nil {
		return err
	}
	p.Put(`<h2>{}</h2>`, r.t("The newest checkpoint"))
	at := slices.IndexFunc(all, func(s store.Signature) bool { return s.Workspace == r.trail() })
	if at < 0 || len(all[at].Checkpoint) == 0 {
		p.notice("info", r.t("Nothing is signed yet. The first signature comes within a second of the first entry."))
		return nil
	}
	s := all[at]
	root, by := "", ""
	if _, key, ok, err := r.auditKey(); err != nil {
		return err
	} else if ok {
		if c, err := key.OpenKept(s.Checkpoint); err == nil {
			root, by = c.Root.String(), c.Key
		} else {
			p.notice("error", r.t("It cannot be read with the key of this server: %s", err))
		}
	}
	when := r.t("not known")
	if !s.At.IsZero() {
		when = r.t("%s, by the database's clock, which is no part of what is signed", r.second(s.At)+" UTC")
	}
	p.facts(r.t("Entries under it"), r.number(s.Size), r.t("Root hash"), root, r.t("Signed with"), by, r.t("Signed at"), when, r.t("Entries since then"), r.number(s.Unsigned))
	p.code(r.t("Checkpoint, as it was signed"), string(s.Checkpoint))
	return nil
}

// verification shows the last one, which may go on: then it is asked for again.
func (p *page) verification(v store.Verification, ok bool) {
	r := p.r
	switch {
	case !ok:
		p.Put(`<div id="verification"><p>{}</p></div>`, r.t("It was not verified here yet."))
	case v.Stopped:
		p.Put(`<div id="verification">`)
		p.notice("warn", r.t("The verification that %s began %s has not ended: the server stopped.", v.Person, r.ago(v.Started)))
		p.Put(`</div>`)
	case v.Finished.IsZero():
		p.Put(`<div id="verification" hx-get="{}" hx-trigger="load delay:2s" hx-swap="outerHTML"><p role="status">{}</p></div>`, r.trailPath("/proof"),
			r.t("Under way: %s entries were looked at. Load the page again to see how far it is.", r.number(v.LookedAt)))
	default:
		p.Put(`<div id="verification">`)
		p.finding(v)
		p.Put(`</div>`)
	}
}

// finding shows what came of a verification.
func (p *page) finding(v store.Verification) {
	r := p.r
	var f trail.Finding
	if err := json.Unmarshal(v.Report, &f); err != nil || f.Report == nil {
		p.notice("error", r.t("It could not be verified; the server's log has the cause."))
		return
	}
	report := f.Report
	if f.OK() {
		p.notice("ok", r.t("All %s signed entries are as they were signed.", r.number(report.Size)))
	} else {
		p.notice("error", r.t("The trail is not as it was signed."))
	}
	second := r.t("none: there is no second place")
	if r.app.SecondPlace {
		second = r.t("%s of %s that it has of this trail", r.number(int64(report.Compared)), r.number(int64(f.SecondHas)))
	}
	p.facts(r.t("Verified"), r.t("%s by %s, in %s", r.second(v.Started)+" UTC", v.Person, r.duration(max(v.Finished.Sub(v.Started), time.Millisecond))),
		r.t("Entries looked at"), r.number(report.Entries), r.t("Signed entries"), r.number(report.Size), r.t("Not signed yet"), r.number(report.Waiting),
		r.t("Root hash"), report.Root, r.t("Key"), report.Key, r.t("Checkpoints of the second place that agree"), second)
	if f.OK() && r.app.SecondPlace && report.Compared == 0 {
		p.notice("warn", r.t("The second place has no checkpoint of this trail to compare with."))
	}
	if len(report.Keys) > 1 {
		p.table(r.t("Keys that have signed"), []string{r.t("Key"), r.t("First checkpoint of entries"), r.t("Last checkpoint of entries")}, len(report.Keys), func(i int) {
			k := report.Keys[i]
			p.Put(`<tr><th scope="row">{}</th><td class="number">{}</td><td class="number">{}</td></tr>`, k.Key, r.number(k.First), r.number(k.Last))
		})
	}
	problems := slices.Concat(f.Problems, report.Problems)
	if len(problems) == 0 {
		return
	}
	p.Put(`<h3>{}</h3><ul>`, r.t("What is wrong"))
	for _, one := range problems {
		p.Put(`<li>{}</li>`, shown(one.String()))
	}
	p.Put(`</ul>`)
	if more := f.More + report.More; more > 0 {
		p.Put(`<p>{}</p>`, r.t("And %s more.", r.number(int64(more))))
	}
}

// auditVerify begins a verification, which goes on when the person has left.
func auditVerify(r *request) error {
	if _, err := r.form(); err != nil {
		return err
	}
	id := uuid.NewString()
	begun, err := r.app.Trail.StartVerification(r.Context(), r.trail(), id, r.person.Account)
	if err != nil {
		return err
	}
	if begun {
		done := make(chan struct{})
		r.app.work.Go(func() {
			defer close(done)
			r.app.verify(r.app.background, r.trail(), id)
		})
		select {
		case <-done: // a short one, whose result stands on the page at once
		case <-time.After(time.Second):
		}
	}
	return r.redirect(r.trailPath("/proof"), "")
}

const (
	// longestVerification bounds one verification.
	longestVerification = 2 * time.Hour
	// verificationBeat is how often a verification says how far it is.
	verificationBeat = 2 * time.Second
)

// verify verifies a log, and keeps what came of it.
func (a *App) verify(ctx context.Context, workspace, id string) {
	ctx, cancel := context.WithTimeout(ctx, longestVerification)
	defer cancel()
	var looked atomic.Int64
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		tick := time.NewTicker(verificationBeat)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if mine, err := a.Trail.VerificationAt(ctx, workspace, id, looked.Load()); err == nil && !mine {
				cancel() // another has taken its place
			}
		}
	}()
	finding, err := a.Verifier.Verify(ctx, workspace, func(entries int64) error {
		looked.Store(entries)
		return ctx.Err()
	})
	cancel()
	<-beating
	if err != nil {
		a.Log.Error().Err(err).Str("workspace", workspace).Msg("the audit trail could not be verified")
		finding = &trail.Finding{Failed: err.Error()}
	} else if !finding.OK() {
		a.Log.Error().Str("workspace", workspace).Int("problems", len(finding.Problems)+finding.More+len(finding.Report.Problems)+finding.Report.More).Msg("the audit trail is not as it was signed")
	}
	report, err := json.Marshal(finding)
	if err == nil {
		keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = a.Trail.EndVerification(keep, workspace, id, report)
	}
	if err != nil {
		a.Log.Error().Err(err).Str("workspace", workspace).Msg("the result of a verification is not kept")
	}
}
