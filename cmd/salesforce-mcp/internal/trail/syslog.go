package trail

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
)

// A Syslog sends entries as messages of RFC 5424 to a collector. The message is
// the entry's line of JSON, the very bytes that are signed, without the byte order
// mark that the RFC wants before UTF-8 (section 6.4; without it a message counts
// as one of unknown encoding), since collectors take it for a part of the JSON.
//
// Over tcp (RFC 6587, octet counting) and tls (RFC 5425) nothing acknowledges a
// message. So each batch has a connection of its own: when all is written, our
// side of it is closed, and the batch counts as arrived when the collector closes
// its side too, which it does at the end of what it has read. A connection that
// breaks before means that the batch is sent again. A collector that leaves its
// side open is believed after closeWait.
//
// Over udp (RFC 5426) a message is a datagram, and lost is lost. A local socket
// (unix) takes datagrams, which it does not lose, or a stream as of tcp.
type Syslog struct {
	// Address is tcp://HOST:PORT, tls://HOST:PORT, udp://HOST:PORT or
	// unix:///PATH.
	Address string
	// TLS are the settings of tls.
	TLS *tls.Config
	// Facility is a number from 0 to 23.
	Facility int
	// AppName is at most 48 visible characters of ASCII.
	AppName string
	// ElementID names the structured data, as in audit@32473.
	ElementID string
	// MaxDatagram is the longest message over udp, in bytes; what is longer loses
	// the end of its JSON, and says so.
	MaxDatagram int

	hostname string
}

// Defaults of a [Syslog].
const (
	// SyslogFacility is "log audit" in table 1 of RFC 5424.
	SyslogFacility = 13
	SyslogAppName  = "salesforce-mcp"
	// SyslogElementID has the enterprise number that RFC 5612 keeps for examples:
	// this program has none of its own.
	SyslogElementID = "salesforce-mcp@32473"
	// SyslogDatagram is the length that receivers should take (RFC 5426, section
	// 3.2).
	SyslogDatagram = 2048
)

// closeWait is how long a collector has to close its side of a connection.
const closeWait = 5 * time.Second

// Sink is the sink that sends to the collector.
func (s *Syslog) Sink() *Sink {
	s.hostname = "-"
	if name, err := os.Hostname(); err == nil && name != "" {
		s.hostname = visible(name, 255)
	}
	return &Sink{Name: "syslog", What: "send the audit trail to syslog", Batch: 500, Send: s.send}
}

func (s *Syslog) send(ctx context.Context, _ string, entries []proof.Leaf) (int, error) {
	conn, datagrams, err := s.dial(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }() // what matters was closed before
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if datagrams {
		for i, e := range entries {
			most := 0
			if conn.RemoteAddr().Network() == "udp" {
				most = s.MaxDatagram
			}
			if _, err := conn.Write(s.message(e, most)); err != nil {
				return i, err
			}
		}
		return len(entries), nil
	}
	var stream []byte
	for _, e := range entries {
		m := s.message(e, 0)
		stream = append(strconv.AppendInt(stream, int64(len(m)), 10), ' ')
		stream = append(stream, m...)
	}
	if _, err := conn.Write(stream); err != nil {
		return 0, err
	}
	if err := finish(conn); err != nil {
		return 0, fmt.Errorf("the collector broke the connection: %w", err)
	}
	return len(entries), nil
}

// Check connects to the collector and sends nothing.
func (s *Syslog) Check(ctx context.Context) error {
	conn, _, err := s.dial(ctx)
	if err != nil {
		return err
	}
	return conn.Close()
}

// dial connects. Datagrams says whether each write is a message.
func (s *Syslog) dial(ctx context.Context) (conn net.Conn, datagrams bool, err error) {
	u, err := url.Parse(s.Address)
	if err != nil {
		return nil, false, err
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	switch u.Scheme {
	case "tls":
		settings := s.TLS.Clone()
		if settings == nil {
			settings = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		conn, err = (&tls.Dialer{NetDialer: dialer, Config: settings}).DialContext(ctx, "tcp", u.Host)
	case "unix":
		if conn, err = dialer.DialContext(ctx, "unixgram", u.Path); err == nil {
			return conn, true, nil
		}
		var stream error
		if conn, stream = dialer.DialContext(ctx, "unix", u.Path); stream == nil {
			err = nil
		}
	default:
		conn, err = dialer.DialContext(ctx, u.Scheme, u.Host)
	}
	return conn, u.Scheme == "udp", err
}

// finish closes our side of a connection and waits for the other side to close
// its own.
func finish(conn net.Conn) error {
	closer, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.New("it has no two sides")
	}
	if err := closer.CloseWrite(); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(closeWait)); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, io.LimitReader(conn, 1<<20))
	if secure, ok := conn.(*tls.Conn); ok && err == nil {
		// A side that has not read everything says goodbye all the same, and then
		// resets what is below.
		_, err = io.Copy(io.Discard, io.LimitReader(secure.NetConn(), 1<<20))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// message is an entry as a message of RFC 5424, at most so many bytes long; 0 is
// any length.
func (s *Syslog) message(l proof.Leaf, most int) []byte {
	var e audit.Entry
	at, id, phase := "-", "", "-"
	if json.Unmarshal(l.Entry, &e) == nil {
		at, id, phase = e.Time.UTC().Format("2006-01-02T15:04:05.000Z"), e.ID, visible(string(e.Phase), 32)
	}
	head := fmt.Sprintf("<%d>1 %s %s %s %d %s ", s.Facility*8+severity(e), at, s.hostname, visible(s.AppName, 48), os.Getpid(), phase)
	element := func(more string) []byte {
		return fmt.Appendf(nil, `%s[%s id="%s" intent="%s" workspace="%s" leaf="%d"%s] `, head, s.ElementID, param(id), param(e.Intent), param(e.Workspace), l.N, more)
	}
	whole := append(element(""), l.Entry...)
	if most == 0 || len(whole) <= most {
		return whole
	}
	cut := element(fmt.Sprintf(` truncated="%d"`, len(l.Entry))) // how long the JSON is
	room := max(most-len(cut), 0)
	return append(cut, strings.ToValidUTF8(string(l.Entry[:min(room, len(l.Entry))]), "")...)
}

// severity is that of an entry: what went well is informational, what failed a
// notice, what was refused or nobody can tell a warning.
func severity(e audit.Entry) int {
	switch e.Outcome {
	case audit.Failed:
		return 5
	case audit.Refused, audit.Unknown:
		return 4
	}
	return 6
}

// visible is text as a field of a header: visible ASCII, or "-".
func visible(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	if text == "" {
		return "-"
	}
	return text[:min(len(text), most)]
}

// param is text as the value of a parameter (RFC 5424, section 6.3.3). Line breaks
// are allowed there, and left out all the same.
func param(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(text)
}
