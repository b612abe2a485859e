package records

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"salesforce-mcp/tools/returns/decimal"
	"salesforce-mcp/tools/returns/policy"
)

// unmapped is why a fact is not known whose field the mapping does not name.
func unmapped(key string) string { return "the mapping does not say " + key }

// choice is the fact of a picklist.
func choice(r row, object, path, key string, values []string) policy.Fact[policy.Choice] {
	if path == "" {
		return policy.Unknown[policy.Choice](unmapped(key))
	}
	return policy.Choose(r.text(path), values, object+"."+path)
}

// date is the fact of a date or datetime.
func date(r row, object, path, key string) policy.Fact[time.Time] {
	if path == "" {
		return policy.Unknown[time.Time](unmapped(key))
	}
	t, ok := moment(r.text(path))
	if !ok {
		return policy.Unknown[time.Time](object + "." + path + " is empty")
	}
	return policy.Known(t, object+"."+path)
}

// caseFacts are those of the case and the order themselves.
func (r *reader) caseFacts(order row) {
	c, o, f, out := r.Case, r.Order, &r.out.Facts, &r.out
	closed, isFlag := r.caseRow.at(c.Closed).(bool)
	f.Case.Open = policy.Unknown[bool](caseObject + "." + c.Closed + " is empty")
	if isFlag {
		f.Case.Open = policy.Known(!closed, caseObject+"."+c.Closed)
	}
	f.Case.Opened = date(r.caseRow, caseObject, c.Opened, "case.opened")
	f.Case.Status = choice(r.caseRow, caseObject, c.Status, "case.status", r.statuses)
	f.Case.Reason = choice(r.caseRow, caseObject, c.Reason, "case.reason", r.reasons)
	f.Case.Origin = choice(r.caseRow, caseObject, c.Origin, "case.origin", r.origins)
	f.Case.Priority = choice(r.caseRow, caseObject, c.Priority, "case.priority", r.priorities)
	f.Customer.Since = date(r.caseRow, caseObject, r.Customer.Since, "customer.since")
	f.Request.Outcome = policy.Choose(r.ask.Outcome, []string{policy.OutcomeRefund, policy.OutcomeReplace}, "what is asked for")
	if r.ask.Outcome == policy.OutcomeReplace && !r.replaces() {
		f.Request.Outcome = policy.Unknown[policy.Choice]("a replacement is asked for, and " + unmapped("order.key"))
	}
	f.Currency = policy.Choose(r.Currency.Code, r.currencies, "mapping: currency.code")
	if order == nil {
		f.Order.Status, f.Order.Placed, f.Order.Delivered = policy.Unknown[policy.Choice](r.why), policy.Unknown[time.Time](r.why), policy.Unknown[time.Time](r.why)
		if r.Currency.Field != "" {
			f.Currency = policy.Unknown[policy.Choice](r.why)
		}
		return
	}
	if r.Currency.Field != "" {
		f.Currency = choice(order, o.Object, r.Currency.Field, "currency.field", r.currencies)
	}
	if word := f.Currency.Value.String(); f.Currency.Known && isCurrency(word) {
		r.currency = word
	} else if f.Currency.Known {
		f.Currency = policy.Unknown[policy.Choice](f.Currency.Source + " is no currency of ISO 4217")
	}
	f.Order.Status = choice(order, o.Object, o.Status, "order.status", r.orderStatuses)
	f.Order.Placed = date(order, o.Object, o.Placed, "order.placed")
	f.Order.Delivered = date(order, o.Object, o.Delivered, "order.delivered")
	out.Order = OrderRecord{ID: order.id("Id"), Number: order.text(o.Number), Account: order.id(o.Account), Contact: order.id(o.Contact), Pricebook: order.id(o.Pricebook)}
}

// money reads an amount of a row; nothing is 0. A row in another currency than the
// order's is an error.
func (r *reader) money(from row, path string) (int64, error) {
	return r.inCurrency(from, path, from.text(r.Currency.Field))
}

