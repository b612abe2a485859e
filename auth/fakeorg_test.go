package auth

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
)

// TestCallsOnSimulatedOrg logs in to the simulated org in both modes and
// sends requests through all that can happen to them on the way.
func TestCallsOnSimulatedOrg(t *testing.T) {
	o := newSimulated(t)
	client := salesforce.New(salesforce.Options{Hosts: loopback})
	t.Cleanup(client.Close)
	resolver := &Resolver{HTTP: client.HTTP(), Hosts: loopback}

	for _, settings := range []Settings{
		o.settings(ModeJWT), o.settings(ModeClientCredentials),
	} {
		t.Run(settings.Mode, func(t *testing.T) {
			credentials, err := resolver.Credentials("acme", settings)
			if err != nil {
				t.Fatal(err)
			}
			org := &salesforce.Org{Client: client, Credentials: credentials}
			removeOneAccount(t, org, o.Org)
		})
	}

	credentials, err := resolver.Credentials("acme", Settings{
		LoginURL: o.url, ClientID: "consumer-key", PrivateKey: pemOf(key()), Username: "nobody@acme.example",
	})
	if err != nil {
		t.Fatal(err)
	}
	org := &salesforce.Org{Client: client, Credentials: credentials}
	_, err = org.Do(t.Context(), &salesforce.Request{Method: "GET", Path: "/limits", Semantics: salesforce.Safe})
	var refused *salesforce.Error
	if !errors.As(err, &refused) || refused.Class != salesforce.ClassAuth || !refused.NotExecuted {
		t.Errorf("unknown user: %v", err)
	}
	checkError(t, err, "invalid_grant", "Admin approved users")
}

// removeOneAccount creates an account while the session expires and the org
// is busy, and deletes it while the answer gets lost.
func removeOneAccount(t *testing.T, org *salesforce.Org, simulated *fakeorg.Org) {
	const path = "/sobjects/Account"
	simulated.Inject(
		fakeorg.Fault{Method: "POST", Path: path, ExpireTokens: true},
		fakeorg.Fault{Method: "POST", Path: path, Status: 503, ErrorCode: "SERVER_UNAVAILABLE"},
	)
	before := len(simulated.Requests())
	created, err := org.Do(t.Context(), &salesforce.Request{Method: "POST", Path: path, Body: []byte(`{"Name":"Once Only Ltd"}`)})
	if err != nil {
		t.Fatal(err)
	}
	var statuses []int
	for _, seen := range simulated.Requests()[before:] {
		statuses = append(statuses, seen.Status)
	}
	if diff := cmp.Diff([]int{200, 401, 200, 503, 201}, statuses); diff != "" { // a login, a new one, and the work
		t.Errorf("exchanges (-want +got):\n%s", diff)
	}
	_, id, _ := strings.Cut(string(created.Body), `"id":"`)
	id, _, _ = strings.Cut(id, `"`)
	if _, err := salesforce.To18(id); created.Status != 201 || err != nil {
		t.Fatalf("created: %d %s", created.Status, created.Body)
	}

	simulated.Inject(fakeorg.Fault{Method: "DELETE", Path: path, Cut: "after"})
	removed, err := org.Do(t.Context(), &salesforce.Request{Method: "DELETE", Path: path + "/" + id, Semantics: salesforce.Idempotent})
	if err != nil || !removed.AlreadyRemoved {
		t.Errorf("removed: %+v, %v", removed, err)
	}

	simulated.Inject(fakeorg.Fault{Method: "POST", Path: path, Cut: "before"})
	_, err = org.Do(t.Context(), &salesforce.Request{Method: "POST", Path: path, Body: []byte(`{"Name":"Perhaps Ltd"}`)})
	var lost *salesforce.Error
	if !errors.As(err, &lost) || lost.Class != salesforce.ClassTransient || lost.NotExecuted {
		t.Errorf("lost: %v", err)
	}
}
