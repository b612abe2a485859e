package tools

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"
	"unicode"
	"unicode/utf8"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
)

// Claims finds what became of calls with an idempotency key. A call claims its key
// in the commit of its intent, and what it came to is kept in that of its outcome
// ([audit.Claim]).
type Claims interface {
	// Claim returns the claim on a scope that was made within audit.ClaimWindow; ok
	// is false when there is none.
	Claim(ctx context.Context, scope string) (c audit.Claim, ok bool, err error)
}

// A Sealer keeps what the database holds of a workspace's records from whoever
// reads it.
type Sealer interface {
	Seal(ctx context.Context, workspace, name string, plain []byte) ([]byte, error)
	// Open returns what Seal has sealed for the same workspace and name.
	Open(ctx context.Context, workspace, name string, sealed []byte) ([]byte, error)
}

// idempotencyKey is an argument of every row that changes something. It is listed
// by flat tools only; of the others the server's instructions tell.
var idempotencyKey = Param{Name: "idempotencyKey", Type: "string", Form: Key, In: Local, Rare: true,
	Doc: "your name for this call: within 24 hours a repetition of it with this key is answered as before, and not done again"}

// maxKey is how many characters an idempotency key may have.
const maxKey = 255

// key checks an idempotency key: visible characters, and none that only looks like
// nothing.
func (p Param) key(s string) (string, error) {
	n := utf8.RuneCountInString(s)
	for _, r := range s {
		if !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == utf8.RuneError {
			n = 0
		}
	}
	if n == 0 || n > maxKey {
		return "", p.wrong(fmt.Sprintf("it must be 1 to %d visible characters without blanks, such as a UUID", maxKey))
	}
	return s, nil
}

// A once is a call with an idempotency key. A nil one is a call without.
type once struct {
	workspace string
	scope     string            // whose key it is, and of which instruction
	digest    [sha256.Size]byte // of what is asked

	claim   *audit.Claim // of a call that is to be made
	earlier *kept        // what an earlier call came to, which is given again
	intent  string       // that earlier call
}

// notAsked are the arguments that do not say what is to be done.
var notAsked = []string{idempotencyKey.Name, outputFormat.Name, "reasoning", "confidence"}

// once returns the idempotency key that checked arguments have, or nil.
func (op *Op) once(caller allowlist.Caller, args Args) (*once, error) {
	key, ok := args[idempotencyKey.Name].(string)
	if !ok {
		return nil, nil
	}
	text, err := op.asked(args)
	if err != nil {
		return nil, err
	}
	var scope []byte // each part with its length, so that no two scopes read the same
	for _, part := range []string{caller.Workspace, caller.Host, caller.Agent, caller.User, op.Instruction, key} {
		scope = append(binary.AppendUvarint(scope, uint64(len(part))), part...)
	}
	sum := sha256.Sum256(scope)
	return &once{workspace: caller.Workspace, scope: hex.EncodeToString(sum[:]), digest: sha256.Sum256(text)}, nil
}

// asked are the checked arguments that say what is to be done, as JSON: the same
// for every way to say the same.
func (op *Op) asked(args Args) ([]byte, error) {
	asked := maps.Clone(args)
	for _, name := range notAsked {
		delete(asked, name)
	}
	return encode(asked)
}

// errAgain says that a call with the same key ended without having been made.
var errAgain = errors.New("the key was given up")

// Pauses between two looks at a call that is under way.
const (
	shortestPause = 10 * time.Millisecond
	longestPause  = 250 * time.Millisecond
)

