package tools

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"salesforce-mcp/salesforce/soql"
)

// maxOffset is the largest OFFSET that SOQL takes.
const maxOffset = 2000

// moreOfQuery names the call that fetches the records after those shown, and
// mends what the page says of itself: it is not done, and goes on after them.
//
// A locator ends in the number of the row it continues at, so the rows that
// were left out of this page are at the locator with a smaller number. A query
// that is done has no locator: it is run again with an OFFSET.
func moreOfQuery(op *Op, args Args, p *page) string { return moreOfPages(op, args, p, "", "") }

// moreOfToolingQuery is moreOfQuery for a row whose next pages are another
// tool's.
func moreOfToolingQuery(op *Op, args Args, p *page) string {
	return moreOfPages(op, args, p, "tool query, ", toolingPrefix)
}

func moreOfPages(op *Op, args Args, p *page, tool, prefix string) string {
	shown := p.shown()
	next, going := p.head.get("nextRecordsUrl").(string)
	given, paged := args[locator.Name].(string)
	p.head = p.head.with("done", false)
	if going || paged {
		id, row, ok := locatorRow(given)
		row += shown
		if going {
			id, row, ok = locatorRow(next)
			row -= p.dropped()
		}
		if !ok {
			return ""
		}
		rest := id + "-" + strconv.Itoa(row)
		if strings.HasPrefix(given, toolingPrefix) {
			prefix = toolingPrefix
		}
		rest = prefix + rest
		p.head = p.head.with("nextRecordsUrl", next[:strings.LastIndexByte(next, '/')+1]+strings.TrimPrefix(rest, toolingPrefix))
		return fmt.Sprintf("For the rest: %saction next, queryLocator %q.", tool, rest)
	}
	return moreByOffset(op, args, shown)
}

// moreByOffset names the same query without its first rows.
func moreByOffset(op *Op, args Args, shown int) string {
	text, _ := args[q.Name].(string)
	query, err := soql.Parse(text)
	if err != nil {
		return ""
	}
	offset := shown
	if query.Offset != nil {
		offset += query.Offset.Value
	}
	if query.Limit != nil {
		query.Limit.Value -= shown
	}
	if offset > maxOffset {
		return "Narrow the WHERE clause or select fewer fields."
	}
	query.Offset = &soql.Number{Value: offset}
	again, err := json.Marshal(query.String())
	if err != nil {
		return ""
	}
	note := ""
	if query.OrderBy == nil {
		note = " Without ORDER BY records may change places in between."
	}
	return fmt.Sprintf("For the rest: action %s, q %s.%s", op.Action, again, note)
}

// locatorRow splits a locator, or the URL that ends in it, into its id and the
// number of the row it continues at.
func locatorRow(s string) (id string, row int, ok bool) {
	s = s[strings.LastIndexByte(s, '/')+1:]
	id, number, ok := strings.Cut(s, "-")
	row, err := strconv.Atoi(number)
	return id, row, ok && err == nil
}

// moreOfIDs names the records that were not shown.
func moreOfIDs(_ *Op, args Args, p *page) string {
	ids, _ := args[recordIDs.Name].([]string)
	if p.shown() >= len(ids) {
		return ""
	}
	return fmt.Sprintf("Ask again with the %d ids from %s on.", p.dropped(), ids[p.shown()])
}

// moreOfFields says how to see the fields that were not shown.
func moreOfFields(*Op, Args, *page) string {
	return "Name the fields you need in the argument fields."
}

// moreOfField says how to see the rest of a value, or the other records of a
// relationship.
func moreOfField(op *Op, args Args, p *page) string {
	if p.read > 0 {
		return moreBySkipping(op, args, p)
	}
	return "Query the related object instead: tool query, action soql."
}

// moreBySkipping names the same call without the rows that were shown.
func moreBySkipping(op *Op, args Args, p *page) string {
	var call strings.Builder
	fmt.Fprintf(&call, "For the rest: action %s", op.Action)
	for _, param := range op.params() {
		if v, ok := args[param.Name]; ok && param.Name != skip.Name && param.Name != outputFormat.Name {
			fmt.Fprintf(&call, ", %s %s", param.Name, cell(v))
		}
	}
	seen := p.shown() + skipped(args)
	if p.read > 0 {
		seen = p.read
	}
	fmt.Fprintf(&call, ", %s %d.", skip.Name, seen)
	return call.String()
}

// skipped is how many rows the caller wants left out.
func skipped(args Args) int {
	n, _ := args[skip.Name].(json.Number)
	rows, _ := n.Int64() // it was checked
	return int(rows)
}
