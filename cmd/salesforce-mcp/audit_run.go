package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"salesforce-mcp/audit"
)

// printStory prints the entries of a run, oldest first, as what happened: each attempt
// at a step with what came of it, and what people did.
func (e *env) printStory(entries []audit.Entry) error {
	out := bufio.NewWriter(e.stdout)
	s := story{out: out, attempts: map[string]int{}}
	outcomes := map[string]audit.Entry{} // by intent
	for _, entry := range entries {
		if entry.Phase == audit.PhaseOutcome {
			outcomes[entry.Intent] = entry
		}
	}
	for _, entry := range entries {
		if entry.Phase != audit.PhaseOutcome {
			s.tell(entry, outcomes[entry.ID])
			continue
		}
		if _, begun := s.attempts[entry.Intent]; !begun { // its intent is not among the entries
			s.tell(entry, entry)
		}
	}
	return out.Flush()
}

// A story is what is being told of a run.
type story struct {
	out      *bufio.Writer
	attempts map[string]int // by step; intents that were told are here too
	said     string         // the reasoning that was told last
}

// line prints a line under the time of the present entry. Errors are those of Flush.
func (s *story) line(format string, args ...any) {
	_, _ = fmt.Fprintf(s.out, "%20s "+format+"\n", append([]any{""}, args...)...)
}

// tell tells an entry, and its outcome as far as there is one.
func (s *story) tell(e, end audit.Entry) {
	s.attempts[e.ID]++
	name := oneLine(e.Tool + "." + e.Action)
	if e.Tool == "returns" && e.Action == "step" {
		s.attempts["step "+e.Instruction]++
		name = fmt.Sprintf("%s, attempt %d", oneLine(e.Instruction), s.attempts["step "+e.Instruction])
	}
	came := string(end.Outcome)
	switch {
	case e.Phase == audit.PhaseRefusal:
		end, came = e, "refused"
	case end.ID == "":
		came = "under way"
	}
	if end.Code != "" || end.Message != "" {
		came += ", " + long(strings.Trim(end.Code+": "+end.Message, ": "))
	}
	if end.Duration > 0 {
		came += " (" + end.Duration.Round(time.Millisecond).String() + ")"
	}
	_, _ = fmt.Fprintf(s.out, "%-20s %s: %s\n", e.Time.Format(time.DateTime), name, came)
	if e.Action != "step" {
		s.line("agent %s, user %s, host %s", cmp.Or(oneLine(e.Agent), "-"), cmp.Or(oneLine(e.User), "-"), cmp.Or(oneLine(e.Host), "-"))
	}
	if e.By != "" {
		s.line("by %s%s", oneLine(e.By), noteOf(e.Arguments))
	}
	if e.Reasoning != "" && e.Reasoning != s.said {
		s.said = e.Reasoning
		confidence := ""
		if e.Confidence != nil {
			confidence = fmt.Sprintf(" (confidence %v)", *e.Confidence)
		}
		s.line("reasoning: %s%s", long(e.Reasoning), confidence)
	}
	if e.Approval != "" {
		s.line("approval %s", oneLine(e.Approval))
	}
	if e.Digest != "" {
		s.line("digest %s", oneLine(e.Digest))
	}
	s.detail(end.Detail)
	for _, x := range end.Exchanges {
		s.line("%s %s: %s", oneLine(x.Method), long(x.Path), oneLine(strings.TrimSpace(fmt.Sprintf("%d %s %s", x.Status, x.RequestID, x.Err))))
	}
	if len(end.Records) > 0 {
		s.line("records %s", long(strings.Join(end.Records, " ")))
	}
	value := func(raw json.RawMessage) string { return cmp.Or(oneLine(string(raw)), "-") }
	for _, c := range end.Changes {
		s.line("%s %s.%s: %s -> %s", cmp.Or(oneLine(c.Record), "-"), oneLine(c.Object), oneLine(c.Field), value(c.Before), value(c.After))
	}
}

// detail tells what a step came to: a line for each member, and for each element of a
// list.
func (s *story) detail(detail json.RawMessage) {
	d := json.NewDecoder(bytes.NewReader(detail))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		if len(detail) > 0 {
			s.line("%s", long(string(detail)))
		}
		return
	}
	for d.More() {
		name, err := d.Token()
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			return
		}
		var list []json.RawMessage
		if json.Unmarshal(value, &list) != nil || list == nil {
			list = []json.RawMessage{value}
		}
		for _, v := range list {
			text := string(v)
			var said string
			if json.Unmarshal(v, &said) == nil && said != "" {
				text = said
			}
			s.line("%s: %s", oneLine(fmt.Sprint(name)), long(text))
		}
	}
}

// noteOf is what a person said with what they did.
func noteOf(arguments json.RawMessage) string {
	var said struct {
		Note string `json:"note"`
	}
	if json.Unmarshal(arguments, &said) != nil || said.Note == "" {
		return ""
	}
	return ": " + long(said.Note)
}

// long is text as a line of its own.
func long(text string) string { return clipped(text, 1000) }
