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

// unknown reports whether nobody can say if a failed change was made: something
// was sent, and Salesforce did not answer that it refused.
func (t trace) unknown(op *Op, err error) bool {
	if op.Effect == Read || len(t) == 0 {
		return false
	}
	var ours *Error
	if errors.As(err, &ours) {
		return ours.Code == Unreadable
	}
	var e *salesforce.Error
	if !errors.As(err, &e) {
		return true
	}
	refused := e.Status >= 300 && e.Status < 500 && e.Class != salesforce.ClassTransient
	return !e.NotExecuted && (e.Repeated || !refused)
}

// maxRecordIDs is how many record IDs of one call are kept.
const maxRecordIDs = 2000

// recordIDs returns the IDs of the records that a call named, wrote or read. The
// answer is nil when there was none.
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
		for _, m := range v {
			switch m.name {
			case "id", "Id":
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
