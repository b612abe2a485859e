package fakeorg

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// bodyLimit is the largest request body, that of a file sent as JSON on the platform (37.5 MB in base64).
const bodyLimit = 50 << 20

// uriLimit is the longest path with query, in bytes.
const uriLimit = 16384

// routes is the handler of all paths.
func (o *Org) routes() http.Handler {
	mux := http.NewServeMux()
	o.mux = mux
	o.mount(mux, "/services/data/{version}", slices.Concat(
		respecting(slices.Concat(resourceRoutes(), describeRoutes(), eventRoutes(), recordRoutes(), collectionRoutes(), compositeRoutes(), o.queryRoutes(),
			bulkRoutes(), paymentRoutes())),
		processRoutes(), quickActionRoutes(), actionRoutes(), analyticsRoutes(), o.toolingRoutes(), deployRoutes()))
	o.mount(mux, "", append(slices.Concat(oauthRoutes(), soapRoutes()), route{method: http.MethodGet, path: "/services/data", open: true, handle: versions}))
	o.mountAgents(mux)
	mux.HandleFunc("/_faults", o.faultQueue)
	mux.HandleFunc("/_requests", o.requestLog)
	mux.HandleFunc("/_events", o.eventLog)
	mux.HandleFunc("/_agents", o.agentLog)
	mux.HandleFunc("/{$}", banner)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { o.writeError(w, r, noResource()) })
	return o.observe(o.disturb(mux))
}

// noResource is the answer on a path nobody serves.
func noResource() *fault {
	return refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
}

// mount registers routes below a prefix. A path that some route has, but not with the method of the request, is
// answered 405.
func (o *Org) mount(mux *http.ServeMux, prefix string, routes []route) {
	byPath := map[string]map[string]route{}
	for _, r := range routes {
		if byPath[r.path] == nil {
			byPath[r.path] = map[string]route{}
		}
		byPath[r.path][r.method] = r
	}
	for path, methods := range byPath {
		mux.HandleFunc(prefix+path, func(w http.ResponseWriter, r *http.Request) {
			o.serve(w, r, methods)
		})
	}
	if prefix != "" {
		mux.HandleFunc(prefix+"/{rest...}", func(w http.ResponseWriter, r *http.Request) {
			o.serve(w, r, map[string]route{r.Method: {handle: func(*call) (*answer, error) { return nil, noResource() }}})
		})
	}
}

// serve answers a request on a path: who asks, the turn on the database, the handler, the answer.
func (o *Org) serve(w http.ResponseWriter, r *http.Request, methods map[string]route) {
	if l, isLookup := w.(*lookup); isLookup {
		l.request, l.methods = r, methods
		return
	}
	route, found := methods[method(r)]
	found = found && !(route.writes && r.Method == http.MethodHead) // to look is not to run
	c := &call{Request: r, org: o, version: r.PathValue("version")}
	defer func() {
		if seen, isWatched := w.(*watched); isWatched && c.user != nil {
			seen.user = c.user.username
		}
	}()
	if c.version != "" && !versionExists(c.version) {
		o.writeError(w, r, noResource())
		return
	}
	if !route.open {
		if err := o.admit(w, c); err != nil {
			o.writeError(w, r, err)
			return
		}
	}
	if !found {
		o.writeError(w, r, notAllowed(r.Method, methods))
		return
	}
	if err := readBody(w, r, max(bodyLimit, route.body)); err != nil {
		o.writeError(w, r, err)
		return
	}
	if err := o.catchUp(); err != nil {
		o.writeError(w, r, err)
		return
	}
	a, err := o.take(c, route)
	if seen, ok := w.(*watched); ok {
		seen.inside = c.inside
	}
	if err != nil {
		o.writeError(w, r, err)
		return
	}
	o.writeAnswer(w, r, a)
}

// method is the method of a request. Clients that cannot send PATCH send POST with ?_HttpMethod=PATCH.
func method(r *http.Request) string {
	if m := r.URL.Query().Get("_HttpMethod"); m != "" && r.Method == http.MethodPost {
		return m
	}
	if r.Method == http.MethodHead {
		return http.MethodGet
	}
	return r.Method
}

// notAllowed is the answer to a method that a path does not have.
func notAllowed(method string, methods map[string]route) *fault {
	var names []string
	for name := range methods {
		names = append(names, name)
		if name == http.MethodGet {
			names = append(names, http.MethodHead)
		}
	}
	slices.Sort(names)
	return refuse(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "HTTP Method '%s' not allowed. Allowed are %s", method, strings.Join(names, ","))
}

// admit finds out who asks and counts the call against the daily limit.
func (o *Org) admit(w http.ResponseWriter, c *call) error {
	s := o.useSession(bearer(c.Request), true)
	if s == nil {
		return sessionInvalid()
	}
	c.user = s.user
	if !s.mayCallAPI() {
		return refuse(http.StatusUnauthorized, "INVALID_SESSION_ID", "This session is not valid for use with the REST API")
	}
	if c.version == "" {
		return nil
	}
	usage, err := o.spendCall()
	w.Header().Set(limitInfo, usage)
	return err
}

