// Package spelling finds what somebody meant who spelled a name wrong.
package spelling

import "strings"

// Near returns the name that is spelled almost like one, in any case of letters, or "".
func Near(name string, among []string) string {
	best, distance := "", 3
	for _, a := range among {
		if d := editDistance(strings.ToLower(name), strings.ToLower(a)); d < distance && d < len(a)/2+1 {
			best, distance = a, d
		}
	}
	return best
}

// editDistance is the Levenshtein distance of two short names.
func editDistance(a, b string) int {
	if len(a) > 80 || len(b) > 80 {
		return 80
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
