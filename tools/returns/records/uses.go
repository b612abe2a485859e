package records

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// use is what a mapping does with a field: what has to be right about it.
type use struct {
	key    string // in the mapping: "case.status"
	object string
	path   string
	needed bool
	read   bool
	create bool
	edit   bool
	types  string   // those that fit, with spaces; empty is any
	to     string   // of a lookup: the object
	values []string // of a picklist that have to be there
	unique bool     // an external id
}

// Types of describe.
const (
	anyText  = "string textarea picklist email phone url id reference combobox"
	aChoice  = "picklist"
	aDate    = "date datetime"
	aTime    = "datetime"
	aNumber  = "double int currency"
	aMoney   = "currency double int"
	aFlag    = "boolean"
	aLookup  = "reference"
	aKey     = "string"
	freeText = "string textarea"
)

// Objects that every org has under these names.
const (
	caseObject     = "Case"
	taskObject     = "Task"
	documentObject = "ContentVersion"
)

// uses are all fields of a mapping. What an org is asked for, what it is checked for
// and what access is needed come from here.
func (m Mapping) uses() []use {
	c, o, l, r, rl, p, f := m.Case, m.Order, m.Lines, m.ReturnOrder, m.ReturnLines, m.Payment, m.Refund
	settled := compact(c.Statuses.Claimed, c.Statuses.Refunded, c.Statuses.Replaced, c.Statuses.Denied)
	list := []use{
		{key: "case.number", object: caseObject, path: c.Number, read: true, types: anyText},
		{key: "case.status", object: caseObject, path: c.Status, needed: true, read: true, edit: len(settled) > 0, types: aChoice, values: settled},
		{key: "case.reason", object: caseObject, path: c.Reason, read: true, types: aChoice},
		{key: "case.origin", object: caseObject, path: c.Origin, read: true, types: aChoice},
		{key: "case.priority", object: caseObject, path: c.Priority, read: true, types: aChoice},
		{key: "case.opened", object: caseObject, path: c.Opened, needed: true, read: true, types: aTime},
		{key: "case.closed", object: caseObject, path: c.Closed, needed: true, read: true, types: aFlag},
		{key: "case.account", object: caseObject, path: c.Account, read: true, types: aLookup, to: "Account"},
		{key: "case.contact", object: caseObject, path: c.Contact, read: true, types: aLookup, to: "Contact"},
		{key: "case.order", object: caseObject, path: c.Order, needed: r.Object == "", read: true, types: aLookup, to: o.Object},
		{key: "case.kind", object: caseObject, path: c.Kind, read: true, types: anyText, values: c.Returns},
		{key: "customer.since", object: caseObject, path: m.Customer.Since, read: true, types: aDate},

		{key: "order.number", object: o.Object, path: o.Number, read: true, types: anyText},
		{key: "order.status", object: o.Object, path: o.Status, read: true, types: aChoice},
		{key: "order.placed", object: o.Object, path: o.Placed, read: true, types: aDate},
		{key: "order.delivered", object: o.Object, path: o.Delivered, read: true, types: aDate},
		{key: "order.account", object: o.Object, path: o.Account, read: true, create: m.replaces(), types: aLookup, to: "Account"},
		{key: "order.contact", object: o.Object, path: o.Contact, read: true, create: m.replaces(), types: aLookup, to: "Contact"},
		{key: "order.pricebook", object: o.Object, path: o.Pricebook, read: true, create: m.replaces(), types: aLookup},
		{key: "order.paid", object: o.Object, path: o.Paid, needed: p.Object == "", read: true, types: aMoney},
		{key: "order.reference", object: o.Object, path: o.Reference, read: true, types: anyText},
		{key: "order.refunded", object: o.Object, path: o.Refunded, needed: f.Object == "", read: true, edit: true, types: aMoney},
		{key: "order.key", object: o.Object, path: o.Key, read: true, create: true, types: aKey, unique: true},

		{key: "lines.order", object: l.Object, path: l.Order, needed: true, read: true, create: m.replaces(), types: aLookup, to: o.Object},
		{key: "lines.quantity", object: l.Object, path: l.Quantity, needed: true, read: true, create: m.replaces(), types: aNumber},
		{key: "lines.unitPrice", object: l.Object, path: l.UnitPrice, needed: l.Total == "" || m.replaces(), read: true, create: m.replaces(), types: aMoney},
		{key: "lines.total", object: l.Object, path: l.Total, read: true, types: aMoney},
		{key: "lines.name", object: l.Object, path: l.Name, read: true, types: anyText},
		{key: "lines.entry", object: l.Object, path: l.Entry, needed: m.replaces(), read: true, create: m.replaces(), types: aLookup},
		{key: "lines.returned", object: l.Object, path: l.Returned, needed: r.Object == "", read: true, edit: true, types: aNumber},
		{key: "lines.key", object: l.Object, path: l.Key, needed: m.replaces(), read: true, create: true, types: aKey, unique: true},

		{key: "task.key", object: taskObject, path: m.Task.Key, needed: true, read: true, create: true, edit: true, types: aKey, unique: true},
	}
	for _, name := range []string{"Subject", "Description", "WhatId", "WhoId", "OwnerId"} {
		list = append(list, use{key: "task", object: taskObject, path: name, read: true, create: true, edit: true})
	}
	if l.FinalSale != None {
		list = append(list, use{key: "lines.finalSale", object: l.Object, path: l.FinalSale, read: true, types: aFlag})
	}
	if m.Currency.Field != "" {
		for _, object := range compact(o.Object, p.Object, f.Object) {
			list = append(list, use{key: "currency.field", object: object, path: m.Currency.Field, read: true, create: object == f.Object || object == o.Object && m.replaces(), types: aChoice})
		}
	}
	if r.Object != "" {
		makes := m.makesReturn()
		list = append(list,
			use{key: "returnOrder.case", object: r.Object, path: r.Case, needed: c.Order == "" || makes, read: true, create: makes, types: aLookup, to: caseObject},
			use{key: "returnOrder.order", object: r.Object, path: r.Order, needed: c.Order == "", read: true, create: makes, types: aLookup, to: o.Object},
			use{key: "returnOrder.account", object: r.Object, path: r.Account, read: true, create: makes, types: aLookup, to: "Account"},
			use{key: "returnOrder.contact", object: r.Object, path: r.Contact, read: true, create: makes, types: aLookup, to: "Contact"},
			use{key: "returnOrder.created", object: r.Object, path: r.Created, needed: true, read: true, types: aTime},
			use{key: "returnOrder.status", object: r.Object, path: r.Status, needed: true, read: true, create: makes, edit: true, types: aChoice,
				values: compact(append(slices.Concat(r.Statuses.Void, r.Statuses.Complete), r.Statuses.Settled)...)},
			use{key: "returnOrder.key", object: r.Object, path: r.Key, read: true, create: true, types: aKey, unique: true},
			use{key: "returnLines.returnOrder", object: rl.Object, path: rl.ReturnOrder, needed: true, read: true, create: makes, types: aLookup, to: r.Object},
			use{key: "returnLines.item", object: rl.Object, path: rl.Item, needed: true, read: true, create: makes, types: aLookup, to: l.Object},
			use{key: "returnLines.quantity", object: rl.Object, path: rl.Quantity, needed: true, read: true, create: makes, edit: true, types: aNumber},
			use{key: "returnLines.key", object: rl.Object, path: rl.Key, needed: r.Key != "", read: true, create: true, types: aKey, unique: true})
	}
	if p.Object != "" {
		list = append(list,
			use{key: "payment.order", object: p.Object, path: p.Order, needed: true, read: true, types: aLookup, to: o.Object},
			use{key: "payment.amount", object: p.Object, path: p.Amount, needed: true, read: true, types: aMoney},
			use{key: "payment.refunded", object: p.Object, path: p.Refunded, read: true, types: aMoney},
			use{key: "payment.status", object: p.Object, path: p.Status, needed: true, read: true, types: aChoice, values: p.Processed},
			use{key: "payment.reference", object: p.Object, path: p.Reference, read: true, types: anyText},
			use{key: "payment.group", object: p.Object, path: p.Group, read: true, types: aLookup},
			use{key: "payment.placed", object: p.Object, path: p.Placed, read: true, types: aDate})
	}
	if f.Object != "" {
		direct := !strings.Contains(f.Order, ".")
		list = append(list,
			use{key: "refund.order", object: f.Object, path: f.Order, needed: true, read: true, create: direct, edit: direct, types: aLookup, to: o.Object},
			use{key: "refund.group", object: f.Object, path: f.Group, needed: !direct, read: true, create: true, edit: true, types: aLookup},
			use{key: "refund.amount", object: f.Object, path: f.Amount, needed: true, read: true, create: true, types: aMoney},
			use{key: "refund.status", object: f.Object, path: f.Status, needed: true, read: true, types: aChoice, values: f.Failed},
			use{key: "refund.account", object: f.Object, path: f.Account, read: true, create: true, types: aLookup, to: "Account"},
			use{key: "refund.reference", object: f.Object, path: f.Reference, read: true, create: true, types: anyText},
			use{key: "refund.created", object: f.Object, path: f.Created, read: true, types: aTime},
			use{key: "refund.key", object: f.Object, path: f.Key, needed: true, read: true, create: true, types: aKey, unique: true})
		list = append(list, constants("refund.values", f.Object, f.Values)...)
	}
	if k := f.Lines; k.Object != "" {
		list = append(list,
			use{key: "refund.lines.refund", object: k.Object, path: k.Refund, needed: true, read: true, types: aLookup, to: f.Object},
			use{key: "refund.lines.payment", object: k.Object, path: k.Payment, needed: true, read: true, types: aLookup, to: p.Object})
	}
	if m.replaces() {
		list = append(list,
			use{key: "replacement.date", object: o.Object, path: m.Replacement.Date, create: true, types: aDate},
			use{key: "replacement.original", object: o.Object, path: m.Replacement.Original, create: true, types: aLookup, to: o.Object},
			use{key: "replacement.reference", object: o.Object, path: m.Replacement.Reference, create: true, types: "string"},
			use{key: "replacement.item", object: l.Object, path: m.Replacement.Item, create: true, types: aLookup, to: l.Object})
		list = append(list, constants("replacement.values", o.Object, m.Replacement.Values)...)
	}
	list = append(list, constants("task.values", taskObject, m.Task.Values)...)
	list = append(list, constants("task.escalated", taskObject, m.Task.Escalated)...)
	if e := m.Event; e.Object != "" {
		list = append(list,
			use{key: "event.case", object: e.Object, path: e.Case, create: true, types: anyText},
			use{key: "event.outcome", object: e.Object, path: e.Outcome, create: true, types: anyText},
			use{key: "event.amount", object: e.Object, path: e.Amount, create: true, types: aMoney},
			use{key: "event.currency", object: e.Object, path: e.Currency, create: true, types: anyText},
			use{key: "event.run", object: e.Object, path: e.Run, create: true, types: anyText})
	}
	for _, name := range []string{"Title", "PathOnClient", "VersionData", "FirstPublishLocationId"} {
		list = append(list, use{key: "document", object: documentObject, path: name, read: name != "VersionData", create: true})
	}
	return append(list, use{key: "document.key", object: documentObject, path: m.documentKey(), read: true, create: true, types: freeText})
}