// recall finds out what the key stands for, and waits for a call that is under way
// until the time is up: k has what was kept then, or the claim to be made. The
// error is an *Error, or errAgain when the call that was waited for was not made.
func (s *Server) recall(ctx context.Context, k *once, op *Op, until time.Time) error {
	if k == nil {
		return nil
	}
	if s.Claims == nil || s.Sealer == nil {
		return &Error{Code: InvalidArgument, Message: "this server keeps no idempotency keys; leave idempotencyKey out"}
	}
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		claim, found, err := s.Claims.Claim(ctx, k.scope)
		switch {
		case err != nil:
			return s.unrecalled(ctx, err)
		case !found && pause > shortestPause:
			return errAgain
		case !found:
			sealed, err := s.Sealer.Seal(ctx, k.workspace, k.scope+" digest", k.digest[:])
			if err != nil {
				return s.unrecalled(ctx, err)
			}
			k.claim = &audit.Claim{Scope: k.scope, Digest: sealed, Life: s.timeout() + recordingTime}
			return nil
		}
		digest, err := s.Sealer.Open(ctx, k.workspace, k.scope+" digest", claim.Digest)
		if err != nil {
			return s.unrecalled(ctx, err)
		}
		switch {
		case !bytes.Equal(digest, k.digest[:]):
			return &Error{Code: KeyMismatch, Message: "this idempotencyKey was used with other arguments, in the last 24 hours",
				Hint: "Nothing was sent. A key names one call: give this one a new key, or repeat the other as it was."}
		case claim.Outcome != nil:
			k.intent = claim.Intent
			k.earlier, err = s.open(ctx, k, claim.Outcome)
			return err
		case !claim.Live:
			return &Error{Code: OutcomeUnknown, Message: "a call with this idempotencyKey was begun, and nobody can say whether it was done: its answer was lost, or the server stopped. It is not sent again",
				Hint: op.say(op.findOut())}
		}
		if wait := time.Until(until); wait < pause {
			return inProgress()
		}
		select {
		case <-ctx.Done():
			return inProgress()
		case <-time.After(pause):
		}
	}
}

// recordingTime is how long after its time a call may still be recording its
// outcome.
const recordingTime = 30 * time.Second

func inProgress() *Error {
	return &Error{Code: InProgress, Message: "a call with this idempotencyKey is still under way; this one sent nothing", RetryAfter: 5,
		Hint: "Repeat the call as it is, with the same idempotencyKey, to get its outcome."}
}

// unrecalled is the error of a call that was not made because nobody can say
// whether it was made before.
func (s *Server) unrecalled(ctx context.Context, err error) *Error {
	if ctx.Err() != nil {
		return inProgress()
	}
	s.Log.Error().Err(err).Msg("what an idempotency key stands for cannot be read or kept; the call was not made")
	return &Error{Code: NotRecorded, Message: "what the idempotencyKey stands for cannot be read or kept, so nothing was sent",
		Hint: "Try again later, with the same key; an administrator finds the cause in the server's log."}
}

// findOut says how to learn whether a call was made whose outcome is unknown.
func (op *Op) findOut() string {
	const again = ", and only if it was not done call again with a new idempotencyKey."
	_, byExternal := op.param(external.Name)
	switch {
	case byExternal && op.Effect == Set:
		return "Look for the records by their external ID (tool query, action soql). Those that carry it are not made twice by an upsert, so that it may be sent again with a new idempotencyKey."
	case op.Effect == Add && op.Gives != "":
		return "Look whether there is a job or a deploy of that time" + again
	case op.Effect == Add:
		return "Search for what it would have made, by its external ID if it has one or by fields that tell it from others (tool query, action soql)" + again
	}
	return "Read what it was about" + again
}

// kept is what a call came to, as it is kept for its repetitions: what Salesforce
// answered or, where that was an error, the error.
type kept struct {
	Answer *salesforce.Response `json:"answer,omitempty"`
	Error  *Error               `json:"error,omitempty"`
}

func (s *Server) open(ctx context.Context, k *once, sealed []byte) (*kept, error) {
	text, err := s.Sealer.Open(ctx, k.workspace, k.scope, sealed)
	if err != nil {
		return nil, s.unrecalled(ctx, err)
	}
	var earlier kept
	if err := json.Unmarshal(text, &earlier); err != nil || earlier.Answer == nil && earlier.Error == nil {
		return nil, s.unrecalled(ctx, fmt.Errorf("an outcome is not readable: %w", err))
	}
	return &earlier, nil
}

// replays reports whether the call was made before.
func (k *once) replays() bool { return k != nil && k.earlier != nil }

