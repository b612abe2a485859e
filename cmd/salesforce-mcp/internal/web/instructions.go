package web

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

// instruction runs one operation by its instruction name. The arguments are one
// JSON object; where the operation takes a raw body that may be sent instead,
// with the other arguments in the query, and is streamed.
func (s *Server) instruction(w http.ResponseWriter, r *http.Request, who *identity) {
	args, up, err := s.arguments(w, r)
	if err == nil {
		err = tools.AddKey(r.Header, args)
	}
	if err != nil {
		who.Refused(err.Error())
		refuse(w, err)
		return
	}
	to := &sink{w: w, patience: s.patience()}
	c := tools.Call{Who: who, Surface: "instructions", Instruction: r.PathValue("instruction"), Args: args, Stream: to.pass}
	if up != nil {
		c.Upload = &tools.Upload{Reader: up, Size: max(0, r.ContentLength)}
	}
	res, err := s.Tools.Call(tools.InTraceOf(r), c)
	if up != nil {
		if up.end(); up.tooLarge != nil {
			err = up.tooLarge
		}
	}
	to.finish(res, err)
}

// arguments reads the arguments of an instruction, and the body that is to be
// streamed if it is one.
func (s *Server) arguments(w http.ResponseWriter, r *http.Request) (map[string]any, *uploading, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Header.Get("Content-Type") == "" && r.ContentLength == 0:
	case err == nil && mediaType == "text/csv":
		return s.upload(w, r)
	case err != nil || mediaType != "application/json":
		return nil, nil, &httpError{http.StatusUnsupportedMediaType, "send the arguments as one JSON object, with Content-Type application/json"}
	}
	if r.URL.RawQuery != "" {
		return nil, nil, &httpError{http.StatusBadRequest, "arguments do not go into the query; send them as one JSON object"}
	}
	raw, err := s.read(w, r)
	if err != nil {
		return nil, nil, err
	}
	args, err := tools.DecodeArguments(raw)
	return args, nil, err
}

// Arguments that hold a file, such as the zip of a deploy, may be larger than
// others. They are kept in memory, so few are read at once, and none for long.
const (
	maxFileBody   = 64 << 20
	fileBodies    = 2
	longestUpload = 10 * time.Minute
)

// read reads the arguments of an instruction.
func (s *Server) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := s.MaxBody
	if s.Tools.Table.TakesFile(r.PathValue("instruction")) {
		limit = max(limit, maxFileBody)
	}
	body := http.MaxBytesReader(w, r.Body, limit)
	if r.ContentLength >= 0 && r.ContentLength <= s.MaxBody || limit == s.MaxBody {
		return io.ReadAll(body)
	}
	if r.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	if err := s.files.Acquire(r.Context(), 1); err != nil {
		return nil, err
	}
	defer s.files.Release(1)
	return io.ReadAll(&uploading{from: body, conn: http.NewResponseController(w), patience: s.patience(), until: time.Now().Add(longestUpload)})
}

// upload has the arguments in the query and the body still to be read.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) (map[string]any, *uploading, error) {
	if r.ContentLength > s.MaxUpload {
		return nil, nil, &http.MaxBytesError{Limit: s.MaxUpload}
	}
	args := map[string]any{}
	for name, values := range r.URL.Query() {
		if len(values) != 1 {
			return nil, nil, &httpError{http.StatusBadRequest, fmt.Sprintf("%s is given %d times in the query; give it once", name, len(values))}
		}
		args[name] = values[0]
	}
	return args, &uploading{from: http.MaxBytesReader(w, r.Body, s.MaxUpload), conn: http.NewResponseController(w), patience: s.patience()}, nil
}

// A sink answers a client with what Salesforce sent.
type sink struct {
	w        http.ResponseWriter
	patience time.Duration
	begun    bool // status and headers are written
}

// pass streams Salesforce's answer to the client.
func (s *sink) pass(resp *salesforce.Response) error {
	s.head(resp)
	_, err := io.Copy(s, resp.Stream)
	return err
}

