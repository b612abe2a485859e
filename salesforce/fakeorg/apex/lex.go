package apex

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind int

const (
	endToken tokenKind = iota
	wordToken
	intToken
	longToken
	decimalToken
	stringToken
	markToken
)

// token is a piece of source. The text of a string is what it stands for, without quotes and escapes.
type token struct {
	kind     tokenKind
	text     string
	from, to int // bytes of the source
	at       Pos
}

// is compares with a keyword, in any case of letters, or a mark.
func (t token) is(text string) bool {
	return t.kind == wordToken && strings.EqualFold(t.text, text) || t.kind == markToken && t.text == text
}

func (t token) oneOf(texts ...string) bool {
	for _, text := range texts {
		if t.is(text) {
			return true
		}
	}
	return false
}

// shown is how an error names the token.
func (t token) shown() string {
	if t.kind == endToken {
		return "<EOF>"
	}
	return t.text
}

// Pos is a place in source; both count from 1.
type Pos struct{ Line, Column int }

// Error says where source is not Apex, or, when the message starts with "simulated: ", not Apex that is understood
// here.
type Error struct {
	Pos
	Message string
}

func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// marks are the operators and punctuation. '>' stands alone, because two of them may end a type: the parser puts
// shifts and comparisons together.
var marks = []string{"===", "!==", "<<=", "==", "!=", "<>", "<=", "&&", "||", "++", "--", "+=", "-=", "*=", "/=", "|=", "&=", "^=", "?.", "??",
	"=>", "<<", "(", ")", "{", "}", "[", "]", ";", ",", ".", "=", "<", ">", "!", "+", "-", "*", "/", "&", "|", "^", "~", "?", ":", "@"}

// maxSource bounds what one source may cost: a class has at most a million characters.
const maxSource = 1_000_000

// lexer cuts source into tokens.
type lexer struct {
	source string
	pos    int
	line   int
	start  int // of the line

	comments int // bytes of them
}

func (l *lexer) place(pos int) Pos {
	return Pos{l.line, utf8.RuneCountInString(l.source[l.start:pos]) + 1}
}

// lex cuts the whole source. The last token is the end.
func lex(source string) (tokens []token, comments int, err *Error) {
	l := &lexer{source: source, line: 1}
	if len(source) > maxSource {
		return nil, 0, &Error{Pos{1, 1}, "Source exceeds maximum length of 1000000 characters"}
	}
	for {
		if err := l.skip(); err != nil {
			return nil, 0, err
		}
		t, err := l.next()
		if err != nil {
			return nil, 0, err
		}
		tokens = append(tokens, t)
		if t.kind == endToken {
			return tokens, l.comments, nil
		}
	}
}

func (l *lexer) newline(pos int) { l.line, l.start = l.line+1, pos+1 }

// skip leaves spaces and comments behind.
func (l *lexer) skip() *Error {
	for l.pos < len(l.source) {
		rest := l.source[l.pos:]
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case r == '\n':
			l.newline(l.pos)
			l.pos++
		case unicode.IsSpace(r) || r == '\ufeff':
			l.pos += size
		case strings.HasPrefix(rest, "//"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			l.pos += end
			l.comments += end
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return &Error{l.place(l.pos), "Unexpected token '/*'."}
			}
			for i := range end {
				if rest[2+i] == '\n' {
					l.newline(l.pos + 2 + i)
				}
			}
			l.pos += end + 4
			l.comments += end + 4
		default:
			return nil
		}
	}
	return nil
}

func isWordStart(r rune) bool { return r == '_' || unicode.IsLetter(r) }

func (l *lexer) next() (token, *Error) {
	t := token{from: l.pos, at: l.place(l.pos)}
	if l.pos == len(l.source) {
		t.to = l.pos
		return t, nil
	}
	rest := l.source[l.pos:]
	r, _ := utf8.DecodeRuneInString(rest)
	switch {
	case isWordStart(r):
		t.kind, t.text = wordToken, leading(rest, func(r rune) bool { return isWordStart(r) || unicode.IsDigit(r) })
		l.pos += len(t.text)
	case r >= '0' && r <= '9', r == '.' && len(rest) > 1 && rest[1] >= '0' && rest[1] <= '9':
		l.number(&t, rest)
	case r == '\'':
		if err := l.text(&t); err != nil {
			return t, err
		}
	default:
		for _, mark := range marks {
			if strings.HasPrefix(rest, mark) {
				t.kind, t.text = markToken, mark
				break
			}
		}
		if t.kind != markToken {
			return t, &Error{t.at, fmt.Sprintf("Unrecognized symbol '%c', which is not a valid Apex identifier.", r)}
		}
		l.pos += len(t.text)
	}
	t.to = l.pos
	return t, nil
}

// leading is the part of a text before the first character that does not fit.
func leading(text string, fits func(rune) bool) string {
	for i, r := range text {
		if !fits(r) {
			return text[:i]
		}
	}
	return text
}

// number reads 1, 1L, 1.5 and 1.5d. A dot that no digit follows is a member access.
func (l *lexer) number(t *token, rest string) {
	digit := func(r rune) bool { return r >= '0' && r <= '9' }
	t.kind, t.text = intToken, leading(rest, digit)
	after := rest[len(t.text):]
	if len(after) > 1 && after[0] == '.' && digit(rune(after[1])) {
		t.kind, t.text = decimalToken, t.text+"."+leading(after[1:], digit)
		after = rest[len(t.text):]
	}
	l.pos += len(t.text)
	if after != "" && strings.ContainsRune("lL", rune(after[0])) && t.kind == intToken {
		t.kind = longToken
		l.pos++
	} else if after != "" && strings.ContainsRune("dD", rune(after[0])) {
		t.kind = decimalToken
		l.pos++
	}
}

var escapes = map[byte]string{'n': "\n", 't': "\t", 'r': "\r", 'b': "\b", 'f': "\f", '\'': "'", '"': `"`, '\\': `\`}

// text reads a string literal.
func (l *lexer) text(t *token) *Error {
	var b strings.Builder
	for i := l.pos + 1; i < len(l.source); i++ {
		switch c := l.source[i]; c {
		case '\'':
			t.kind, t.text = stringToken, b.String()
			l.pos = i + 1
			return nil
		case '\n':
			return &Error{t.at, "Line breaks not allowed in string literals"}
		case '\\':
			i++
			if i == len(l.source) {
				break
			}
			if l.source[i] == 'u' && i+4 < len(l.source) {
				var r rune
				if n, err := fmt.Sscanf(l.source[i+1:i+5], "%04x", &r); n == 1 && err == nil {
					b.WriteRune(r)
					i += 4
					continue
				}
			}
			escaped, known := escapes[l.source[i]]
			if !known {
				return &Error{l.place(i), fmt.Sprintf("Invalid string literal '\\%c'. Illegal character sequence '\\%[1]c' in string literal.", l.source[i])}
			}
			b.WriteString(escaped)
		default:
			b.WriteByte(c)
		}
	}
	return &Error{t.at, "Unterminated string literal."}
}
