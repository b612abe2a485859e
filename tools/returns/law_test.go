package returns

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"salesforce-mcp/audit"
)

// world is where steps take effect. It does whatever it is told, as a gateway does that
// has forgotten the key.
type world struct {
	effects map[string]int // by key
	refused map[string]bool
	hidden  map[string]bool // the last look did not see what is there
	settled int             // how often a step has heard what a person says of it
	again   bool            // something was sent after that
	luck    []byte          // what is to happen, used up; after that nothing goes wrong any more
}

func (w *world) draw(what ...string) string {
	if len(w.luck) == 0 {
		return what[0]
	}
	n := w.luck[0]
	w.luck = w.luck[1:]
	return what[int(n)%len(what)]
}

// step is a step whose answers are drawn.
func (w *world) step(name string, kind Kind, pivot, undo bool) Step {
	s := Step{Name: name, Kind: kind, Pivot: pivot}
	s.Do = func(_ context.Context, a Attempt) (Result, error) {
		if _, said := TestimonyOf(a.Answer); said && pivot {
			w.again = true
		}
		there := kind == Keyed && w.effects[a.Key] > 0
		what := []string{"done", "done", "done", "lost before", "lost after", "transient", "renew", "fix"}
		if !there { // a gateway that has done it does not say otherwise
			what = append(what, "systemic", "declined")
			if a.Answer == nil {
				what = append(what, "wait", "deny")
			}
		}
		answer := w.draw(what...)
		if w.refused[a.Key] && !there {
			answer = "declined"
		}
		if w.hidden[a.Key] { // it is there: whoever asks for it again is declined, or told of it
			answer = w.draw("declined", "done", "lost before", "transient", "fix")
			delete(w.hidden, a.Key)
			if answer == "done" {
				return Result{Data: []byte(name)}, nil
			}
			if answer == "declined" {
				return Result{}, &Fault{Class: Declined, Message: "there is nothing left to pay back"}
			}
		}
		switch answer {
		case "done", "lost after":
			if kind != Read { // also what is keyed: a gateway forgets its keys after a while
				w.effects[a.Key]++
			}
			if answer == "lost after" {
				return Result{}, errors.New("no answer")
			}
			return Result{Data: []byte(name)}, nil
		case "lost before":
			return Result{}, errors.New("no answer")
		case "wait":
			return Result{Wait: &Wait{Question: []byte("{}")}}, nil
		case "deny":
			return Result{Deny: []byte("{}")}, nil
		case "declined":
			w.refused[a.Key] = true
			// In the end it is known that the key stands for nothing.
			return Result{}, &Fault{Class: Declined, Message: answer, Never: w.draw("never", "this time") == "never"}
		}
		return Result{}, &Fault{Class: Class(answer), Message: answer}
	}
	if kind != Read {
		s.Find = func(_ context.Context, a Attempt) (Result, bool, error) {
			there := w.effects[a.Key] > 0
			if word, said := TestimonyOf(a.Answer); said && w.draw("believed", "away") == "believed" {
				w.settled++
				if !word.Made {
					return Result{}, false, &Fault{Class: Declined, Message: word.Note}
				}
				return Result{Data: []byte(name)}, true, nil
			} else if said {
				return Result{}, false, &Fault{Class: Transient, Message: "away"}
			}
			switch w.draw("found", "found", "found", "found", "away", "hidden", "declined") {
			case "away":
				return Result{}, false, &Fault{Class: Transient, Message: "away"}
			case "hidden": // what knows no keys has to be seen
				if w.hidden[a.Key] = there && kind == Keyed; w.hidden[a.Key] {
					return Result{}, false, nil
				}
			case "declined":
				if !there {
					w.refused[a.Key] = true
					return Result{}, false, &Fault{Class: Declined, Message: "it failed"}
				}
			}
			return Result{Data: []byte(name)}, there, nil
		}
	}
	if undo {
		s.Undo = func(_ context.Context, a Attempt) (Result, error) {
			if w.draw("done", "done", "transient") != "done" {
				return Result{}, errors.New("not put back")
			}
			delete(w.effects, Key(a.Run, name))
			return Result{}, nil
		}
	}
	return s
}

