// Package salesforce speaks HTTP with one Salesforce org at a time.
//
// There is one way to send a request, [Org.Do]. It knows the platform's error
// bodies, what may be repeated and what may not, how many requests an org
// bears at once, and which hosts an access token may be sent to. It knows
// nothing of MCP or of who is calling; only the hints of its errors name actions
// of the connector.
//
//	client := salesforce.New(salesforce.Options{})
//	org := &salesforce.Org{Client: client, Credentials: credentials}
//	answer, err := org.Do(ctx, &salesforce.Request{
//		Method: "GET", Path: "/limits", Semantics: salesforce.Safe,
//	})
//
// # What is repeated
//
// A request states its [Semantics]; the zero value, [Unsafe], is the most
// cautious. Unsafe requests are sent again only when it is proven that the
// platform did not execute them. See [Semantics] for the rule, and
// [Error.NotExecuted] for what a caller may conclude when Do gives up.
//
// # Outside facts
//
// Where the code relies on behaviour of the platform, the comment names its
// source: the REST API Developer Guide, or the recorded traffic in
// testdata/recordings.
package salesforce
