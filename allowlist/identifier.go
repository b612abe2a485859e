package allowlist

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxIdentifier bounds an identifier, in bytes of UTF-8. The longest that a
// known host sends is a UUID with a prefix.
const maxIdentifier = 128

// blank holds the characters that Go counts as printable and a screen shows as
// nothing: an identifier with one of them looks like another identifier.
var blank = []*unicode.RangeTable{
	unicode.Other_Default_Ignorable_Code_Point, // joiners and Hangul fillers
	unicode.Variation_Selector,
	{R16: []unicode.Range16{{Lo: 0x2800, Hi: 0x2800, Stride: 1}}}, // braille pattern blank
}

// checkIdentifier says why id cannot name an agent, a user, a context or a
// host. Identifiers are compared byte for byte, so this check is about what
// people see in rules and in the audit trail: every character of an identifier
// is visible, and there is nothing around it. Letters that look alike in two
// scripts stay two identifiers. Bytes that are not UTF-8 show up here as the
// replacement character U+FFFD.
func checkIdentifier(id string) error {
	switch {
	case id == "":
		return errors.New("is empty")
	case len(id) > maxIdentifier:
		return fmt.Errorf("has %d bytes; at most %d are accepted", len(id), maxIdentifier)
	case strings.TrimSpace(id) != id:
		return errors.New("has space around it")
	case id == anyAgent:
		return errors.New(`is "*", which stands for every agent and names none`)
	}
	for _, r := range id {
		if r == utf8.RuneError || !unicode.IsPrint(r) || unicode.In(r, blank...) {
			return fmt.Errorf("has the invisible or damaged character %U", r)
		}
	}
	return nil
}
