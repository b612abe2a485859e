package allowlist

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// Keys fetches the public keys of issuers and keeps them. Its exported fields
// are set before use. It is safe for concurrent use.
//
// Keys are fetched when the first token of their issuer comes, once for all who
// wait for them. They are fetched again when they are an hour old, while the old
// ones are still used, and when a token names a key that is not among them. That
// name is anybody's to write, so it causes at most one fetch a minute. While the
// issuer cannot be reached the old keys serve for a day; after that a key which
// the issuer may have withdrawn long ago is worth nothing.
//
// Three libraries were weighed (November 2026) and none does this: go-oidc's
// RemoteKeySet fetches for every unknown key without a limit and never forgets a
// withdrawn one, keyfunc lets callers wait for its limit and reads answers of
// any size, and jwx does not fetch for an unknown key at all.
type Keys struct {
	// HTTP makes the requests. It must connect to public addresses only, or to
	// this machine where Loopback is set, and not follow redirects.
	HTTP *http.Client
	// Loopback also allows http to this machine, for tests and demonstrations.
	Loopback bool
	// Failed is told when an issuer's keys cannot be fetched; it may be nil.
	Failed func(issuer string, err error)

	mu   sync.Mutex
	sets map[string]*keySet // by JWKS URL, or by issuer where that is discovered
}

// keySet is what is known of one issuer's keys. Keys.mu guards it.
type keySet struct {
	keys    []publicKey
	fetched time.Time     // when keys came; zero: never
	tried   time.Time     // when the last fetch began; zero: never
	flight  chan struct{} // closed when the fetch under way has ended; nil: none is
}

const (
	keysFresh    = time.Hour        // then they are fetched again
	keysLife     = 24 * time.Hour   // then they are not used any more
	keysPause    = time.Minute      // between fetches, while there are keys
	keysRetry    = 10 * time.Second // between fetches, while there are none
	keysTimeout  = 10 * time.Second // of one fetch
	maxKeysBytes = 512 << 10        // of one answer
	maxKeys      = 100              // of one issuer
)

// publicKey is one key of an issuer.
type publicKey struct {
	id, algorithm string // algorithm is "" when the key is for all of its family
	key           any    // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// find returns the keys with which a token may be signed that names kid and
// algorithm. A token that names no key is accepted of issuers that have one only
// (OpenID Connect Core §10.1).
func (k *Keys) find(ctx context.Context, j *JWT, kid, algorithm string) (jwt.VerificationKeySet, error) {
	if k == nil {
		return jwt.VerificationKeySet{}, ErrNoKeys
	}
	found, flight := k.look(j, kid, algorithm, true)
	if len(found.Keys) == 0 && flight != nil {
		select {
		case <-flight:
		case <-ctx.Done():
			return found, ctx.Err()
		}
		found, _ = k.look(j, kid, algorithm, false)
	}
	if len(found.Keys) > 0 {
		return found, nil
	}
	if k.none(j) {
		return found, ErrNoKeys
	}
	return found, fmt.Errorf("the issuer has no key %q for %s", cut(kid), algorithm)
}

// look returns the fitting keys of those that are there. With fetch, it begins
// to fetch them if they are old or do not fit, and returns what is closed when
// that has ended.
func (k *Keys) look(j *JWT, kid, algorithm string, fetch bool) (jwt.VerificationKeySet, chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, set := time.Now(), k.set(j)
	if now.Sub(set.fetched) > keysLife {
		set.keys = nil
	}
	found := set.fitting(kid, algorithm)
	pause := keysPause
	if len(set.keys) == 0 {
		pause = keysRetry
	}
	due := len(found.Keys) == 0 || now.Sub(set.fetched) > keysFresh
	if fetch && due && set.flight == nil && now.Sub(set.tried) >= pause {
		set.tried, set.flight = now, make(chan struct{})
		go k.refresh(j, set)
	}
	return found, set.flight
}

// set returns what is known of the issuer's keys. The caller holds mu.
func (k *Keys) set(j *JWT) *keySet {
	name := j.JWKSURL
	if name == "" {
		name = j.Issuer
	}
	if k.sets == nil {
		k.sets = map[string]*keySet{}
	}
	if k.sets[name] == nil {
		k.sets[name] = &keySet{}
	}
	return k.sets[name]
}

func (k *Keys) none(j *JWT) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.set(j).keys) == 0
}

