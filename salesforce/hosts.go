package salesforce

import (
	"errors"
	"net/url"
)

// Hosts says which hosts may be sent a token. The zero value allows the
// platform's own hosts only.
type Hosts struct {
	// Loopback also allows 127.0.0.1, [::1] and localhost, with http and any
	// port, for the simulated org. Private addresses stay refused.
	Loopback bool
}

// Check returns the origin (scheme and host, lower-cased) of a login or
// instance URL if it is an allowed one, and an error that says why not
// otherwise.
func (h Hosts) Check(rawURL string) (*url.URL, error) { return nil, errors.New("not yet") }
