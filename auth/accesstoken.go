package auth

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"salesforce-mcp/salesforce"
)

// accessTokenSource has a token that somebody else got. It cannot get another.
type accessTokenSource struct {
	token salesforce.Token

	mu      sync.Mutex
	refused time.Time // when the org last did not accept it
}

func newAccessToken(s Settings, e *endpoint) (Source, error) {
	if err := missing(
		setting{"instance URL", s.InstanceURL, "the org the token is for, such as https://acme.my.salesforce.com"},
		setting{"access token", s.AccessToken.Reveal(), "a session id or access token of that org"},
	); err != nil {
		return nil, err
	}
	instance, err := e.hosts.Check(origin(s.InstanceURL))
	if err != nil {
		return nil, settingsError("the instance URL is wrong: %v", err)
	}
	return &accessTokenSource{token: salesforce.Token{AccessToken: s.AccessToken, InstanceURL: instance.String()}}, nil
}

// refusedFor is how long a token that was not accepted is not tried again.
const refusedFor = time.Minute

// Token returns the token, or an error for a minute after it was not accepted.
func (s *accessTokenSource) Token(context.Context) (salesforce.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.refused.IsZero() && time.Since(s.refused) < refusedFor {
		return salesforce.Token{}, settingsError("the org does not accept the access token: it ended, was revoked, or is of another org; " +
			"set a new one, or choose a mode that gets its tokens itself")
	}
	return s.token, nil
}

// Drop notes that the org did not accept the token.
func (s *accessTokenSource) Drop(salesforce.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = time.Now()
}

// Format prints the type alone, since fmt would print the token with %s.
func (*accessTokenSource) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "auth.accessTokenSource")
}
