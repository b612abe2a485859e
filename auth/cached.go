package auth

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"salesforce-mcp/salesforce"
)

// loginTimeout bounds one login.
const loginTimeout = 30 * time.Second

// Cached shares the token of one connection among its callers. However many
// ask at once, one login is made; it runs under its own time limit, so that a
// caller who leaves does not fail the others.
//
// A token is kept until it is dropped. The platform does not say when a token
// ends, and every use may prolong it, so the only sign is its 401.
//
// Errors are not kept: callers that wait together share one failed login, and
// the next call tries again, so that a mended setting works at once.
//
// A Cached is safe for concurrent use.
type Cached struct {
	source Source
	minted func(error) // told of each login; may be nil
	logins singleflight.Group

	mu    sync.Mutex
	token *salesforce.Token // nil when a login is needed
	last  outcomes          // how the last one of each kind went
}

// outcomes are when logins went well and failed last.
type outcomes struct {
	ok, failed time.Time
	err        error // of the last one; nil if it went well
}

// NewCached returns a Cached that logs in through source.
func NewCached(source Source) *Cached { return &Cached{source: source} }

var _ salesforce.Credentials = (*Cached)(nil)

// Token returns the current token, or logs in when there is none. It returns
// the context's error when ctx ends first; the login goes on for the others.
func (c *Cached) Token(ctx context.Context) (salesforce.Token, error) {
	if token := c.current(); token != nil {
		return *token, nil
	}
	if err := ctx.Err(); err != nil {
		return salesforce.Token{}, err
	}
	select {
	case <-ctx.Done():
		return salesforce.Token{}, ctx.Err()
	case login := <-c.logins.DoChan("", c.login):
		if login.Err != nil {
			return salesforce.Token{}, login.Err
		}
		return login.Val.(salesforce.Token), nil
	}
}

// Drop forgets the token if it is still the current one: a caller who held an
// older one has no say about its successor.
func (c *Cached) Drop(token salesforce.Token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token != nil && *c.token == token {
		c.token = nil
		if source, ok := c.source.(dropper); ok {
			source.Drop(token)
		}
	}
}

// A dropper is a source that is told which of its tokens the org did not accept.
type dropper interface{ Drop(salesforce.Token) }

// Format prints the type alone, since fmt would print the token with %s.
func (*Cached) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "auth.Cached") }

// standing returns how the logins went, and the token.
func (c *Cached) standing() (outcomes, *salesforce.Token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last, c.token
}

func (c *Cached) current() *salesforce.Token {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.token
}

// login runs once at a time. It looks again for a token, since a login may
// have ended between the caller's look and this one.
func (c *Cached) login() (any, error) {
	if token := c.current(); token != nil {
		return *token, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), loginTimeout)
	defer cancel()
	token, err := c.source.Token(ctx)
	if c.minted != nil {
		c.minted(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last.err = err; err != nil {
		c.last.failed = time.Now()
		return nil, err
	}
	c.last.ok = time.Now()
	c.token = &token
	return token, nil
}
