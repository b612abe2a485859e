package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// ErrUnavailable is the error for an entry that could not be recorded; errors
// of this package that mean it wrap it, together with the reason. A call whose
// intent could not be recorded must not be made.
var ErrUnavailable = errors.New("the audit journal cannot record")

// ErrEnded is the error for an outcome that was not recorded because the intent
// has one: this process was still for so long that another took it for dead, and
// closed its calls as unknown.
var ErrEnded = errors.New("the call was closed as unknown by another process, which took this one for dead")

const (
	// maxBatch bounds the entries of one commit, and with it how long a caller
	// can wait for the others in its batch.
	maxBatch = 128
	// commitTimeout bounds one commit. A store that takes longer has failed.
	commitTimeout = 10 * time.Second
	// endTimeout bounds the recording of an outcome: the commit in progress and
	// its own.
	endTimeout = 2*commitTimeout + time.Second
)

// Journal records calls in a [Store]. It is safe for concurrent use. Make one
// with [NewJournal] and close it when the last call has ended.
type Journal struct {
	store   Store
	queue   chan write    // unbuffered: what was sent has been received
	closing chan struct{} // closed by Close
	done    chan struct{} // closed when the writer has returned
	once    sync.Once
}

// write is an entry on its way into the store.
type write struct {
	entry Entry
	done  chan<- recorded // has room for the one answer
}

// recorded is the answer of the writer.
type recorded struct {
	id  string
	err error
}

