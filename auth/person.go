package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"salesforce-mcp/salesforce"
)

// ErrNotConnected is the error for a person who has not connected their
// Salesforce user, or whose connection has ended for good.
var ErrNotConnected = errors.New("Salesforce is not connected for this user") //nolint:staticcheck // ST1005: it is a name, and the documented sentence

// Grants keep the grant of one person for all processes.
type Grants interface {
	// Lock waits until no other process gets tokens for this person, and keeps
	// others from doing so until unlock is called.
	Lock(ctx context.Context) (unlock func(), err error)
	// Load returns the grant, or ErrNotConnected.
	Load(ctx context.Context) (Grant, error)
	// Save replaces the grant.
	Save(ctx context.Context, g Grant) error
	// Delete forgets the grant.
	Delete(ctx context.Context) error
}

// personSource gets tokens for one person. Processes take turns, because a
// refresh token that rotates is good once: who comes second finds what the
// first one has saved.
type personSource struct {
	app    *App
	grants Grants

	mu      sync.Mutex
	dropped salesforce.Secret // the access token that the org did not accept
	unsaved *Grant            // what a refresh gave and could not be saved
}

// Source returns the tokens of a person. Its errors are [*Error], those of
// grants, and ErrNotConnected.
func (a *App) Source(grants Grants) Source { return &personSource{app: a, grants: grants} }

// Token returns the access token that is kept, or gets another one if that was
// dropped. A new refresh token is saved before anything else is done with it.
func (s *personSource) Token(ctx context.Context) (salesforce.Token, error) {
	unlock, err := s.grants.Lock(ctx)
	if err != nil {
		return salesforce.Token{}, err
	}
	defer unlock()
	g, err := s.load(ctx)
	if err != nil {
		return salesforce.Token{}, err
	}
	if g.AccessToken != "" && g.AccessToken != s.droppedToken() {
		return g.token(), nil
	}
	next, err := s.app.refresh(ctx, g)
	if err != nil {
		return salesforce.Token{}, s.ended(ctx, err)
	}
	if err := s.save(ctx, next); err != nil {
		return salesforce.Token{}, err
	}
	return next.token(), nil
}

// Drop notes that the org did not accept a token.
func (s *personSource) Drop(token salesforce.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped = token.AccessToken
}

func (s *personSource) droppedToken() salesforce.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

// load returns the grant, and first saves one that could not be saved before.
func (s *personSource) load(ctx context.Context) (Grant, error) {
	s.mu.Lock()
	unsaved := s.unsaved
	s.mu.Unlock()
	if unsaved != nil {
		return *unsaved, s.save(ctx, *unsaved)
	}
	return s.grants.Load(ctx)
}

// save saves a grant, or keeps it until that is possible: a refresh token that
// rotates cannot be had again.
func (s *personSource) save(ctx context.Context, g Grant) error {
	err := s.grants.Save(context.WithoutCancel(ctx), g)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsaved = nil
	if err != nil {
		s.unsaved = &g
		return fmt.Errorf("the renewed connection could not be saved: %w", err)
	}
	return nil
}

// ended forgets a grant that Salesforce has ended for good. All other failures
// may pass, or be mended by an administrator.
func (s *personSource) ended(ctx context.Context, err error) error {
	var refused *Error
	if !errors.As(err, &refused) || !refused.ends {
		return err
	}
	if err := s.grants.Delete(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	return fmt.Errorf("%w any more: Salesforce token refresh failed, and the user must reconnect (%w)", ErrNotConnected, refused)
}

func (g Grant) token() salesforce.Token {
	return salesforce.Token{AccessToken: g.AccessToken, InstanceURL: g.InstanceURL}
}

// Format prints the type alone, since fmt would print tokens.
func (*personSource) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "auth.personSource") }
