//go:build faults

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/pgtest"
	"salesforce-mcp/tools/returns"
)

var digits = regexp.MustCompile(`[A-Za-z_-]*[0-9][A-Za-z0-9_-]*`)

// A payout is money that a gateway's own books say went back.
type payout struct {
	key, payment string
	cents        int64
}

// payouts are those of the books, whatever anybody recorded elsewhere.
func (s *shop) payouts() (list []payout) {
	if s.stripe != nil {
		for _, r := range s.stripe.Refunds() {
			list = append(list, payout{r.Metadata["salesforce_mcp_key"], *r.Intent, r.Amount})
		}
		return list
	}
	for _, p := range s.org.PaidBack() {
		if p.Key != "" { // the others went back behind everybody's back
			list = append(list, payout{p.Key, p.Payment, int64(math.Round(p.Amount * 100))})
		}
	}
	return list
}

// books are what an org holds for each case, or order, by its ID.
type books struct {
	status    map[string]string
	tasks     map[string]int // that say what was done
	wanting   map[string]int // that want a person
	refunds   map[string]int // records, by payment group
	groups    map[string]string
	documents map[string]int
	orders    map[string]int // replacements
	events    map[string]map[string]bool
}

func (s *shop) books() books {
	b := books{map[string]string{}, map[string]int{}, map[string]int{}, map[string]int{}, map[string]string{}, map[string]int{}, map[string]int{}, map[string]map[string]bool{}}
	text := func(row map[string]any, name string) string { v, _ := row[name].(string); return v }
	for _, r := range s.rows("SELECT Id, Status FROM Case") {
		b.status[text(r, "Id")] = text(r, "Status")
	}
	for _, r := range s.rows("SELECT WhatId, Return_Key__c FROM Task WHERE Return_Key__c != null") {
		if key := keyRE.FindStringSubmatch(text(r, "Return_Key__c")); key != nil && key[2] == "records" {
			b.tasks[key[1]]++
		} else if key != nil {
			b.wanting[key[1]]++
		} else {
			s.t.Errorf("a task has the key %q", text(r, "Return_Key__c"))
		}
	}
	for _, r := range s.rows("SELECT Id, SourceObjectId FROM PaymentGroup") {
		b.groups[text(r, "SourceObjectId")] = text(r, "Id")
	}
	for _, r := range s.rows("SELECT PaymentGroupId, Status FROM Refund") {
		b.refunds[text(r, "PaymentGroupId")]++
	}
	for _, r := range s.rows("SELECT FirstPublishLocationId FROM ContentVersion") {
		b.documents[text(r, "FirstPublishLocationId")]++
	}
	for _, r := range s.rows("SELECT Return_Key__c FROM Order WHERE Return_Key__c != null") {
		if key := keyRE.FindStringSubmatch(text(r, "Return_Key__c")); key != nil {
			b.orders[key[1]]++
		}
	}
	_, answer := s.do(http.MethodGet, "/_events", nil)
	events := json.NewDecoder(bytes.NewReader(answer))
	var list []map[string]any
	if err := events.Decode(&list); err != nil {
		s.t.Errorf("events: %v in %.300s", err, answer)
	}
	for _, e := range list {
		id := text(e, "Case_Id__c")
		if b.events[id] == nil {
			b.events[id] = map[string]bool{}
		}
		b.events[id][text(e, "Correlation_Id__c")] = true
	}
	return b
}