func (r *reader) inCurrency(from row, path, currency string) (int64, error) {
	if r.currency == "" {
		return 0, fmt.Errorf("the currency is not known")
	}
	if r.Currency.Field != "" && currency != r.currency {
		return 0, fmt.Errorf("%s is in another currency than the order", path)
	}
	switch value := from.at(path).(type) {
	case nil:
		return 0, nil
	case json.Number:
		n, err := decimal.Minor(value.String(), r.currency)
		if err != nil {
			return 0, fmt.Errorf("%s is no amount of %s", path, r.currency)
		}
		return n, nil
	}
	return 0, fmt.Errorf("%s is no number", path)
}

// moneyFacts are what was paid and what went back.
func (r *reader) moneyFacts(order row, payments, refunds, links []row) {
	f := &r.out.Facts.Order
	if order == nil {
		f.Paid, f.Refunded = policy.Unknown[int64](r.why), policy.Unknown[int64](r.why)
		return
	}
	applied := r.paid(order, payments)
	f.Refunded = r.refunded(order, refunds, links, applied)
	if !f.Refunded.Known || !f.Paid.Known {
		r.out.Payments = nil
		return
	}
	rest := f.Refunded.Value // what is not known of which payment went back, is taken from the first ones
	for _, p := range r.out.Payments {
		rest -= p.Amount - p.Refundable
	}
	for i := range r.out.Payments {
		p := &r.out.Payments[i]
		taken := min(max(rest, 0), p.Refundable)
		p.Refundable -= taken
		rest -= taken
	}
}

// paid sets what was paid and the payments, and returns what the payments themselves
// say was refunded.
func (r *reader) paid(order row, payments []row) policy.Fact[int64] {
	f, m := &r.out.Facts.Order, r.Payment
	if m.Object == "" {
		source := r.Order.Object + "." + r.Order.Paid
		amount, err := r.money(order, r.Order.Paid)
		if err != nil {
			f.Paid = policy.Unknown[int64](source + ": " + err.Error())
			return policy.Known[int64](0, "")
		}
		f.Paid = policy.Known(amount, source)
		r.out.Payments = []Payment{{Reference: order.text(r.Order.Reference), Amount: amount, Refundable: amount}}
		return policy.Known[int64](0, "")
	}
	source := "sum of " + m.Object + "." + m.Amount + " where " + m.Status + " is " + strings.Join(m.Processed, " or ")
	unknown := func(err error) policy.Fact[int64] {
		r.out.Payments = nil
		f.Paid = policy.Unknown[int64](source + ": " + err.Error())
		return policy.Unknown[int64](f.Paid.Source)
	}
	if len(payments) > 200 {
		return unknown(fmt.Errorf("more than 200"))
	}
	var total, back int64
	for _, p := range payments {
		if !slices.Contains(m.Processed, p.text(m.Status)) {
			continue
		}
		amount, err := r.money(p, m.Amount)
		if err != nil {
			return unknown(err)
		}
		refunded := int64(0)
		if m.Refunded != "" {
			if refunded, err = r.money(p, m.Refunded); err != nil {
				return unknown(err)
			}
		}
		if total > math.MaxInt64/2-amount || back > math.MaxInt64/2-refunded {
			return unknown(fmt.Errorf("too large"))
		}
		total, back = total+amount, back+refunded
		r.out.Payments = append(r.out.Payments, Payment{ID: p.id("Id"), Reference: p.text(m.Reference), Group: p.id(m.Group), Amount: amount,
			Refundable: max(amount-refunded, 0)})
	}
	f.Paid = policy.Known(total, source)
	return policy.Known(back, m.Object+"."+m.Refunded)
}

