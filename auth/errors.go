package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/oauth2"
)

// Codes of errors that are ours; others are OAuth's (invalid_grant, …).
const (
	codeSettings    = "settings"    // a setting is missing or malformed
	codeUnreachable = "unreachable" // the login host gave no usable answer
	codeAnswer      = "answer"      // the login host gave a token we refuse
)

// Error is a login that failed, told to the person who can mend it.
type Error struct {
	// Code is the OAuth error code, or settings, unreachable or answer.
	Code string
	// Message says what is wrong and which setting to mend.
	Message string

	temporary bool
	wait      time.Duration
	ends      bool // the grant is worth nothing any more
	cause     error
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Temporary reports whether the same login may succeed later without any
// setting being changed.
func (e *Error) Temporary() bool { return e.temporary }

// RetryAfter returns how long to wait at least before the next login; 0 when
// that is not known.
func (e *Error) RetryAfter() time.Duration { return e.wait }

// Unwrap returns the context's error when the login ran out of time, or nil.
func (e *Error) Unwrap() error { return e.cause }

func settingsError(format string, args ...any) *Error {
	return &Error{Code: codeSettings, Message: fmt.Sprintf(format, args...)}
}

// setting is one that a mode needs, its value, and what to set it to.
type setting struct{ name, value, to string }

// missing is the error for the settings without a value, all of them at once.
func missing(needed ...setting) error {
	var lines []string
	for _, s := range needed {
		if s.value == "" {
			lines = append(lines, fmt.Sprintf("the %s is missing: set it to %s", s.name, s.to))
		}
	}
	if lines == nil {
		return nil
	}
	return settingsError("%s", strings.Join(lines, "\n"))
}

// attempt is what is known of a login that failed.
type attempt struct {
	step     string // a mode, or a step of mode oauth
	login    string // where it was made
	callback string // the redirect URI; mode oauth only
	secrets  []string
}

// The steps of mode oauth.
const (
	stepBrowser  = ModeOAuth + " browser"  // the person is asked
	stepExchange = ModeOAuth + " exchange" // their code is exchanged
	stepRefresh  = ModeOAuth + " refresh"  // the grant is used
)

// explain turns an error of an exchange into one for people. The secrets are
// taken out of what the platform said.
func (a attempt) explain(err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return unreachable(err)
	}
	if refused.ErrorCode != "" {
		return a.refusal(refused.ErrorCode, refused.ErrorDescription)
	}
	status := refused.Response.StatusCode
	e := &Error{Code: codeUnreachable, temporary: status >= 420}
	if status >= 500 {
		e.Message = fmt.Sprintf("the login host %s answered status %d without a reason: it failed, or is down for maintenance; try again later, and see https://status.salesforce.com", a.login, status)
	} else {
		e.Message = fmt.Sprintf("the login host answered status %d without a reason; check the login URL (%s)", status, a.login)
	}
	return e
}

// refusal is an error that the platform answered with.
func (a attempt) refusal(code, said string) *Error {
	mend := adviceOn(a.step, code, said)
	message := a.fill(mend.text)
	if mend.passes {
		message += "; try again later"
	}
	code = printable(code, 60, a.secrets)
	return &Error{Code: code, Message: message + quote(code, printable(said, 200, a.secrets)), temporary: mend.passes, wait: mend.wait, ends: mend.ends}
}

// fill puts the URLs into an advice, as far as they are known.
func (a attempt) fill(text string) string {
	if a.login == "" {
		text = strings.ReplaceAll(text, " ({login})", "")
	}
	login, callback := cmp.Or(a.login, "the login URL"), cmp.Or(a.callback, "this server's callback URL")
	return strings.NewReplacer("{login}", login, "{callback}", callback).Replace(text)
}

// unreachable is a login without an OAuth answer.
func unreachable(err error) *Error {
	e := &Error{Code: codeUnreachable, temporary: true}
	for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, end) {
			e.cause = end
			e.Message = "the login host did not answer in time"
			return e
		}
	}
	var transport *url.Error
	if errors.As(err, &transport) {
		e.Message, e.cause = "the login host cannot be reached; check the login URL", transport.Err
		return e
	}
	e.Message = "the login host gave an answer that is not a token; check the login URL"
	return e
}

func quote(code, said string) string {
	if said == "" {
		return fmt.Sprintf(" (Salesforce says %s)", code)
	}
	return fmt.Sprintf(" (Salesforce says %s: %s)", code, said)
}

// leastSecret is how many bytes a secret has at least. All that Salesforce gives
// out are far longer, and masking a shorter text would only make holes in what
// was said: who opens the callback URL may call anything a code.
const leastSecret = 8

// printable makes a foreign text fit for a message: on one line, short, without
// characters that do not print, and without the secrets, whole or as the form
// encoding writes them.
func printable(text string, most int, secrets []string) string {
	text = strings.Join(strings.Fields(text), " ")
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, text)
	for _, secret := range secrets {
		for _, form := range []string{secret, url.QueryEscape(secret)} {
			if len(form) >= leastSecret {
				text = strings.ReplaceAll(text, form, "•••")
			}
		}
	}
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}
