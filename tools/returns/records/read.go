package records

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/soql"
	"salesforce-mcp/tools/returns/policy"
)

// Errors of [Read]. All others are those of the org.
var (
	// ErrNoCase is a case that is not there, or that the user does not see.
	ErrNoCase = errors.New("no such case")
	// ErrNoReturn is a case that does not ask for a return.
	ErrNoReturn = errors.New("the case does not ask for a return")
	// ErrAsk is an [Ask] that the records do not bear out.
	ErrAsk = errors.New("what is asked for does not fit")
)

// Most rows that are read of a kind. With more of them a fact is not known.
const (
	maxLines   = 500 // of an order
	maxHistory = 1999
)

// year is how far back a customer's history counts.
const year = 12 // months

// reader reads one return.
type reader struct {
	Mapping
	ask Ask
	out Return

	statuses, reasons, origins, priorities []string // of cases
	orderStatuses, currencies              []string
	placedType                             string

	opened   time.Time
	customer string // id of the account or contact
	order    string // id, or "" and why
	why      string
	currency string
	caseRow  row
	own      row // return order of the case
}

// Read reads what there is to know about a return, in three requests. What is missing
// in the records makes facts unknown; it is an error only when there is no such case,
// or when what is asked for does not fit the order.
func Read(ctx context.Context, org Org, m Mapping, ask Ask) (Return, error) {
	if problems := m.names(); len(problems) > 0 {
		return Return{}, &Misfit{Problems: problems}
	}
	if !caseForm.MatchString(ask.CaseID) {
		return Return{}, fmt.Errorf("%w: %.40q is not the id of a case (500…)", ErrNoCase, ask.CaseID)
	}
	if ask.Outcome != policy.OutcomeRefund && ask.Outcome != policy.OutcomeReplace {
		return Return{}, fmt.Errorf("%w: the outcome is %s or %s, and not %.40q", ErrAsk, policy.OutcomeRefund, policy.OutcomeReplace, ask.Outcome)
	}
	r := &reader{Mapping: m, ask: ask}
	if err := r.readCase(ctx, org); err != nil {
		return Return{}, err
	}
	if err := r.readOrder(ctx, org); err != nil {
		return Return{}, err
	}
	return r.out, nil
}

// readCase reads the case, its return order and what the picklists of case and order
// hold.
func (r *reader) readCase(ctx context.Context, org Org) error {
	c := r.Case
	parts := []part{
		query("case", selects(caseObject, c.Number, c.Status, c.Reason, c.Origin, c.Priority, c.Opened, c.Closed, c.Account, c.Contact, c.Order, c.Kind, r.Customer.Since)+
			" WHERE "+is("Id", r.ask.CaseID)+" LIMIT 1"),
		describePart("describeCase", caseObject),
		describePart("describeOrder", r.Order.Object),
	}
	if o := r.ReturnOrder; o.Object != "" && o.Case != "" {
		text := selects(o.Object, o.Order, o.Status) + " WHERE " + is(o.Case, r.ask.CaseID)
		if len(o.Statuses.Void) > 0 {
			text += " AND " + notIn(o.Status, o.Statuses.Void)
		}
		parts = append(parts, query("returnOrder", text+" ORDER BY Id LIMIT 3"))
	}
	answers, err := composite(ctx, org, salesforce.Safe, parts)
	if e := (*salesforce.Error)(nil); errors.As(err, &e) && e.Code == "INVALID_QUERY_FILTER_OPERATOR" {
		return fmt.Errorf("%w: %s is no id, by its last three characters", ErrNoCase, r.ask.CaseID)
	}
	if err != nil {
		return err
	}
	rows, err := answers[0].rows()
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("%w: %s", ErrNoCase, r.ask.CaseID)
	}
	r.caseRow = rows[0]
	var cases, orders described
	for i, into := range []*described{&cases, &orders} {
		if err := json.Unmarshal(answers[1+i].Body, into); err != nil {
			return fmt.Errorf("the describe of an object cannot be read: %w", err)
		}
	}
	if c.Kind != "" && !slices.Contains(c.Returns, r.caseRow.text(c.Kind)) {
		return fmt.Errorf("%w: its %s is not %s", ErrNoReturn, c.Kind, strings.Join(c.Returns, " or "))
	}
	r.statuses, r.reasons = cases.field(c.Status).values(), cases.field(c.Reason).values()
	r.origins, r.priorities = cases.field(c.Origin).values(), cases.field(c.Priority).values()
	r.orderStatuses = orders.field(r.Order.Status).values()
	r.currencies = []string{r.Currency.Code}
	if r.Currency.Field != "" {
		r.currencies = orders.field(r.Currency.Field).values()
	}
	if f := orders.field(r.Order.Placed); f != nil {
		r.placedType = f.Type
	}
	var own []row
	if len(answers) > 3 {
		if own, err = answers[3].rows(); err != nil {
			return err
		}
	}
	r.identify(own)
	return nil
}