// Write gives the client some time for each part it takes.
func (s *sink) Write(p []byte) (int, error) {
	if err := http.NewResponseController(s.w).SetWriteDeadline(time.Now().Add(s.patience)); err != nil {
		return 0, err
	}
	return s.w.Write(p)
}

// finish writes what is not streamed: Salesforce's answer, or an error. When a
// streamed answer has failed it breaks the connection off, so that nobody takes
// the part for the whole.
func (s *sink) finish(res *tools.Result, err error) {
	_ = http.NewResponseController(s.w).SetWriteDeadline(time.Now().Add(s.patience)) // its connection is there
	switch {
	case err != nil && s.begun:
		panic(http.ErrAbortHandler) // net/http's word for it
	case err != nil:
		refuse(s.w, err)
	case !s.begun:
		if res.Replayed {
			s.w.Header().Set("Idempotent-Replayed", "true")
		}
		s.head(res.Raw)
		_, _ = s.w.Write(res.Raw.Body) // a client that hung up reads nothing
	}
}

// passed are the headers of Salesforce's answers that mean something to clients.
var passed = []string{"Content-Type", "Sforce-Locator", "Sforce-NumberOfRecords", "Sforce-Limit-Info", "X-SFDC-Request-Id"}

// head writes status and headers. What the body is nobody here knows, so no
// browser may show it as a page of ours.
func (s *sink) head(resp *salesforce.Response) {
	s.begun = true
	w := s.w
	for _, name := range passed {
		if v := resp.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'")
	w.WriteHeader(resp.Status)
}

// openAPI describes the instructions that the caller may use.
func (s *Server) openAPI(w http.ResponseWriter, r *http.Request, who *identity) {
	visible, err := who.Visible(s.Tools.Table)
	if err != nil {
		refuse(w, &tools.Error{Code: tools.NotIdentified, Message: err.Error()})
		return
	}
	server := "/w/" + who.workspace.Name + "/instructions"
	doc, err := visible.OpenAPI(strings.TrimSuffix(s.PublicURL, "/")+server, s.Version)
	if err != nil {
		s.Log.Error().Err(err).Msg("no OpenAPI document")
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(doc)
}

// result streams a large result to its owner. A CSV comes so that spreadsheets
// take no cell for a formula, unless raw is asked for.
func (s *Server) result(w http.ResponseWriter, r *http.Request, who *identity) {
	id := r.PathValue("id")
	to := &sink{w: w, patience: s.patience()}
	res, err := s.Tools.Result(tools.InTraceOf(r), tools.Call{Who: who, Surface: "results", Stream: func(resp *salesforce.Response) error {
		w.Header().Set("Content-Disposition", attachment(id, resp))
		if mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); mediaType != "text/csv" || r.URL.Query().Get("raw") == "true" {
			return to.pass(resp)
		}
		to.head(resp)
		return tools.CopyForSpreadsheets(to, resp.Stream)
	}}, id)
	if err == nil && !to.begun {
		w.Header().Set("Content-Disposition", attachment(id, res.Raw))
	}
	to.finish(res, err)
}

// attachment names the file that a browser makes of a result.
func attachment(id string, resp *salesforce.Response) string {
	end := map[string]string{"text/csv": ".csv", "application/json": ".json", "text/plain": ".txt"}
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return mime.FormatMediaType("attachment", map[string]string{"filename": id + end[mediaType]})
}

// uploading is a body that is streamed on. It gives the client some time for
// each part it sends.
type uploading struct {
	from     io.Reader
	conn     *http.ResponseController
	patience time.Duration
	until    time.Time // when all of it must have come; zero is never
	reading  sync.Mutex
	ended    atomic.Bool
	tooLarge *http.MaxBytesError // set when it was; read after end
}

// end ends a read that is under way and all that would follow: when Salesforce
// answers before it has the whole body, it is still being sent, and a body must
// not be read when its request has been answered.
func (u *uploading) end() {
	u.ended.Store(true)
	if !u.reading.TryLock() {
		_ = u.conn.SetReadDeadline(time.Now()) // its connection is there
		u.reading.Lock()
	}
	u.reading.Unlock()
}

func (u *uploading) Read(p []byte) (int, error) {
	u.reading.Lock()
	defer u.reading.Unlock()
	deadline := time.Now().Add(u.patience)
	if !u.until.IsZero() && u.until.Before(deadline) {
		deadline = u.until
	}
	if err := u.conn.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	if u.ended.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := u.from.Read(p)
	errors.As(err, &u.tooLarge)
	return n, err
}

// httpError is a request that is refused before it is a call.
type httpError struct {
	status  int
	message string
}

func (e *httpError) Error() string { return e.message }

// refuse answers with an error in the one shape that there is.
func refuse(w http.ResponseWriter, err error) {
	failure := &tools.Error{Code: tools.Internal, Message: "the server failed; its log has the cause"}
	status := http.StatusInternalServerError
	var request *httpError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		w.Header().Set("Connection", "close")
		status = http.StatusRequestEntityTooLarge
		failure = &tools.Error{Code: tools.InvalidArgument, Message: fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit),
			Hint: "Rows of a bulk job may be sent as text/csv, which is streamed."}
	case errors.As(err, &request):
		status, failure = request.status, &tools.Error{Code: tools.InvalidArgument, Message: request.message}
	case errors.As(err, &failure):
		status = statusOf(failure)
	}
	if failure.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(failure.RetryAfter))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(failure.JSON())
}