// NewJournal returns a journal over the store and starts its writer.
func NewJournal(store Store) *Journal {
	j := &Journal{
		store:   store,
		queue:   make(chan write),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	go j.run()
	return j
}

// Begin records the intent to do what the entry says and returns when that is
// durable. The error wraps [ErrUnavailable]; then nothing may be done. Should
// the store have kept the entry all the same, as one that answers too late may,
// [Journal.Recover] closes it like an interrupted call.
//
// A context that ends before the entry is on its way into the store is such an
// error. One that ends later is not: the intent stands and wants its outcome.
//
// An entry with a claim that another has is not recorded; the error is
// [ErrClaimed]. Neither is one with a charge that exceeds a limit, [ErrSpent], or
// with an approval that cannot be used, [ErrUsed], or a move of a run that has moved,
// [ErrMoved].
func (j *Journal) Begin(ctx context.Context, e Entry) (*Intent, error) {
	e.Phase, e.Intent, e.Outcome = PhaseIntent, "", ""
	started := time.Now()
	id, err := j.record(ctx, e)
	if err != nil {
		return nil, err
	}
	if e.Claim != nil && e.Claim.Taken {
		return nil, ErrClaimed
	}
	if e.Charge != nil && e.Charge.Spent != nil {
		return nil, ErrSpent
	}
	if e.Consent != nil && e.Consent.Taken {
		return nil, ErrUsed
	}
	if e.Move != nil && e.Move.Stale {
		return nil, ErrMoved
	}
	e.ID = id
	return &Intent{journal: j, entry: e, started: started}, nil
}

// Refuse records a call that was not let through, and returns the ID of the entry
// when that is durable. The decision stands where the gate allowed the call and something
// else refused it; otherwise it was the gate. The error wraps [ErrUnavailable].
func (j *Journal) Refuse(ctx context.Context, e Entry) (id string, err error) {
	e.Phase, e.Intent, e.Claim, e.Charge, e.Consent, e.Move = PhaseRefusal, "", nil, nil, nil, nil
	e.Decision, e.Outcome = cmp.Or(e.Decision, DecisionRefused), Refused
	return j.record(ctx, e)
}

// Close records what is on its way, stops the writer and waits for it. Later
// calls of the journal's methods return [ErrUnavailable].
func (j *Journal) Close() {
	j.once.Do(func() { close(j.closing) })
	<-j.done
}

// Intent is a recorded call that has not ended.
type Intent struct {
	journal *Journal
	entry   Entry
	started time.Time // zero when another process began it
	ended   atomic.Bool
	outcome atomic.Value // of type Status, once it has ended
}

// ID returns the ID of the intent's entry.
func (i *Intent) ID() string { return i.entry.ID }

// Approval returns the ID of the approval that the call uses, or "".
func (i *Intent) Approval() string {
	if i.entry.Consent == nil {
		return ""
	}
	return i.entry.Consent.ID
}

// Outcome returns how the call ended, or "" while it has not.
func (i *Intent) Outcome() Status {
	status, _ := i.outcome.Load().(Status)
	return status
}

// End records how the call ended. It does so also when ctx has ended, since the
// call has happened all the same. It is called once; the error of a later call
// says so. Otherwise it is [ErrEnded], or wraps [ErrUnavailable]: then the intent
// stays open and [Journal.Recover] closes it at the next start. After [ErrDecided]
// it is called again, without the verdict, and after [ErrMoved] without the move.
func (i *Intent) End(ctx context.Context, o Outcome) error {
	if i.ended.Swap(true) {
		return fmt.Errorf("the intent %s has already ended", i.entry.ID)
	}
	i.outcome.Store(o.Status)
	e := i.entry
	e.Phase, e.Intent, e.Arguments, e.Time = PhaseOutcome, i.entry.ID, nil, time.Time{}
	e.Reasoning, e.Confidence = "", nil
	e.Outcome, e.Code, e.Message = o.Status, o.Code, o.Message
	e.Exchanges, e.Records, e.Changes, e.Detail, e.Bytes = o.Exchanges, o.Records, o.Changes, o.Detail, o.Bytes
	e.Claim, e.Charge, e.Consent, e.Verdict, e.Move = i.entry.Claim.settled(o), nil, nil, o.Verdict, o.Move
	if !i.started.IsZero() {
		e.Duration = time.Since(i.started)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	_, err := i.journal.record(ctx, e)
	if err == nil && o.Verdict != nil && o.Verdict.Void {
		i.ended.Store(false)
		return ErrDecided
	}
	if err == nil && o.Move != nil && o.Move.Stale {
		i.ended.Store(false)
		return ErrMoved
	}
	return err
}

// record hands the entry to the writer and waits until it is durable. Once the
// writer has it, record waits for the answer whatever happens to ctx: nobody
// can take an entry back.
func (j *Journal) record(ctx context.Context, e Entry) (id string, err error) {
	ctx, span := trace.SpanFromContext(ctx).TracerProvider().Tracer("salesforce-mcp/audit").Start(ctx, "record "+string(e.Phase))
	defer func() {
		if err != nil {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}()
	e.tidy()
	done := make(chan recorded, 1)
	select {
	case j.queue <- write{e, done}:
		answer := <-done
		return answer.id, answer.err
	case <-j.closing:
		return "", fmt.Errorf("%w: it is closed", ErrUnavailable)
	case <-ctx.Done():
		return "", fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
}

// run is the writer. It commits whatever waits, as one batch: a lone caller's
// entry at once, and all that arrived during a commit with the next one.
func (j *Journal) run() {
	defer close(j.done)
	for {
		select {
		case first := <-j.queue:
			j.commit(j.batch(first))
		case <-j.closing:
			return
		}
	}
}

// batch adds to the first write those that already wait.
func (j *Journal) batch(first write) []write {
	batch := []write{first}
	for len(batch) < maxBatch {
		select {
		case next := <-j.queue:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// commit appends the batch to the store and answers its callers.
func (j *Journal) commit(batch []write) {
	entries := make([]Entry, len(batch))
	for i := range batch {
		e := &batch[i].entry
		e.Version, e.ID = Version, newID()
		e.Time = time.Now().UTC().Truncate(time.Millisecond)
		entries[i] = *e
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	err := j.store.Append(ctx, entries)
	var late *EndedError
	if errors.As(err, &late) {
		// The others in the batch have nothing to do with it.
		rest := slices.DeleteFunc(batch, func(w write) bool {
			ended := slices.Contains(late.Intents, w.entry.Intent)
			if ended {
				w.done <- recorded{err: ErrEnded}
			}
			return ended
		})
		if len(rest) < len(entries) && len(rest) > 0 {
			j.commit(rest)
		}
		if len(rest) < len(entries) {
			return
		}
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	for _, w := range batch {
		w.done <- recorded{w.entry.ID, err}
	}
}

// newID returns a UUID version 7. Those of one process ascend.
func newID() string { return uuid.Must(uuid.NewV7()).String() }