// refunded is the most that any of the records says went back: the Refund records of
// the order or of its payments, what the payments say, what the order says.
func (r *reader) refunded(order row, refunds, links []row, applied policy.Fact[int64]) policy.Fact[int64] {
	m, o := r.Refund, r.Order
	most, sources := int64(0), []string{}
	if !applied.Known {
		return policy.Unknown[int64](applied.Source)
	}
	if applied.Source != "" && r.Payment.Refunded != "" {
		most, sources = applied.Value, append(sources, "sum of "+applied.Source)
	}
	if m.Object != "" {
		source := "sum of " + m.Object + "." + m.Amount
		seen := map[string]bool{}
		var total int64
		add := func(id, status, currency string, from row, path string) error {
			if seen[id] || slices.Contains(m.Failed, status) {
				return nil
			}
			seen[id] = true
			amount, err := r.inCurrency(from, path, currency)
			if err == nil && total > math.MaxInt64/2-amount {
				err = fmt.Errorf("too large")
			}
			total += amount
			return err
		}
		if len(refunds) > maxHistory || len(links) > maxHistory {
			return policy.Unknown[int64](fmt.Sprintf("%s: more than %d", source, maxHistory))
		}
		parent := relationship(m.Lines.Refund) + "."
		for _, f := range refunds {
			if err := add(f.id("Id"), f.text(m.Status), f.text(r.Currency.Field), f, m.Amount); err != nil {
				return policy.Unknown[int64](source + ": " + err.Error())
			}
		}
		for _, l := range links {
			if err := add(l.id(m.Lines.Refund), l.text(parent+m.Status), l.text(parent+r.Currency.Field), l, parent+m.Amount); err != nil {
				return policy.Unknown[int64](source + ": " + err.Error())
			}
		}
		most, sources = max(most, total), append(sources, source)
	}
	if o.Refunded != "" {
		source := o.Object + "." + o.Refunded
		amount, err := r.money(order, o.Refunded)
		if err != nil {
			return policy.Unknown[int64](source + ": " + err.Error())
		}
		r.out.Order.Refunded = amount
		most, sources = max(most, amount), append(sources, source)
	}
	if len(sources) == 1 {
		return policy.Known(most, sources[0])
	}
	return policy.Known(most, "the most of "+strings.Join(sources, ", "))
}

// customerFacts are what the customer did in the year before the case.
func (r *reader) customerFacts(h *history) {
	f := &r.out.Facts.Customer
	of := r.Customer.By + " in the " + fmt.Sprint(year) + " months before the case"
	why := unmapped("how orders, returns or refunds are those of an " + r.Customer.By)
	if r.customer == "" {
		why = "the case names no " + r.Customer.By
	}
	count := func(n *int64, what string) policy.Fact[int64] {
		if n == nil {
			return policy.Unknown[int64](why)
		}
		return policy.Known(*n, "number of "+what+" of the "+of)
	}
	f.Orders = count(h.orders, r.Order.Object)
	what := r.ReturnOrder.Object
	if what == "" {
		what = caseObject
	}
	f.Returns = count(h.returns, "other "+what)
	f.Refunded = policy.Unknown[int64](why)
	if !h.asked || r.Customer.By == "contact" {
		return
	}
	source := "sum of " + r.Refund.Object + "." + r.Refund.Amount + " of the " + of
	var total int64
	for i, row := range h.refunds {
		if slices.Contains(r.Refund.Failed, row.text(r.Refund.Status)) {
			continue
		}
		amount, err := r.money(row, r.Refund.Amount)
		if err == nil && (i >= maxHistory || total > math.MaxInt64/2-amount) {
			err = fmt.Errorf("too many or too large")
		}
		if err != nil {
			f.Refunded = policy.Unknown[int64](source + ": " + err.Error())
			return
		}
		total += amount
	}
	f.Refunded = policy.Known(total, source)
}

// share is whole * part / of, rounded down.
func share(whole, part, of int64) int64 {
	n := new(big.Int).Mul(big.NewInt(whole), big.NewInt(part))
	return n.Div(n, big.NewInt(of)).Int64()
}

// pieces reads a quantity of whole pieces.
func pieces(value any) (int64, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	if !wholeForm.MatchString(number.String()) {
		return 0, false
	}
	n, ok := new(big.Rat).SetString(number.String())
	if !ok || !n.IsInt() || n.Sign() < 0 || n.Cmp(big.NewRat(1e9, 1)) > 0 {
		return 0, false
	}
	return n.Num().Int64(), true
}

// wholeForm is a JSON number that is not too large to be looked at.
var wholeForm = regexp.MustCompile(`^[0-9]{1,12}(\.[0-9]{1,12})?([eE][0-9])?$`)