// check holds what was told against what is true.
func (h *returnsHarness) check(disturbed time.Duration) {
	ends, fates, problems := map[string]int{}, map[string]int{}, map[string]int{}
	var paid, twice, missing int
	entries := h.trail()
	h.list()
	for _, s := range h.shops {
		b := s.books()
		back := map[string][]payout{} // by case
		for _, p := range s.payouts() {
			key := keyRE.FindStringSubmatch(p.key)
			if key == nil || s.known[key[1]] == nil {
				h.t.Errorf("%s paid back for nobody: %+v", s.name, p)
				continue
			}
			back[key[1]] = append(back[key[1]], p)
			if run := s.known[key[1]].runs[key[3]]; run.ID == "" || run.Status == returns.Denied || run.Status == returns.Cancelled || run.Status == returns.Failed || run.Refund == "" {
				h.t.Errorf("%s paid back %+v, and the run is %q %s", s.name, p, run.ID, run.Status)
			}
		}
		byOrder := map[string]int64{}
		for _, a := range s.cases {
			cents := int64(0)
			for _, p := range back[a.id] {
				cents += p.cents
				if p.payment != a.payment {
					h.t.Errorf("case %s was paid back from %s, which is not its payment %s", a.id, p.payment, a.payment)
				}
			}
			byOrder[a.order] += cents
			paid += len(back[a.id])
			twice += max(0, b.documents[a.id]-1)
			end := a.last.Status
			if a.last.Escalated {
				end += " escalated"
			}
			if end == returns.Waiting {
				end += " at " + a.last.Step
			}
			ends[end]++
			if p := a.last.Problem; p != nil && a.last.Status != returns.Done {
				problems[fmt.Sprintf("%s at %s: %s %.120s", a.last.Status, a.last.Step, p.Code, digits.ReplaceAllString(p.Message, "…"))]++
			}
			if cents > 0 {
				end += ", paid"
			}
			fates[string(a.fate)+" "+end]++
			if a.fate == rival && byOrder[a.order] > a.due {
				h.t.Errorf("two cases about the same piece of order %s were paid back: %d cents, and it cost %d", a.order, byOrder[a.order], a.due)
			}
			if byOrder[a.order] > a.paid {
				h.t.Errorf("order %s was paid with %d cents, and %d went back", a.order, a.paid, byOrder[a.order])
			}
			h.checkCase(s, a, b, back[a.id], cents)
			for _, id := range a.told {
				if !slices.ContainsFunc(slices.Collect(maps.Values(a.runs)), func(v returns.View) bool { return v.ID == id }) {
					missing++
				}
			}
		}
	}
	h.join(entries)
	var stops, kills int
	for where, n := range h.fleet.befallen {
		if strings.HasPrefix(where, "killed") {
			kills += n
		} else {
			stops += n
		}
	}
	h.t.Logf("seed %d, %d servers, lease %v: %d returns, %d refunds, %d kills, %d freezes, %d faults in %v (%.1f returns/s); %d calls of agents, %d decisions of persons, %d entries; %d documents twice",
		h.seed, len(h.fleet.members), h.fleet.orders.Lease, len(h.shops[0].cases)+len(h.shops[1].cases), paid, kills, stops, h.shops[0].faults+h.shops[1].faults, disturbed.Round(time.Millisecond),
		float64(len(h.shops[0].cases)+len(h.shops[1].cases))/disturbed.Seconds(), h.calls.Load(), h.decided.Load(), len(entries), twice)
	h.t.Logf("ends %v", ends)
	h.t.Logf("fates %v", fates)
	h.t.Logf("problems of runs that want a person %v", problems)
	h.t.Logf("befallen %v", h.fleet.befallen)
	if paid == 0 || missing > 0 {
		h.t.Errorf("%d refunds, and %d runs that an agent was told of are lost", paid, missing)
	}
}

// checkCase holds one case against the books.
func (h *returnsHarness) checkCase(s *shop, a *sale, b books, back []payout, cents int64) {
	bad := func(format string, args ...any) {
		h.t.Errorf("%s case %s (%s, a person would approve: %v, due %d), run %v %s %s: %s", s.name, a.id, a.fate, a.approve, a.due, a.told, a.last.Status, a.last.Step, fmt.Sprintf(format, args...))
		for _, seen := range s.seen {
			if seen.caseID == a.id {
				h.t.Logf("    %s %s %s", seen.at.Format("15:04:05.000"), seen.path, seen.step)
			}
		}
	}
	switch { // money
	case len(back) > 1:
		bad("paid back %d times: %+v", len(back), back)
	case cents > a.due:
		bad("%d cents went back", cents)
	case cents > 0 && cents < a.due:
		bad("%d cents went back", cents)
	case cents > 0 && (a.fate == high || a.fate == shy) && !a.approve:
		bad("was paid back although a person said no")
	case cents > 0 && (a.last.Status == returns.Denied || a.last.Status == returns.Cancelled || a.last.Status == returns.Failed):
		bad("was paid back")
	case cents > 0 && a.cancelled != "" && slices.ContainsFunc(back, func(p payout) bool { return a.runs[keyRE.FindStringSubmatch(p.key)[3]].ID == a.cancelled }):
		bad("was paid back although the agent was told that it is taken back")
	case cents == 0 && a.last.Status == returns.Done && a.due > 0 && a.fate != exchange:
		bad("is done without money")
	}
	if !a.atRest() {
		bad("did not come to an end: %s", a.last.text)
	}
	for _, r := range a.runs {
		if !returns.Ended(r.Status) && !r.Escalated && r.Status != returns.Waiting {
			bad("its run %s is %s at %s", r.ID, r.Status, r.Step)
		}
	}
	if a.last.Status != returns.Done { // what is paid must be told to a person
		if cents > 0 && b.wanting[a.id] == 0 {
			bad("was paid back, is not done, and nobody was told")
		}
		return
	}
	refunds := b.refunds[b.groups[a.order]]
	switch { // records
	case b.status[a.id] != "Closed":
		bad("is done, and the case is %s", b.status[a.id])
	case b.tasks[a.id] != 1:
		bad("is done, and there are %d tasks", b.tasks[a.id])
	case b.documents[a.id] == 0:
		bad("is done, and has no document")
	case a.fate == exchange && b.orders[a.id] != 1:
		bad("is done, and there are %d replacement orders", b.orders[a.id])
	case len(b.events[a.id]) != 1:
		bad("is done, and its events are of %d runs", len(b.events[a.id]))
	case cents > 0 && (refunds == 0 || refunds > 1 && !a.pairs() || refunds > 2):
		bad("is done, and there are %d Refund records", refunds)
	}
}

