package salesforce

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// A watch ends an exchange in which nothing has moved for a while. What is not
// streamed never moves in its sense, so that its time is bounded as a whole.
type watch struct {
	timer    *time.Timer
	period   time.Duration
	cancel   context.CancelCauseFunc
	streamed bool // a stream ends it, not the exchange
}

func newWatch(ctx context.Context, period time.Duration) (context.Context, *watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &watch{timer: time.AfterFunc(period, func() { cancel(context.DeadlineExceeded) }), period: period, cancel: cancel}
}

// end ends the exchange unless a stream goes on with it.
func (w *watch) end() {
	if !w.streamed {
		w.timer.Stop()
		w.cancel(nil)
	}
}

// uploading is the body of a request. While its source is slow it is not the
// org that does not move.
type uploading struct {
	from  io.Reader
	watch *watch
}

func (u *uploading) Read(p []byte) (int, error) {
	u.watch.timer.Stop()
	defer u.watch.timer.Reset(u.watch.period)
	return u.from.Read(p)
}

// stream is the body of an answer. Its reader may be as slow as it likes, the
// org may not.
type stream struct {
	from      io.Reader
	body      io.Closer
	watch     *watch
	requestID string
	closed    func() // called once when it is closed
}

// stream hands the rest of the exchange on.
func (w *watch) stream(from io.Reader, body io.Closer, requestID string) *stream {
	w.timer.Stop()
	w.streamed = true
	return &stream{from: from, body: body, watch: w, requestID: requestID, closed: func() {}}
}

// Read reads on. Its errors but io.EOF are *Error.
func (s *stream) Read(p []byte) (int, error) {
	s.watch.timer.Reset(s.watch.period)
	n, err := s.from.Read(p)
	s.watch.timer.Stop()
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case errors.Is(err, errBomb):
		return n, &Error{Class: ClassValidation, Message: err.Error(), RequestID: s.requestID, Err: err}
	}
	return n, &Error{Class: ClassTransient, Message: "the connection failed before the answer was complete", RequestID: s.requestID, Err: err}
}

// Close ends the exchange.
func (s *stream) Close() error {
	s.closed()
	s.closed = func() {}
	s.watch.streamed = false
	s.watch.end()
	return s.body.Close()
}

// once returns a request whose Stream says whether it was read from: what has
// been sent in part cannot be sent again.
func once(r *Request) (_ *Request, used func() bool) {
	if r.Stream == nil {
		return r, func() bool { return false }
	}
	s := &sourced{from: r.Stream}
	again := *r
	again.Stream = s
	return &again, s.used.Load
}

// sourced is a reader that knows whether it was read from.
type sourced struct {
	from io.Reader
	used atomic.Bool
}

func (s *sourced) Read(p []byte) (int, error) {
	s.used.Store(true)
	return s.from.Read(p)
}

// A compressed answer may grow to maxGrowth times its size, and to freeGrowth
// bytes however small it was. Tables of equal rows shrink to a 300th; what
// grows further was made to.
const (
	maxGrowth  = 500
	freeGrowth = 16 << 20
)

var errBomb = fmt.Errorf("the answer grows to more than %d times its size when it is decompressed, which no data does", maxGrowth)

// unzipped returns the body of an answer, decompressed. Where it is not
// streamed net/http has seen to that.
func unzipped(res *http.Response, streamed bool) (io.Reader, error) {
	if !streamed || !strings.EqualFold(res.Header.Get("Content-Encoding"), "gzip") {
		return res.Body, nil
	}
	res.Header.Del("Content-Encoding")
	res.Header.Del("Content-Length")
	in := &counted{from: res.Body}
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	return &growing{z, in, 0}, nil
}

// counted counts what is read.
type counted struct {
	from io.Reader
	n    int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	return n, err
}

// growing reads what is decompressed until it has grown too far.
type growing struct {
	from io.Reader
	in   *counted
	n    int64
}

func (g *growing) Read(p []byte) (int, error) {
	n, err := g.from.Read(p)
	g.n += int64(n)
	if g.n > freeGrowth && g.n/maxGrowth > g.in.n {
		return 0, errBomb
	}
	return n, err
}
