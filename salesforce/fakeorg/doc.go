// Package fakeorg is a simulated Salesforce org: a real HTTP server over SQL tables in memory, for development, for
// demonstrations and for tests. It answers with the paths, bodies, status and error codes of the REST API, so that
// clients which were not written for it work against it, and it says in a banner and in a header of every answer
// that it is simulated.
//
// Objects and fields are data: schema.yaml says what they are and, in its first lines, how to add one. So are reports
// and dashboards: reports.yaml. Every org starts with the same small company, Alder Ridge Tools (seed.go),
// whose records have the same ids in every org and dates as far before the org's clock. Writing requests run one after
// the other, each in a transaction; reading ones run side by side.
//
// Beside the paths of the platform there are three that only a test would call. They need no token:
//
//	POST, GET, DELETE /_faults      make the next fitting requests fail on purpose, see [Fault]
//	GET, DELETE       /_requests    the requests the org has seen, see [Seen]
//	GET               /_events      the platform events that were published
//	GET               /_agents      the sessions with agents, what was said in them and why they ended
//
// A fault that answers with an error fits the subrequests of a composite request too, and a composite request is seen
// together with them.
//
// A POST to /_faults with {"method": "POST", "path": "/sobjects/Case", "cut": "after"} loses the answer to the next
// creation of a case after the case is created.
//
// The Tooling API has objects of its own (tooling.yaml). Apex is read as a whole and run in part (package apex): what is
// not understood is refused with a message that starts with "simulated: ". Custom fields, custom objects and validation
// rules that are created through the Tooling API or a deploy change the org's tables.
//
// Users of the profile "Minimum Access - API Only Integrations", of which an org has one ([ReturnsUser]), see and change
// what permission sets let them: objects, fields and some user permissions (permissions.go, permissionset.go). All others
// see and change everything, so that a test may do both.
//
// Where the platform's behaviour is not documented, the comments say what ours was taken from. Not simulated are
// sharing, profiles (but for that one), record types, duplicate rules and triggers. What runs
// by itself is data as well: automation.yaml has workflow rules, approval processes, quick actions, flows and an Apex
// action, which do their work when a client asks for it, not when a record is saved.
package fakeorg
