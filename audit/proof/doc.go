// Package proof makes the journal of package audit one that proves itself: a
// Merkle log for each workspace, with signed checkpoints, as in Certificate
// Transparency (RFC 6962; hashing by golang.org/x/mod/sumdb/tlog).
//
// The leaves of a log are the entries of a workspace in the order in which they
// were committed, each the very bytes that audit.Entry.Line made of it once.
// They are never encoded anew, so that a leaf stays what it is whatever a later
// version of the program would write; its member "v" says which version did.
//
// A [Sequencer] adds new entries to the tree and signs a [Checkpoint] of it:
// "the first n entries are those with this root". An [Exporter] writes entries,
// each with the proof that it is in the tree, and the checkpoint at the end. [Verify]
// needs that, and the public key, and nothing else. What an attacker could do who
// has the signing key, or replaces the whole log by an older one, is seen by
// comparing with checkpoints that are kept in a second place.
package proof