// constants are fields that are written with a value that the mapping gives.
func constants(key, object string, values map[string]string) []use {
	var list []use
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, use{key: key + "." + name, object: object, path: name, create: true, values: []string{values[name]}})
	}
	return list
}

// replaces reports whether replacement orders can be made.
func (m Mapping) replaces() bool { return m.Order.Key != "" }

// makesReturn reports whether a return order is made for a case that has none.
func (m Mapping) makesReturn() bool { return m.ReturnOrder.Object != "" && m.ReturnOrder.Key != "" }

// documentKey is the field of ContentVersion that has the key.
func (m Mapping) documentKey() string {
	if m.Document.Key != "" {
		return m.Document.Key
	}
	return "Description"
}

// compact returns the words that are not empty, each once.
func compact(words ...string) []string {
	var list []string
	for _, w := range words {
		if w != "" && !slices.Contains(list, w) {
			list = append(list, w)
		}
	}
	return list
}

var (
	nameForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,79}$`)
	pathForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,79}(\.[A-Za-z][A-Za-z0-9_]{0,79}){0,4}$`)
)

// names returns what is wrong with the mapping itself, without an org. What is right
// can stand in a query.
func (m Mapping) names() []Problem {
	var list []Problem
	for _, u := range m.uses() {
		switch {
		case u.object == "":
			key, _, _ := strings.Cut(u.key, ".")
			list = append(list, Problem{Key: key + ".object", Message: "it must name an object"})
		case u.path == "" && u.needed:
			list = append(list, Problem{Key: u.key, Object: u.object, Message: "it must name a field"})
		case !nameForm.MatchString(u.object):
			list = append(list, Problem{Key: u.key, Object: u.object, Message: fmt.Sprintf("%.80q is no name of an object", u.object)})
		case u.path != "" && !pathForm.MatchString(u.path):
			list = append(list, Problem{Key: u.key, Object: u.object, Field: u.path, Message: fmt.Sprintf("%.80q is no name of a field", u.path)})
		case u.path != "" && (u.create || u.edit) && strings.Contains(u.path, "."):
			list = append(list, Problem{Key: u.key, Object: u.object, Field: u.path, Message: "it is written, so it must be a field of " + u.object + " itself"})
		}
	}
	add := func(key, message string) { list = append(list, Problem{Key: key, Message: message}) }
	if m.Currency.Field == "" && !isCurrency(m.Currency.Code) {
		add("currency.code", fmt.Sprintf("%.10q must be the ISO 4217 code of the org's currency, such as USD; or currency.field the field that has it", m.Currency.Code))
	}
	if m.Customer.By != "account" && m.Customer.By != "contact" {
		add("customer.by", fmt.Sprintf("%.20q is neither account nor contact", m.Customer.By))
	}
	if m.Case.Kind != "" && len(m.Case.Returns) == 0 {
		add("case.returns", "it must say which values of "+m.Case.Kind+" ask for a return")
	}
	if m.Payment.Object != "" && len(m.Payment.Processed) == 0 {
		add("payment.processed", "it must say which statuses a payment has that was made")
	}
	if s := m.ReturnOrder.Statuses; m.ReturnOrder.Object != "" && !slices.Contains(s.Complete, s.Settled) {
		add("returnOrder.statuses.settled", fmt.Sprintf("%.40q must be one of returnOrder.statuses.complete, or what came back would not be counted", s.Settled))
	}
	if m.Refund.Object != "" && strings.Contains(m.Refund.Order, ".") && m.Payment.Group == "" {
		add("payment.group", "it must be the lookup that payments and refunds have in common, or a refund that is written would not be found again")
	}
	for _, id := range []struct{ key, value string }{{"task.owner", m.Task.Owner}, {"task.queue", m.Task.Queue}} {
		if id.value != "" && !ownerForm.MatchString(id.value) {
			add(id.key, fmt.Sprintf("%.40q is not the id of a user (005…) or a queue (00G…)", id.value))
		}
	}
	return list
}

