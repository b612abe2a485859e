package salesforce

import "time"

// Options configure a [Client]. The zero value is ready for production.
type Options struct {
	// Hosts says where requests may go.
	Hosts Hosts
	// RetryBudget bounds the time between the beginning of a call and the
	// beginning of its last repetition. Default 5 s; negative means that
	// nothing is repeated.
	RetryBudget time.Duration
	// Concurrency is how many requests one org (host) is sent at once.
	// Default 10.
	Concurrency int
	// Timeout bounds one HTTP exchange. Default 2 minutes.
	Timeout time.Duration
	// BodyLimit bounds a response body in bytes after decompression.
	// Default 64 MiB.
	BodyLimit int64
	// UserAgent is sent with every request. Default salesforce-mcp.
	UserAgent string
}

// Client holds what is shared by all orgs of a process: connections, and for
// each org its concurrency limit, circuit breaker and last known API usage.
// It is safe for concurrent use.
type Client struct{ options Options }

// New returns a client.
func New(o Options) *Client { return &Client{options: o} }

// Limits returns the API calls used and allowed in 24 hours as the org last
// reported them (header Sforce-Limit-Info); ok is false before its first
// report.
func (c *Client) Limits(instanceURL string) (used, allowed int, ok bool) { return 0, 0, false }

// Close closes idle connections.
func (c *Client) Close() {}
