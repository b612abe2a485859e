// Package returns drives returns: runs of a few steps each that no crash breaks and
// no retry doubles.
//
// A [Flow] is the steps, plain functions in order. An [Engine] takes runs from the
// ledger, of which any number of workers in any number of processes take theirs, and
// does step after step. Before a step it records that it will, and afterwards what
// came of it, each time together with the audit entry and the run's new state, in
// one commit ([audit.Move]). A worker that dies leaves a step begun; whoever takes the
// run over cannot know whether it was done, and looks (Step.Find) before it does it
// again, under the same key.
//
// What a request may come to has three answers, not two: done, not done, and unknown.
// An unknown one is looked up, sent again under its key if it is not there, and shown
// to a person if that does not help; it is never taken for either of the other two,
// unless a person says which of them it is (Hand.Settle).
//
// One step is the pivot: the refund. Before it a run can be denied or cancelled, and
// goes back over the steps it has done (Step.Undo). From the moment that the pivot is
// begun until it is known not to be done, and for good when it is done, a run only
// goes forward: what fails is tried again, ever more slowly, and a person is told.
//
//	running ──→ done
//	   │ ↑ ↓          waiting: for a person, or until its time is over
//	   │ waiting
//	   ↓              only without a pivot:
//	undoing ──→ denied, cancelled, failed
package returns
