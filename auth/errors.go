package auth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

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

// advice is what to mend when the platform answers with an OAuth error.
type advice struct {
	code, mode string // mode is empty for both
	says       string // part of the description, in lower case; empty for any
	mend       string
}

// advices are looked through from the top. The codes and descriptions are
// those of Salesforce Help, "OAuth 2.0 Authorization Errors".
var advices = []advice{
	{"invalid_grant", ModeJWT, "approved", "the user is not admitted to the connected app: in its policies set permitted users to " +
		"admin approved users, and assign the app to the user's profile or a permission set"},
	{"invalid_grant", ModeJWT, "audience", "the audience does not fit the org: set the login URL to https://login.salesforce.com, " +
		"or https://test.salesforce.com for a sandbox, or set the audience"},
	{"invalid_grant", ModeJWT, "expired", "the assertion's time was refused: set this machine's clock right"},
	{"invalid_grant", ModeOAuth, "code", "the code is not good any more: start connecting again"},
	{"invalid_grant", "", "inactive", "the Salesforce user is inactive or frozen: activate it or choose another username"},
	{"invalid_grant", "", "ip restrict", "the user's profile does not admit this server's address: add it to the login IP ranges or relax them in the app's policies"},
	{"invalid_grant", "", "login hours", "the user's profile does not admit logins at this hour"},
	{"invalid_grant", ModeClientCredentials, "domain", "the login URL must be the org's My Domain, such as https://acme.my.salesforce.com"},
	{"invalid_grant", ModeClientCredentials, "user", "the connected app has no user to run as: enable its client credentials flow and choose a run-as user"},
	{"invalid_grant", ModeJWT, "", "the user is not pre-authorised for the connected app, the private key does not belong to the uploaded certificate, " +
		"the username does not exist at this login URL, or the app does not use digital signatures: check these four"},
	{"invalid_grant", ModeClientCredentials, "", "the connected app refused: check that its client credentials flow is enabled and has a run-as user"},
	{"invalid_grant", ModeOAuth, "", "the connection has ended: it expired, was revoked, or a sixth one took its place; connect again"},
	{"redirect_uri_mismatch", "", "", "the callback URL is not one of the app's: add this server's, as it is, to its callback URLs"},
	{"access_denied", "", "", "the access was not granted: say yes to it or, if you were not asked, an administrator has to admit you to the app"},
	{"invalid_client_id", "", "", "the client id is not known at this login URL: copy the consumer key again, and give a new app ten minutes to become known"},
	{"invalid_client", "", "", "the client secret does not belong to the client id: copy both from the connected app again"},
	{"invalid_app_access", "", "", "the user is not admitted to the connected app: assign the app to the user's profile or a permission set"},
	{"app_not_found", "", "", "the connected app does not exist in this org: check the client id and the login URL"},
	{"inactive_user", "", "", "the Salesforce user is inactive: activate it or choose another username"},
	{"inactive_org", "", "", "the org is inactive or locked: its administrator must ask Salesforce"},
	{"unsupported_grant_type", "", "", "the org does not offer this mode: check that the login URL is the right org, and the mode"},
	{"invalid_scope", "", "", "the connected app lacks a scope: add the scope api to it"},
}

// passing are the codes that a later login may not meet.
var passing = map[string]struct {
	what string
	wait time.Duration
}{
	"rate_limit_exceeded":     {"too many logins: Salesforce admits 3,600 per user and hour", time.Minute},
	"temporarily_unavailable": {"the login host is busy", 0},
	"unknown_error":           {"the login host failed", 0},
	"server_error":            {"the login host failed", 0},
}

// explain turns an error of an exchange into one for people. The secrets are
// taken out of what the platform said.
func explain(err error, mode string, secrets ...string) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return unreachable(err, secrets)
	}
	if refused.ErrorCode == "" {
		return &Error{
			Code: codeUnreachable, temporary: refused.Response.StatusCode >= 420,
			Message: fmt.Sprintf("the login host answered status %d without a reason; check the login URL", refused.Response.StatusCode),
		}
	}
	return refusal(printable(refused.ErrorCode, 60, secrets), printable(refused.ErrorDescription, 200, secrets), mode)
}

// refusal is an error that the platform answered with.
func refusal(code, said, mode string) *Error {
	if p, ok := passing[code]; ok {
		return &Error{Code: code, temporary: true, wait: p.wait, Message: p.what + "; try again later" + quote(code, said)}
	}
	for _, a := range advices {
		if a.code == code && (a.mode == "" || a.mode == mode) && strings.Contains(strings.ToLower(said), a.says) {
			return &Error{Code: code, Message: a.mend + quote(code, said)}
		}
	}
	return &Error{Code: code, Message: "the login was refused" + quote(code, said)}
}

// unreachable is a login without an OAuth answer.
func unreachable(err error, secrets []string) *Error {
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

// printable makes a foreign text fit for a message: on one line, short, and
// without the secrets, whole or as the form encoding writes them.
func printable(text string, most int, secrets []string) string {
	for _, secret := range secrets {
		for _, form := range []string{secret, url.QueryEscape(secret)} {
			if form != "" {
				text = strings.ReplaceAll(text, form, "•••")
			}
		}
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}
