package allowlist

import (
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// TestKeysRotate: a new key is found when a token names it, and a withdrawn one is
// not good for long.
func TestKeysRotate(t *testing.T) {
	i := newIssuer(t)
	synctest.Test(t, func(t *testing.T) {
		w := i.workspace(JWT{})
		signed := func(kid string) error {
			key := rsaKey()
			if kid == "k2" {
				key = rsaKey2()
			}
			_, err := prove(t, w, sign(t, jwt.SigningMethodRS256, kid, key, nil, i.good()))
			return err
		}
		want := func(what string, err error, ok bool, fetches int) {
			t.Helper()
			if (err == nil) != ok || i.fetches() != fetches {
				t.Errorf("%s: error %v after %d fetches, want %v after %d", what, err, i.fetches(), ok, fetches)
			}
		}
		want("first token", signed("k1"), true, 1)
		want("next token", signed("k1"), true, 1)
		i.publish(publicJWK("k1", rsaKey()), publicJWK("k2", rsaKey2()))
		want("new key, at once", signed("k2"), false, 1)
		time.Sleep(keysPause)
		want("new key", signed("k2"), true, 2)
		i.publish(publicJWK("k2", rsaKey2()))
		for range 100 {
			_ = signed("k3")
		}
		want("unknown keys", nil, true, 2)
		time.Sleep(keysPause)
		for range 100 {
			_ = signed("k3")
		}
		want("unknown keys later", nil, true, 3)
		want("withdrawn key", signed("k1"), false, 3)

		i.publish(publicJWK("k1", rsaKey()))
		time.Sleep(keysFresh + time.Second)
		if err := signed("k2"); err != nil {
			t.Errorf("old keys, while new ones are fetched: %v", err)
		}
		synctest.Wait()
		time.Sleep(time.Second)
		want("after that", signed("k2"), false, 4)
		want("the new one", signed("k1"), true, 4)
	})
}

// TestKeysOutage: an issuer that is away is asked again now and then; its keys
// serve for a day.
func TestKeysOutage(t *testing.T) {
	i := newIssuer(t)
	synctest.Test(t, func(t *testing.T) {
		w, failures := i.workspace(JWT{}), 0
		w.Keys.Failed = func(issuer string, err error) {
			failures++
			if issuer != i.url || !strings.Contains(err.Error(), "503") {
				t.Errorf("%s: %v", issuer, err)
			}
		}
		i.set(func(i *issuer) { i.status = http.StatusServiceUnavailable })
		for range 10 {
			if _, err := prove(t, w, i.token(t, nil)); !errors.Is(err, ErrNoKeys) {
				t.Errorf("without keys: %v", err)
			}
		}
		if failures != 1 {
			t.Errorf("%d fetches", failures)
		}
		i.set(func(i *issuer) { i.status = 0 })
		time.Sleep(keysRetry)
		if _, err := prove(t, w, i.token(t, nil)); err != nil {
			t.Errorf("when it is back: %v", err)
		}
		i.set(func(i *issuer) { i.status = http.StatusServiceUnavailable })
		time.Sleep(keysLife - time.Minute)
		if _, err := prove(t, w, i.token(t, nil)); err != nil {
			t.Errorf("while it is away for a day: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if _, err := prove(t, w, i.token(t, nil)); !errors.Is(err, ErrNoKeys) {
			t.Errorf("after a day: %v", err)
		}
	})
}

// TestKeysFetchedOnce: all who wait for an issuer's keys wait for one fetch, and
// who gives up ends nobody else's.
func TestKeysFetchedOnce(t *testing.T) {
	i := newIssuer(t)
	w, token := i.workspace(JWT{}), i.token(t, nil)
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if _, err := prove(t, w, token); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := i.fetches(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

// TestDiscovery: where keys come from, and where they do not.
func TestDiscovery(t *testing.T) {
	elsewhere := newIssuer(t)
	for name, test := range map[string]struct {
		change func(*issuer)
		ok     bool
	}{
		"healthy":            {func(*issuer) {}, true},
		"of another issuer":  {func(i *issuer) { i.claims = "https://login.example.com" }, false},
		"of it with a slash": {func(i *issuer) { i.claims = i.url + "/" }, false},
		"a redirect":         {func(i *issuer) { i.status = http.StatusFound }, false},
		"no JSON":            {func(i *issuer) { i.body = "<html>" }, false},
		"no keys":            {func(i *issuer) { i.body = `{"keys":[]}` }, false},
		"a list of keys":     {func(i *issuer) { i.body = `[]` }, false},
		"too large":          {func(i *issuer) { i.body = keySetText(i) + strings.Repeat(" ", maxKeysBytes) }, false},
		"too many keys": {func(i *issuer) {
			i.keys = nil
			for range maxKeys + 1 {
				i.keys = append(i.keys, publicJWK("k1", rsaKey()))
			}
		}, false},
		"a shared secret": {func(i *issuer) {
			i.keys = []jose.JSONWebKey{{KeyID: "k1", Key: []byte("secret of 32 bytes is long enough"), Use: "sig"}}
		}, false},
		"a private key": {func(i *issuer) { i.keys = []jose.JSONWebKey{{KeyID: "k1", Key: rsaKey(), Use: "sig"}} }, false},
		"another kind":  {func(i *issuer) { i.keys = []jose.JSONWebKey{publicJWK("k1", ecKey(elliptic.P256()))} }, false},
		"strangers beside": {func(i *issuer) {
			i.keys = append(i.keys, publicJWK("x", ecKey(elliptic.P384())), publicJWK("y", edKey()))
		}, true},
		"the same id twice": {func(i *issuer) { i.keys = append(i.keys, publicJWK("k1", rsaKey2())) }, true},
		"no algorithm, no use": {func(i *issuer) {
			i.keys = []jose.JSONWebKey{{KeyID: "k1", Key: rsaKey().Public()}}
		}, true},
	} {
		i := newIssuer(t)
		i.set(test.change)
		if _, err := prove(t, i.workspace(JWT{}), i.token(t, nil)); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := elsewhere.fetches(); n != 0 {
		t.Errorf("%d fetches from elsewhere", n)
	}
	// Without the operator's flag this machine is no place for keys.
	i := newIssuer(t)
	w := i.workspace(JWT{})
	w.Keys.Loopback = false
	if _, err := prove(t, w, i.token(t, nil)); !errors.Is(err, ErrNoKeys) || len(i.at) != 0 {
		t.Errorf("over http, without the flag: %v, asked for %v", err, i.at)
	}
	// RFC 8414 inserts its path, and is asked second.
	i = newIssuer(t)
	w = i.workspace(JWT{})
	w.Profiles[0].JWT.Issuer = i.url + "/oauth2/default"
	_, err := prove(t, w, i.token(t, map[string]any{"iss": i.url + "/oauth2/default"}))
	if want := "/oauth2/default/.well-known/openid-configuration /.well-known/oauth-authorization-server/oauth2/default"; strings.Join(i.at, " ") != want || err == nil {
		t.Errorf("asked for %v, error %v", i.at, err)
	}
}

func keySetText(i *issuer) string {
	text, _ := json.Marshal(jose.JSONWebKeySet{Keys: i.keys})
	return string(text)
}

// TestKeyIDs: of an issuer with one key a token need not name it, and must not name
// it in another way.
func TestKeyIDs(t *testing.T) {
	i := newIssuer(t)
	w := i.workspace(JWT{})
	for name, test := range map[string]struct {
		kid any
		ok  bool
	}{"named": {"k1", true}, "not named": {nil, true}, "another": {"k2", false}, "a number": {1, false}, "a list": {[]string{"k1"}, false}} {
		if _, err := prove(t, w, sign(t, jwt.SigningMethodRS256, "k1", rsaKey(), map[string]any{"kid": test.kid}, i.good())); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	w = i.workspace(JWT{})
	fetched := i.fetches()
	if _, err := prove(t, w, i.token(t, map[string]any{"iss": "https://other.example"})); err == nil || i.fetches() != fetched {
		t.Errorf("a token of somebody else: %v, %d fetches", err, i.fetches()-fetched)
	}
}

// TestWeakKeys: an RSA key of less than 2048 bits signs nothing.
func TestWeakKeys(t *testing.T) {
	for bits, ok := range map[int]bool{1024: false, 2040: false, 2048: true, 4096: true} {
		n := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), uint(bits-1)), big.NewInt(1))
		body, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{KeyID: "k", Key: &rsa.PublicKey{N: n, E: 65537}}}})
		if err != nil {
			t.Fatal(err)
		}
		if keys, err := parseKeys(body); (err == nil) != ok {
			t.Errorf("%d bits: %v, error %v", bits, keys, err)
		}
	}
}