// again is what the earlier call came to.
func (k *once) again() (*salesforce.Response, error) {
	if k.earlier.Answer == nil {
		return nil, k.earlier.Error
	}
	return k.earlier.Answer, nil
}

// maxKept is how many bytes of an outcome are kept. The answer to a change is
// larger only when requests inside it read much.
const maxKept = 8 << 20

// settle says what becomes of the key of a call that has ended, in its outcome:
// what Salesforce answered is kept, errors too. The key is given up only when
// provably nothing was sent that changes anything. In between nobody knows, and
// nothing is said.
func (s *Server) settle(ctx context.Context, k *once, a *answer, failure *Error, sent bool, out *audit.Outcome) {
	if k == nil || k.claim == nil {
		return
	}
	var keep kept
	switch {
	case a != nil && a.err == nil:
		resp := *a.resp
		resp.Stream, resp.Header = nil, resp.Header.Clone()
		for _, name := range []string{"Set-Cookie", "Date"} {
			resp.Header.Del(name)
		}
		keep.Answer = &resp
	case !sent:
		out.Release = true
		return
	case failure != nil && out.Status == audit.Failed && len(out.Exchanges) > 0:
		keep.Error = failure
	default:
		return
	}
	text, err := encode(keep)
	if len(text) > maxKept {
		text, err = encode(kept{Error: &Error{Code: Unreadable, RequestID: keep.Answer.RequestID,
			Message: fmt.Sprintf("the call with this idempotencyKey was answered with HTTP %d, but its answer, of %d bytes, was too large to be kept. It is not sent again", a.resp.Status, len(a.resp.Body)),
			Hint:    "What the answer held can be read by itself."}})
	}
	if err == nil {
		out.Keep, err = s.Sealer.Seal(context.WithoutCancel(ctx), k.workspace, k.scope, text)
	}
	if err != nil {
		s.Log.Error().Err(err).Msg("an outcome could not be kept; a repetition of the call will be told that it is unknown")
	}
}

// A witness is an org that remembers whether something was sent that may have
// changed it: whatever is no reading, unless it provably was not executed.
type witness struct {
	Org
	sent *bool
}

func (w witness) Do(ctx context.Context, r *salesforce.Request) (*salesforce.Response, error) {
	before := *w.sent
	*w.sent = true // until the opposite is known, even if Do panics
	resp, err := w.Org.Do(ctx, r)
	var theirs *salesforce.Error
	if r.Semantics == salesforce.Safe || errors.As(err, &theirs) && theirs.NotExecuted {
		*w.sent = before
	}
	return resp, err
}

// KeyHeader is the header that may carry the idempotency key of an instruction
// (draft-ietf-httpapi-idempotency-key-header).
const KeyHeader = "Idempotency-Key"

// AddKey adds the idempotency key of a request's header to the arguments. It is a
// string of RFC 9651, in quotation marks, or as most clients send it, without.
func AddKey(h http.Header, args map[string]any) error {
	values := h.Values(KeyHeader)
	if len(values) == 0 {
		return nil
	}
	key, err := headerString(values)
	if err != nil {
		return err
	}
	if given, ok := args[idempotencyKey.Name]; ok && given != key {
		return &Error{Code: InvalidArgument, Message: "the idempotency key is given twice, in the header and as an argument, with different values; give it once"}
	}
	args[idempotencyKey.Name] = key
	return nil
}

func headerString(values []string) (string, error) {
	wrong := &Error{Code: InvalidArgument, Message: fmt.Sprintf("the header %s must be one text of 1 to %d visible characters, such as a UUID", KeyHeader, maxKey)}
	text := values[0]
	if len(values) != 1 || text == "" {
		return "", wrong
	}
	if text[0] != '"' {
		return text, nil
	}
	if len(text) < 3 || text[len(text)-1] != '"' {
		return "", wrong
	}
	var key []byte
	inner := text[1 : len(text)-1]
	for i := 0; i < len(inner); i++ {
		switch inner[i] {
		case '"':
			return "", wrong
		case '\\':
			if i++; i == len(inner) || inner[i] != '"' && inner[i] != '\\' {
				return "", wrong
			}
		}
		key = append(key, inner[i])
	}
	return string(key), nil
}
