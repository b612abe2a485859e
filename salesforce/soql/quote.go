package soql

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Quote makes a string literal of any text, quotes included. Characters the
// platform cannot take as they are become escapes; bytes that are not UTF-8
// become the replacement character.
func Quote(s string) string {
	return "'" + literalEscapes.Replace(strings.ToValidUTF8(s, "\uFFFD")) + "'"
}

// QuoteLike makes a text safe to stand in a LIKE pattern, without the quotes:
// '%' and '_' in it stand for themselves. Put it between quotes with the
// wildcards that are meant: "LIKE '%" + QuoteLike(s) + "%'".
func QuoteLike(s string) string {
	s = literalEscapes.Replace(strings.ToValidUTF8(s, "\uFFFD"))
	return likeEscapes.Replace(s)
}

// EscapeSearch makes a text safe to stand in the braces of a SOSL FIND: every
// reserved character in it stands for itself, quotes and wildcards included.
func EscapeSearch(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(searchReserved, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// searchReserved are the characters that mean something between the braces of FIND.
const searchReserved = `?&|!{}[]()^~*:\"'+-`

var (
	literalEscapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\b", `\b`, "\f", `\f`)
	likeEscapes    = strings.NewReplacer(`%`, `\%`, `_`, `\_`)
	patternEscapes = strings.NewReplacer(`'`, `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\b", `\b`, "\f", `\f`)
)

// unescape resolves the escapes of a string literal. In a pattern it leaves
// \%, \_ and \\ as they are: there the backslash still protects.
func unescape(raw string, pattern bool) (string, error) {
	if strings.IndexByte(raw, '\\') < 0 {
		return raw, nil
	}
	var b strings.Builder
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			b.WriteByte(raw[i])
			i++
			continue
		}
		rest := raw[i+1:]
		if rest == "" {
			return "", illegalSequence(`\`)
		}
		if rest[0] == 'u' || rest[0] == 'U' {
			r, size, err := unescapeUnicode(rest)
			if err != nil {
				return "", err
			}
			if pattern && r == '\\' {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
			i += 1 + size
			continue
		}
		if pattern && strings.IndexByte(`\%_`, rest[0]) >= 0 {
			b.WriteString(raw[i : i+2])
		} else if at := strings.IndexByte(`\'"nNrRtTbBfF`, rest[0]); at >= 0 {
			b.WriteByte("\\'\"\n\n\r\r\t\t\b\b\f\f"[at])
		} else {
			_, size := utf8.DecodeRuneInString(rest)
			return "", illegalSequence(raw[i : i+1+size])
		}
		i += 2
	}
	return b.String(), nil
}

// unescapeUnicode reads uXXXX, and a second \uXXXX when the first is half of a pair.
func unescapeUnicode(s string) (r rune, size int, err error) {
	unit := func(s string) (rune, bool) {
		if len(s) < 5 {
			return 0, false
		}
		n, err := strconv.ParseUint(s[1:5], 16, 16)
		return rune(n), err == nil
	}
	r, ok := unit(s)
	if !ok {
		return 0, 0, illegalSequence(`\` + s[:1])
	}
	if !utf16.IsSurrogate(r) {
		return r, 5, nil
	}
	if len(s) > 6 && s[5] == '\\' && (s[6] == 'u' || s[6] == 'U') {
		if low, ok := unit(s[6:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 11, nil
			}
		}
	}
	return 0, 0, illegalSequence(`\` + s[:5])
}

func illegalSequence(sequence string) error {
	return fmt.Errorf("illegal character sequence '%s' in string literal", sequence)
}