// limitInfo is the header that tells how many calls have been used.
const limitInfo = "Sforce-Limit-Info"

// spendCall counts a call against the daily limit, tells how many have been used, and refuses one too many.
func (o *Org) spendCall() (usage string, err error) {
	used, most := o.countCall(), o.options.DailyCalls
	if used > most {
		err = limitReached()
	}
	return fmt.Sprintf("api-usage=%d/%d", min(used, most), most), err
}

func limitReached() *fault {
	return refuse(http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
}

// readBody reads the body to its end, decompressed, so that a slow client keeps nobody waiting for a turn.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		return refuse(http.StatusRequestEntityTooLarge, "REQUEST_TOO_LARGE", "the body could not be read: %v", err)
	}
	if strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") && len(body) > 0 { // go-salesforce says so of no body, too
		if body, err = decompressed(body, limit); err != nil {
			return refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "the body is not in gzip format: %v", err)
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

func decompressed(body []byte, limit int64) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(z, limit+1))
	if err == nil && int64(len(plain)) > limit {
		err = fmt.Errorf("it is larger than %d bytes", limit)
	}
	return plain, err
}

// take runs the handler when it is its turn. What a writing handler has done is kept only if it gives no error. It
// is finished even if the client goes away meanwhile, as on the platform.
func (o *Org) take(c *call, r route) (*answer, error) {
	handle := func(c *call) (*answer, error) {
		if err := c.stillActive(); err != nil {
			return nil, err
		}
		if err := c.enter(r); err != nil {
			return nil, err
		}
		c.tell()
		return r.handle(c)
	}
	if r.reads || r.method == http.MethodGet && !r.writes {
		a, err := o.read(c, handle)
		if errors.Is(err, errStale) {
			err = o.write(c.Context(), func(db querier) error {
				c.db = db
				return c.define()
			})
			if err == nil {
				a, err = o.read(c, handle)
			}
		}
		if err == nil && len(c.viewed) > 0 {
			err = o.write(c.Context(), func(db querier) error { return o.markViewed(c.Context(), db, c.user, c.viewed) })
		}
		return a, err
	}
	c.Request = c.WithContext(context.WithoutCancel(c.Context()))
	var a *answer
	err := o.transact(c, func(c *call) (err error) {
		a, err = handle(c)
		return err
	})
	return a, err
}

// transact runs do in a transaction. Work it promises is put on the schedule when the transaction is kept.
func (o *Org) transact(c *call, do func(*call) error) error {
	c.promised = &promises{}
	err := o.write(c.Context(), func(db querier) error {
		c.db = db
		return do(c)
	})
	if err != nil {
		return err
	}
	for _, t := range c.promised.tasks {
		o.promise(t)
	}
	return nil
}

// read runs a handler beside others, on a connection of its own: a handler that asks again while it reads rows must
// not wait for a connection that another one like it holds.
func (o *Org) read(c *call, handle handler) (*answer, error) {
	o.turn.RLock()
	defer o.turn.RUnlock()
	conn, err := o.db.Conn(c.Context())
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // gives it back to the pool
	c.db = conn
	return handle(c)
}

// write runs do in a transaction while nobody else reads or writes. A schema it has made is given up with the rest.
func (o *Org) write(ctx context.Context, do func(querier) error) error {
	o.turn.Lock()
	defer o.turn.Unlock()
	tx, err := o.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	schema := o.schema
	if err := do(tx); err != nil {
		o.schema, o.defined = schema, nil
		return err
	}
	return tx.Commit()
}

// observe notes every request, names the answer as simulated, and forgives a slash too many at either end of the path.
func (o *Org) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Simulated-Org", "true")
		w.Header().Set("X-SFDC-Request-Id", strings.ReplaceAll(uuid.NewString(), "-", ""))
		trimSlash(r.URL)
		seen := &watched{ResponseWriter: w}
		defer func() { o.note(r, seen) }()
		if len(r.RequestURI) > uriLimit {
			o.writeError(seen, r, refuse(http.StatusRequestURITooLong, "URI_TOO_LONG", "The URI is longer than %d bytes", uriLimit))
			return
		}
		next.ServeHTTP(seen, r)
	})
}

// trimSlash takes slashes off the end of a path, and leaves one at its beginning. The sf command line asks for
// //services/data when its URL of the org ends in one.
func trimSlash(u *url.URL) {
	if len(u.Path) > 1 {
		u.Path, u.RawPath = trimmed(u.Path), trimmed(u.RawPath)
	}
}

func trimmed(path string) string {
	if path == "" {
		return ""
	}
	return "/" + strings.Trim(path, "/")
}

// watched keeps the status of an answer, 0 until there is one, the user it went to, and what was inside the request.
type watched struct {
	http.ResponseWriter
	status int
	user   string
	inside []Seen
}

// Write is the answer 200 when no other status has been written.
func (w *watched) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// WriteHeader keeps the status.
func (w *watched) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for what streams its answer.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func banner(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "This is a simulated Salesforce org for development and tests. Nothing here is real.\n")
}
