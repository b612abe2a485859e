package salesforce

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recording is one request and answer of testdata/recordings.
type recording struct {
	Operation, Method, Path string
	Query                   map[string]string
	RequestHeaders          map[string]string `json:"request_headers"`
	RequestBody             json.RawMessage   `json:"request_body"`
	Status                  int
	ResponseHeaders         map[string]string `json:"response_headers"`
	ResponseBody            json.RawMessage   `json:"response_body"`
	Source                  struct{ Repo, Commit, License string }
}

// refused is what must be made of the recorded answers that are errors.
var refused = map[string]Error{
	"agents-002-agent_session_start-err":         {Class: ClassNotFound, Code: "HttpServerErrorException"},
	"agents-004-agent_message_send-err":          {Class: ClassNotFound, Code: AgentSessionGone},
	"agents-006-agent_session_end-err":           {Class: ClassNotFound, Code: AgentSessionGone},
	"sfpi-001-agent_session_start-err":           {Class: ClassPermission},
	"sfpi-002-agent_session_start-err":           {Class: ClassPermission},
	"sfpi-003-agent_session_start-err":           {Class: ClassNotFound, Code: "ERROR_HTTP_404"},
	"sfpi-004-agent_session_start-err":           {Class: ClassNotFound},
	"sfpi-005-agent_message_send-err":            {Class: ClassNotFound, Code: AgentSessionGone},
	"amp-002-collections_post-err":               {Class: ClassValidation, Code: "REQUIRED_FIELD_MISSING"},
	"amp-003-collections_post-err":               {Class: ClassValidation, Code: "REQUIRED_FIELD_MISSING", Fields: []string{"LastName"}},
	"amp-005-collections_patch-err":              {Class: ClassValidation, Code: "MISSING_ARGUMENT"},
	"amp-018-query-err":                          {Class: ClassValidation, Code: "INVALID_TYPE"},
	"amp-020-sobject_update-err":                 {Class: ClassValidation, Code: "INVALID_FIELD_FOR_INSERT_UPDATE", Fields: []string{"MasterRecordId"}},
	"amp-023-sobject_delete-err":                 {Class: ClassNotFound, Code: "ENTITY_IS_DELETED"},
	"amp-030-sobject_create-err":                 {Class: ClassDuplicate, Code: "DUPLICATE_VALUE", Fields: []string{"AssigneeId", "PermissionSetId"}},
	"misc-003-resources-err":                     {Class: ClassAuth, Code: "INVALID_SESSION_ID"},
	"restforce-001-oauth_token-err":              {Class: ClassValidation, Code: "invalid_grant"},
	"restforce-003-oauth_token-err":              {Class: ClassValidation, Code: "invalid_grant"},
	"restforce-005-query-err":                    {Class: ClassAuth, Code: "INVALID_SESSION_ID"},
	"restforce-009-sobject_get-err":              {Class: ClassNotFound, Code: "NOT_FOUND"},
	"restforce-011-sobject_externalid_patch-err": {Class: ClassNotFound, Code: "NOT_FOUND"},
}

// TestRecordings serves every recorded answer and checks what Do makes of it,
// and that Do sends what was recorded as sent.
func TestRecordings(t *testing.T) {
	files, err := filepath.Glob("../testdata/recordings/*.json")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	unseen := len(refused)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			r := readRecording(t, file)
			answer := string(r.ResponseBody)
			if answer == `""` {
				answer = ""
			}
			var header []string
			for key, value := range r.ResponseHeaders {
				header = append(header, key, value)
			}
			org, seen := newOrg(t, Options{RetryBudget: -1}, reply(r.Status, answer, header...))
			got, err := org.Do(t.Context(), r.request())

			want, isError := refused[name]
			if !isError {
				checkAnswer(t, r, got, err, answer)
			} else {
				unseen--
				checkRefusal(t, r, err, want)
			}
			checkSent(t, r, seen)
		})
	}
	if unseen != 0 {
		t.Errorf("%d expected errors have no recording", unseen)
	}
}

func readRecording(t *testing.T, file string) *recording {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r := &recording{}
	if err := json.Unmarshal(text, r); err != nil {
		t.Fatal(err)
	}
	if r.Source.Repo == "" || r.Source.Commit == "" || r.Source.License == "" {
		t.Error("the source, commit or licence is missing")
	}
	r.Path = strings.ReplaceAll(r.Path, "<sessionId>", aSession) // one recording leaves it out
	return r
}

// request is what a tool would pass to Do: some recorded paths carry their
// query.
func (r *recording) request() *Request {
	path, _, _ := strings.Cut(r.Path, "?")
	out := &Request{Method: r.Method, Path: path, Semantics: Idempotent}
	if below, ok := strings.CutPrefix(path, agentRoot); ok {
		out.Path, out.Agents = below, true
	}
	if r.Query != nil {
		out.Query = url.Values{}
		for key, value := range r.Query {
			out.Query.Set(key, value)
		}
	}
	if body := bytes.TrimSpace(r.RequestBody); len(body) > 0 && !bytes.Equal(body, []byte("null")) {
		out.Body = body
	}
	return out
}

func checkAnswer(t *testing.T, r *recording, got *Response, err error, answer string) {
	t.Helper()
	if err != nil {
		t.Fatalf("status %d: %v", r.Status, err)
	}
	if got.Status != r.Status || string(got.Body) != answer {
		t.Errorf("status %d, body %s", got.Status, got.Body)
	}
	if info := got.Header.Get("Sforce-Limit-Info"); info != r.header("Sforce-Limit-Info") {
		t.Errorf("Sforce-Limit-Info = %q", info)
	}
}

func checkRefusal(t *testing.T, r *recording, err error, want Error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("status %d: error %v", r.Status, err)
	}
	if e.Status != r.Status || e.Class != want.Class || e.Code != want.Code || e.Message == "" {
		t.Errorf("error = %+v", e)
	}
	if diff := cmp.Diff(want.Fields, e.Fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func checkSent(t *testing.T, r *recording, seen *served) {
	t.Helper()
	sent := seen.requests[0]
	path, _, _ := strings.Cut(r.Path, "?")
	if sent.Method != r.Method || sent.URL.EscapedPath() != path {
		t.Errorf("sent %s %s", sent.Method, sent.URL.EscapedPath())
	}
	for key, value := range r.Query {
		if sent.URL.Query().Get(key) != value {
			t.Errorf("sent query %s", sent.URL.RawQuery)
		}
	}
}

func (r *recording) header(name string) string {
	h := http.Header{}
	for key, value := range r.ResponseHeaders {
		h.Set(key, value)
	}
	return h.Get(name)
}

func BenchmarkDo(b *testing.B) {
	org, _ := newOrg(b, Options{Concurrency: 16}, okay)
	org.Client.http.Transport.(*http.Transport).MaxIdleConnsPerHost = 16
	request := &Request{Method: "GET", Path: "/limits", Semantics: Safe}
	address := org.Credentials.(*minter).url + "/services/data/v62.0/limits"
	b.Run("do", func(b *testing.B) {
		for b.Loop() {
			if _, err := org.Do(b.Context(), request); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("net/http", func(b *testing.B) {
		for b.Loop() {
			res, err := org.Client.http.Get(address)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
	})
	b.Run("do, 16 callers", func(b *testing.B) {
		b.SetParallelism(8)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if _, err := org.Do(b.Context(), request); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
