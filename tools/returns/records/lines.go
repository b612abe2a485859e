package records

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"salesforce-mcp/tools/returns/policy"
)

// orderLine is a line of the order with what went back of it before.
type orderLine struct {
	Line
	total     int64 // what the whole line cost
	finalSale bool
}

// lineFacts are the lines that are asked for, and those of the return order. It is an
// error when lines are asked for that do not fit.
func (r *reader) lineFacts(order row, lines, back, planned []row) error {
	f := &r.out.Facts.Request
	all, err := r.orderLines(order, lines, back)
	if err == nil {
		err = r.ownLines(planned)
	}
	if err != nil {
		f.Lines = policy.Unknown[[]policy.Line](err.Error())
		return nil
	}
	wanted, source, err := r.wanted(all)
	if err != nil {
		return err
	}
	if wanted == nil {
		f.Lines = policy.Unknown[[]policy.Line](source)
		return nil
	}
	facts := []policy.Line{}
	for _, w := range wanted {
		l := all[w.Item]
		l.Quantity = w.Quantity
		if n := min(w.Quantity, l.Ordered-l.Returned); n > 0 {
			l.Value = share(l.total, n, l.Ordered)
		}
		r.out.Lines = append(r.out.Lines, l.Line)
		facts = append(facts, policy.Line{Item: l.Item, Quantity: l.Quantity, Ordered: l.Ordered, Returned: l.Returned, Value: l.Value, FinalSale: l.finalSale})
	}
	f.Lines = policy.Known(facts, source)
	return nil
}

// orderLines reads the lines of the order, by the id of the item. The error says why
// they are not known.
func (r *reader) orderLines(order row, lines, back []row) (map[string]orderLine, error) {
	m := r.Lines
	switch {
	case order == nil:
		return nil, fmt.Errorf("%s", r.why)
	case r.Case.Account != "" && r.Order.Account != "" && (r.out.AccountID == "" || r.out.AccountID != r.out.Order.Account):
		return nil, fmt.Errorf("the order is of another account than the case")
	case len(lines) > maxLines:
		return nil, fmt.Errorf("the order has more than %d lines", maxLines)
	case m.FinalSale == "":
		return nil, fmt.Errorf("%s (%s: the org sells nothing as final)", unmapped("lines.finalSale"), None)
	}
	all := map[string]orderLine{}
	var sum int64
	for _, l := range lines {
		var o orderLine
		var ok bool
		o.Item, o.Product, o.Entry = l.id("Id"), l.text(m.Name), l.id(m.Entry)
		if o.Ordered, ok = pieces(l.at(m.Quantity)); !ok || o.Ordered == 0 {
			return nil, fmt.Errorf("%s.%s of %s is no number of whole pieces", m.Object, m.Quantity, o.Item)
		}
		var err error
		if m.Total != "" {
			o.total, err = r.inCurrency(l, m.Total, r.currency)
		} else if o.total, err = r.inCurrency(l, m.UnitPrice, r.currency); err == nil && o.total > math.MaxInt64/2/o.Ordered {
			err = fmt.Errorf("%s is too large", m.UnitPrice)
		} else {
			o.total *= o.Ordered
		}
		if err == nil && sum > math.MaxInt64/2-o.total {
			err = fmt.Errorf("the sum is too large")
		}
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", m.Object, o.Item, err)
		}
		sum += o.total
		if m.FinalSale != None {
			if o.finalSale, ok = l.at(m.FinalSale).(bool); !ok {
				return nil, fmt.Errorf("%s.%s of %s is empty", m.Object, m.FinalSale, o.Item)
			}
		}
		if m.Returned != "" && l.at(m.Returned) != nil {
			if o.Returned, ok = pieces(l.at(m.Returned)); !ok {
				return nil, fmt.Errorf("%s.%s of %s is no number of whole pieces", m.Object, m.Returned, o.Item)
			}
		}
		all[o.Item] = o
	}
	// Where less was paid than the lines cost, because of a discount on the whole or
	// since not all is paid, each line has its part of that.
	if paid := r.out.Facts.Order.Paid; paid.Known && paid.Value < sum {
		for item, o := range all {
			o.total = share(o.total, paid.Value, sum)
			all[item] = o
		}
	}
	return all, r.countBack(all, back)
}

// countBack adds what went back by earlier return orders, and by those that are
// complete, be they the case's own.
func (r *reader) countBack(all map[string]orderLine, back []row) error {
	ro, rl := r.ReturnOrder, r.ReturnLines
	if len(back) > maxHistory {
		return fmt.Errorf("the order has more than %d lines of return orders", maxHistory)
	}
	parent := relationship(rl.ReturnOrder) + "."
	for _, b := range back {
		o, there := all[b.id(rl.Item)]
		if !there {
			continue
		}
		status := b.text(parent + ro.Status)
		isOwn := r.own != nil && b.id(rl.ReturnOrder) == r.own.id("Id")
		created, ok := moment(b.text(parent + ro.Created))
		isEarlier := !isOwn && (!ok || r.opened.IsZero() || created.Before(r.opened))
		if slices.Contains(ro.Statuses.Void, status) || !isEarlier && !slices.Contains(ro.Statuses.Complete, status) {
			continue
		}
		n, ok := pieces(b.at(rl.Quantity))
		if !ok {
			return fmt.Errorf("%s.%s of %s is no number of whole pieces", rl.Object, rl.Quantity, b.id("Id"))
		}
		o.Returned += n
		all[o.Item] = o
	}
	return nil
}