// TestLaw: whatever steps answer, whenever a process dies, and whatever people want,
// nothing is done twice; a run that ends as done has done everything, and one that
// ends otherwise nothing that it could not put back; money that may have moved never
// ends as if it had not.
func TestLaw(t *testing.T) {
	ends, refunds, doubts, settled := map[string]int{}, 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		w := &world{effects: map[string]int{}, refused: map[string]bool{}, hidden: map[string]bool{}, luck: rapid.SliceOfN(rapid.Byte(), 20, 200).Draw(rt, "luck")}
		var steps []Step
		n := rapid.IntRange(1, 5).Draw(rt, "steps")
		pivot := rapid.IntRange(-1, n-1).Draw(rt, "pivot")
		for i := range n {
			kind := rapid.SampledFrom([]Kind{Read, Keyed, CheckThenDo}).Draw(rt, "kind")
			if i == pivot && kind == Read {
				kind = Keyed
			}
			steps = append(steps, w.step(fmt.Sprint("s", i), kind, i == pivot, kind != Read && i != pivot))
		}
		escalate := w.step("", Keyed, false, false)
		m := newMemory()
		m.crash = func() (before, after bool) {
			switch w.draw("no", "no", "no", "no", "no", "no", "before", "after") {
			case "before":
				return true, false
			case "after":
				return false, true
			}
			return false, false
		}
		m.check = func(was, is audit.Run) {
			if was.Pivot == pivotPassed && (is.Pivot != pivotPassed || is.Status != Running && is.Status != Waiting && is.Status != Done) ||
				is.Pivot != "" && (is.Status == Undoing || Ended(is.Status) && is.Status != Done) {
				rt.Errorf("from %+v to %+v", was, is)
			}
			if is.Pivot == "" && pivot >= 0 && w.effects[Key(is, steps[pivot].Name)] > 0 {
				rt.Errorf("the refund is forgotten: %+v", is)
			}
		}
		j := audit.NewJournal(m)
		defer j.Close()
		e := &Engine{Flow: Flow{Kind: "return", Steps: steps, Escalate: &escalate}, Ledger: m, Journal: j, Patience: Patience{Tries: 3}}
		if err := e.Flow.Check(); err != nil {
			rt.Fatal(err)
		}
		ctx := rt.Context()
		start := func() {
			_, _, _ = e.Start(ctx, audit.Run{ID: "run", Workspace: "demo", Subject: "case"}) // it may crash
		}
		start()
		for range rapid.IntRange(0, 25).Draw(rt, "events") {
			switch rapid.SampledFrom([]string{"work", "work", "work", "work", "start", "decide", "cancel", "cancel by hand", "retry", "settle"}).Draw(rt, "event") {
			case "work":
				_, _ = e.Once(ctx)
			case "start":
				start()
			case "decide":
				_ = e.Decide(ctx, "demo", "run", "ada", []byte("go on"))
			case "cancel":
				_ = e.Cancel(ctx, "demo", "run", "ada", []byte("{}"))
			case "cancel by hand":
				_, _ = Hand{By: "ada"}.Cancel(ctx, j, m, "demo", "run", 0)
			case "retry":
				_, _ = Hand{By: "ada"}.Retry(ctx, j, m, "demo", "run")
			case "settle": // by who has looked, and tells the truth
				if pivot < 0 {
					break
				}
				made, reference := w.effects[Key(m.runs["run"], steps[pivot].Name)] > 0, ""
				if made {
					reference = "re_1"
				}
				_, _ = Hand{By: "ada", Note: "seen"}.Settle(ctx, j, m, "demo", "run", made, reference)
			}
		}
		w.luck = nil
		start()
		for i := 0; !Ended(m.runs["run"].Status); i++ {
			if i == 50 {
				rt.Fatalf("it does not end: %+v %+v", m.runs["run"], m.steps["run"])
			}
			if m.runs["run"].Pivot == pivotPassed {
				clear(w.refused) // a person has mended what kept the records from being written
			}
			if _, err := e.Once(ctx); err != nil {
				rt.Fatal(err)
			}
			if m.runs["run"].Status == Waiting {
				if err := e.Decide(ctx, "demo", "run", "ada", []byte("go on")); err != nil {
					rt.Fatal(err)
				}
			}
		}
		if settled += w.settled; w.again {
			rt.Errorf("something was sent again after a person has said what became of it: %+v", m.steps["run"])
		}
		r := m.runs["run"]
		ends[r.Status]++
		for i, s := range steps {
			effects := w.effects[Key(r, s.Name)]
			want := 0
			if r.Status == Done && s.Kind != Read {
				want = 1
			}
			if effects != want {
				rt.Errorf("%s: step %s took effect %d times, want %d: %+v", r.Status, s.Name, effects, want, m.steps["run"])
			}
			if i == pivot && effects == 1 {
				refunds++
			}
		}
		for key, n := range w.effects {
			if n > 1 {
				rt.Errorf("%s took effect %d times", key, n)
			}
		}
		for _, entry := range m.entries {
			if entry.Run != "run" || entry.Workspace != "demo" {
				rt.Errorf("entry %+v", entry)
			}
			if entry.Outcome == audit.Unknown {
				doubts++
			}
		}
	})
	t.Logf("ends %v, %d refunds, %d unknown outcomes, %d settled", ends, refunds, doubts, settled)
	if ends[Done] == 0 || ends[Denied]+ends[Cancelled]+ends[Failed] == 0 {
		t.Error("the runs end all the same way")
	}
}
