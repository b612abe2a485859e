package audit

import (
	"encoding/json"
	"slices"
	"strings"
)

// Bounds of an entry, so that one call cannot fill the journal.
const (
	maxText      = 2 << 10 // bytes of one text field
	maxExchanges = 500     // a call with more has paged through a large result
	maxRecords   = 2000
)

// tidy makes the entry fit to be recorded by any store: text is valid UTF-8
// without NUL, which Postgres refuses, and everything is bounded. What was cut
// from a list is named in the message.
func (e *Entry) tidy() {
	for _, text := range []*string{
		&e.Run, &e.Workspace, &e.Host, &e.Agent, &e.User, &e.Context, &e.Surface,
		&e.Tool, &e.Action, &e.Instruction, &e.Effect,
		&e.Decision, &e.Rule, &e.Approval, &e.Digest, &e.By, &e.Reasoning, &e.Code, &e.Message,
	} {
		*text = tidyText(*text)
	}
	if len(e.Exchanges) > maxExchanges {
		e.Message = strings.TrimSpace(e.Message + " (only the first 500 HTTP requests are recorded)")
	}
	e.Exchanges = slices.Clone(e.Exchanges[:min(len(e.Exchanges), maxExchanges)])
	for i := range e.Exchanges {
		x := &e.Exchanges[i]
		x.Method, x.Path, x.RequestID, x.Err = tidyText(x.Method), tidyText(x.Path), tidyText(x.RequestID), tidyText(x.Err)
	}
	if len(e.Records) > maxRecords {
		e.Message = strings.TrimSpace(e.Message + " (only the first 2000 record ids are recorded)")
	}
	e.Records = slices.Clone(e.Records[:min(len(e.Records), maxRecords)])
	for i, id := range e.Records {
		e.Records[i] = tidyText(id)
	}
	e.tidyChanges()
	for _, value := range []*json.RawMessage{&e.Arguments, &e.Detail} {
		if len(*value) > maxArguments || len(*value) > 0 && !json.Valid(*value) {
			*value = encode(cut(*value, ""))
		}
	}
}

// tidyText cuts the text to its bound, at a whole character.
func tidyText(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = strings.ReplaceAll(text, "\x00", "\uFFFD")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return text
}
