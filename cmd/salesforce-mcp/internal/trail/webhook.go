package trail

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"salesforce-mcp/audit/proof"
	"salesforce-mcp/salesforce"
)

// A Webhook posts entries to a URL, signed as the specification Standard Webhooks
// says (version 1.0.0, https://github.com/standard-webhooks/standard-webhooks,
// spec/standard-webhooks.md): the signature is an HMAC-SHA256 over the id, the time
// of the attempt and the body. A batch that is sent again has the same id, unless
// the server was started anew in between; entries have the same id in any case.
type Webhook struct {
	URL string
	// HTTP sends requests. It must not follow redirects.
	HTTP *http.Client
	// Secrets returns those to sign with, separated by spaces: with more than one
	// there is a signature of each, while a receiver changes to a new one.
	Secrets func() (salesforce.Secret, error)
	// Lines sends one entry a line instead of an array.
	Lines bool
	// UserAgent is sent with every request.
	UserAgent string
}

const (
	webhookBatch = 100
	// webhookBytes bounds a body with more than one entry.
	webhookBytes = 512 << 10
)

// Sink is the sink that posts to the URL.
func (w *Webhook) Sink() *Sink {
	return &Sink{Name: "webhook", What: "post the audit trail to the webhook", Batch: webhookBatch, Send: w.send}
}

func (w *Webhook) send(ctx context.Context, workspace string, entries []proof.Leaf) (int, error) {
	n, body := w.body(entries)
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%s\n%d\n%d\n", workspace, entries[0].N, n)
	_, _ = sum.Write(body)
	id := "audit_" + hex.EncodeToString(sum.Sum(nil)[:16])
	secret, err := w.Secrets()
	if err != nil {
		return 0, err
	}
	now := time.Now()
	signatures, err := SignWebhook(secret, id, now, body)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return 0, errors.New("the URL of the webhook is none")
	}
	req.Header.Set("Content-Type", "application/json")
	if w.Lines {
		req.Header.Set("Content-Type", "application/x-ndjson")
	}
	req.Header.Set("User-Agent", w.UserAgent)
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("Webhook-Signature", signatures)
	resp, err := w.HTTP.Do(req)
	if err != nil {
		return 0, withoutURL(err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if resp.StatusCode/100 == 2 {
		return n, nil
	}
	return 0, refusedWebhook(resp, now)
}

// body is the body with as many of the entries as fit, at least one.
func (w *Webhook) body(entries []proof.Leaf) (n int, body []byte) {
	between, end := []byte(","), []byte("]")
	if w.Lines {
		between, end = []byte("\n"), []byte("\n")
	} else {
		body = append(body, '[')
	}
	for _, e := range entries {
		if n > 0 && len(body)+len(e.Entry) > webhookBytes {
			break
		}
		if n > 0 {
			body = append(body, between...)
		}
		body = append(body, e.Entry...)
		n++
	}
	return n, append(body, end...)
}

// maxRetryAfter bounds the wait that a receiver asks for.
const maxRetryAfter = time.Hour

// refusedWebhook is the error of an answer that is not 2xx: 410 ends it, and what
// means too much is throttled ("Delivery success and failure").
func refusedWebhook(resp *http.Response, now time.Time) error {
	later := &Later{Err: fmt.Errorf("the receiver answered status %d", resp.StatusCode)}
	switch resp.StatusCode {
	case http.StatusGone:
		later.Err, later.Never = errors.New("the receiver answered status 410: it wants no more of them"), true
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
		later.After = 30 * time.Second
	}
	text := resp.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
		later.After = time.Duration(min(max(seconds, 0), int(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		later.After = min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return later
}

// SignWebhook returns the signatures of a message, one for each secret.
func SignWebhook(secrets salesforce.Secret, id string, at time.Time, body []byte) (string, error) {
	var signatures []string
	for text := range strings.FieldsSeq(secrets.Reveal()) {
		key, err := webhookKey(text)
		if err != nil {
			return "", err
		}
		mac := hmac.New(sha256.New, key)
		_, _ = fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
		_, _ = mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	if signatures == nil {
		return "", errors.New("the webhook has no secret")
	}
	return strings.Join(signatures, " "), nil
}

// CheckWebhookSecret returns an error unless all of the secrets are some.
func CheckWebhookSecret(secrets salesforce.Secret) error {
	_, err := SignWebhook(secrets, "", time.Time{}, nil)
	return err
}

// webhookKey reads a secret: whsec_ and 24 to 64 bytes in base64.
func webhookKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("a secret of the webhook must be whsec_ and 24 to 64 random bytes in base64, as `echo whsec_$(openssl rand -base64 32)` prints it")
	}
	return key, nil
}

// Check looks whether the receiver can be reached, and posts nothing: it connects,
// over TLS where the URL says so.
func (w *Webhook) Check(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, w.URL, nil)
	if err != nil {
		return errors.New("the URL of the webhook is none")
	}
	req.Header.Set("User-Agent", w.UserAgent)
	resp, err := w.HTTP.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	return resp.Body.Close()
}

// withoutURL takes the URL, which may hold a token, off an error of net/http.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
