package proof

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// A Problem is one thing that is wrong with a log.
type Problem struct {
	Line int    `json:"line,omitempty"` // of the export or the file of checkpoints, from 1
	Leaf int64  `json:"leaf"`           // number of the entry; -1 where it is about the whole
	To   int64  `json:"to,omitempty"`   // of several entries: number of the last
	ID   string `json:"id,omitempty"`   // of the first entry, as far as it says one
	What string `json:"what"`

	unproven bool // the proof fails: either it or the entry was changed
}

// String says where and what.
func (p Problem) String() string {
	var where []string
	switch {
	case p.Leaf >= 0 && p.To > p.Leaf:
		where = append(where, fmt.Sprintf("entries %d to %d", p.Leaf, p.To))
	case p.Leaf >= 0 && p.ID != "":
		where = append(where, fmt.Sprintf("entry %d (%s)", p.Leaf, p.ID))
	case p.Leaf >= 0:
		where = append(where, fmt.Sprintf("entry %d", p.Leaf))
	}
	if p.Line > 0 {
		where = append(where, fmt.Sprintf("line %d", p.Line))
	}
	if where == nil {
		return p.What
	}
	return strings.Join(where, ", ") + ": " + p.What
}

// A Report is what a verification found out about the log of one workspace.
type Report struct {
	Workspace string    `json:"workspace"`
	Entries   int64     `json:"entries"`  // that are signed and were looked at
	Size      int64     `json:"size"`     // entries that are signed
	Root      string    `json:"root"`     // of their tree
	Key       string    `json:"key"`      // with which they are signed
	Keys      []KeyUse  `json:"keys"`     // with which checkpoints were signed, in order: those of the second place, and the last
	Compared  int       `json:"compared"` // checkpoints of the second place that agree
	Waiting   int64     `json:"waiting"`  // entries that are not signed yet
	Problems  []Problem `json:"problems"` // the first of them
	More      int       `json:"more"`     // problems that are not listed
}

// A KeyUse is what one key has signed: checkpoints of so many entries, from the
// first to the last that were looked at.
type KeyUse struct {
	Key   string `json:"key"`
	First int64  `json:"first"`
	Last  int64  `json:"last"`
}