// ours are the statuses of our own errors.
var ours = map[tools.Code]int{
	tools.UnknownTool: http.StatusNotFound, tools.UnknownAction: http.StatusNotFound, tools.NoResult: http.StatusNotFound, tools.NoHandle: http.StatusNotFound,
	tools.UnknownArgument: http.StatusBadRequest, tools.MissingArgument: http.StatusBadRequest, tools.InvalidArgument: http.StatusBadRequest,
	tools.KeyMismatch: http.StatusUnprocessableEntity, tools.InProgress: http.StatusConflict, tools.OutcomeUnknown: http.StatusConflict,
	tools.NoApproval: http.StatusNotFound, tools.NotWaiting: http.StatusConflict, tools.FourEyes: http.StatusForbidden, tools.NoReturn: http.StatusNotFound, tools.RunState: http.StatusConflict,
	tools.ApprovalRequired: http.StatusForbidden, tools.ApprovalDenied: http.StatusForbidden, tools.ApprovalUsed: http.StatusConflict, tools.ManyApprovals: http.StatusTooManyRequests,
	tools.ReturnsOff:    http.StatusNotFound,
	tools.NotIdentified: http.StatusForbidden, tools.NotAuthorized: http.StatusForbidden,
	tools.RateLimited: http.StatusTooManyRequests, tools.BudgetExceeded: http.StatusTooManyRequests,
	tools.NotRecorded: http.StatusServiceUnavailable, tools.NotConnected: http.StatusServiceUnavailable,
	tools.Unreadable: http.StatusBadGateway, tools.TimedOut: http.StatusGatewayTimeout, tools.Internal: http.StatusInternalServerError,
}

// statusOf is the HTTP status of an error: that of Salesforce's answer where it
// means the same to our client. A limit is 429, which Salesforce's REST API does
// not use; a failure with a status of success is 422; and whom Salesforce does
// not let in is us, not our client.
func statusOf(e *tools.Error) int {
	if status, ok := ours[e.Code]; ok {
		return status
	}
	switch class := salesforce.ClassOf(string(e.Code), e.Status); {
	case class == salesforce.ClassLimited:
		return http.StatusTooManyRequests
	case e.Status == 0 && class == salesforce.ClassConflict: // we looked before we sent
		return http.StatusConflict
	case e.Status == http.StatusUnauthorized, e.Status == 0, e.Status/100 == 5 && e.Status != http.StatusServiceUnavailable:
		return http.StatusBadGateway
	case e.Status/100 == 3:
		return http.StatusConflict
	case e.Status/100 == 2:
		return http.StatusUnprocessableEntity
	}
	return e.Status
}
