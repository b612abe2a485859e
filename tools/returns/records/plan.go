package records

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/tools/returns/decimal"
	"salesforce-mcp/tools/returns/policy"
)

// write is one record that is written.
type write struct {
	name   string // of the part
	object string
	id     string // of a record that is there
	key    string // else the field of its external id,
	value  string // and the value of that
	fields map[string]any
	before map[string]any // of the fields, where the record is there
}

// Proposed returns what [Settle] would write, for whoever approves it. Records that
// would be made have no id yet, and what is not known before money has moved, such as
// the gateway's reference, is left out.
func (m Mapping) Proposed(s Settlement) []audit.Change {
	writes, err := m.writes(s)
	if err != nil {
		return nil
	}
	return changes(writes, nil)
}

// Writable returns why [Settle] could not write a settlement, whatever the org says; nil
// when it could.
func (m Mapping) Writable(s Settlement) error {
	_, err := m.writes(s)
	return err
}

// changes are the fields of writes, before and after. Ids are those of new records, by
// the name of the part.
func changes(writes []write, ids map[string]string) []audit.Change {
	var list []audit.Change
	for _, w := range writes {
		id := w.id
		if id == "" {
			id = ids[w.name]
		}
		fields := w.fields
		if w.key != "" {
			fields = maps.Clone(fields)
			fields[w.key] = w.value
		}
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			after := fields[name]
			if text, ok := after.(string); ok && strings.HasPrefix(text, "@{") {
				after = ids[strings.TrimSuffix(strings.TrimPrefix(text, "@{"), ".id}")]
			}
			c := audit.Change{Record: id, Object: w.object, Field: name, After: encode(after)}
			if before, known := w.before[name]; known {
				c.Before = encode(before)
			}
			if string(c.Before) != string(c.After) {
				list = append(list, c)
			}
		}
	}
	return list
}

func encode(value any) json.RawMessage {
	text, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	return text
}

// writes are the records that a settlement writes, parents first.
func (m Mapping) writes(s Settlement) ([]write, error) {
	if s.Outcome != policy.OutcomeRefund && s.Outcome != policy.OutcomeReplace {
		return nil, fmt.Errorf("the outcome is %.40q, and neither %s nor %s", s.Outcome, policy.OutcomeRefund, policy.OutcomeReplace)
	}
	if s.Key == "" || s.Return.Case.ID == "" || s.Return.Order.ID == "" || len(s.Return.Lines) == 0 {
		return nil, fmt.Errorf("a settlement needs a key, a case, an order and lines")
	}
	amount, err := decimal.Of(s.Amount, s.Currency)
	if err != nil {
		return nil, fmt.Errorf("settlement: %w", err)
	}
	if s.Amount < 0 || s.Fee < 0 {
		return nil, fmt.Errorf("the amount is %d and the fee %d, and neither can be less than 0", s.Amount, s.Fee)
	}
	key := pathKey(s.Key)
	list := m.caseWrites(s)
	list = append(list, m.returnWrites(s, key)...)
	if s.Outcome == policy.OutcomeRefund {
		refunds, err := m.refundWrites(s, key, amount)
		if err != nil {
			return nil, err
		}
		list = append(list, refunds...)
	} else {
		if !m.replaces() {
			return nil, fmt.Errorf("no replacement can be ordered: %s", unmapped("order.key"))
		}
		list = append(list, m.replacementWrites(s, key)...)
	}
	return append(list, m.taskWrite(s, key, amount)), nil
}

func (m Mapping) caseWrites(s Settlement) []write {
	status := m.Case.Statuses.Refunded
	if s.Outcome == policy.OutcomeReplace {
		status = m.Case.Statuses.Replaced
	}
	if status == "" {
		return nil
	}
	return []write{{name: "case", object: caseObject, id: s.Return.Case.ID, fields: map[string]any{m.Case.Status: status},
		before: map[string]any{m.Case.Status: s.Return.Case.Status}}}
}

// returnWrites say what came back: in the case's return order, in a new one, or on the
// lines of the order. Of the lines of a return order that were not accepted nothing
// came back: their quantity becomes 0.
func (m Mapping) returnWrites(s Settlement, key string) []write {
	ro, rl := m.ReturnOrder, m.ReturnLines
	var list []write
	accepted := map[string]int64{}
	for _, l := range s.Return.Lines {
		accepted[l.Item] = l.Quantity
		if m.Lines.Returned != "" {
			list = append(list, write{name: "line" + strconv.Itoa(len(accepted)), object: m.Lines.Object, id: l.Item,
				fields: map[string]any{m.Lines.Returned: l.Returned + l.Quantity}, before: map[string]any{m.Lines.Returned: l.Returned}})
		}
	}
	own := s.Return.ReturnOrder
	if own != nil {
		list = append(list, write{name: "returnOrder", object: ro.Object, id: own.ID, fields: map[string]any{ro.Status: ro.Statuses.Settled},
			before: map[string]any{ro.Status: own.Status}})
		for i, l := range own.Lines {
			if n := accepted[l.Item]; n != l.Quantity {
				list = append(list, write{name: "returnLine" + strconv.Itoa(i+1), object: rl.Object, id: l.ID, fields: map[string]any{rl.Quantity: n},
					before: map[string]any{rl.Quantity: l.Quantity}})
			}
		}
		if len(own.Lines) > 0 || !m.makesReturn() {
			return list
		}
	} else if !m.makesReturn() {
		return list
	}
	parent := "@{returnOrder.id}"
	if own != nil {
		parent = own.ID
	} else {
		fields := map[string]any{ro.Status: ro.Statuses.Settled}
		set(fields, ro.Case, s.Return.Case.ID)
		set(fields, ro.Order, s.Return.Order.ID)
		set(fields, ro.Account, s.Return.AccountID)
		set(fields, ro.Contact, s.Return.ContactID)
		list = append(list, write{name: "returnOrder", object: ro.Object, key: ro.Key, value: key, fields: fields})
	}
	for i, l := range s.Return.Lines {
		list = append(list, write{name: "returnLine" + strconv.Itoa(i+1), object: rl.Object, key: rl.Key, value: key + "-" + strconv.Itoa(i+1),
			fields: map[string]any{rl.ReturnOrder: parent, rl.Item: l.Item, rl.Quantity: l.Quantity}})
	}
	return list
}

