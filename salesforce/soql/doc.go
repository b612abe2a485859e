// Package soql reads and writes SOQL and SOSL, the query and search languages
// of Salesforce.
//
// Parse and ParseSearch turn a statement into a syntax tree that keeps the
// position of every name, path, literal and clause, so that a reader of the
// tree (the simulated org, which translates it to SQL, or a gate, which asks
// what a query touches) can say exactly where something stands. The grammar is
// the platform's: what a real org refuses as malformed is refused here, at the
// same place as far as that place is known. Parsing resolves no names against a
// schema.
//
// Query.Reads and Search.Reads do that: they list every sObject and field that a
// statement reads, and what for, with the describes of the org, so that a gate can
// hold lists of sObjects and fields against them.
//
// Query.String and Search.String write a statement in one canonical form that
// parses to the same tree. Quote, QuoteLike and EscapeSearch make literals out
// of any text.
//
// Everything in the package is a function of its arguments: there is no state,
// statements of up to MaxLength characters are read in linear time, nesting is
// bounded by MaxDepth, and no input makes it panic.
package soql
