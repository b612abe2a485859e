package receipt

import (
	"strings"
	"sync"
	"unicode"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/text/unicode/norm"
)

// maxText is how many characters of a text are read at most.
const maxText = 300

// fonts parses the two fonts once, to ask which characters they have.
var fonts = sync.OnceValue(func() (parsed [2]*sfnt.Font) {
	for i, file := range [][]byte{goregular.TTF, gobold.TTF} {
		font, err := sfnt.Parse(file)
		if err != nil {
			panic("a font of the Go project does not parse: " + err.Error())
		}
		parsed[i] = font
	}
	return parsed
})

// printable returns a text as it can be printed: one line of characters that both
// fonts have. White space and control characters become one space; marks that are
// not seen, or that turn the direction of writing, go; what the fonts lack becomes a
// question mark. A long text ends in an ellipsis.
//
// The writer relies on it: it would read past the end of a text that is not UTF-8.
func printable(text string) string {
	runes, long := first(text, maxText)
	var b strings.Builder
	for _, r := range norm.NFC.String(string(runes)) {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			b.WriteByte(' ')
		case unicode.In(r, unicode.Cf, unicode.Mn, unicode.Me, unicode.Other_Default_Ignorable_Code_Point):
		case inFonts(r):
			b.WriteRune(r)
		default:
			b.WriteByte('?')
		}
	}
	clean := strings.Join(strings.Fields(b.String()), " ")
	if long {
		clean += "…"
	}
	return clean
}

// first returns up to n characters of a text, and whether it has more. A byte that is
// not UTF-8 is a character of its own, U+FFFD.
func first(text string, n int) (runes []rune, more bool) {
	for _, r := range text {
		if len(runes) == n {
			return runes, true
		}
		runes = append(runes, r)
	}
	return runes, false
}

func inFonts(r rune) bool {
	if !unicode.IsPrint(r) || r > 0xFFFF {
		return false
	}
	for _, font := range fonts() {
		if glyph, err := font.GlyphIndex(nil, r); err != nil || glyph == 0 {
			return false
		}
	}
	return true
}
