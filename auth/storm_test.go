package auth

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
)

// storm is how many callers come at once.
const storm = 1000

// bubbled is an org within a bubble of testing/synctest: no network, and each
// exchange takes a second of the bubble's time.
func bubbled(t *testing.T) simulated {
	t.Helper()
	org, err := fakeorg.New(fakeorg.Options{Clients: []fakeorg.Client{consumer()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := org.Close(); err != nil {
			t.Error(err)
		}
	})
	return simulated{Org: org, url: "http://127.0.0.1:9", transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Body == nil {
			r.Body = http.NoBody
		}
		r.RequestURI = r.URL.RequestURI()
		select {
		case <-time.After(time.Second):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		w := httptest.NewRecorder()
		org.Handler().ServeHTTP(w, r)
		return w.Result(), nil
	})}
}

// accepts reports whether the org takes a token.
func (o simulated) accepts(t *testing.T, token salesforce.Token) bool {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/services/data/v62.0/limits", nil)
	r.Header.Set("Authorization", "Bearer "+token.AccessToken.Reveal())
	w := httptest.NewRecorder()
	o.Handler().ServeHTTP(w, r)
	return w.Code == http.StatusOK
}

// stormed has a thousand callers share some Cached ones, and returns the one
// token they all get. They drop the last one first, each in its own time.
func (o simulated) stormed(t *testing.T, last salesforce.Token, among ...*Cached) salesforce.Token {
	t.Helper()
	var group sync.WaitGroup
	tokens := make([]salesforce.Token, storm)
	for i := range tokens {
		group.Go(func() {
			c := among[i%len(among)]
			time.Sleep(time.Duration(i) * time.Millisecond) // all of them within the second that a login takes
			c.Drop(last)
			var err error
			if tokens[i], err = c.Token(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, token := range tokens {
		if token != tokens[0] {
			t.Fatal("they have several tokens")
		}
	}
	if !o.accepts(t, tokens[0]) {
		t.Error("the org does not accept their token")
	}
	return tokens[0]
}

// TestStorms: when sessions have expired, a thousand callers make one token
// request, in every mode that makes any.
func TestStorms(t *testing.T) {
	for _, k := range kinds {
		if k.given {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := bubbled(t)
				source, _ := k.source(t, o, o.url, &http.Client{Transport: o.transport})
				cached := NewCached(source)
				var token salesforce.Token
				for range 3 {
					before := o.tokenRequests()
					token = o.stormed(t, token, cached)
					if n := o.tokenRequests() - before; n != 1 {
						t.Errorf("%d callers made %d token requests", storm, n)
					}
					time.Sleep(3 * time.Hour) // a session ends after two without use
					if o.accepts(t, token) {
						t.Fatal("the session did not expire")
					}
				}
			})
		})
	}
}

// leased are the grants of all processes, of which one at a time has its turn.
type leased struct {
	*drawer
	turn chan struct{}
}

func (l leased) Lock(ctx context.Context) (func(), error) {
	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestStormOnReplicas: two replicas, whose callers find the session expired at
// once, refresh once, although each refresh token is good once and ends the
// connection when it is used again.
func TestStormOnReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := bubbled(t)
		s, c := o.settings(ModeOAuth), &http.Client{Transport: o.transport}
		replica := func() (*Resolver, *App) {
			app, err := NewApp(s, callback, c, loopback)
			if err != nil {
				t.Fatal(err)
			}
			return &Resolver{HTTP: c, Hosts: loopback}, app
		}
		_, app := replica()
		grant := o.connected(t, app)
		kept := leased{&drawer{kept: &grant}, make(chan struct{}, 1)}
		var replicas []*Cached
		for range 2 {
			resolver, app := replica()
			cached, err := resolver.Person("acme", s, app, "ada", 1, kept)
			if err != nil {
				t.Fatal(err)
			}
			replicas = append(replicas, cached)
		}
		before := o.tokenRequests()
		token := o.stormed(t, salesforce.Token{}, replicas...)
		if n := o.tokenRequests() - before; n != 0 {
			t.Errorf("%d token requests although there is a token", n)
		}
		for range 3 {
			time.Sleep(3 * time.Hour)
			before, refresh := o.tokenRequests(), kept.kept.RefreshToken
			token = o.stormed(t, token, replicas...)
			if n := o.tokenRequests() - before; n != 1 || kept.kept.RefreshToken == refresh {
				t.Errorf("%d callers on two replicas made %d refreshes; the refresh token is another: %v", storm, n, kept.kept.RefreshToken != refresh)
			}
		}
	})
}