// identify says which case this is, of which order and which customer.
func (r *reader) identify(own []row) {
	c, out := r.Case, &r.out
	out.Outcome = r.ask.Outcome
	out.Case = CaseRecord{ID: r.caseRow.id("Id"), Number: r.caseRow.text(c.Number), Status: r.caseRow.text(c.Status)}
	out.AccountID, out.ContactID = r.caseRow.id(c.Account), r.caseRow.id(c.Contact)
	r.opened, _ = moment(r.caseRow.text(c.Opened))
	r.customer = out.AccountID
	if r.Customer.By == "contact" {
		r.customer = out.ContactID
	}
	live := slices.DeleteFunc(slices.Clone(own), func(o row) bool {
		return slices.Contains(r.ReturnOrder.Statuses.Complete, o.text(r.ReturnOrder.Status))
	})
	switch {
	case len(own) == 1:
		r.own = own[0]
	case len(live) == 1:
		r.own = live[0]
	case len(own) > 1:
		r.why = "the case has several return orders"
		return
	}
	if r.own != nil {
		out.ReturnOrder = &ReturnOrderRecord{ID: r.own.id("Id"), Status: r.own.text(r.ReturnOrder.Status)}
	}
	named, returned := r.caseRow.id(c.Order), r.own.id(r.ReturnOrder.Order)
	switch {
	case named != "" && returned != "" && named != returned:
		r.why = "the case and its return order name different orders"
	case named != "":
		r.order = named
	case returned != "":
		r.order = returned
	default:
		r.why = "neither the case nor a return order of it names an order"
	}
}

// readOrder reads the order, what was paid and refunded, and the customer's history,
// and makes the facts of them.
func (r *reader) readOrder(ctx context.Context, org Org) error {
	var list []string
	var takes []func([]row) error
	add := func(take func([]row) error, text string) { list, takes = append(list, text), append(takes, take) }
	h := &history{}
	var found struct{ order, lines, back, planned, payments, refunds, links []row }
	keep := func(into *[]row) func([]row) error {
		return func(rows []row) error { *into = rows; return nil }
	}
	if r.order != "" {
		o, l, p, f := r.Order, r.Lines, r.Payment, r.Refund
		add(keep(&found.order), selects(o.Object, o.Number, o.Status, o.Placed, o.Delivered, o.Account, o.Contact, o.Pricebook, o.Paid, o.Reference, o.Refunded, r.Currency.Field)+
			" WHERE "+is("Id", r.order)+" LIMIT 1")
		finalSale := l.FinalSale
		if finalSale == None {
			finalSale = ""
		}
		add(keep(&found.lines), selects(l.Object, l.Quantity, l.UnitPrice, l.Total, l.Name, l.Entry, finalSale, l.Returned)+
			" WHERE "+is(l.Order, r.order)+" ORDER BY Id LIMIT "+strconv.Itoa(maxLines+1))
		if ro, rl := r.ReturnOrder, r.ReturnLines; ro.Object != "" {
			parent := relationship(rl.ReturnOrder) + "."
			add(keep(&found.back), selects(rl.Object, rl.ReturnOrder, rl.Item, rl.Quantity, parent+ro.Status, parent+ro.Created)+
				" WHERE "+rl.Item+" IN (SELECT Id FROM "+l.Object+" WHERE "+is(l.Order, r.order)+") ORDER BY Id LIMIT "+strconv.Itoa(maxHistory+1))
		}
		if p.Object != "" {
			text := selects(p.Object, p.Amount, p.Refunded, p.Status, p.Reference, p.Group, p.Placed, r.Currency.Field) + " WHERE " + is(p.Order, r.order) + " ORDER BY "
			if p.Placed != "" {
				text += p.Placed + ", "
			}
			add(keep(&found.payments), text+"Id LIMIT 201")
		}
		if f.Object != "" {
			add(keep(&found.refunds), selects(f.Object, f.Amount, f.Status, r.Currency.Field)+" WHERE "+is(f.Order, r.order)+" LIMIT "+strconv.Itoa(maxHistory+1))
			if k := f.Lines; k.Object != "" && p.Object != "" {
				parent := relationship(k.Refund) + "."
				paths := []string{k.Refund, parent + f.Amount, parent + f.Status}
				if r.Currency.Field != "" {
					paths = append(paths, parent+r.Currency.Field)
				}
				add(keep(&found.links), selects(k.Object, paths...)+" WHERE "+k.Payment+" IN (SELECT Id FROM "+p.Object+" WHERE "+is(p.Order, r.order)+") LIMIT "+strconv.Itoa(maxHistory+1))
			}
		}
	}
	if r.own != nil {
		rl := r.ReturnLines
		add(keep(&found.planned), selects(rl.Object, rl.Item, rl.Quantity)+" WHERE "+is(rl.ReturnOrder, r.own.id("Id"))+" ORDER BY Id LIMIT "+strconv.Itoa(maxLines+1))
	}
	for _, q := range r.historyQueries(h) {
		add(q.take, q.text)
	}
	answers, err := queries(ctx, org, list...)
	if err != nil {
		return err
	}
	for i, take := range takes {
		if err := take(answers[i]); err != nil {
			return err
		}
	}
	var order row
	if len(found.order) > 0 {
		order = found.order[0]
	} else if r.order != "" {
		r.order, r.why = "", "the order is not there, or the user does not see it"
	}
	r.caseFacts(order)
	r.moneyFacts(order, found.payments, found.refunds, found.links)
	r.customerFacts(h)
	return r.lineFacts(order, found.lines, found.back, found.planned)
}

