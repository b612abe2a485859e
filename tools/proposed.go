package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
)

// A Proposed is what a call that waits would change, as far as somebody can tell before
// it is made.
type Proposed struct {
	Known   bool           // false: the call can do more, or other things, than can be read before
	Changes []audit.Change // each field as it is now, and as it would be
	Missing int            // how many records that the call is about are not there
}

// Proposed reads what a call would change that waits for a person, as the call's own
// caller would read it and with no more rights. A has all of its arguments ([Whole]). By
// is who wants to see it, as the audit trail has it. The error is an *Error or of the
// journal.
func (s *Server) Proposed(ctx context.Context, a Approval, by string) (p Proposed, err error) {
	op, err := s.Table.Instruction(a.Instruction)
	if err != nil {
		return p, nil //nolint:nilerr // it is of an earlier version, or no call: nobody can tell
	}
	read, reads := befores[op.Instruction]
	if !reads && op.Effect != Add {
		return p, nil
	}
	var given map[string]any
	d := json.NewDecoder(bytes.NewReader(a.Arguments))
	d.UseNumber()
	if err := d.Decode(&given); err != nil {
		return p, nil //nolint:nilerr // as above
	}
	args, err := op.Check(given)
	if err != nil {
		return p, nil //nolint:nilerr // as above
	}
	b := &before{ctx: ctx, of: allowlist.Changes{"*"}}
	if !reads {
		if b.seen = added(op, args); b.seen == nil {
			return p, nil
		}
		return proposed(op, b.seen), nil
	}
	var sent trace
	intent, err := s.Journal.Begin(ctx, audit.Entry{Workspace: a.Workspace, Host: a.Host, Agent: a.Agent, User: a.User, Context: a.Context, Surface: "app",
		Tool: ApprovalsTool.Name, Action: "preview", Effect: Read.String(), Decision: audit.DecisionAllowed, Approval: a.ID, Digest: a.Digest, By: by})
	if err != nil {
		return p, unwritten(err)
	}
	defer func() {
		out := audit.Outcome{Status: audit.OK, Exchanges: sent}
		if err != nil {
			e := AsError(err)
			out.Status, out.Code, out.Message = audit.Failed, string(e.Code), e.Message
			err = e
		}
		err = errors.Join(err, intent.End(context.WithoutCancel(ctx), out))
	}()
	ctx, cancel := context.WithTimeout(ctx, previewTime)
	defer cancel()
	b.ctx = ctx
	if b.org, err = s.Orgs.Connect(ctx, allowlist.Caller{Workspace: a.Workspace, Host: a.Host, Agent: a.Agent, User: a.User, Context: a.Context}, sent.add); err != nil {
		return p, err
	}
	if err := read(b, args); err != nil {
		return p, err
	}
	return proposed(op, b.seen), nil
}

// previewTime is how long the reading may take for which somebody waits.
const previewTime = 8 * time.Second

// added are the records that a call adds whose arguments say all of them.
func added(op *Op, args Args) (records []was) {
	if object, ok := args[sObjectName.Name].(string); ok {
		if values, ok := args[bodyName].(map[string]any); ok && op.Instruction == "createRecord" {
			return []was{{object: object, sent: fieldsOf(values)}}
		}
		return nil
	}
	list, _ := args[recordList.Name].([]any)
	for _, e := range list {
		record, _ := e.(map[string]any)
		attributes, _ := record["attributes"].(map[string]any)
		object, _ := attributes["type"].(string)
		if object == "" || op.Instruction != "createRecords" {
			return nil
		}
		records = append(records, was{object: object, sent: fieldsOf(record)})
	}
	return records
}

// proposed are the changes of records that were read. What an upsert does not find it
// adds.
func proposed(op *Op, records []was) Proposed {
	p := Proposed{Known: true}
	_, adds := op.param(external.Name)
	adds = adds || op.Effect == Add
	for _, w := range records {
		if w.values == nil && !adds {
			p.Missing++
			continue
		}
		p.Changes = append(p.Changes, w.changes(w.id, true)...)
	}
	return p
}
