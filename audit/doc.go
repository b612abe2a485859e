// Package audit is the journal: who did what in a Salesforce org, on whose
// behalf, by which rule, and how it ended.
//
// A call that is let through is written twice. [Journal.Begin] records the
// intent, with decision and redacted arguments, and returns only when it is
// durable: what cannot be recorded is not done. [Intent.End] records the
// outcome, with the HTTP requests that were made and the records they touched.
// A call that is refused is one entry, written by [Journal.Refuse]. Entries are
// never changed; an outcome is an entry of its own that names its intent.
//
// A crash between the two leaves an intent without an outcome.
// [Journal.Recover] closes those at the next start with the outcome "unknown",
// since nobody can say whether Salesforce executed the request.
//
// Entries are kept by a [Store]. Concurrent callers share its commits, so that
// durability costs little under load and adds no delay to a lone caller.
package audit
