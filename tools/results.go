package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"time"

	"github.com/google/uuid"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
)

// Results remembers what large results are. Of a result nothing is kept but the
// call that makes it: whoever reads it makes the call again, gated and audited
// like any other, and no data lies around.
type Results interface {
	// Keep remembers a result for at least a day.
	Keep(context.Context, Kept) error
	// Kept returns what was kept under an id; ok is false when there is nothing.
	Kept(ctx context.Context, id string) (k Kept, ok bool, err error)
}

// Kept is a result that can be made again.
type Kept struct {
	ID          string           // unguessable
	Owner       allowlist.Caller // whose result it is; without a context
	Instruction string
	Arguments   json.RawMessage // as the caller gave them
	Made        time.Time
}

// A Link says where the whole of a large result is.
type Link struct {
	ID        string
	Name      string // of the operation, as in bulkQuery.getResults
	MediaType string
	Page      bool // it is one page of more
}

// offer keeps a result that was not shown whole. One that a repetition would
// make anew, and not again, is not offered; neither is one that cannot be kept,
// which its own notes say how to read on.
func (s *Server) offer(ctx context.Context, caller allowlist.Caller, op *Op, args map[string]any, res *Result) {
	if !res.partial || s.Results == nil || op.Effect != Read || op.Once {
		return
	}
	args = maps.Clone(args)
	delete(args, action.Name)
	for _, p := range op.params() {
		if p.In == Shape {
			delete(args, p.Name)
		}
	}
	arguments, err := encode(args)
	if err != nil {
		return
	}
	caller.Context = ""
	kept := Kept{ID: uuid.NewString(), Owner: caller, Instruction: op.Instruction, Arguments: arguments, Made: time.Now().UTC().Truncate(time.Millisecond)}
	if err := s.Results.Keep(ctx, kept); err != nil {
		s.Log.Error().Err(err).Msg("a large result could not be offered")
		return
	}
	res.Link = &Link{ID: kept.ID, Name: op.Name(), MediaType: op.mediaType(res), Page: res.paged}
}

// mediaType is that of the whole result.
func (op *Op) mediaType(res *Result) string {
	switch {
	case op.Content == CSV:
		return "text/csv"
	case res.File != nil && res.File.MediaType != "":
		return res.File.MediaType
	}
	return "application/json"
}

// Result makes a large result again for its owner: a call like any other, with
// the arguments of then. To everybody else it does not exist. Its errors are
// *Error.
func (s *Server) Result(ctx context.Context, c Call, id string) (*Result, error) {
	caller, _, err := c.Who.Identify(nil)
	if err != nil {
		return nil, refusal(NotIdentified, err)
	}
	owner := caller
	owner.Context = ""
	kept, found, err := s.Results.Kept(ctx, id)
	if err != nil {
		s.Log.Error().Err(err).Msg("large results cannot be read")
		return nil, AsError(err)
	}
	if !found || kept.Owner != owner {
		return nil, s.refuse(ctx, audit.Entry{Workspace: caller.Workspace, Host: caller.Host, Agent: caller.Agent, User: caller.User, Context: caller.Context,
			Surface: c.Surface, Tool: "results", Decision: audit.DecisionRefused},
			&Error{Code: NoResult, Message: "there is no such result for this agent and user", Hint: "Results are kept for a day: make the call again."})
	}
	d := json.NewDecoder(bytes.NewReader(kept.Arguments))
	d.UseNumber()
	if err := d.Decode(&c.Args); err != nil {
		return nil, AsError(errors.New("a kept result has no arguments"))
	}
	c.Tool, c.Instruction = "", kept.Instruction
	return s.Call(ctx, c)
}

// pageSize is how many bytes of a large result are read at once. Clients take
// 50,000 characters.
const pageSize = 40_000

// A resultPage is a part of a large result.
type resultPage struct {
	mediaType string
	text      string
	blob      []byte // instead of text, when it is none
	next      int    // where the next page begins; 0 after the last
}

// page reads a part of a large result: of a CSV from a record on, with its
// header, and of all else from a byte on.
func (s *Server) page(ctx context.Context, c Call, id string, from int) (*resultPage, error) {
	var page *resultPage
	c.paged = true
	c.Stream = func(resp *salesforce.Response) (err error) {
		page, err = readPage(resp.Header.Get("Content-Type"), resp.Stream, from)
		return err
	}
	res, err := s.Result(ctx, c, id)
	if err != nil {
		return nil, err
	}
	if page == nil { // it was not streamed
		if page, err = readPage(res.Raw.Header.Get("Content-Type"), bytes.NewReader(res.Raw.Body), from); err != nil {
			return nil, AsError(err)
		}
	}
	page.text = Printable(page.text) // a model reads it
	return page, nil
}

func readPage(contentType string, r io.Reader, from int) (*resultPage, error) {
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		mediaType = "application/octet-stream"
	}
	if mediaType == "text/csv" {
		return csvPage(r, from)
	}
	if _, err := io.CopyN(io.Discard, r, int64(from)); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(r, pageSize+1))
	if err != nil {
		return nil, err
	}
	page := &resultPage{mediaType: mediaType}
	more := len(content) > pageSize
	content = content[:min(len(content), pageSize)]
	shown := (&File{Content: content}).cut(pageSize)
	if shown == "" && len(content) > 0 {
		page.blob = content
	}
	page.text = shown
	if more {
		page.next = from + max(len(shown), len(page.blob))
	}
	return page, nil
}

// csvPage reads the header and as many records as fit, after the first ones.
func csvPage(r io.Reader, from int) (*resultPage, error) {
	c, err := newCSV(r)
	if err != nil {
		return nil, err
	}
	page := &resultPage{mediaType: "text/csv"}
	text := append([]byte(nil), c.raw...)
	err = c.skip(from)
	for n := from; err == nil; n++ {
		if err = c.next(); err != nil {
			break
		}
		if n > from && len(text)+len(c.raw) > pageSize {
			page.next = n
			break
		}
		text = append(text, c.raw...)
	}
	page.text = string(text)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return page, nil
}
