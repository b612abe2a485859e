package tools

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"golang.org/x/sync/semaphore"
)

// MaxMessage is how many bytes one message may have by default.
const MaxMessage = 1 << 20

// stdioWorkers is how many messages of one stdio client are answered at once.
const stdioWorkers = 32

// ServeLines answers the messages of the stdio transport: one JSON-RPC message
// a line. When in ends, what is under way is finished and answered before
// ServeLines returns; when ctx ends it is cut short. The error is that of
// reading or writing.
func (m *MCP) ServeLines(ctx context.Context, in io.Reader, out io.Writer, who Identity) error {
	var (
		lines   = bufio.NewReaderSize(in, 64<<10)
		workers = semaphore.NewWeighted(stdioWorkers)
		running sync.WaitGroup
		mu      sync.Mutex // guards out and broken
		broken  error
	)
	send := func(v any) {
		line, err := encode(v)
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			_, err = out.Write(append(line, '\n'))
		}
		broken = errors.Join(broken, err)
	}
	defer running.Wait()
	for {
		line, err := readLine(lines, MaxMessage)
		switch {
		case errors.Is(err, errTooLong):
			send(new(message).fail(&rpcError{Code: codeInvalidRequest, Message: "the message is longer than 1 MiB"}))
			continue
		case errors.Is(err, io.EOF):
			running.Wait()
			return broken
		case err != nil:
			return err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		msg, failure := parseMessage(line)
		if failure != nil {
			send(msg.fail(failure))
			continue
		}
		if msg.method == "" {
			continue // a response, and we ask nothing
		}
		if msg.id == nil {
			m.notify(ctx, msg)
			continue
		}
		if err := workers.Acquire(ctx, 1); err != nil {
			return err
		}
		running.Go(func() {
			defer workers.Release(1)
			notifications, reply := m.answer(ctx, who, "stdio", stdioSession, msg)
			for _, n := range notifications {
				send(n)
			}
			send(reply)
		})
	}
}

// stdioSession is the session of the one client that stdio has: it may cancel
// its own requests.
const stdioSession = "stdio"

// notify gives a notification of the one stdio client to the library, which
// knows how to cancel a request.
func (m *MCP) notify(ctx context.Context, msg *message) {
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
