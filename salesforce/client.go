package salesforce

import (
	"cmp"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/semaphore"
)

// Options configure a [Client]. The zero value is ready for production.
type Options struct {
	// Hosts says where requests may go.
	Hosts Hosts
	// RetryBudget bounds the time between the beginning of a call and the
	// beginning of its last repetition. Default 5 s; negative means that
	// nothing is repeated but a call with a dropped token.
	RetryBudget time.Duration
	// Concurrency is how many requests one org (host) is sent at once; more
	// wait. Default 10.
	Concurrency int
	// Timeout bounds one HTTP exchange or, where a body is streamed, the time in
	// which nothing of it moves. Default 2 minutes.
	Timeout time.Duration
	// AgentHost is where the Agent API is: https://api.salesforce.com, the default, or
	// https://api.gov.salesforce.com for Government Cloud. An org on this machine
	// (Hosts.Loopback) serves it itself.
	AgentHost string
	// AgentLimit is how long an agent may think, after which the Agent API answers
	// 500 (Agent API Developer Guide, "Troubleshooting"). Default 2 minutes.
	AgentLimit time.Duration
	// BodyLimit bounds a response body in bytes after decompression, unless it
	// is streamed. Default 64 MiB.
	BodyLimit int64
	// UserAgent is sent with every request. Default salesforce-mcp.
	UserAgent string
	// Internal reports whether an address may be connected to that is not a
	// public one. Nil means none may.
	Internal func(netip.Addr) bool
}

// An org with which the last breakerFailures calls all failed at the network or
// the edge is left alone for breakerPause; then one request tries again.
//
// concurrentAgents is how many requests of the Agent API one org is sent at once:
// its agents take up to two minutes, and keep nothing else waiting.
//
// concurrentStreams is how many streamed bodies one org has at once, beside
// its other requests.
const (
	concurrentStreams = 4
	concurrentAgents  = 50
	breakerFailures   = 10
	breakerPause      = 5 * time.Second
)

// Client holds what is shared by all orgs of a process: connections, and for
// each org its concurrency limit, circuit breaker and last known API usage.
// It is safe for concurrent use.
type Client struct {
	options Options
	http    *http.Client

	mu   sync.Mutex
	orgs map[string]*orgState // by origin
}

// orgState is what the requests to one origin share.
type orgState struct {
	slots   *semaphore.Weighted
	streams *semaphore.Weighted
	breaker *gobreaker.CircuitBreaker[*Response]

	mu            sync.Mutex
	used, allowed int
}

// New returns a client.
func New(o Options) *Client {
	o.RetryBudget = cmp.Or(o.RetryBudget, 5*time.Second)
	o.Concurrency = cmp.Or(o.Concurrency, 10)
	o.Timeout = cmp.Or(o.Timeout, 2*time.Minute)
	o.AgentHost = cmp.Or(o.AgentHost, AgentHosts[0])
	o.AgentLimit = cmp.Or(o.AgentLimit, 2*time.Minute)
	o.BodyLimit = cmp.Or(o.BodyLimit, 64<<20)
	o.UserAgent = cmp.Or(o.UserAgent, "salesforce-mcp")
	return &Client{
		options: o,
		http:    newHTTPClient(o),
		orgs:    map[string]*orgState{},
	}
}

// newHTTPClient returns a client that connects to public addresses only, uses
// connections again and follows no redirect. It speaks HTTP/1.1, where it is
// plain what was sent to whom, and no proxy. Idle connections are closed
// before the platform would: a request that meets a closing connection
// cannot be proven unsent.
func newHTTPClient(o Options) *http.Client {
	control := func(network, address string, c syscall.RawConn) error {
		if at, err := netip.ParseAddrPort(address); err == nil && o.Internal != nil && o.Internal(at.Addr().Unmap()) {
			return nil
		}
		return o.Hosts.control(network, address, c)
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Control: control}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    10 * time.Second,
			MaxIdleConns:           1000,
			MaxIdleConnsPerHost:    o.Concurrency,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 256 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// HTTP returns the client the exchanges are made with, for token requests: it
// connects to public addresses (or, if allowed, loopback) only and returns
// redirects instead of following them.
func (c *Client) HTTP() *http.Client { return c.http }

// Limits returns the API calls used and allowed in 24 hours as the org last
// reported them (header Sforce-Limit-Info); ok is false before its first
// report.
func (c *Client) Limits(instanceURL string) (used, allowed int, ok bool) {
	origin, err := c.options.Hosts.Check(instanceURL)
	if err != nil {
		return 0, 0, false
	}
	s := c.state(origin.String())
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used, s.allowed, s.allowed > 0
}

// Close closes idle connections. The client can be used after it.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// state returns what the requests to an origin share. Origins are few: they
// come from token answers, whose hosts are checked.
func (c *Client) state(origin string) *orgState {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.orgs[origin]
	if !ok {
		slots := c.options.Concurrency
		if strings.HasSuffix(origin, agentRoot) {
			slots = concurrentAgents
		}
		s = &orgState{
			slots:   semaphore.NewWeighted(int64(slots)),
			streams: semaphore.NewWeighted(concurrentStreams),
			breaker: gobreaker.NewCircuitBreaker[*Response](gobreaker.Settings{
				Timeout:      breakerPause,
				ReadyToTrip:  func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= breakerFailures },
				IsSuccessful: func(err error) bool { return !isOutage(err) },
				IsExcluded:   isUncounted,
			}),
		}
		c.orgs[origin] = s
	}
	return s
}

// noteUsage keeps what a response says about the org's API usage.
func (s *orgState) noteUsage(h http.Header) {
	used, allowed, ok := Usage(h)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used, s.allowed = used, allowed
}
