package tools

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"salesforce-mcp/allowlist"
)

// Handles remembers who was given what. Salesforce lets everybody whose user is
// the same read on in a query, or fetch the rows of a job; the agents of a
// workspace may all be one user.
type Handles interface {
	// GiveHandles notes that handles were given to a caller, whose context does not
	// matter. That they were given before is no error.
	// Touches is what the call has touched that gave them; nil where that was not
	// asked.
	GiveHandles(ctx context.Context, to allowlist.Caller, handles []string, touches []allowlist.Touch) error
	// HasHandle reports whether a handle was given to a caller, in the last week.
	HasHandle(ctx context.Context, caller allowlist.Caller, handle string) (bool, error)
	// Touches returns what was touched by the call that gave a caller a handle; known
	// is false when that was not asked.
	Touches(ctx context.Context, caller allowlist.Caller, handle string) (touches []allowlist.Touch, known bool, err error)
}

// A Handle is what a parameter names that a call has begun: who has it reads what
// that call was allowed to.
type Handle string

// The handles.
const (
	Job      Handle = "job"
	Page     Handle = "page" // of a query
	Instance Handle = "instance"
	Deploy   Handle = "deploy"
)

// of is the handle with a value, the same for every way to write it: the ID of 18
// characters is that of 15, and the pages of a query are one handle.
func (h Handle) of(value string) string {
	if h == Page {
		value = strings.TrimPrefix(value, toolingPrefix)
		value, _, _ = strings.Cut(value, "-")
	} else if len(value) > 15 {
		value = value[:15]
	}
	return string(h) + " " + value
}

// pages are where the queries in an answer go on, at any depth. A row of functions
// has names of the caller's choice with values that it may have stored: what stands
// in a record is no page.
func pages(v any) (urls []string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			urls = append(urls, pages(e)...)
		}
	case object:
		_, isRecord := v.lookup("attributes")
		_, isPage := v.get("records").([]any)
		if next, ok := v.get("nextRecordsUrl").(string); ok && isPage && !isRecord {
			urls = append(urls, next)
		}
		for _, m := range v {
			urls = append(urls, pages(m.value)...)
		}
	}
	return urls
}

// given are the handles in an answer.
func (op *Op) given(a *answer) (handles []string) {
	if o, ok := a.value.(object); ok && op.Gives != "" {
		if id := text(o.get("id")); id != "" {
			handles = append(handles, op.Gives.of(id))
		}
	}
	for _, next := range pages(a.value) {
		if place := locatorRE.FindStringSubmatch(next); place != nil {
			handles = append(handles, Page.of(place[2]))
		}
	}
	slices.Sort(handles)
	return slices.Compact(handles)
}

// foreign finds the handles in the path of a request inside a request. A job of
// a query is no page of one, so that it is looked for first. A reference may stand
// for the name of a resource: then what has the form of a handle is one.
var foreign = []struct {
	kind Handle
	path *regexp.Regexp
}{
	{Job, regexp.MustCompile(`(?i)/jobs/+(?:ingest|query)/+([^/]+)`)},
	{Page, regexp.MustCompile(`(?i)/query(?:All)?/+([^/]+)`)},
	{Instance, regexp.MustCompile(`(?i)/instances/+([^/]+)`)},
	{Deploy, regexp.MustCompile(`(?i)/deployRequest/+([^/]+)`)},
	{Job, regexp.MustCompile(`/(750\w{12}(?:\w{3})?)(?:/|$)`)},
	{Instance, regexp.MustCompile(`/(0LG\w{12}(?:\w{3})?)(?:/|$)`)},
	{Deploy, regexp.MustCompile(`/(0Af\w{12}(?:\w{3})?)(?:/|$)`)},
	{Page, regexp.MustCompile(`/([A-Za-z0-9]{15,18}-\d{1,9})(?:/|$)`)},
	{Page, regexp.MustCompile(`(?i)(?:/v\d+\.\d+|/jobs)/+([^/]*@\{[^/]*)`)},
}

// continues are the handles that checked arguments name.
func (op *Op) continues(args Args) (handles []string) {
	for _, p := range op.params() {
		switch value := args[p.Name].(type) {
		case string:
			if p.Handle != "" {
				handles = append(handles, p.Handle.of(value))
			}
		case []any:
			if slices.Contains([]Form{Subrequests, BatchRequests, Graphs}, p.Form) {
				handles = append(handles, inside(value)...)
			}
		}
	}
	return handles
}

// inside are the handles that requests inside a request name. A name that only
// Salesforce can fill in is nobody's.
func inside(list []any) (handles []string) {
	for _, e := range list {
		o, _ := e.(map[string]any)
		if nested, ok := o["compositeRequest"].([]any); ok {
			handles = append(handles, inside(nested)...)
		}
		target, _ := o["url"].(string)
		path, _, _ := strings.Cut(target, "?")
		if plain, err := url.PathUnescape(path); err == nil {
			path = plain
		}
		for _, f := range foreign {
			for _, m := range f.path.FindAllStringSubmatch(path, -1) {
				handles = append(handles, f.kind.of(m[1]))
			}
			path = f.path.ReplaceAllString(path, "")
		}
	}
	return handles
}

// mayContinue refuses handles that the caller was not given.
func (s *Server) mayContinue(ctx context.Context, caller allowlist.Caller, op *Op, args Args) error {
	if s.Handles == nil {
		return nil
	}
	for _, handle := range op.continues(args) {
		has, err := s.Handles.HasHandle(ctx, caller, handle)
		if err != nil {
			s.Log.Error().Err(err).Msg("handles cannot be read")
			return AsError(err)
		}
		if !has {
			return &Error{Code: NoHandle, Message: fmt.Sprintf("the %s was not given to this agent, for this user, in the last week", clip(handle)),
				Hint: "Who began it goes on with it: begin again, with a call of your own."}
		}
	}
	return nil
}

// give notes the handles of an answer. Without that the caller could not go on, and
// would be told to begin again.
func (s *Server) give(ctx context.Context, caller allowlist.Caller, op *Op, a *answer) {
	if s.Handles == nil || a.resp == nil {
		return
	}
	handles := op.given(a)
	if len(handles) == 0 {
		return
	}
	var touches []allowlist.Touch
	if op.reach != nil && op.reach.rule.Narrowed() {
		touches = op.reach.touches
	}
	if err := s.Handles.GiveHandles(context.WithoutCancel(ctx), caller, handles, touches); err != nil {
		s.Log.Error().Err(err).Msg("handles could not be noted")
	}
}
