package trail

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
)

// messageRE is the grammar of RFC 5424, section 6, as far as we use it.
var messageRE = regexp.MustCompile(`(?s)^<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z|-) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) (\[[!#-<>-\\^-~]{1,32}(?: [!#-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*\]) (.*)$`)

// leavesOf are the entries of workspace a.
func (h *house) leavesOf() []proof.Leaf {
	h.t.Helper()
	leaves, err := h.store.Leaves(h.t.Context(), "a", 0, 10_000)
	if err != nil {
		h.t.Fatal(err)
	}
	return leaves
}

// readFramed reads messages with octet counts (RFC 6587, section 3.4.1), n of
// them or all.
func readFramed(r *bufio.Reader, n int) (messages []string, err error) {
	for n <= 0 || len(messages) < n {
		size, err := r.ReadString(' ')
		if err == io.EOF && size == "" {
			return messages, nil
		}
		length, notNumber := strconv.Atoi(strings.TrimSuffix(size, " "))
		if err != nil || notNumber != nil {
			return messages, fmt.Errorf("frame %q: %w", size, errors.Join(err, notNumber))
		}
		text := make([]byte, length)
		if _, err := io.ReadFull(r, text); err != nil {
			return messages, err
		}
		messages = append(messages, string(text))
	}
	return messages, nil
}

