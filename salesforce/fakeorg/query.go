package fakeorg

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"salesforce-mcp/salesforce/soql"
)

// queryRoutes are the routes of queries and searches.
func (o *Org) queryRoutes() []route {
	query := func(c *call) (*answer, error) {
		if text := c.URL.Query().Get("explain"); text != "" {
			return c.explain(text)
		}
		return c.query(false)
	}
	queryAll := func(c *call) (*answer, error) { return c.query(true) }
	return []route{
		{method: "GET", path: "/query", handle: query},
		{method: "GET", path: "/query/{$}", handle: query}, // clients write /query/?q= as well
		{method: "GET", path: "/queryAll", handle: queryAll},
		{method: "GET", path: "/queryAll/{$}", handle: queryAll},
		{method: "GET", path: "/query/{locator}", handle: (*call).queryMore},
		{method: "GET", path: "/queryAll/{locator}", handle: (*call).queryMore},
		{method: "GET", path: "/search", handle: (*call).search},
		{method: "GET", path: "/search/{$}", handle: (*call).search},
		{method: "GET", path: "/parameterizedSearch", handle: (*call).parameterizedSearch},
		{method: "POST", path: "/parameterizedSearch", reads: true, handle: (*call).parameterizedSearch},
	}
}

// query answers a SELECT; with deleted it shows soft-deleted rows too.
func (c *call) query(deleted bool) (*answer, error) {
	size, err := batchSize(c.Request)
	if err != nil {
		return nil, err
	}
	p, err := c.plan(c.URL.Query().Get("q"), deleted)
	if err != nil {
		return nil, err
	}
	if c.URL.Query().Get("columns") == "true" && !p.countAll {
		return ok(p.columnMetadata())
	}
	total, records, err := c.run(p)
	if err == nil {
		err = p.onlyOne(total)
	}
	if err != nil {
		return nil, err
	}
	if len(records) <= size {
		return ok(c.queryResult(total, "", records))
	}
	if p.shape == nil {
		return nil, refuse(400, "EXCEEDED_ID_LIMIT", "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch")
	}
	return ok(c.page(c.org.open(&cursor{user: c.user.id, size: size, records: records, root: c.root()}, c.org.now()), 0, size))
}

// plan parses and translates a query.
func (c *call) plan(text string, deleted bool) (*plan, error) {
	q, err := soql.Parse(text)
	if err != nil {
		return nil, asMalformed(err, "MALFORMED_QUERY")
	}
	if strings.Contains(strings.ToLower(text), "definition") {
		if err := c.define(); err != nil {
			return nil, err
		}
	}
	t := &translation{schema: c.schema(), text: text, now: c.org.now(), user: c.user.id, deleted: deleted}
	return t.translate(q)
}

// queryMore answers the next rows of a query.
func (c *call) queryMore() (*answer, error) {
	size, err := batchSize(c.Request)
	if err != nil {
		return nil, err
	}
	id, offset, _ := strings.Cut(c.PathValue("locator"), "-")
	from, err := strconv.Atoi(offset)
	cursor := c.org.find(id, c.user.id, c.org.now())
	if err != nil || cursor == nil || from < 0 || from >= len(cursor.records) {
		return nil, refuse(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
	}
	if c.Header.Get(queryOptions) == "" {
		size = cursor.size
	}
	return ok(c.page(cursor, from, size))
}

// page is a part of a cursor's records. The URL of the next part has the version of the first call, and the number of
// the row it starts at.
func (c *call) page(cursor *cursor, from, size int) object {
	total := len(cursor.records)
	to := min(from+size, total)
	next := ""
	if to < total {
		next = fmt.Sprintf("%s/query/%s-%d", cursor.root, cursor.id, to)
	}
	return c.queryResult(total, next, cursor.records[from:to])
}

// queryResult is the form of an answer with records. Next is the path of the next part, empty at the end. The Tooling
// API has the keys of the SOAP QueryResult besides.
func (c *call) queryResult(total int, next string, records []object) object {
	body := object{{"totalSize", total}, {"done", next == ""}}
	if next != "" {
		body = append(body, member{"nextRecordsUrl", next})
	}
	if c.tooling {
		locator := next[strings.LastIndexByte(next, '/')+1:]
		body = append(object{{"size", total}}, append(body, member{"queryLocator", orNull(locator)}, member{"entityTypeName", typeOfFirst(records)})...)
	}
	return append(body, member{"records", records})
}

const queryOptions = "Sforce-Query-Options"

// batchSize reads how many rows an answer may have. The platform takes 200 to 2,000 and uses the nearer end for
// anything else.
func batchSize(r *http.Request) (int, error) {
	const least, most = 200, 2000
	for option := range strings.SplitSeq(r.Header.Get(queryOptions), ",") {
		name, value, _ := strings.Cut(option, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "batchSize") {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil {
			return 0, refuse(400, "INVALID_QUERY_OPTIONS", "batchSize wants a number from %d to %d", least, most)
		}
		return min(max(n, least), most), nil
	}
	return most, nil
}

// asMalformed gives an error of the parser the platform's form.
func asMalformed(err error, code string) error {
	var e *soql.Error
	if errors.As(err, &e) {
		return refuse(400, code, "%s", e.Context())
	}
	return err
}

// cursors are the open query locators. The zero value is ready; it is safe for concurrent use.
type cursors struct {
	mu    sync.Mutex
	known []*cursor // the oldest first
}

// cursor is a query whose rows have not all been asked for. It belongs to the user who asked, and its rows stay as
// they were then.
type cursor struct {
	id      string
	user    string
	root    string // of the path of the first call
	size    int
	records []object
	opened  time.Time
}

// A user has at most ten cursors open, the oldest makes room; they last two days.
const (
	maxCursors = 10
	cursorLife = 48 * time.Hour
)

// open keeps a cursor and gives it an id.
func (c *cursors) open(new *cursor, now time.Time) *cursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A locator that can be guessed would show the rows to nobody but its user, but let it be unguessable as well.
	new.id, new.opened = "01g"+strings.ToUpper(rand.Text()[:15]), now
	var kept []*cursor
	mine := 0
	for i := len(c.known) - 1; i >= 0; i-- {
		old := c.known[i]
		if old.user == new.user {
			mine++
		}
		if now.Sub(old.opened) < cursorLife && (old.user != new.user || mine < maxCursors) {
			kept = append([]*cursor{old}, kept...)
		}
	}
	c.known = append(kept, new)
	return new
}

// find returns a user's cursor, or nil.
func (c *cursors) find(id, user string, now time.Time) *cursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, known := range c.known {
		if known.id == id && known.user == user && now.Sub(known.opened) < cursorLife {
			return known
		}
	}
	return nil
}