// refundWrites are the Refund record, where the gateway made none, or else what ties
// the gateway's to the order, and what the order says was refunded.
func (m Mapping) refundWrites(s Settlement, key, amount string) ([]write, error) {
	var list []write
	if f := m.Refund; f.Object != "" && s.Amount > 0 {
		tie := map[string]any{}
		if !strings.Contains(f.Order, ".") {
			set(tie, f.Order, s.Return.Order.ID)
		} else if group := s.group(); group != "" {
			set(tie, f.Group, group)
		}
		switch {
		case s.RefundRow && len(tie) == 0:
			return nil, fmt.Errorf("a %s cannot be written so that it is found again: no payment of the order has a %s", f.Object, m.Payment.Group)
		case s.RefundRow:
			for name, value := range f.Values {
				tie[name] = value
			}
			tie[f.Amount] = json.Number(amount)
			set(tie, f.Account, s.Return.AccountID)
			set(tie, m.Currency.Field, s.Currency)
			if s.Refund != nil {
				set(tie, f.Reference, s.Refund.Reference)
			}
			list = append(list, write{name: "refund", object: f.Object, key: f.Key, value: key, fields: tie})
		case s.Refund != nil && s.Refund.Record != "" && len(tie) > 0:
			list = append(list, write{name: "refund", object: f.Object, id: s.Refund.Record, fields: tie})
		}
	}
	if o := m.Order; o.Refunded != "" {
		before, after := s.Return.Order.Refunded, max(s.Return.Facts.Order.Refunded.Value, s.Return.Order.Refunded)+s.Amount
		was, err := decimal.Of(before, s.Currency)
		if err != nil {
			return nil, err
		}
		is, err := decimal.Of(after, s.Currency)
		if err != nil {
			return nil, err
		}
		list = append(list, write{name: "order", object: o.Object, id: s.Return.Order.ID, fields: map[string]any{o.Refunded: json.Number(is)},
			before: map[string]any{o.Refunded: json.Number(was)}})
	}
	return list, nil
}

// group is what the refund has in common with the payment that it is of.
func (s Settlement) group() string {
	for _, p := range s.Return.Payments {
		if p.Group != "" && (s.Payment == "" || s.Payment == p.ID || s.Payment == p.Reference) {
			return p.Group
		}
	}
	return ""
}

// replacementWrites are the order of an exchange, whose items cost nothing.
func (m Mapping) replacementWrites(s Settlement, key string) []write {
	o, l, r := m.Order, m.Lines, m.Replacement
	fields := map[string]any{}
	for name, value := range r.Values {
		fields[name] = value
	}
	at := s.At
	if at.IsZero() {
		at = s.Return.Facts.Case.Opened.Value
	}
	set(fields, r.Date, at.UTC().Format(time.DateOnly))
	set(fields, r.Original, s.Return.Order.ID)
	set(fields, r.Reference, s.Return.Order.Number)
	set(fields, o.Account, s.Return.Order.Account)
	set(fields, o.Contact, s.Return.Order.Contact)
	set(fields, o.Pricebook, s.Return.Order.Pricebook)
	set(fields, m.Currency.Field, s.Currency)
	list := []write{{name: "replacement", object: o.Object, key: o.Key, value: key, fields: fields}}
	for i, line := range s.Return.Lines {
		item := map[string]any{l.Order: "@{replacement.id}", l.Entry: line.Entry, l.Quantity: line.Quantity, l.UnitPrice: 0}
		set(item, r.Item, line.Item)
		list = append(list, write{name: "item" + strconv.Itoa(i+1), object: l.Object, key: l.Key, value: key + "-" + strconv.Itoa(i+1), fields: item})
	}
	return list
}

// taskWrite is the follow-up. It is also what tells that all was written: all is, or
// none.
func (m Mapping) taskWrite(s Settlement, key, amount string) write {
	what := "replacement ordered"
	if s.Outcome == policy.OutcomeRefund {
		what = "refunded " + amount + " " + s.Currency
	}
	fields := m.task(m.Task.Values, m.Task.Owner, s.Return.Case.ID, "Return of case "+s.Return.Case.Number+": "+what, s.Reason+"\n\nRun "+s.Run)
	set(fields, "WhoId", s.Return.ContactID)
	return write{name: "task", object: taskObject, key: m.Task.Key, value: key, fields: fields}
}

// task are the fields of a task about a case.
func (m Mapping) task(values map[string]string, owner, caseID, subject, text string) map[string]any {
	fields := map[string]any{"Subject": clip(subject, 255), "Description": clip(text, 30000), "WhatId": caseID}
	for name, value := range values {
		fields[name] = value
	}
	set(fields, "OwnerId", owner)
	return fields
}

// set sets a field, unless it has no name or no value.
func set(fields map[string]any, name, value string) {
	if name != "" && value != "" {
		fields[name] = value
	}
}

// clip shortens a text to so many characters.
func clip(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}
