package salesforce

import (
	"context"
	"errors"
)

// Org is one connected org as one caller sees it. The fields are set before
// the first Do and not changed thereafter; Do is safe for concurrent use.
type Org struct {
	// Client sends the requests; it is shared by all orgs of the process.
	Client *Client
	// Credentials give the access tokens.
	Credentials Credentials
	// Version is the REST API version such as v62.0; empty means
	// [DefaultVersion].
	Version string
	// Sent, when set, is called after every HTTP exchange, failed ones
	// included, before Do returns and before the next exchange begins.
	Sent func(Exchange)
}

// Do sends a request and returns the answer. All errors are [*Error].
func (o *Org) Do(ctx context.Context, r *Request) (*Response, error) {
	return nil, errors.New("not yet")
}
