package allowlist

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
)

// Presented is what a request brings along to prove its host.
type Presented struct {
	// Bearer is the token of the Authorization header, without "Bearer ".
	Bearer string
	// Header holds all headers of the request. What a proxy says in them about
	// a client certificate counts only when Peer is that proxy.
	Header http.Header
	// Peer is the address at the other end of the connection, never one that a
	// header tells. The zero Addr is nobody who is trusted.
	Peer netip.Addr
	// Resource is the URL of the workspace's MCP endpoint: the audience of the
	// tokens of every [JWT] that names no other.
	Resource string
}

// Host is a host that has proven itself, together with the request with which
// it did so and what its proof says. Only [Workspace.Authenticate] and
// [Workspace.Local] make one. It is not changed afterwards.
type Host struct {
	Profile *Profile

	header http.Header
	claims map[string]any // of the JWT; nil for other proofs
	cert   certificate    // the client's; nil for other proofs
}

// Errors of [Workspace.Authenticate]. Every one of them is ErrUnauthenticated
// as well; the others say what follows from it.
var (
	// ErrUnauthenticated: the request proves no host of the workspace.
	ErrUnauthenticated = errors.New("no host is proven")
	// ErrNothingPresented: the request did not try. It has neither a token nor a
	// certificate from a trusted proxy.
	ErrNothingPresented = errors.New("nothing was presented")
	// ErrExpired: the token was good, and its time is over. Nobody has guessed.
	ErrExpired = errors.New("the token has expired")
	// ErrScope: the token is good but was not granted what the profile requires
	// of its scope.
	ErrScope = errors.New("the token lacks a scope")
	// ErrNoKeys: the token could not be checked, because the keys of its issuer
	// cannot be had at present.
	ErrNoKeys = errors.New("the issuer's keys cannot be had")
)

// Authenticate returns the host that the request proves: the first profile of
// the workspace, in their order, whose proof is there. Bearer tokens are
// compared with all kept hashes, in constant time.
//
// The error is an [ErrUnauthenticated]. Its text says for each profile why it
// is not proven. That is for the log and not for the caller, who would learn
// from it what to try next; it never contains a token.
func (w *Workspace) Authenticate(ctx context.Context, p Presented) (*Host, error) {
	sum := sha256.Sum256([]byte(p.Bearer))
	var found *Host
	reasons := []error{ErrUnauthenticated}
	for _, profile := range w.Profiles {
		if len(profile.Tokens) > 0 { // whoever was found before, so that time tells nothing
			if profile.holds(sum) && p.Bearer != "" && !profile.Local && found == nil {
				found = &Host{Profile: profile, header: p.Header}
			}
			continue
		}
		if found != nil {
			continue
		}
		host, err := profile.prove(ctx, w.Keys, p)
		if err != nil {
			reasons = append(reasons, fmt.Errorf("profile %s: %w", profile.Name, err))
		}
		found = host
	}
	if found != nil {
		return found, nil
	}
	if p.Bearer == "" && len(reasons) == 1 {
		reasons = append(reasons, ErrNothingPresented)
	}
	return nil, errors.Join(reasons...)
}

// prove returns the host if the request has the proof of a profile without
// bearer tokens. Without a host and without an error the profile was not meant.
func (p *Profile) prove(ctx context.Context, keys *Keys, has Presented) (*Host, error) {
	switch {
	case p.Local:
		return nil, nil
	case p.JWT != nil:
		if has.Bearer == "" {
			return nil, nil
		}
		claims, err := p.JWT.verify(ctx, keys, has.Bearer, has.Resource)
		if err != nil {
			return nil, err
		}
		return &Host{Profile: p, header: has.Header, claims: claims}, nil
	case p.ClientCert != nil:
		cert, err := p.ClientCert.read(has.Header, has.Peer)
		if err != nil || cert == nil {
			return nil, err
		}
		return &Host{Profile: p, header: has.Header, cert: cert}, nil
	}
	return nil, nil
}

// Local returns the host of stdio: the process that started the server.
func (w *Workspace) Local() (*Host, error) {
	for _, p := range w.Profiles {
		if p.Local {
			return &Host{Profile: p}, nil
		}
	}
	return nil, fmt.Errorf("workspace %q has no profile with local set to true, which stdio needs", w.Name)
}

// Issuers returns the authorization servers from which clients get tokens for
// the workspace, and the scopes to ask them for, without the unlisted ones.
func (w *Workspace) Issuers() (servers, scopes []string) {
	for _, p := range w.Profiles {
		if p.JWT == nil || p.JWT.Unlisted || checkURL(p.JWT.Issuer, true) != nil {
			continue
		}
		if !slices.Contains(servers, p.JWT.Issuer) {
			servers = append(servers, p.JWT.Issuer)
		}
		for _, scope := range p.JWT.Scopes {
			if !slices.Contains(scopes, scope) {
				scopes = append(scopes, scope)
			}
		}
	}
	return servers, scopes
}