// TestSyslogStreams: over each stream every entry arrives as a message of its own
// with its bytes unchanged, and again when the collector broke off in the middle.
func TestSyslogStreams(t *testing.T) {
	h := newHouse(t)
	h.record("a", 5)
	entries := h.leavesOf()
	for len(entries) < 400 { // more than a record of TLS and a buffer have
		entries = append(entries, entries[len(entries)%5])
	}
	certified := httptest.NewTLSServer(nil) // for its certificate
	defer certified.Close()
	trusted := &tls.Config{RootCAs: certified.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com"}
	for _, network := range []string{"tcp", "tls", "unix"} {
		t.Run(network, func(t *testing.T) {
			address := "127.0.0.1:0"
			if network == "unix" {
				address = filepath.Join(t.TempDir(), "log")
			}
			var l net.Listener
			var err error
			switch network {
			case "tls":
				l, err = tls.Listen("tcp", address, &tls.Config{Certificates: certified.TLS.Certificates})
			default:
				l, err = net.Listen(network, address)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			got := make(chan []string)
			var serving sync.WaitGroup
			defer serving.Wait()
			serving.Go(func() {
				for n := 0; n < 2; n++ {
					conn, err := l.Accept()
					if err != nil {
						t.Error(err)
						return
					}
					most := 0
					if n == 0 {
						most = 7 // and then it breaks off, with the rest unread
					}
					messages, err := readFramed(bufio.NewReaderSize(conn, 16), most)
					if err != nil {
						t.Error(err)
					}
					conn.Close()
					got <- messages
				}
			})
			s := &Syslog{Address: network + "://" + l.Addr().String(), TLS: trusted, Facility: SyslogFacility, AppName: SyslogAppName, ElementID: SyslogElementID}
			sink := s.Sink()
			half := make(chan error, 1)
			go func() {
				n, err := sink.Send(t.Context(), "a", entries)
				if n != 0 && err == nil {
					err = fmt.Errorf("%d entries count as arrived", n)
				} else if err != nil {
					err = nil
				} else {
					err = fmt.Errorf("no error")
				}
				half <- err
			}()
			if messages := <-got; len(messages) != 7 {
				t.Errorf("the first half: %d messages", len(messages))
			}
			if err := <-half; err != nil {
				t.Error("half read:", err)
			}
			sent := make(chan error, 1)
			go func() {
				n, err := sink.Send(t.Context(), "a", entries)
				if err == nil && n != len(entries) {
					err = fmt.Errorf("%d entries arrived", n)
				}
				sent <- err
			}()
			messages := <-got
			if err := <-sent; err != nil {
				t.Error(err)
			}
			if len(messages) != len(entries) {
				t.Fatalf("%d messages of %d entries", len(messages), len(entries))
			}
			for i, m := range messages {
				parts := messageRE.FindStringSubmatch(m)
				if parts == nil || parts[8] != string(entries[i].Entry) {
					t.Fatalf("message %s", m)
				}
				var e audit.Entry
				if err := json.Unmarshal(entries[i].Entry, &e); err != nil {
					t.Fatal(err)
				}
				element := fmt.Sprintf(`[salesforce-mcp@32473 id="%s" intent="" workspace="a" leaf="%d"]`, e.ID, i%5)
				if parts[1] != "108" || parts[2] != e.Time.Format("2006-01-02T15:04:05.000Z") || parts[4] != "salesforce-mcp" || parts[6] != "refusal" || parts[7] != element {
					t.Fatalf("head %q", parts[:8])
				}
			}
		})
	}
}

// TestSyslogDatagrams: an entry is a datagram; over udp one that is too long is
// cut at a whole character and says so.
func TestSyslogDatagrams(t *testing.T) {
	long := proof.Leaf{N: 3, Entry: []byte(`{"id":"x","time":"2026-11-24T12:00:00.5Z","phase":"intent","workspace":"a]\"\\b","reasoning":"` + strings.Repeat("é", 3000) + `"}`)}
	short := proof.Leaf{N: 4, Entry: []byte(`{"id":"y","phase":"outcome","intent":"x","workspace":"a","outcome":"unknown"}`)}
	for network, most := range map[string]int{"udp": 900, "unix": 0} {
		address := "127.0.0.1:0"
		listen := "udp"
		if network == "unix" {
			address, listen = filepath.Join(t.TempDir(), "log"), "unixgram"
		}
		l, err := net.ListenPacket(listen, address)
		if err != nil {
			t.Fatal(err)
		}
		s := &Syslog{Address: network + "://" + l.LocalAddr().String(), Facility: 16, AppName: "x", ElementID: SyslogElementID, MaxDatagram: 900}
		if n, err := s.Sink().Send(t.Context(), "a", []proof.Leaf{long, short}); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		buffer := make([]byte, 64<<10)
		for _, want := range []proof.Leaf{long, short} {
			_ = l.SetReadDeadline(time.Now().Add(time.Minute))
			n, _, err := l.ReadFrom(buffer)
			if err != nil {
				t.Fatal(err)
			}
			parts := messageRE.FindStringSubmatch(string(buffer[:n]))
			if parts == nil {
				t.Fatalf("%s: %q", network, buffer[:n])
			}
			cut := most > 0 && want.N == long.N
			if !cut && parts[8] != string(want.Entry) || cut && (n > most || n < most-1 || !strings.HasPrefix(string(want.Entry), parts[8]) || !strings.Contains(parts[7], fmt.Sprintf(` truncated="%d"`, len(want.Entry)))) {
				t.Errorf("%s: %d bytes: %q", network, n, parts[1:])
			}
			if want.N == long.N && !strings.Contains(parts[7], `workspace="a\]\"\\b"`) || want.N == short.N && parts[1] != "132" {
				t.Errorf("%s: head %q", network, parts[:8])
			}
		}
		l.Close()
	}
}

// TestSyslogDown: a collector that is not there is an error.
func TestSyslogDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, address := range []string{"tcp://" + l.Addr().String(), "tls://" + l.Addr().String(), "unix:///nowhere/log"} {
		s := &Syslog{Address: address}
		if n, err := s.Sink().Send(t.Context(), "a", []proof.Leaf{{Entry: []byte("{}")}}); n != 0 || err == nil {
			t.Errorf("%s: %d, %v", address, n, err)
		}
		if err := s.Check(t.Context()); err == nil {
			t.Errorf("%s can be reached", address)
		}
	}
}
