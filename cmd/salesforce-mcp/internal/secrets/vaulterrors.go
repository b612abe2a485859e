package secrets

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/hashicorp/vault/api"

	"salesforce-mcp/salesforce"
)

var (
	errUnreadable = errors.New("the answer is not one of Vault's")
	errRedirect   = errors.New("the answer is a redirect")
)

// noHandler is how Vault begins the answer where nothing is mounted.
const noHandler = "no handler for route"

// isStatus reports whether err is an answer with that status.
func isStatus(err error, status int) bool {
	var answer *api.ResponseError
	return errors.As(err, &answer) && answer.StatusCode == status
}

// saysAnyOf reports whether err is an answer with one of these phrases.
func saysAnyOf(err error, phrases ...string) bool {
	var answer *api.ResponseError
	if !errors.As(err, &answer) {
		return false
	}
	said := strings.Join(answer.Errors, "\n")
	for _, phrase := range phrases {
		if strings.Contains(said, phrase) {
			return true
		}
	}
	return false
}

// explain returns err, of a request that did something with a path, as what the
// operator has to mend. The secrets are taken out of what Vault said. An error
// that was explained before is returned as it is, nil too.
func (v *Vault) explain(err error, verb, path string, secrets ...salesforce.Secret) error {
	var own *Unavailable
	if err == nil || errors.As(err, &own) {
		return err
	}
	at := "Vault at " + v.config.Address
	var answer *api.ResponseError
	if !errors.As(err, &answer) {
		return v.away(err, at)
	}
	mount, _, _ := strings.Cut(path, "/data/")
	mount, _, _ = strings.Cut(mount, "/metadata/")
	if strings.HasPrefix(path, v.config.TransitMount+"/") {
		mount = v.config.TransitMount
	}
	var why string
	switch status := answer.StatusCode; {
	case status == http.StatusServiceUnavailable && saysAnyOf(err, "sealed"):
		why = at + " is sealed: unseal it (vault operator unseal)"
	case status == http.StatusServiceUnavailable && saysAnyOf(err, "not initialized"):
		why = at + " is not initialised: initialise it (vault operator init)"
	case saysAnyOf(err, "local node not active"), status == 472, status == 473:
		why = at + " is a standby node and knows no active one: look at vault operator raft list-peers, or set address to that of the active node"
	case status == http.StatusTooManyRequests:
		why = at + " takes no more requests now: its rate limit quota is used up; try again later, or raise the quota"
	case status == http.StatusForbidden:
		why = fmt.Sprintf("the token's policies in Vault do not allow to %s %s: add that to them (docs/configuration.md, \"Secrets\", has all they need)", verb, path)
	case status == http.StatusNotFound && saysAnyOf(err, noHandler):
		why = fmt.Sprintf("Vault has nothing mounted at %q: enable it there, or set the mount to where it is", mount)
	case status == http.StatusNotFound && saysAnyOf(err, "namespace"):
		why = fmt.Sprintf("Vault has no namespace %q: mend namespace", v.config.Namespace)
	case status >= 500:
		why = fmt.Sprintf("%s failed with status %d: its log says why", at, status) + v.quote(err, secrets...)
	default:
		why = fmt.Sprintf("%s did not %s %s: status %d", at, verb, path, status) + v.quote(err, secrets...)
	}
	return &Unavailable{Why: why, Away: answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode >= 472}
}

// away is a request without an answer of Vault's.
func (v *Vault) away(err error, at string) error {
	var untrusted *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var lookup *net.DNSError
	var transport *url.Error
	switch {
	case errors.Is(err, context.Canceled):
		return &Unavailable{Why: at + " was not waited for", Err: context.Canceled, Away: true}
	case errors.Is(err, context.DeadlineExceeded):
		return &Unavailable{Why: at + " does not answer in time: look whether it runs, and whether the network lets this server reach it", Err: context.DeadlineExceeded, Away: true}
	case errors.As(err, &untrusted):
		return &Unavailable{Why: at + " has a certificate that is not trusted: set caFile to the certificate of the authority that issued it, and address to a name that is in it", Err: untrusted}
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return &Unavailable{Why: at + " does not speak TLS: set address to where it does"}
	case errors.As(err, &lookup):
		return &Unavailable{Why: at + " has a name that cannot be found: mend address", Away: true}
	case errors.Is(err, errRedirect):
		return &Unavailable{Why: at + " sends the request elsewhere, as a standby node does that cannot forward it: set address to that of the active node, or of the load balancer", Away: true}
	case errors.As(err, &transport):
		return &Unavailable{Why: at + " cannot be reached: look whether it runs, and whether the network lets this server reach it", Err: transport.Err, Away: true}
	}
	// The library quotes what it cannot read, so the cause stays here.
	return &Unavailable{Why: at + " gives an answer that is not one of Vault's: mend address, or what stands in front of Vault"}
}

// quote is what Vault said, in brackets, for the end of a sentence: on one line,
// short, and without the secrets.
func (v *Vault) quote(err error, secrets ...salesforce.Secret) string {
	var answer *api.ResponseError
	if !errors.As(err, &answer) || len(answer.Errors) == 0 {
		return ""
	}
	v.mu.Lock()
	if v.session != nil {
		secrets = append(secrets, salesforce.Secret(v.session.login.Auth.ClientToken))
	}
	v.mu.Unlock()
	said := strings.Join(answer.Errors, " ")
	for _, secret := range secrets {
		if secret.Reveal() != "" {
			said = strings.ReplaceAll(said, secret.Reveal(), secret.String())
		}
	}
	said = strings.Join(strings.Fields(strings.ToValidUTF8(said, "")), " ")
	if runes := []rune(said); len(runes) > 200 {
		said = string(runes[:200]) + "…"
	}
	return " (Vault says: " + said + ")"
}