// ownLines reads the lines of the case's return order.
func (r *reader) ownLines(planned []row) error {
	if r.out.ReturnOrder == nil {
		return nil
	}
	if len(planned) > maxLines {
		return fmt.Errorf("the return order has more than %d lines", maxLines)
	}
	items := map[string]bool{}
	for _, p := range planned {
		l := ReturnLine{ID: p.id("Id"), Item: p.id(r.ReturnLines.Item)}
		var ok bool
		if l.Quantity, ok = pieces(p.at(r.ReturnLines.Quantity)); !ok {
			return fmt.Errorf("%s.%s of %s is no number of whole pieces", r.ReturnLines.Object, r.ReturnLines.Quantity, l.ID)
		}
		switch {
		case l.Item == "":
			return fmt.Errorf("line %s of the return order names no line of the order", l.ID)
		case items[l.Item]:
			return fmt.Errorf("the return order has the line %s of the order twice", l.Item)
		}
		items[l.Item] = true
		r.out.ReturnOrder.Lines = append(r.out.ReturnOrder.Lines, l)
	}
	return nil
}

// wanted returns what is to go back, in the order of the items, and where that is from.
// nil: it is not known, and why. The error is an [ErrAsk].
func (r *reader) wanted(all map[string]orderLine) ([]AskedLine, string, error) {
	planned := map[string]int64{}
	if r.out.ReturnOrder != nil {
		for _, l := range r.out.ReturnOrder.Lines {
			if _, there := all[l.Item]; !there {
				return nil, "the return order has a line of another order", nil
			}
			planned[l.Item] = l.Quantity
		}
	}
	var list []AskedLine
	source := "what is asked for"
	switch {
	case len(r.ask.Lines) > 0:
		seen := map[string]bool{}
		for _, l := range r.ask.Lines {
			item := r.item(all, l.Item)
			o, there := all[item]
			most, isPlanned := planned[item]
			switch {
			case !there:
				return nil, "", fmt.Errorf("%w: %.40q is no line of the order; it has %s", ErrAsk, l.Item, strings.Join(items(all), ", "))
			case seen[item]:
				return nil, "", fmt.Errorf("%w: the line %s is asked for twice", ErrAsk, item)
			case l.Quantity < 1:
				return nil, "", fmt.Errorf("%w: %d pieces of the line %s; at least 1 goes back", ErrAsk, l.Quantity, item)
			case len(planned) > 0 && !isPlanned:
				return nil, "", fmt.Errorf("%w: the line %s is not in the return order of the case", ErrAsk, item)
			case isPlanned && l.Quantity > most:
				return nil, "", fmt.Errorf("%w: %d pieces of the line %s; the return order says %d", ErrAsk, l.Quantity, item, most)
			case o.Ordered > o.Returned && l.Quantity > o.Ordered-o.Returned:
				return nil, "", fmt.Errorf("%w: %d pieces of the line %s, of which %d are left", ErrAsk, l.Quantity, item, o.Ordered-o.Returned)
			}
			seen[item] = true
			list = append(list, AskedLine{item, l.Quantity})
		}
	case len(planned) > 0:
		source = r.ReturnLines.Object + "." + r.ReturnLines.Quantity + " of the return order of the case"
		for item, n := range planned {
			if n > 0 {
				list = append(list, AskedLine{item, n})
			}
		}
	default:
		source = "all that is left of the order"
		for item, o := range all {
			if left := o.Ordered - o.Returned; left > 0 {
				list = append(list, AskedLine{item, left})
			}
		}
		for item := range all {
			if len(list) == 0 || list[0].Quantity == 0 {
				list = append(list, AskedLine{item, 0})
			}
		}
	}
	if list == nil {
		list = []AskedLine{}
	}
	slices.SortFunc(list, func(a, b AskedLine) int { return strings.Compare(a.Item, b.Item) })
	return list, source + "; values are what was paid for them", nil
}

// item returns the id of an item as the org writes it, of one of 15 or 18 characters.
func (r *reader) item(all map[string]orderLine, id string) string {
	for known := range all {
		if id == known || len(id) == 15 && strings.HasPrefix(known, id) {
			return known
		}
	}
	return ""
}

func items(all map[string]orderLine) []string {
	var list []string
	for item := range all {
		list = append(list, item)
	}
	slices.Sort(list)
	return list[:min(len(list), 20)]
}
