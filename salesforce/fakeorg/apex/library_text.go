package apex

import (
	"regexp"
	"strings"
	"unicode"
)

// self is the text a method belongs to, as characters.
func (u *using) runes() []rune { return []rune(Text(u.self)) }

func onText(do func(text string, u *using) Value) func(*using) Value {
	return func(u *using) Value { return do(Text(u.self), u) }
}

// simple is a method without arguments that gives a text.
func simple(do func(string) string) builtin {
	return builtin{0, 0, func(u *using) Value { return do(Text(u.self)) }}
}

// about is a question about a text.
func about(do func(text, other string) bool) builtin {
	return builtin{1, 1, func(u *using) Value { return do(Text(u.self), u.text(0)) }}
}

func blank(v Value) bool { return v == nil || strings.TrimSpace(Text(v)) == "" }

func runeIndex(text, part string) int64 {
	at := strings.Index(text, part)
	if at < 0 {
		return -1
	}
	return int64(len([]rune(text[:at])))
}

// pattern compiles a regular expression.
func (u *using) pattern(i int) *regexp.Regexp {
	re, err := regexp.Compile(u.text(i))
	if err != nil {
		u.fail(unknown(u.at, "the regular expression %s", u.text(i)))
		return regexp.MustCompile("^$")
	}
	return re
}

// part cuts characters out of a text.
func (u *using) part(from, to int) Value {
	runes := u.runes()
	if from < 0 || to > len(runes) || from > to {
		u.fail(u.throw("StringException", "Starting position out of bounds: %d", from))
		return nil
	}
	return string(runes[from:to])
}

// padded fills a text up to a length.
func padded(u *using, left bool) Value {
	text, n, with := Text(u.self), u.int(0), " "
	if len(u.args) == 2 {
		with = u.text(1)
	}
	missing := n - len(u.runes())
	if missing <= 0 || with == "" || u.err != nil {
		return text
	}
	if missing > maxText {
		u.fail(u.limit("Apex heap size too large"))
		return nil
	}
	fill := string([]rune(strings.Repeat(with, missing/len([]rune(with))+1))[:missing])
	if left {
		return fill + text
	}
	return text + fill
}

var textMethods = map[string]builtin{
	"string.length":             {0, 0, func(u *using) Value { return int64(len(u.runes())) }},
	"string.touppercase":        simple(strings.ToUpper),
	"string.tolowercase":        simple(strings.ToLower),
	"string.trim":               simple(strings.TrimSpace),
	"string.capitalize":         simple(func(s string) string { return upperFirst(s) }),
	"string.contains":           about(strings.Contains),
	"string.startswith":         about(strings.HasPrefix),
	"string.endswith":           about(strings.HasSuffix),
	"string.equals":             about(func(a, b string) bool { return a == b }),
	"string.equalsignorecase":   {1, 1, onText(func(s string, u *using) Value { return u.args[0] != nil && strings.EqualFold(s, u.text(0)) })},
	"string.containsignorecase": about(func(a, b string) bool { return strings.Contains(strings.ToLower(a), strings.ToLower(b)) }),
	"string.startswithignorecase": about(func(a, b string) bool {
		return strings.HasPrefix(strings.ToLower(a), strings.ToLower(b))
	}),
	"string.indexof":         {1, 1, onText(func(s string, u *using) Value { return runeIndex(s, u.text(0)) })},
	"string.replace":         {2, 2, onText(func(s string, u *using) Value { return strings.ReplaceAll(s, u.text(0), u.text(1)) })},
	"string.remove":          {1, 1, onText(func(s string, u *using) Value { return strings.ReplaceAll(s, u.text(0), "") })},
	"string.replaceall":      {2, 2, onText(func(s string, u *using) Value { return u.pattern(0).ReplaceAllString(s, u.text(1)) })},
	"string.substringbefore": {1, 1, onText(func(s string, u *using) Value { before, _, _ := strings.Cut(s, u.text(0)); return before })},
	"string.substringafter":  {1, 1, onText(func(s string, u *using) Value { _, after, _ := strings.Cut(s, u.text(0)); return after })},
	"string.split": {1, 2, onText(func(s string, u *using) Value {
		list, parts := &List{Elem: Type{Name: "String"}}, u.pattern(0).Split(s, -1)
		for len(parts) > 1 && parts[len(parts)-1] == "" {
			parts = parts[:len(parts)-1]
		}
		for _, part := range parts {
			list.Items = append(list.Items, part)
		}
		return list
	})},
	"string.substring": {1, 2, func(u *using) Value {
		to := len(u.runes())
		if len(u.args) == 2 {
			to = u.int(1)
		}
		return u.part(u.int(0), to)
	}},
	"string.left":    {1, 1, func(u *using) Value { return u.part(0, min(max(u.int(0), 0), len(u.runes()))) }},
	"string.right":   {1, 1, func(u *using) Value { n := len(u.runes()); return u.part(n-min(max(u.int(0), 0), n), n) }},
	"string.leftpad": {1, 2, func(u *using) Value { return padded(u, true) }}, "string.rightpad": {1, 2, func(u *using) Value { return padded(u, false) }},
	"string.repeat": {1, 1, onText(func(s string, u *using) Value {
		n := u.int(0)
		if n < 0 || n*len(s) > maxText || n > maxText {
			u.fail(u.limit("Apex heap size too large"))
			return nil
		}
		return strings.Repeat(s, n)
	})},
	"string.isnumeric": {0, 0, onText(func(s string, _ *using) Value { return s != "" && leading(s, unicode.IsDigit) == s })},
	"string.reverse": {0, 0, func(u *using) Value {
		runes := u.runes()
		for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
			runes[i], runes[j] = runes[j], runes[i]
		}
		return string(runes)
	}},
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	runes := []rune(s)
	return string(unicode.ToUpper(runes[0])) + string(runes[1:])
}

var textStatics = map[string]builtin{
	"string.isblank":    {1, 1, func(u *using) Value { return blank(u.args[0]) }},
	"string.isnotblank": {1, 1, func(u *using) Value { return !blank(u.args[0]) }},
	"string.isempty":    {1, 1, func(u *using) Value { return u.args[0] == nil || Text(u.args[0]) == "" }},
	"string.isnotempty": {1, 1, func(u *using) Value { return u.args[0] != nil && Text(u.args[0]) != "" }},
	"string.escapesinglequotes": {1, 1, func(u *using) Value {
		return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(u.text(0))
	}},
	"string.valueof": {1, 1, func(u *using) Value {
		if d, isDate := u.args[0].(Date); isDate {
			return d.Format("2006-01-02")
		}
		return Text(u.args[0])
	}},
	"string.join": {2, 2, func(u *using) Value {
		var items []Value
		switch from := u.args[0].(type) {
		case *Set:
			items = from.keyList()
		default:
			if items = arg[*List](u, 0).itemsOrNone(); u.err != nil {
				return nil
			}
		}
		texts := make([]string, len(items))
		for i, item := range items {
			texts[i] = Text(item)
		}
		return strings.Join(texts, u.text(1))
	}},
	"string.format": {2, 2, func(u *using) Value {
		text := u.text(0)
		for i, item := range arg[*List](u, 1).itemsOrNone() {
			text = strings.ReplaceAll(text, "{"+Text(int64(i))+"}", Text(item))
		}
		return text
	}},
}

func (l *List) itemsOrNone() []Value {
	if l == nil {
		return nil
	}
	return l.Items
}
