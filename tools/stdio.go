package tools

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"golang.org/x/sync/semaphore"
)

// MaxMessage is how many bytes one message may have by default.
const MaxMessage = 1 << 20

// stdioWorkers is how many messages of one stdio client are answered at once.
const stdioWorkers = 32

// ServeLines answers the messages of the stdio transport: one JSON-RPC message
// a line. When in ends, what is under way is finished and answered before
// ServeLines returns. When ctx ends, reads that are under way are cut short, and
// a goroutine may stay behind that waits for in. The error is that of reading or
// writing.
func (m *MCP) ServeLines(ctx context.Context, in io.Reader, out io.Writer, who Identity) error {
	var (
		lines   = make(chan line)
		workers = semaphore.NewWeighted(stdioWorkers)
		running sync.WaitGroup
		mu      sync.Mutex // guards out and broken
		broken  error
	)
	send := func(v any) {
		text, err := encode(v)
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			_, err = out.Write(append(text, '\n'))
		}
		broken = errors.Join(broken, err)
	}
	client := &lineClient{send: send, waiting: map[string]chan json.RawMessage{}}
	m.client.Store(client)
	go readLines(ctx, in, m.MaxMessage, lines)
	defer running.Wait()
	for {
		var l line
		select {
		case l = <-lines:
		case <-ctx.Done():
			return nil
		}
		switch {
		case errors.Is(l.err, errTooLong):
			send(new(message).fail(&rpcError{Code: codeInvalidRequest, Message: fmt.Sprintf("the message is longer than %d bytes", m.MaxMessage)}))
			continue
		case errors.Is(l.err, io.EOF):
			client.gone()
			running.Wait()
			return broken
		case l.err != nil:
			client.gone()
			return l.err
		case len(l.text) == 0:
			continue
		}
		msg, failure := parseMessage(l.text)
		switch {
		case failure != nil:
			who.Refused(failure.Message)
			send(msg.fail(failure))
		case msg.method == "":
			client.answered(msg)
		case msg.id == nil:
			m.notify(ctx, msg)
		case workers.Acquire(ctx, 1) == nil:
			msg.live = send
			running.Go(func() {
				defer workers.Release(1)
				notifications, reply := m.answer(ctx, who, m.View, stdioSurface, stdioSession, msg)
				for _, n := range notifications {
					send(n)
				}
				send(reply)
			})
		}
	}
}

// line is one line of input, or why there is none.
type line struct {
	text []byte
	err  error
}

// readLines sends the lines of in until one cannot be read or ctx ends.
func readLines(ctx context.Context, in io.Reader, most int, lines chan<- line) {
	r := bufio.NewReaderSize(in, 64<<10)
	for {
		text, err := readLine(r, most)
		select {
		case lines <- line{bytes.TrimSpace(text), err}:
		case <-ctx.Done():
			return
		}
		if err != nil && !errors.Is(err, errTooLong) {
			return
		}
	}
}

// stdioSession is the session of the one client that stdio has: it may cancel
// its own requests.
const stdioSession = "stdio"

// notify gives a notification of the one stdio client to the library, which
// knows how to cancel a request.
func (m *MCP) notify(ctx context.Context, msg *message) {
	defer func() {
		if p := recover(); p != nil {
			m.server.Log.Error().Str("method", msg.method).Str("panic", fmt.Sprint(p)).Bytes("stack", debug.Stack()).Msg("notification panicked")
		}
	}()
	m.lib.HandleMessage(m.lib.WithContext(ctx, &session{id: stdioSession}), msg.raw)
}

var errTooLong = errors.New("line too long")

// readLine reads up to the next newline. A longer line is skipped whole and
// reported as errTooLong. A last line without a newline counts.
func readLine(r *bufio.Reader, most int) ([]byte, error) {
	var line []byte
	tooLong := false
	for {
		part, err := r.ReadSlice('\n')
		if tooLong = tooLong || len(line)+len(part) > most; !tooLong {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == nil && tooLong, errors.Is(err, io.EOF) && tooLong:
			return nil, errTooLong
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		}
		return line, err
	}
}

// stdioSurface is how calls of stdio are called in the audit trail.
const stdioSurface = "stdio"
