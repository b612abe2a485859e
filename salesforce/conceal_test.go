package salesforce

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// TestConceal: a token is nowhere in what an org sends, however it is escaped, and
// nothing else is changed, whatever the parts are in which it arrives.
func TestConceal(t *testing.T) {
	for _, tt := range []struct{ token, text, want string }{
		{"00D000000000001!AQ.secret_of-session", `{"a":"00D000000000001\u0021AQ.secret_of-session"}`, `{"a":"00D000000000001\u0021********************"}`},
		{"00D000000000001!AQ.secret_of-session", "sid=00D000000000001%21AQ.secret_of-session&x", "sid=00D000000000001%21********************&x"},
		{"00D!short", "00D!short 00D!shor short", "••• 00D!shor short"},
		{"00D000000000001!AQ.secret_of-session", "00D000000000001!AQ.secret_of-session.", "•••."},
		{"", "text", "text"},
	} {
		if got := string(conceal([]byte(tt.text), Secret(tt.token))); got != tt.want {
			t.Errorf("%s: %s", tt.text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		token := Secret("00D000000000001!" + strings.Repeat("ab", 8) + "a")
		part := rapid.SampledFrom([]string{"a", "b", "ab", "!", "00D", string(secretPart(token)), token.Reveal(), strings.Repeat("ab", 8), strings.Repeat("x", 40<<10)})
		text := strings.Join(rapid.SliceOf(part).Draw(t, "text"), "")
		size := rapid.IntRange(1, 100).Draw(t, "size")
		from := io.Reader(strings.NewReader(text))
		switch rapid.IntRange(0, 3).Draw(t, "reader") {
		case 1:
			from = iotest.HalfReader(from)
		case 2:
			from = iotest.DataErrReader(from)
		case 3:
			if len(text) < 1000 {
				from = iotest.OneByteReader(from)
			}
		}
		var got []byte
		into := make([]byte, size*100)
		for r := newConcealing(from, token); ; {
			n, err := r.Read(into)
			if got = append(got, into[:n]...); errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(got) != len(text) || bytes.Contains(got, secretPart(token)) {
			t.Fatalf("%d bytes of %d: %.200s", len(got), len(text), got)
		}
		if !strings.Contains(text, string(secretPart(token))) && string(got) != text {
			t.Fatalf("changed: %.200s", got)
		}
	})
}
