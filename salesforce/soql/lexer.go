package soql

import (
	"strings"
	"unicode/utf8"
)

type tokenKind int

const (
	endToken tokenKind = iota
	wordToken
	numberToken
	dateToken
	dateTimeToken
	currencyToken // USD5000.01; without a fraction it is a word
	stringToken   // text without its quotes, escapes as written
	markToken     // punctuation and operators
)

type token struct {
	kind tokenKind
	text string
	at   int
}

// is reports whether the token is this keyword or mark. Keywords are given in upper case.
func (t token) is(text string) bool {
	return (t.kind == wordToken || t.kind == markToken) && strings.EqualFold(t.text, text)
}

func (t token) oneOf(texts ...string) bool {
	for _, text := range texts {
		if t.is(text) {
			return true
		}
	}
	return false
}

// A lexer cuts a statement into tokens, one at a time and without looking back.
type lexer struct {
	text string
	pos  int
}

func (l *lexer) next() (token, *Error) {
	for l.pos < len(l.text) && isSpace(l.text[l.pos]) {
		l.pos++
	}
	if l.pos == len(l.text) {
		return token{kind: endToken, at: l.pos}, nil
	}
	switch c := l.text[l.pos]; {
	case isLetter(c):
		return l.word(), nil
	case isDigit(c), (c == '+' || c == '-' || c == '.') && l.pos+1 < len(l.text) && numberFollows(l.text[l.pos:]):
		return l.number(), nil
	case c == '\'':
		return l.quoted()
	}
	return l.mark()
}

func (l *lexer) take(kind tokenKind, end int) token {
	t := token{kind: kind, text: l.text[l.pos:end], at: l.pos}
	l.pos = end
	return t
}

// word reads a name, or an amount like USD5000.01 when a fraction follows the digits.
func (l *lexer) word() token {
	end := skip(l.text, l.pos, isNameByte)
	if isAmount(l.text[l.pos:end]) && end+1 < len(l.text) && l.text[end] == '.' && isDigit(l.text[end+1]) {
		return l.take(currencyToken, skip(l.text, end+1, isDigit))
	}
	return l.take(wordToken, end)
}

// number reads a number, a date or a datetime: they all begin with digits.
func (l *lexer) number() token {
	end := skip(l.text, l.pos, isDigit)
	if end-l.pos == 4 && end < len(l.text) && l.text[end] == '-' {
		end = skip(l.text, end, func(c byte) bool { return isDigit(c) || c == '-' })
		if end < len(l.text) && (l.text[end] == 'T' || l.text[end] == 't') {
			end = skip(l.text, end+1, func(c byte) bool { return isDigit(c) || c == ':' || c == '.' })
			if end < len(l.text) && (l.text[end] == 'Z' || l.text[end] == 'z') {
				return l.take(dateTimeToken, end+1)
			}
			if end < len(l.text) && (l.text[end] == '+' || l.text[end] == '-') {
				end = skip(l.text, end+1, func(c byte) bool { return isDigit(c) || c == ':' })
			}
			return l.take(dateTimeToken, end)
		}
		return l.take(dateToken, end)
	}
	if c := l.text[l.pos]; c == '+' || c == '-' {
		end = skip(l.text, l.pos+1, isDigit)
	}
	if end+1 < len(l.text) && l.text[end] == '.' && isDigit(l.text[end+1]) {
		end = skip(l.text, end+1, isDigit)
	}
	return l.take(numberToken, end)
}

// quoted reads a string up to its closing quote; the parser resolves the escapes.
func (l *lexer) quoted() (token, *Error) {
	for i := l.pos + 1; i < len(l.text); i++ {
		switch l.text[i] {
		case '\\':
			i++
		case '\'':
			t := token{kind: stringToken, text: l.text[l.pos+1 : i], at: l.pos}
			l.pos = i + 1
			return t, nil
		}
	}
	return token{}, l.fail(l.pos, l.text[l.pos:], "string literal is not closed: expecting '''")
}

func (l *lexer) mark() (token, *Error) {
	if rest := l.text[l.pos:]; len(rest) > 1 {
		switch rest[:2] {
		case "!=", "<>", "<=", ">=":
			return l.take(markToken, l.pos+2), nil
		}
	}
	r, size := utf8.DecodeRuneInString(l.text[l.pos:])
	if strings.ContainsRune("(),.:=<>{}*", r) {
		return l.take(markToken, l.pos+size), nil
	}
	return token{}, l.fail(l.pos, string(r), "no viable alternative at character '"+string(r)+"'")
}

func (l *lexer) fail(pos int, near, msg string) *Error {
	return &Error{Pos: pos, Msg: msg, Near: near, text: l.text}
}

// numberFollows reports whether a sign or a point begins a number.
func numberFollows(s string) bool {
	if s[0] != '.' && s[1] == '.' {
		return len(s) > 2 && isDigit(s[2])
	}
	return isDigit(s[1])
}

// isAmount reports whether a word is a currency code followed by digits: USD5000.
func isAmount(word string) bool {
	return len(word) > 3 && skip(word, 0, isLetter) == 3 && skip(word, 3, isDigit) == len(word)
}

func skip(s string, from int, class func(byte) bool) int {
	for from < len(s) && class(s[from]) {
		from++
	}
	return from
}

func isSpace(c byte) bool    { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }
func isDigit(c byte) bool    { return '0' <= c && c <= '9' }
func isLetter(c byte) bool   { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func isNameByte(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' }
