//go:build !unix

package pgtest

import "testing"

// URL skips the test: servers for tests are started on Unix only.
func URL(t testing.TB) string {
	t.Skip("!!! SKIPPED: THE POSTGRES HALF OF THIS TEST WAS NOT RUN: not on this system")
	return ""
}