var ownerForm = regexp.MustCompile(`^(005|00G)[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$`)

// relationship is the name of the relationship of a lookup: ReturnOrder of
// ReturnOrderId, Order__r of Order__c. [Mapping.Check] compares it with the describe.
func relationship(lookup string) string {
	if base, ok := strings.CutSuffix(lookup, "__c"); ok {
		return base + "__r"
	}
	return strings.TrimSuffix(lookup, "Id")
}

// leadsTo is the object that a relationship in a path leads to.
func (m Mapping) leadsTo(name string) string {
	if object := m.Relationships[name]; object != "" {
		return object
	}
	if base, ok := strings.CutSuffix(name, "__r"); ok {
		return base + "__c"
	}
	return name
}

// lookup is the field that a relationship in a path is that of.
func lookup(relationship string) string {
	if base, ok := strings.CutSuffix(relationship, "__r"); ok {
		return base + "__c"
	}
	return relationship + "Id"
}

// Access returns every object and field that is read, created or edited, sorted.
func (m Mapping) Access() []Access {
	found := map[[2]string]*Access{}
	add := func(object, field string, u use) {
		for _, f := range []string{"", field} {
			a := found[[2]string{object, f}]
			if a == nil {
				a = &Access{Object: object, Field: f}
				found[[2]string{object, f}] = a
			}
			a.Read, a.Create, a.Edit = a.Read || u.read || u.create || u.edit, a.Create || u.create, a.Edit || u.edit
		}
	}
	for _, u := range m.uses() {
		if u.object == "" || u.path == "" {
			continue
		}
		object, names := u.object, strings.Split(u.path, ".")
		for _, name := range names[:len(names)-1] {
			add(object, lookup(name), use{read: true})
			object = m.leadsTo(name)
		}
		if len(names) > 1 {
			u.create, u.edit = false, false
		}
		add(object, names[len(names)-1], u)
	}
	var list []Access
	for _, key := range slices.SortedFunc(maps.Keys(found), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		list = append(list, *found[key])
	}
	return list
}
