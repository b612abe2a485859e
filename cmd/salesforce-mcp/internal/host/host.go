// Package host is a client of the platform on which agents live: Agent Factory of
// Prisme.ai, which calls itself Agent Creator since August 2026.
//
// It speaks the part of the platform's API that its documentation and the public
// sources of its own connectors show: who somebody is (me), the capabilities catalog
// of their organisation, its agents and the tools of an agent. Every request is made
// with the rights of the person for whom it is made: a [Session] has their access
// token for one action, and nobody keeps it.
//
// Where the platform is says the operator ([Platform.API]), never a person or an
// answer: requests go to that address and below it, and redirects are not followed.
// What the platform answers is somebody else's text. It is bounded, and what does not
// fit is an error: an answer that cannot be read whole is never taken for "there is
// none".
package host

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"salesforce-mcp/salesforce"
)

// Platform is one installation of the host platform. Its fields are set before use;
// it is safe for concurrent use.
type Platform struct {
	// Name is what people call it, such as prisme.
	Name string
	// API is the base of its API, as in https://api.studio.prisme.ai/v2.
	API string
	// AuthType is the type of entries' auth in its catalog. Default oauth2.
	AuthType string
	// HTTP makes the requests. It decides which addresses may be connected to.
	HTTP *http.Client
	// Timeout bounds one request. Default 15 seconds.
	Timeout time.Duration
}

// Session is one action of a person on the platform.
type Session struct {
	Platform *Platform
	// Token is the person's own access token of the platform. It is sent to the
	// platform and nowhere else, and is in no error.
	Token salesforce.Secret
}

// maxBody bounds one answer in bytes, after decompression.
const maxBody = 8 << 20

// get reads what is at a path into out.
func (s Session) get(ctx context.Context, path string, query url.Values, out any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return s.send(ctx, http.MethodGet, path, nil, out)
}

// send sends one request and reads its answer into out, which may be nil. The path
// is below the platform's API, and escaped.
func (s Session) send(ctx context.Context, method, path string, content, out any) error {
	if err := s.checkToken(); err != nil {
		return err
	}
	var body io.Reader
	if content != nil {
		text, err := json.Marshal(content)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.Platform.Timeout, 15*time.Second))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(s.Platform.API, "/")+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+s.Token.Reveal())
	r.Header.Set("Accept", "application/json")
	if content != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	client := *s.Platform.HTTP
	client.Jar = nil
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(r)
	if err != nil {
		return s.unreachable(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return s.unreachable(ctx, err)
	case resp.StatusCode/100 != 2:
		return s.refusal(resp, text, content)
	case len(text) > maxBody:
		return &Error{Unreadable, resp.StatusCode, fmt.Sprintf("the host's answer is larger than %d bytes", maxBody), 0}
	case out == nil:
		return nil
	}
	if raw, ok := out.(*json.RawMessage); ok { // for whoever needs no more than that it was done
		*raw = text
		return nil
	}
	if mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); mediaType != "application/json" {
		return &Error{Unreadable, resp.StatusCode, "the host's answer is no JSON; is its API at the configured address?", 0}
	}
	if err := json.Unmarshal(text, out); err != nil {
		return &Error{Unreadable, resp.StatusCode, "the host's answer is not what its documentation says: " + s.clean(err.Error()), 0}
	}
	return nil
}

// checkToken refuses what cannot be a person's token, before it is sent.
func (s Session) checkToken() error {
	token := s.Token.Reveal()
	switch {
	case token == "":
		return &Error{Unauthorized, 0, "the host's access token is missing; sign in to the host and copy yours", 0}
	case strings.HasPrefix(token, "iak_"):
		return &Error{Unauthorized, 0, "this is the key of a workspace or an organisation; give your own access token, since what is done here is done with your rights", 0}
	case len(token) > 16<<10 || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return &Error{Unauthorized, 0, "this is no access token: it has blanks or other characters that no token has", 0}
	}
	return nil
}

// Kind says what can be done about an error.
type Kind string

// The kinds.
const (
	Unauthorized Kind = "unauthorized" // the token is missing, wrong or over
	Forbidden    Kind = "forbidden"    // the person has not the right
	NotFound     Kind = "notFound"
	Conflict     Kind = "conflict"    // the name is taken
	Limited      Kind = "limited"     // too many requests; see RetryAfter
	Unreachable  Kind = "unreachable" // no answer, in time or at all; what was asked for may have been done
	Unreadable   Kind = "unreadable"  // an answer that is not what the documentation says
	Failed       Kind = "failed"      // any other status
)

// Error is why the host did not do what it was asked for. Its message is for the
// person, and has neither the token nor markup to trust in it.
type Error struct {
	Kind       Kind
	Status     int // of the host's answer; 0 without one
	Message    string
	RetryAfter time.Duration // 0 is unknown
}

func (e *Error) Error() string { return e.Message }

// Is reports whether an error is one of the host's of a kind.
func Is(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}

// unreachable is for a request that has no answer. What the library says names the
// address, which the operator knows, and nothing else that was sent.
func (s Session) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
		return &Error{Unreachable, 0, "the host did not answer in time", 0}
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return &Error{Unreachable, 0, "the host cannot be reached: " + s.clean(err.Error()), 0}
}

// refusal is the error of an answer without success.
func (s Session) refusal(resp *http.Response, body []byte, sent any) error {
	said := ""
	var answer struct {
		Message any `json:"message"`
		Error   any `json:"error"`
	}
	if json.Unmarshal(body, &answer) == nil {
		said = firstText(answer.Message, answer.Error)
	}
	if tool, ok := sent.(wireTool); ok {
		said = conceal(said, strings.TrimPrefix(tool.Headers["Authorization"], "Bearer "))
	}
	if said = s.clean(said); said != "" {
		said = ": " + said
	}
	status := resp.StatusCode
	switch {
	case status == http.StatusUnauthorized:
		return &Error{Unauthorized, status, "the host does not take the access token; it may be over: sign in to the host and copy a new one", 0}
	case status == http.StatusForbidden:
		return &Error{Forbidden, status, "the host does not let you do this" + said, 0}
	case status == http.StatusNotFound:
		return &Error{NotFound, status, "the host does not know this" + said, 0}
	case status == http.StatusConflict:
		return &Error{Conflict, status, "the host has one of this name already" + said, 0}
	case status == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // a date is as good as nothing
		return &Error{Limited, status, "the host had too many requests; try again later", time.Duration(min(max(seconds, 0), 3600)) * time.Second}
	case status/100 == 3:
		return &Error{Failed, status, fmt.Sprintf("the host answers %d and sends us elsewhere, where no token goes: the operator's configuration must name the API's own address", status), 0}
	}
	return &Error{Failed, status, fmt.Sprintf("the host answers %d%s", status, said), 0}
}

func firstText(values ...any) string {
	for _, v := range values {
		switch v := v.(type) {
		case string:
			if v != "" {
				return v
			}
		case map[string]any:
			if text := firstText(v["message"], v["code"]); text != "" {
				return text
			}
		}
	}
	return ""
}

// clean is a text of the host's for a message: short, of one line, without the token.
func (s Session) clean(text string) string {
	text = conceal(text, s.Token.Reveal())
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return text
}

// conceal puts dots in place of a secret.
func conceal(text, secret string) string {
	if secret == "" {
		return text
	}
	return strings.ReplaceAll(text, secret, "•••")
}
