package salesforce

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// zeros sends n zero bytes, compressed if the client asked for it.
func zeros(n int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		to := io.Writer(w)
		if r.Header.Get("Accept-Encoding") == "gzip" {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			to = z
		}
		_, _ = io.Copy(to, io.LimitReader(zero{}, n))
	}
}

type zero struct{}

func (zero) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

var download = &Request{Method: "GET", Path: "/jobs/query/750000000000001/results", Semantics: Safe, Streamed: true}

// TestStreamedAnswer: the body comes decompressed and of any size, and an error
// is still an error.
func TestStreamedAnswer(t *testing.T) {
	const size = freeGrowth // as far as anything may grow
	org, _ := newOrg(t, Options{BodyLimit: 1000}, zeros(size), wrong)
	got, err := org.Do(t.Context(), download)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, got.Stream)
	if n != size || err != nil || got.Body != nil || got.Origin != org.Credentials.(*minter).url || got.Header.Get("Content-Encoding") != "" {
		t.Errorf("%d bytes, %v, origin %q", n, err, got.Origin)
	}
	if err := got.Stream.Close(); err != nil {
		t.Error(err)
	}
	if e := errorOf(t, org, download); e.Status != 400 || e.Code == "" {
		t.Errorf("%+v", e)
	}
}

// TestStreamedBomb (attack 27): an answer that grows as no data does is not
// read to its end.
func TestStreamedBomb(t *testing.T) {
	org, _ := newOrg(t, Options{}, zeros(1<<30))
	got, err := org.Do(t.Context(), download)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Stream.Close()
	n, err := io.Copy(io.Discard, got.Stream)
	var e *Error
	if !errors.As(err, &e) || e.Class != ClassValidation || !strings.Contains(e.Message, "500 times its size") || n > freeGrowth+1<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestStreamsHaveTurnsOfTheirOwn: answers that are being read keep other
// requests from nothing, and each other within their number.
func TestStreamsHaveTurnsOfTheirOwn(t *testing.T) {
	org, _ := newOrg(t, Options{Concurrency: 1}, zeros(1<<20))
	var open []*Response
	for range concurrentStreams {
		got, err := org.Do(t.Context(), download)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, got)
	}
	if _, err := org.Do(t.Context(), &Request{Method: "GET", Path: "/limits", Semantics: Safe}); err != nil {
		t.Errorf("another request: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := org.Do(ctx, download); err == nil {
		t.Error("one stream too many")
	}
	for range 2 { // closing again gives nothing back
		_ = open[0].Stream.Close()
	}
	next, err := org.Do(t.Context(), download)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range append(open, next) {
		_ = got.Stream.Close()
	}
}

// TestStreamedAnswerStops: an org that stops sending is left, however long the
// reader took before.
func TestStreamedAnswerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := newTimedOrg(t, Options{}, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "Id\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}))
		got, err := org.Do(t.Context(), download)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Stream.Close()
		time.Sleep(time.Hour)
		began := time.Now()
		text, err := io.ReadAll(got.Stream)
		var e *Error
		if string(text) != "Id\n" || !errors.As(err, &e) || e.Class != ClassTransient || time.Since(began) != 2*time.Minute {
			t.Errorf("%q, %v after %v", text, err, time.Since(began))
		}
	})
}

// TestUpload: a body that is streamed is sent once, unless nothing of it was.
func TestUpload(t *testing.T) {
	rows := func() *Request {
		return &Request{Method: "PUT", Path: "/jobs/ingest/750000000000001/batches", Semantics: Idempotent,
			Stream: iotest.OneByteReader(strings.NewReader("Name\nAcme\n")), StreamSize: 10, Header: http.Header{"Content-Type": {"text/csv"}}}
	}
	org, seen := newOrg(t, Options{}, okay)
	if _, err := org.Do(t.Context(), rows()); err != nil || seen.bodies[0] != "Name\nAcme\n" || seen.requests[0].ContentLength != 10 || seen.requests[0].Header.Get("Content-Type") != "text/csv" {
		t.Errorf("%v, sent %q", err, seen.bodies)
	}
	for _, answer := range []http.HandlerFunc{expired, edge503, cut} {
		org, seen := newOrg(t, Options{}, answer)
		errorOf(t, org, rows())
		if seen.count() != 1 {
			t.Errorf("sent %d times", seen.count())
		}
	}

	// A refused connection has read nothing.
	refused := 2
	synctest.Test(t, func(t *testing.T) {
		org := newTimedOrg(t, Options{}, func() bool { refused--; return refused >= 0 }, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // who answers without reading may close too early
			okay(w, r)
		}))
		if _, err := org.Do(t.Context(), rows()); err != nil {
			t.Error(err)
		}
	})

	// A source that fails fails the request, which then is not whole.
	org, _ = newOrg(t, Options{}, okay)
	broken := rows()
	broken.Stream = io.MultiReader(strings.NewReader("Name\n"), iotest.ErrReader(errors.New("gone")))
	if e := errorOf(t, org, broken); e.Status != 0 || e.NotExecuted {
		t.Errorf("%+v", e)
	}
}

// TestSoap: the token is in the envelope and nowhere else, what the caller gives
// is not read as anything but data, and a fault is an error like others.
func TestSoap(t *testing.T) {
	convert := &Request{Method: "POST", Path: "/services/Soap/u", Soap: "urn:partner.soap.sforce.com", Body: []byte("<convertLead>" + EscapeXML("a<b>\x00") + "</convertLead>")}
	fault := func(code, message string) http.HandlerFunc {
		return reply(500, `<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="urn:fault.partner.soap.sforce.com">`+
			`<soapenv:Body><soapenv:Fault><faultcode>sf:`+code+`</faultcode><faultstring>`+code+`: `+message+`</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>`)
	}
	org, seen := newOrg(t, Options{}, fault("INVALID_SESSION_ID", "Invalid Session ID found in SessionHeader"), reply(200, "<ok/>"))
	org.Version = "v60.0"
	got, err := org.Do(t.Context(), convert)
	if err != nil || string(got.Body) != "<ok/>" {
		t.Fatalf("%+v, %v", got, err)
	}
	second := seen.requests[1]
	want := `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com">` +
		`<soapenv:Header><SessionHeader><sessionId>token-2</sessionId></SessionHeader></soapenv:Header>` +
		`<soapenv:Body><convertLead>a&lt;b&gt;` + "\uFFFD" + `</convertLead></soapenv:Body></soapenv:Envelope>`
	if second.URL.Path != "/services/Soap/u/60.0" || second.Header.Get("Authorization") != "" || second.Header.Get("SOAPAction") != `""` || seen.bodies[1] != want {
		t.Errorf("%s %v\n%s", second.URL, second.Header, seen.bodies[1])
	}

	org, seen = newOrg(t, Options{}, fault("MALFORMED_ID", "bad id token-1"))
	e := errorOf(t, org, convert)
	if e.Code != "MALFORMED_ID" || e.Class != ClassNotFound || e.Message != "bad id •••" || seen.count() != 1 {
		t.Errorf("%+v after %d", e, seen.count())
	}
}
