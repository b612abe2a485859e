package audit

import (
	"encoding/json"
	"strings"
)

// A Change is the value of one field before a call and after it. Before is left
// out when the record was not there. After is what the call sent, and left out
// when the record was removed, or when nobody can say whether the change was made.
type Change struct {
	Record string          `json:"record"` // ID; empty when a record was made whose ID did not become known
	Object string          `json:"object"` // API name
	Field  string          `json:"field"`  // API name
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// maxChanges bounds the changes of one entry. Their values together are bounded
// like arguments are.
const maxChanges = 2000

// tidyChanges bounds the changes, in the way in which [Redact] bounds arguments.
func (e *Entry) tidyChanges() {
	if len(e.Changes) > maxChanges {
		e.Message = strings.TrimSpace(e.Message + " (only the first 2000 changed fields are recorded)")
	}
	changes := make([]Change, 0, min(len(e.Changes), maxChanges))
	total := 0
	tidy := func(value json.RawMessage) json.RawMessage {
		if len(value) == 0 {
			return nil
		}
		if !json.Valid(value) || len(value) > maxString || total+len(value) > maxArguments {
			start := ""
			var text string
			if json.Unmarshal(value, &text) == nil && total <= maxArguments {
				start = strings.ToValidUTF8(text[:min(len(text), keptString)], "")
			}
			if short := encode(cut(value, start)); len(short) < len(value) || !json.Valid(value) {
				value = short
			}
		}
		total += len(value)
		return value
	}
	for _, c := range e.Changes[:min(len(e.Changes), maxChanges)] {
		changes = append(changes, Change{tidyText(c.Record), tidyText(c.Object), tidyText(c.Field), tidy(c.Before), tidy(c.After)})
	}
	e.Changes = nil
	if len(changes) > 0 {
		e.Changes = changes
	}
}
