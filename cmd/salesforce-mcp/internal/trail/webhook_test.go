package trail

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/audit/proof"
	"salesforce-mcp/salesforce"
)

// testSecret is that of the specification's own tests (libraries/go/webhook_test.go).
const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// TestSignWebhook: signatures are those of Standard Webhooks' own library, in its
// test vector; two secrets sign twice.
func TestSignWebhook(t *testing.T) {
	const want = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	at := time.Unix(1614265330, 0)
	for _, secret := range []salesforce.Secret{testSecret, salesforce.Secret(testSecret[6:])} {
		got, err := SignWebhook(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, []byte(`{"test": 2432232314}`))
		if err != nil || got != want {
			t.Errorf("%s, %v", got, err)
		}
	}
	got, err := SignWebhook(testSecret+" whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "msg_p5jXN8AQM9LWM0D4loKWxJek", at, []byte(`{"test": 2432232314}`))
	if err != nil || !strings.HasPrefix(got, want+" v1,") {
		t.Errorf("two secrets: %s, %v", got, err)
	}
	for _, bad := range []salesforce.Secret{"", "whsec_", "whsec_short", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", testSecret + " x"} {
		if err := CheckWebhookSecret(bad); err == nil || len(bad) > 8 && strings.Contains(err.Error(), bad.Reveal()[6:]) {
			t.Errorf("%q: %v", bad.Reveal(), err)
		}
	}
}

// TestWebhook: entries are posted in one body that is signed; every other answer
// than 2xx means that they are posted again, with the same id.
func TestWebhook(t *testing.T) {
	h := newHouse(t)
	h.record("a", 3)
	entries := h.leavesOf()
	var mu sync.Mutex
	var reply func(http.ResponseWriter)
	var ids, bodies []string
	answers := func(f func(http.ResponseWriter)) {
		mu.Lock()
		defer mu.Unlock()
		reply = f
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		seconds, err := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
		want, _ := SignWebhook(testSecret, r.Header.Get("webhook-id"), time.Unix(seconds, 0), body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("webhook-signature") != want || strings.Contains(r.Header.Get("webhook-id"), ".") {
			t.Errorf("%v %s %v", err, r.Method, r.Header)
		}
		mu.Lock()
		ids, bodies = append(ids, r.Header.Get("webhook-id")), append(bodies, r.Header.Get("Content-Type")+" "+string(body))
		now := reply
		mu.Unlock()
		now(w)
	}))
	defer server.Close()
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w := &Webhook{URL: server.URL + "/entries?token=planted", HTTP: client, Secrets: func() (salesforce.Secret, error) { return testSecret, nil }}
	send := func(ctx context.Context) (int, error) { return w.Sink().Send(ctx, "a", entries) }
	for _, c := range []struct {
		status int
		header string
		after  time.Duration
		never  bool
	}{
		{500, "", 0, false}, {404, "", 0, false}, {301, "", 0, false}, {302, "", 0, false}, {410, "", 0, true}, {502, "", 30 * time.Second, false},
		{429, "", 30 * time.Second, false}, {429, "7", 7 * time.Second, false}, {503, "120", 2 * time.Minute, false}, {503, "nonsense", 0, false},
		{503, "999999", time.Hour, false}, {503, time.Now().Add(10 * time.Hour).UTC().Format(http.TimeFormat), time.Hour, false},
	} {
		answers(func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://169.254.169.254/")
			if c.header != "" {
				w.Header().Set("Retry-After", c.header)
			}
			w.WriteHeader(c.status)
		})
		n, err := send(t.Context())
		var later *Later
		if n != 0 || !errors.As(err, &later) || later.After != c.after || later.Never != c.never {
			t.Errorf("%d %s: %d, %+v", c.status, c.header, n, err)
		}
	}
	answers(func(http.ResponseWriter) { panic(http.ErrAbortHandler) }) // it has read all, and breaks off
	if n, err := send(t.Context()); n != 0 || err == nil || strings.Contains(err.Error(), "planted") {
		t.Errorf("broken off: %d, %v", n, err)
	}
	slow, cancel := context.WithCancel(t.Context())
	answers(func(http.ResponseWriter) { cancel(); <-slow.Done(); panic(http.ErrAbortHandler) })
	if n, err := send(slow); n != 0 || err == nil {
		t.Errorf("slow: %d, %v", n, err)
	}
	answers(func(w http.ResponseWriter) { w.WriteHeader(204) })
	if n, err := send(t.Context()); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	lastBody := func() string {
		mu.Lock()
		defer mu.Unlock()
		return bodies[len(bodies)-1]
	}
	mu.Lock()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("ids %v", ids)
			break
		}
	}
	mu.Unlock()
	var list []audit.Entry
	last := strings.TrimPrefix(lastBody(), "application/json ")
	if err := json.Unmarshal([]byte(last), &list); err != nil || len(list) != 3 || !strings.Contains(last, string(entries[2].Entry)) {
		t.Errorf("%v: %s", err, last)
	}
	w.Lines = true
	if n, err := send(t.Context()); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if want := "application/x-ndjson " + string(entries[0].Entry) + "\n" + string(entries[1].Entry) + "\n" + string(entries[2].Entry) + "\n"; lastBody() != want {
		t.Errorf("lines %s", lastBody())
	}
	large := proof.Leaf{N: 9, Entry: []byte(`{"x":"` + strings.Repeat("x", webhookBytes) + `"}`)}
	if n, err := w.Sink().Send(t.Context(), "a", []proof.Leaf{large, entries[0]}); n != 1 || err != nil {
		t.Errorf("large ones: %d, %v", n, err)
	}
}
