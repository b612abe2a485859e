package tools

import (
	"errors"
	"maps"
	"slices"

	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce"
)

// A trace is the HTTP exchanges of one call, for its outcome in the audit.
type trace []audit.Exchange

func (t *trace) add(x salesforce.Exchange) { *t = append(*t, audit.Exchange(x)) }

// outcome is that of a call which came to an answer, or to none.
func (t trace) outcome(op *Op, args Args, a *answer) audit.Outcome {
	out := audit.Outcome{Status: audit.OK, Exchanges: t, Records: op.recordIDs(args, a)}
	if a != nil {
		out.Bytes = a.bytes
		if a.said != nil {
			e := AsError(a.said)
			out.Status, out.Code, out.Message = audit.Failed, string(e.Code), e.Message
			return out
		}
		var all bool
		if out.Message, all = a.failed(); all {
			out.Status = audit.Failed
		}
	}
	return out
}

// failure is how a failed call ended: with an error or, when something was sent
// that changes the org and Salesforce did not answer that it refused, unknown. What a
// row with Own sends goes its own ways.
func (t trace) failure(op *Op, err error, sent bool) audit.Status {
	if op.Effect == Read || len(t) == 0 || !sent && op.Own == nil {
		return audit.Failed
	}
	var ours *Error
	var theirs *salesforce.Error
	known := false
	switch {
	case errors.As(err, &ours):
		known = ours.Code != Unreadable && ours.Code != TimedOut
	case errors.As(err, &theirs):
		refused := theirs.Status >= 300 && theirs.Status < 500 && theirs.Class != salesforce.ClassTransient
		known = theirs.NotExecuted || refused && !theirs.Repeated
	}
	if known {
		return audit.Failed
	}
	return audit.Unknown
}

// maxRecordIDs is how many record IDs of one call are kept.
const maxRecordIDs = 2000

// recordIDs returns the IDs of the records that a call named, wrote or read, and the
// UUIDs of the events that it published. The answer is nil when there was none.
func (op *Op) recordIDs(args Args, a *answer) []string {
	ids := map[string]bool{}
	note := func(v any) {
		if s, ok := v.(string); ok && len(ids) < maxRecordIDs {
			if id, err := salesforce.To18(s); err == nil {
				ids[id] = true
			}
		}
	}
	for _, p := range op.params() {
		switch v := args[p.Name].(type) {
		case string:
			if p.Form == RecordID {
				note(v)
			}
		case []string:
			if p.Form == RecordIDList {
				for _, id := range v {
					note(id)
				}
			}
		}
	}
	if a != nil {
		noteRecords(a.value, note)
		for _, id := range eventUUIDs(a.value) {
			ids[id] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// noteRecords visits the answer: a record, the result of a write, or a list of
// either, and the children of records.
func noteRecords(v any, note func(any)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			noteRecords(e, note)
		}
	case object:
		if _, isEvent := v.lookup(eventUUID); isEvent { // whose id names nothing
			return
		}
		for _, m := range v {
			switch m.name {
			case "id", "Id", "sf__Id":
				note(m.value)
			case "ids":
				list, _ := m.value.([]any)
				for _, id := range list {
					note(id)
				}
			default:
				switch m.value.(type) {
				case object, []any:
					noteRecords(m.value, note)
				}
			}
		}
	}
}
