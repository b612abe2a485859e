package salesforce

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// longestEvent bounds one event of a stream in bytes.
const longestEvent = 1 << 20

// errLongEvent is an event that is longer.
var errLongEvent = errors.New("an event of the answer is too long")

// events calls each with the data of every event of a stream of server-sent events
// (WHATWG HTML, "Interpreting an event stream"), in order, until each is done or the
// stream ends: then the error is io.EOF. An event that the end cuts short is none.
// Names and IDs of events are not looked at.
func events(r io.Reader, each func(data []byte) (done bool, err error)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), longestEvent)
	lines.Split(eventLines)
	var data []byte
	has := false
	for first := true; lines.Scan(); first = false {
		line := lines.Bytes()
		if first {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		if len(line) == 0 {
			if has {
				if done, err := each(data); done || err != nil {
					return err
				}
			}
			data, has = nil, false
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if string(name) != "data" {
			continue // a comment, an event's name, …
		}
		if has {
			data = append(data, '\n')
		}
		data, has = append(data, bytes.TrimPrefix(value, []byte(" "))...), true
		if len(data) > longestEvent {
			return errLongEvent
		}
	}
	err := lines.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		return errLongEvent
	}
	if err == nil {
		err = io.EOF
	}
	return err
}

// eventLines splits at line feeds, carriage returns, or both. A carriage return at
// the end of what is there may be half of both, so that more is waited for.
func eventLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	i := bytes.IndexAny(data, "\r\n")
	switch {
	case i < 0 && atEOF:
		return len(data), nil, nil // no newline: it was cut short
	case i < 0:
		return 0, nil, nil
	case data[i] == '\n':
		return i + 1, data[:i], nil
	case i+1 < len(data) && data[i+1] == '\n':
		return i + 2, data[:i], nil
	case i+1 == len(data) && !atEOF:
		return 0, nil, nil
	}
	return i + 1, data[:i], nil
}
