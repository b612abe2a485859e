// Package fakeorg is a simulated Salesforce org: a real HTTP server over SQL tables in memory, for development, for
// demonstrations and for tests. It answers with the paths, bodies, status and error codes of the REST API, so that
// clients which were not written for it work against it, and it says in a banner and in a header of every answer
// that it is simulated.
//
// Objects and fields are data (schema.yaml), and so is the company an org starts with. Beside the paths of the
// platform it has two of its own, which only a test would call: /_faults, to make requests fail on purpose, and
// /_requests, the list of the requests it has seen.
//
// Where the platform's behaviour is not documented, the comments say what it was taken from.
package fakeorg
