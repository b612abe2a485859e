package tools

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep the JSON of a message may nest.
const maxDepth = 64

// strictJSON returns an error unless raw is one JSON value that every reader
// understands the same way. encoding/json, and so mcp-go, takes the last of two
// equal keys and matches keys without regard to case, Unicode folding included:
// a message may then mean one thing to whoever checks it and another to whoever
// runs it. So duplicate keys are refused, also when they differ only by case,
// by letters that fold to ASCII (ſ, K) or by NULs, as are invalid UTF-8, lone
// surrogates and deep nesting.
func strictJSON(raw []byte) error {
	if !utf8.Valid(raw) {
		return errors.New("it is not valid UTF-8")
	}
	if !json.Valid(raw) {
		return errors.New("it is not valid JSON")
	}
	// What follows relies on raw being valid JSON.
	var open []map[string]bool // keys of the objects that are open; nil for arrays
	key := false               // the next string is a key
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '{', '[':
			if len(open) == maxDepth {
				return fmt.Errorf("it nests deeper than %d levels", maxDepth)
			}
			key = raw[i] == '{'
			if key {
				open = append(open, map[string]bool{})
			} else {
				open = append(open, nil)
			}
		case '}', ']':
			open = open[:len(open)-1]
		case ',':
			key = open[len(open)-1] != nil
		case ':':
			key = false
		case '"':
			end, err := stringEnd(raw, i)
			if err != nil {
				return err
			}
			if key {
				name, err := keyName(raw[i:end])
				if err != nil {
					return err
				}
				if open[len(open)-1][name] {
					return fmt.Errorf("the key %s appears twice in one object (case does not tell keys apart)", clip(string(raw[i:end])))
				}
				open[len(open)-1][name] = true
			}
			i = end - 1
		}
	}
	return nil
}

// stringEnd returns the index after the string that starts at raw[start], and
// an error if the string holds a surrogate without its other half.
func stringEnd(raw []byte, start int) (int, error) {
	for i := start + 1; ; i++ {
		switch raw[i] {
		case '"':
			return i + 1, nil
		case '\\':
			i++
			if raw[i] != 'u' {
				continue
			}
			r := hex4(raw[i+1:])
			i += 4
			if !utf16.IsSurrogate(r) {
				continue
			}
			if r >= 0xdc00 || raw[i+1] != '\\' || raw[i+2] != 'u' || utf16.DecodeRune(r, hex4(raw[i+3:])) == unicode.ReplacementChar {
				return 0, errors.New("it holds half of a surrogate pair")
			}
			i += 6
		}
	}
}

func hex4(b []byte) (r rune) {
	for _, c := range b[:4] {
		r <<= 4
		switch {
		case c <= '9':
			r |= rune(c - '0')
		default:
			r |= rune(c|0x20-'a') + 10
		}
	}
	return r
}

// keyName returns the folded text of a quoted key.
func keyName(quoted []byte) (string, error) {
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return "", err
	}
	if strings.ContainsRune(s, 0) {
		return "", fmt.Errorf("the key %s holds a NUL", clip(string(quoted)))
	}
	return foldKey(s), nil
}

// foldKey returns the one spelling of all names that differ only by case, in
// Unicode's sense of simple folding: K, k and the Kelvin sign are one letter.
func foldKey(s string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			return unicode.ToLower(r)
		}
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return unicode.ToLower(least)
	}, s)
}

// canonical returns an error if object has a key that reads like one of names
// but is spelled otherwise.
func canonical(object map[string]json.RawMessage, names ...string) error {
	for key := range object {
		for _, name := range names {
			if key != name && foldKey(key) == foldKey(name) {
				return fmt.Errorf("the key %q must be spelled %q", clip(key), name)
			}
		}
	}
	return nil
}