// trail stops the servers, lets one close what others have left open, and returns the
// verified audit trail.
func (h *returnsHarness) trail() []audit.Entry {
	for _, m := range h.fleet.members {
		m.kill()
	}
	m := h.fleet.members[0]
	if h.database != "" { // sooner than they would
		pgtest.At(h.t, h.database, `UPDATE process SET expires = 0`)
	}
	m.start(h.fleet.orders)
	if h.database != "" {
		time.Sleep(2 * recoverPause)
	}
	_ = m.cmd.Process.Signal(os.Interrupt) // which signs what is left
	<-m.died
	return exported(h.t, m.file, h.shops[0].name, h.shops[1].name)
}

// list notes which runs there are.
func (h *returnsHarness) list() {
	var out, said bytes.Buffer
	if err := run(h.t.Context(), []string{"returns", "list", "--json", "--limit", "1000000", "--config", h.fleet.members[0].file}, os.Getenv, strings.NewReader(""), &out, &said); err != nil {
		h.t.Fatalf("%v %s", err, said.String())
	}
	for lines := json.NewDecoder(&out); lines.More(); {
		var v returns.View
		if err := lines.Decode(&v); err != nil {
			h.t.Fatal(err)
		}
		for _, s := range h.shops {
			if a := s.known[v.Subject]; s.name == v.Workspace && a != nil {
				a.runs[fmt.Sprint(v.Generation)] = v
			}
		}
	}
}

// join holds requests and steps against the audit trail. What changes something has an
// intent that was recorded before it arrived (P2), every intent has one outcome (P3),
// and no worker that has lost its run made it go on (P7).
func (h *returnsHarness) join(entries []audit.Entry) {
	type intent struct {
		entry  audit.Entry
		closed bool
	}
	open, outcomes := map[string]*intent{}, map[string]int{}
	last := map[string]*intent{}      // by run: its latest step
	steps := map[string][]time.Time{} // by run and step: when intents were recorded
	next := map[string][]time.Time{}  // by run
	for i, e := range entries {
		if e.Run == "" {
			continue
		}
		switch e.Phase {
		case audit.PhaseIntent:
			now := &intent{entry: e}
			open[e.ID] = now
			if e.Action != "step" { // of an agent or a person, after which the run may go another way
				delete(last, e.Run)
				continue
			}
			if was := last[e.Run]; was != nil && !was.closed && was.entry.Instruction != e.Instruction {
				h.t.Errorf("run %s went from %s to %s while %s was under way (entry %d)", e.Run, was.entry.Instruction, e.Instruction, was.entry.ID, i)
			}
			if !strings.HasPrefix(e.Instruction, "escalate ") { // beside which the run stays where it is
				last[e.Run] = now
			}
			steps[e.Run+" "+e.Instruction] = append(steps[e.Run+" "+e.Instruction], e.Time)
			next[e.Run] = append(next[e.Run], e.Time)
		case audit.PhaseOutcome:
			outcomes[e.Intent]++
			if was := open[e.Intent]; was != nil {
				was.closed = true
			}
		}
	}
	for id, i := range open {
		if outcomes[id] != 1 {
			h.t.Errorf("%s of run %s, %s: the intent %s has %d outcomes", i.entry.Action, i.entry.Run, i.entry.Instruction, id, outcomes[id])
		}
	}
	for _, s := range h.shops {
		for _, seen := range s.seen {
			a := s.known[seen.caseID]
			if a == nil {
				h.t.Errorf("%s was asked for %s, which is about no case", s.name, seen.path)
				continue
			}
			before := func(t time.Time) bool { return !t.After(seen.at) }
			ok := slices.ContainsFunc(slices.Collect(maps.Values(a.runs)), func(run returns.View) bool {
				if seen.step != "" {
					return slices.ContainsFunc(steps[run.ID+" "+seen.step], before)
				}
				return slices.ContainsFunc(next[run.ID], before)
			})
			if !ok {
				h.t.Errorf("%s was asked for %s (%s) of case %s at %s, and no intent was recorded before", s.name, seen.path, seen.step, seen.caseID, seen.at)
			}
		}
	}
	h.resumed(next)
}

// resumed tells how long after a kill the run that it hit went on (P6).
func (h *returnsHarness) resumed(next map[string][]time.Time) {
	var fromKill, fromReady []time.Duration
	for _, d := range h.fleet.deaths {
		for _, at := range next[d.run] {
			if at.After(d.at.Truncate(time.Millisecond).Add(time.Millisecond)) {
				fromKill = append(fromKill, at.Sub(d.at))
				fromReady = append(fromReady, at.Sub(d.ready))
				break
			}
		}
	}
	h.t.Logf("from a kill between or inside of steps to the run's next step: %s; from the server's being there again: %s; a server starts in %s", spread(fromKill), spread(fromReady), spread(h.fleet.starts))
}

// spread shows durations.
func spread(d []time.Duration) string {
	if len(d) == 0 {
		return "none"
	}
	slices.Sort(d)
	ms := func(share float64) string { return d[int(share*float64(len(d)-1))].Round(time.Millisecond).String() }
	return fmt.Sprintf("p50 %s, p99 %s, most %s of %d", ms(0.5), ms(0.99), ms(1), len(d))
}
