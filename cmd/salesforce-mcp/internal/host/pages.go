package host

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
)

// Bounds of a list that is read whole.
const (
	maxPages = 200
	maxItems = 20_000
)

// A page is one answer with a part of a list. The documentation has three forms:
// the array itself, or an object with it under items, results or tools.
type page struct {
	items []json.RawMessage
	total int // of all pages; -1 is unknown
	at    int // which page this is; -1 is unknown
}

func (p *page) UnmarshalJSON(text []byte) error {
	p.total, p.at = -1, -1
	if len(text) > 0 && text[0] == '[' {
		return json.Unmarshal(text, &p.items)
	}
	var object struct {
		Items, Results, Tools *[]json.RawMessage
		Total, Page           *int
	}
	if err := json.Unmarshal(text, &object); err != nil {
		return err
	}
	lists := 0
	for _, list := range []*[]json.RawMessage{object.Items, object.Results, object.Tools} {
		if list != nil {
			p.items = *list
			lists++
		}
	}
	if lists != 1 {
		return fmt.Errorf("a list is an array, or an object with items, results or tools; this is an object with %d of them", lists)
	}
	if object.Total != nil {
		p.total = *object.Total
	}
	if object.Page != nil {
		p.at = *object.Page
	}
	return nil
}

// all reads every page of a list, and returns each item once. An item that comes
// twice, because somebody added one in between, is one.
//
// The documentation does not say how pages are counted, nor that the limit which is
// asked for is the one that holds. So the first request names no page, and what is
// last shows from the content: a page with nothing new, or the total. A list that
// cannot be read to its end is an error.
func (s Session) all(ctx context.Context, path string, query url.Values, limit int) ([]json.RawMessage, error) {
	query.Set("limit", strconv.Itoa(limit))
	var items []json.RawMessage
	seen := map[string]bool{}
	var first page // the first one
	next := 1      // the page to ask for
	repeated := 0  // pages in a row with nothing new
	total := -1    // what the host said at most
	for n := range maxPages {
		var p page
		if err := s.get(ctx, path, query, &p); err != nil {
			return nil, err
		}
		before := len(items)
		for _, item := range p.items {
			id, err := idOf(item)
			if err != nil {
				return nil, err
			}
			if !seen[id] {
				seen[id] = true
				items = append(items, item)
			}
		}
		if total = max(total, p.total); n == 0 {
			first = p
		}
		if repeated++; len(items) > before {
			repeated = 0
		}
		short := len(p.items) < limit && (n == 0 || len(p.items) < len(first.items))
		switch ended := len(p.items) == 0 || repeated > 1; {
		case len(items) > maxItems:
			return nil, tooLong
		case total >= 0 && len(items) >= total && (short || ended):
			return items, nil
		case ended && total > len(items), repeated > 1 && len(items) == limit: // the host gives its first page whatever is asked for
			return nil, &Error{Unreadable, 0, fmt.Sprintf("the host's list ends after %d entries, and seems to have more", len(items)), 0}
		case ended:
			return items, nil
		case n > 0:
			next++
		case p.at >= 0:
			next = p.at + 1
		}
		query.Set("page", strconv.Itoa(next))
	}
	return nil, tooLong
}

var tooLong = &Error{Unreadable, 0, fmt.Sprintf("the host's list has more than %d entries or %d pages; that many are not read", maxItems, maxPages), 0}

// idOf is the id of an item, which is its id or _id.
func idOf(item json.RawMessage) (string, error) {
	var has struct {
		ID      string `json:"id"`
		OtherID string `json:"_id"`
	}
	if err := json.Unmarshal(item, &has); err != nil {
		return "", &Error{Unreadable, 0, "an entry of the host's list is not what its documentation says", 0}
	}
	if has.ID == "" {
		has.ID = has.OtherID
	}
	if has.ID == "" {
		return "", &Error{Unreadable, 0, "an entry of the host's list has no id", 0}
	}
	return has.ID, nil
}
