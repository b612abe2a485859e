package settings

import "strings"

// The signs of a [Line].
const (
	Same    = ' '
	Added   = '+'
	Removed = '-'
)

// A Line is one of a difference: of both texts, of the later or of the earlier one.
type Line struct {
	Sign rune
	Text string
}

// mostCells bounds the work of one difference.
const mostCells = 4_000_000

// Diff is the shortest difference between two texts, line by line: with all lines, in
// order. Texts that are too long for it are given as removed and added whole.
func Diff(before, after string) (diff []Line) {
	a, b := lines(before), lines(after)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		diff = append(diff, Line{Same, a[head]})
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	diff = append(diff, between(a[head:len(a)-tail], b[head:len(b)-tail])...)
	for _, text := range a[len(a)-tail:] {
		diff = append(diff, Line{Same, text})
	}
	return diff
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// between is the difference by the longest common subsequence.
func between(a, b []string) (diff []Line) {
	width := len(b) + 1
	if (len(a)+1)*width > mostCells {
		for _, text := range a {
			diff = append(diff, Line{Removed, text})
		}
		for _, text := range b {
			diff = append(diff, Line{Added, text})
		}
		return diff
	}
	common := make([]int32, (len(a)+1)*width) // of a[i:] and b[j:]
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i*width+j] = common[(i+1)*width+j+1] + 1
			} else {
				common[i*width+j] = max(common[(i+1)*width+j], common[i*width+j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			diff = append(diff, Line{Same, a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[(i+1)*width+j] >= common[i*width+j+1]:
			diff = append(diff, Line{Removed, a[i]})
			i++
		default:
			diff = append(diff, Line{Added, b[j]})
			j++
		}
	}
	return diff
}