// fitting returns the keys for a token. The caller holds Keys.mu.
func (s *keySet) fitting(kid, algorithm string) jwt.VerificationKeySet {
	var found jwt.VerificationKeySet
	for _, key := range s.keys {
		if (kid == "" || key.id == kid) && key.fits(algorithm) {
			found.Keys = append(found.Keys, key.key)
		}
	}
	if kid == "" && len(found.Keys) > 1 {
		return jwt.VerificationKeySet{}
	}
	return found
}

// fits reports whether the key makes signatures of that algorithm.
func (k publicKey) fits(algorithm string) bool {
	if k.algorithm != "" && k.algorithm != algorithm {
		return false
	}
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	case *ecdsa.PublicKey:
		return map[string]int{"ES256": 256, "ES384": 384, "ES512": 521}[algorithm] == key.Curve.Params().BitSize
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}

// refresh fetches the keys of an issuer, whoever asked and however long they
// wait.
func (k *Keys) refresh(j *JWT, set *keySet) {
	ctx, cancel := context.WithTimeout(context.Background(), keysTimeout)
	defer cancel()
	keys, err := k.fetch(ctx, j)
	if err != nil && k.Failed != nil {
		k.Failed(j.Issuer, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		set.keys, set.fetched = keys, time.Now()
	}
	close(set.flight)
	set.flight = nil
}

// Check fetches the keys of an issuer, as the first token of it would, and keeps
// none. It returns how many check signatures.
func (k *Keys) Check(ctx context.Context, j *JWT) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	keys, err := k.fetch(ctx, j)
	return len(keys), err
}

func (k *Keys) fetch(ctx context.Context, j *JWT) ([]publicKey, error) {
	from := j.JWKSURL
	if from == "" {
		var err error
		if from, err = k.discover(ctx, j.Issuer); err != nil {
			return nil, err
		}
	}
	body, err := k.get(ctx, from)
	if err != nil {
		return nil, err
	}
	return parseKeys(body)
}

// discover asks the issuer where its keys are: first as OpenID Connect
// Discovery has it, then as RFC 8414 §3.1.
func (k *Keys) discover(ctx context.Context, issuer string) (string, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return "", err
	}
	inserted := *u
	inserted.Path = "/.well-known/oauth-authorization-server" + strings.TrimSuffix(u.Path, "/")
	var problems []error
	for _, at := range []string{strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration", inserted.String()} {
		body, err := k.get(ctx, at)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		var metadata struct {
			Issuer  string `json:"issuer"`
			JWKSURI string `json:"jwks_uri"`
		}
		if err := json.Unmarshal(body, &metadata); err != nil {
			return "", fmt.Errorf("%s: %w", at, err)
		}
		if metadata.Issuer != issuer {
			return "", fmt.Errorf("%s is of the issuer %q, not of %q", at, cut(metadata.Issuer), issuer)
		}
		return metadata.JWKSURI, nil
	}
	return "", errors.Join(problems...)
}

// get returns the body of a small document.
func (k *Keys) get(ctx context.Context, from string) ([]byte, error) {
	if err := checkURL(from, k.Loopback); err != nil {
		return nil, fmt.Errorf("%q %w", from, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json, application/jwk-set+json")
	resp, err := k.HTTP.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", from, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeysBytes+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxKeysBytes {
		return nil, fmt.Errorf("%s answered with more than %d bytes", from, maxKeysBytes)
	}
	return body, nil
}

// parseKeys returns the keys of a JWK set that can check signatures. Others in it
// are passed over (RFC 7517 §5): other kinds, private and shared ones, those for
// encryption, and RSA keys that are too short to trust.
func parseKeys(body []byte) ([]publicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("the key set is no JSON: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("the key set has %d keys; at most %d are read", len(set.Keys), maxKeys)
	}
	var keys []publicKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		var more struct {
			Operations []string `json:"key_ops"`
		}
		if json.Unmarshal(raw, &key) != nil || json.Unmarshal(raw, &more) != nil {
			continue
		}
		signs := (key.Use == "" || key.Use == "sig") && (more.Operations == nil || slices.Contains(more.Operations, "verify"))
		switch public := key.Key.(type) {
		case *rsa.PublicKey:
			signs = signs && public.Size() >= 256
		case *ecdsa.PublicKey, ed25519.PublicKey:
		default:
			signs = false
		}
		if signs {
			keys = append(keys, publicKey{id: key.KeyID, algorithm: key.Algorithm, key: key.Key})
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set has no key that checks signatures")
	}
	return keys, nil
}

// isLoopback reports whether a host is this machine by its name. Where a name
// leads is checked when it is dialled.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