// signedWith notes with which key a checkpoint was signed. Those of a log come by
// their size.
func (r *Report) signedWith(c Checkpoint) {
	if n := len(r.Keys); n > 0 && r.Keys[n-1].Key == c.Key {
		r.Keys[n-1].Last = max(c.Size, r.Keys[n-1].Last)
		return
	}
	r.Keys = append(r.Keys, KeyUse{c.Key, c.Size, c.Size})
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

// maxProblems bounds those that a report lists.
const maxProblems = 100

// add adds a problem, to the one before if that is the same of the entry before.
func (r *Report) add(p Problem) {
	if n := len(r.Problems); n > 0 {
		last := &r.Problems[n-1]
		if p.Leaf > 0 && last.What == p.What && max(last.Leaf, last.To)+1 == p.Leaf && last.Leaf >= 0 {
			last.To = max(p.Leaf, p.To)
			return
		}
	}
	if len(r.Problems) >= maxProblems {
		r.More++
		return
	}
	r.Problems = append(r.Problems, p)
}

// span is the entries from one to before another.
type span struct{ from, to int64 }

// missing is the problem that the entries are not there.
func (s span) missing(what string) Problem {
	p := Problem{Leaf: s.from, What: what}
	if s.to > s.from+1 {
		p.To = s.to - 1
	}
	return p
}

// verifier checks one log, entry by entry.
type verifier struct {
	report   *Report
	signed   Checkpoint
	some     bool         // only some entries are there: what is missing is not missed
	kept     []Checkpoint // of the second place, by size; those that are not compared yet
	next     int64        // the entry that comes next
	missing  []span
	frontier frontier // of the entries before the first that is missing
	agreed   int64    // size up to which the second place agrees
}

// newVerifier returns a verifier of what is signed. It compares with those of the
// kept checkpoints that are of the same log.
func newVerifier(r *Report, signed Checkpoint, kept []Checkpoint) *verifier {
	v := &verifier{report: r, signed: signed}
	for _, k := range kept {
		if k.Origin == signed.Origin {
			v.kept = append(v.kept, k)
		}
	}
	slices.SortFunc(v.kept, func(a, b Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
	for _, k := range v.kept {
		r.signedWith(k)
	}
	if signed.Key != "" {
		r.signedWith(signed)
	}
	r.Workspace, r.Size, r.Root = signed.Workspace(), signed.Size, signed.Root.String()
	return v
}

// entry checks the entry that comes next.
func (v *verifier) entry(line int, l Line) {
	var e struct{ ID, Workspace string }
	unreadable := json.Unmarshal(l.Entry, &e)
	problem := func(what string) { v.report.add(Problem{Line: line, Leaf: l.Leaf, ID: e.ID, What: what}) }
	if l.Leaf < 0 || l.Leaf >= v.signed.Size {
		problem(fmt.Sprintf("added: %d entries are signed", v.signed.Size))
		return
	}
	v.report.Entries++
	if l.Leaf < v.next {
		if v.some || !v.found(l.Leaf) {
			problem("found a second time")
			v.report.Entries--
		} else {
			problem(fmt.Sprintf("found after entry %d: the order was changed", v.next-1))
		}
	} else {
		if l.Leaf > v.next && !v.some {
			v.missing = append(v.missing, span{v.next, l.Leaf})
		}
		v.next = l.Leaf + 1
	}
	hash := tlog.RecordHash(l.Entry)
	switch err := tlog.CheckRecord(l.Proof, v.signed.Size, v.signed.Root, l.Leaf, hash); {
	case err != nil:
		v.report.add(Problem{Line: line, Leaf: l.Leaf, ID: e.ID, unproven: true,
			What: "changed, exchanged or forged: this is not what was signed"})
	case unreadable != nil || e.Workspace != v.signed.Workspace():
		problem("no entry of workspace " + v.signed.Workspace())
	}
	if l.Leaf == v.frontier.size {
		v.frontier.add(hash)
		v.compare()
	}
}

// found takes an entry out of the missing ones, and reports whether it was among
// them.
func (v *verifier) found(leaf int64) bool {
	for i, s := range v.missing {
		if s.from <= leaf && leaf < s.to {
			var left []span
			if s.from < leaf {
				left = append(left, span{s.from, leaf})
			}
			if leaf+1 < s.to {
				left = append(left, span{leaf + 1, s.to})
			}
			v.missing = slices.Replace(v.missing, i, i+1, left...)
			return true
		}
	}
	return false
}

// compare compares with the second place what it says of the entries so far.
func (v *verifier) compare() {
	for len(v.kept) > 0 && v.kept[0].Size <= v.frontier.size {
		k := v.kept[0]
		v.kept = v.kept[1:]
		switch {
		case k.Size < v.frontier.size: // a bundle, or size 0
		case k.Root == v.frontier.root():
			v.report.Compared++
			v.agreed = k.Size
		default:
			v.report.add(Problem{Leaf: -1, What: fmt.Sprintf("entries before %d are not those of a checkpoint in the second place: something from entry %d on was replaced, and the log signed anew", k.Size, v.agreed)})
			v.kept = nil // all that follow differ for the same reason
		}
	}
}

// end finishes the report when all entries were seen.
func (v *verifier) end() {
	if v.some {
		for _, k := range v.kept {
			if k.Size != v.signed.Size {
				continue
			}
			if k.Root == v.signed.Root {
				v.report.Compared++
			} else {
				v.report.add(Problem{Leaf: -1, What: "the checkpoint is not the one of the same size in the second place: the log was replaced, and signed anew"})
			}
		}
		return
	}
	if v.next < v.signed.Size {
		v.missing = append(v.missing, span{v.next, v.signed.Size})
	}
	for _, s := range v.missing {
		v.report.add(s.missing(fmt.Sprintf("missing, of %d entries that are signed", v.signed.Size)))
	}
	whole := v.frontier.size == v.signed.Size && v.frontier.root() == v.signed.Root
	for i, p := range v.report.Problems {
		if whole && p.unproven {
			v.report.Problems[i].What = "the stored hashes or the proof were changed, not the entry"
		}
	}
	if v.frontier.size == v.signed.Size && !whole && v.report.OK() {
		v.report.add(Problem{Leaf: -1, What: "the entries are not those that were signed"}) // proofs that hold leave no room for it
	}
	if n := len(v.kept); n > 0 && v.kept[n-1].Size > v.signed.Size {
		v.report.add(Problem{Leaf: v.signed.Size, What: fmt.Sprintf("the log ends here, and a checkpoint in the second place is of %d entries: the end was cut off, or this is an older state of it", v.kept[n-1].Size)})
	}
}
