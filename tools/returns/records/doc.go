// Package records reads and writes what an org keeps about returns: cases, orders,
// payments, refunds and return orders. No other package of returns knows a field's
// name: where things are is a [Mapping], for orgs differ.
//
// What was written by others decides nothing. A query is made of names out of the
// mapping and of values that are escaped or checked as ids, and the only strings that
// become facts are those that the describe of the org lists ([policy.Choose]).
package records
