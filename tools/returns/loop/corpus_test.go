package loop

import (
	"bufio"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"
)

// corpus returns the case texts of testdata/injections.txt: each tries to talk
// whoever reads it into a refund or out of a rule, in a way of its own. The file has
// one JSON string in ASCII on each line.
func corpus(t *testing.T) (texts []string) {
	t.Helper()
	file, err := os.Open("testdata/injections.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			t.Fatalf("line %d: %v", len(texts)+1, err)
		}
		texts = append(texts, text)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return texts
}

// TestCorpus holds the corpus to 200 texts that a case's description can have, and of
// which no two are near duplicates: of the runs of three words that either has, no
// two share a quarter.
func TestCorpus(t *testing.T) {
	texts := corpus(t)
	if len(texts) != 200 {
		t.Errorf("the corpus has %d texts, and not 200", len(texts))
	}
	word := regexp.MustCompile(`[\pL\pN_]+|[^\pL\pN_\s]`)
	threes := make([]map[[3]string]bool, len(texts))
	for i, text := range texts {
		if units := len(utf16.Encode([]rune(text))); units == 0 || units > 32_000 {
			t.Errorf("text %d has %d characters, and Salesforce takes 32000", i+1, units)
		}
		threes[i] = map[[3]string]bool{}
		var last [3]string
		for _, w := range word.FindAllString(strings.ToLower(text), -1) {
			last = [3]string{last[1], last[2], w}
			threes[i][last] = true
		}
		for j := range i {
			shared := 0
			for three := range threes[i] {
				if threes[j][three] {
					shared++
				}
			}
			if all := len(threes[i]) + len(threes[j]) - shared; 4*shared >= all {
				t.Errorf("texts %d and %d are near duplicates: %d of %d runs of three words", j+1, i+1, shared, all)
			}
		}
	}
}
