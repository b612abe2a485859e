package salesforce

import "fmt"

// checkDigits are indexed by the five case bits of a third of an id.
const checkDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

// To18 returns the 18-character form of a record id. An id of 15 characters
// gets its three check characters; one of 18 must carry the right ones and is
// returned as it is. Ids are compared in this form only: the short form is
// case-sensitive, and the same record has both.
func To18(id string) (string, error) {
	if len(id) != 15 && len(id) != 18 {
		return "", fmt.Errorf("id %q must have 15 or 18 characters, it has %d", clip(id, 40), len(id))
	}
	for i := range len(id) {
		if !isAlphanumeric(id[i]) {
			return "", fmt.Errorf("id %q must consist of letters and digits", id)
		}
	}
	full := id[:15] + checksum(id[:15])
	if len(id) == 18 && id != full {
		return "", fmt.Errorf("id %q has the wrong check characters: it was mistyped or its case was changed", id)
	}
	return full, nil
}

// checksum returns the three check characters of a 15-character id: bit k of
// the n-th one's index is set when character 5n+k is an upper-case letter.
func checksum(id string) string {
	var sum [3]byte
	for n := range sum {
		index := 0
		for k := range 5 {
			if c := id[5*n+k]; 'A' <= c && c <= 'Z' {
				index |= 1 << k
			}
		}
		sum[n] = checkDigits[index]
	}
	return string(sum[:])
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