// historyQuery is a query of what a customer did in the year before the case, and where
// its answer goes.
type historyQuery struct {
	text string
	take func([]row) error
}

// history is what a customer did in that year. nil: it is not known.
type history struct {
	orders, returns *int64
	refunds         []row
	asked           bool // for refunds
}

func (r *reader) historyQueries(h *history) []historyQuery {
	if r.customer == "" || r.opened.IsZero() {
		return nil
	}
	from := r.opened.AddDate(0, -year, 0)
	window := func(field string, isDate bool) string {
		if isDate {
			return field + " >= " + from.Format(time.DateOnly) + " AND " + field + " <= " + r.opened.Format(time.DateOnly)
		}
		return field + " >= " + instant(from) + " AND " + field + " < " + instant(r.opened)
	}
	counted := func(into **int64) func([]row) error {
		return func(rows []row) error {
			n := int64(0)
			if len(rows) > 0 {
				var err error
				if n, err = strconv.ParseInt(fmt.Sprint(rows[0]["count"]), 10, 64); err != nil {
					return fmt.Errorf("the org gave no number of rows: %w", err)
				}
			}
			*into = &n
			return nil
		}
	}
	whose := func(account, contact string) string {
		field := account
		if r.Customer.By == "contact" {
			field = contact
		}
		if field == "" {
			return ""
		}
		return " WHERE " + is(field, r.customer) + " AND "
	}
	var list []historyQuery
	if o := r.Order; whose(o.Account, o.Contact) != "" && o.Placed != "" {
		list = append(list, historyQuery{"SELECT COUNT() FROM " + o.Object + whose(o.Account, o.Contact) + window(o.Placed, r.placedType == "date"), counted(&h.orders)})
	}
	if o := r.ReturnOrder; o.Object != "" && whose(o.Account, o.Contact) != "" {
		text := "SELECT COUNT() FROM " + o.Object + whose(o.Account, o.Contact) + window(o.Created, false)
		if len(o.Statuses.Void) > 0 {
			text += " AND " + notIn(o.Status, o.Statuses.Void)
		}
		if r.own != nil {
			text += " AND Id != " + soql.Quote(r.own.id("Id"))
		}
		list = append(list, historyQuery{text, counted(&h.returns)})
	} else if c := r.Case; o.Object == "" && c.Kind != "" && whose(c.Account, c.Contact) != "" {
		list = append(list, historyQuery{"SELECT COUNT() FROM " + caseObject + whose(c.Account, c.Contact) + window(c.Opened, false) + " AND " + in(c.Kind, c.Returns) +
			" AND Id != " + soql.Quote(r.out.Case.ID), counted(&h.returns)})
	}
	if f := r.Refund; f.Object != "" && f.Created != "" && whose(f.Account, "") != "" {
		h.asked = true
		list = append(list, historyQuery{selects(f.Object, f.Amount, f.Status, r.Currency.Field) + whose(f.Account, "") + window(f.Created, false) +
			" LIMIT " + strconv.Itoa(maxHistory+1), func(rows []row) error { h.refunds = rows; return nil }})
	}
	return list
}

// instant is a moment as queries have it.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// moment reads a date or a datetime as the platform writes them. A date is midnight in
// UTC.
func moment(text string) (time.Time, bool) {
	for _, layout := range []string{"2006-01-02T15:04:05.000-0700", time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() > 0 && t.Year() < 10000 {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// ListOpen returns open cases that ask for a return, the oldest first, at most limit of
// them (1 to 2,000).
func ListOpen(ctx context.Context, org Org, m Mapping, limit int) ([]Open, error) {
	if problems := m.names(); len(problems) > 0 {
		return nil, &Misfit{Problems: problems}
	}
	c := m.Case
	text := selects(caseObject, c.Number, c.Status, c.Reason, c.Priority, c.Opened, c.Order) + " WHERE " + c.Closed + " = false"
	if c.Kind != "" {
		text += " AND " + in(c.Kind, c.Returns)
	}
	text += " ORDER BY " + c.Opened + ", Id LIMIT " + strconv.Itoa(min(max(limit, 1), maxHistory+1))
	answer, err := org.Do(ctx, &salesforce.Request{Method: "GET", Path: "/query", Query: url.Values{"q": {text}}, Semantics: salesforce.Safe})
	if err != nil {
		return nil, err
	}
	rows, err := answered{Body: answer.Body}.rows()
	if err != nil {
		return nil, err
	}
	list := []Open{}
	for _, r := range rows {
		list = append(list, Open{ID: r.id("Id"), Number: r.text(c.Number), Status: r.text(c.Status), Reason: r.text(c.Reason), Priority: r.text(c.Priority),
			Opened: r.text(c.Opened), OrderID: r.id(c.Order)})
	}
	return list, nil
}
