package apex

import (
	"math/big"
	"strconv"
	"strings"
	"time"
)

// self is the number a method belongs to.
func selfNumber(u *using) Decimal {
	d, _ := asDecimal(u.self)
	return d
}

// parsedInt is Integer.valueOf.
func parsedInt(u *using) Value {
	if d, isNumber := asDecimal(u.args[0]); isNumber {
		return d.whole()
	}
	text := u.text(0)
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		u.fail(u.throw("TypeException", "Invalid integer: %s", text))
	}
	return n
}

func parsedDecimal(u *using) Value {
	if d, isNumber := asDecimal(u.args[0]); isNumber {
		return d
	}
	text := u.text(0)
	d, err := parseDecimal(strings.TrimSpace(text))
	if err != nil {
		u.fail(u.throw("TypeException", "Invalid decimal: %s", text))
		return nil
	}
	return d
}

// likeBoth gives an Integer when both arguments are.
func likeBoth(u *using, d Decimal) Value {
	for _, arg := range u.args {
		if _, isInt := arg.(int64); !isInt {
			return d
		}
	}
	return d.whole()
}

func greatest(u *using) Value {
	a, b := u.number(0), u.number(1)
	if u.err == nil && a.rat.Cmp(b.rat) < 0 {
		a = b
	}
	return likeBoth(u, a)
}

func least(u *using) Value {
	a, b := u.number(0), u.number(1)
	if u.err == nil && a.rat.Cmp(b.rat) > 0 {
		a = b
	}
	return likeBoth(u, a)
}

var numberMethods = map[string]builtin{
	"integer.format":        {0, 0, func(u *using) Value { return withCommas(Text(u.self)) }},
	"decimal.format":        {0, 0, func(u *using) Value { return withCommas(selfNumber(u).trimmed(0).String()) }},
	"decimal.intvalue":      {0, 0, func(u *using) Value { return selfNumber(u).whole() }},
	"decimal.longvalue":     {0, 0, func(u *using) Value { return selfNumber(u).whole() }},
	"decimal.doublevalue":   {0, 0, func(u *using) Value { return selfNumber(u) }},
	"decimal.round":         {0, 0, func(u *using) Value { return selfNumber(u).round(0).whole() }},
	"decimal.scale":         {0, 0, func(u *using) Value { return int64(selfNumber(u).scale) }},
	"decimal.toplainstring": {0, 0, func(u *using) Value { return selfNumber(u).String() }},
	"decimal.abs":           {0, 0, func(u *using) Value { d := selfNumber(u); return Decimal{new(big.Rat).Abs(d.rat), d.scale} }},
	"decimal.setscale": {1, 1, func(u *using) Value {
		scale := u.int(0)
		if scale < 0 || scale > maxScale {
			u.fail(unknown(u.at, "a scale of %d", scale))
			return nil
		}
		return selfNumber(u).round(scale)
	}},
}

// withCommas puts commas between thousands.
func withCommas(number string) string {
	whole, fraction, has := strings.Cut(number, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if has {
		whole += "." + fraction
	}
	return sign + whole
}

var numberStatics = map[string]builtin{
	"integer.valueof": {1, 1, parsedInt}, "long.valueof": {1, 1, parsedInt},
	"decimal.valueof": {1, 1, parsedDecimal}, "double.valueof": {1, 1, parsedDecimal},
	"math.max": {2, 2, greatest}, "math.min": {2, 2, least},
	"math.abs": {1, 1, func(u *using) Value {
		d := u.number(0)
		if u.err != nil {
			return nil
		}
		return likeBoth(u, Decimal{new(big.Rat).Abs(d.rat), d.scale})
	}},
	"math.mod": {2, 2, func(u *using) Value {
		a, b := arg[int64](u, 0), arg[int64](u, 1)
		if u.err == nil && b == 0 {
			u.fail(u.throw("MathException", "Divide by 0"))
		}
		if u.err != nil {
			return nil
		}
		return a % b
	}},
	"math.round": {1, 1, func(u *using) Value {
		d := u.number(0)
		if u.err != nil {
			return nil
		}
		return d.round(0).whole()
	}},
}

func date(y, m, d int) Date { return Date{time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)} }

// moved is a date or datetime some years, months or days later.
func moved(years, months, days int) builtin {
	return builtin{1, 1, func(u *using) Value {
		n := u.int(0)
		if n > 100_000 || n < -100_000 {
			u.fail(unknown(u.at, "a date so far away"))
			return nil
		}
		switch t := u.self.(type) {
		case Date:
			return Date{t.AddDate(years*n, months*n, days*n)}
		case time.Time:
			return t.AddDate(years*n, months*n, days*n)
		}
		return nil
	}}
}

func later(unit time.Duration) builtin {
	return builtin{1, 1, func(u *using) Value { return u.self.(time.Time).Add(time.Duration(u.int(0)) * unit) }}
}

// clockPart reads a part of a date or datetime.
func clockPart(read func(time.Time) int) builtin {
	return builtin{0, 0, func(u *using) Value {
		if d, isDate := u.self.(Date); isDate {
			return int64(read(d.Time))
		}
		return int64(read(u.self.(time.Time)))
	}}
}

var dateMethods = map[string]builtin{
	"date.adddays": moved(0, 0, 1), "date.addmonths": moved(0, 1, 0), "date.addyears": moved(1, 0, 0),
	"datetime.adddays": moved(0, 0, 1), "datetime.addmonths": moved(0, 1, 0), "datetime.addyears": moved(1, 0, 0),
	"datetime.addhours": later(time.Hour), "datetime.addminutes": later(time.Minute), "datetime.addseconds": later(time.Second),
	"date.year": clockPart(time.Time.Year), "date.month": clockPart(func(t time.Time) int { return int(t.Month()) }), "date.day": clockPart(time.Time.Day),
	"datetime.year": clockPart(time.Time.Year), "datetime.month": clockPart(func(t time.Time) int { return int(t.Month()) }),
	"datetime.day": clockPart(time.Time.Day), "datetime.hour": clockPart(time.Time.Hour), "datetime.minute": clockPart(time.Time.Minute),
	"datetime.gettime": {0, 0, func(u *using) Value { return u.self.(time.Time).UnixMilli() }},
	"datetime.date":    {0, 0, func(u *using) Value { y, m, d := u.self.(time.Time).UTC().Date(); return date(y, int(m), d) }},
	"date.daysbetween": {1, 1, func(u *using) Value { return int64(arg[Date](u, 0).Sub(u.self.(Date).Time).Hours() / 24) }},
	"date.tostartofmonth": {0, 0, func(u *using) Value {
		d := u.self.(Date)
		return date(d.Year(), int(d.Month()), 1)
	}},
	"date.format": {0, 0, func(u *using) Value { return u.self.(Date).Format("1/2/2006") }},
}

var dateStatics = map[string]builtin{
	"date.newinstance": {3, 3, func(u *using) Value { return date(u.int(0), u.int(1), u.int(2)) }},
	"date.valueof": {1, 1, func(u *using) Value {
		if t, isTime := u.args[0].(time.Time); isTime {
			return date(t.Year(), int(t.Month()), t.Day())
		}
		text := u.text(0)
		t, err := time.Parse(time.DateOnly, text[:min(10, len(text))])
		if err != nil {
			u.fail(u.throw("TypeException", "Invalid date: %s", text))
		}
		return Date{t}
	}},
	"datetime.newinstance": {3, 6, func(u *using) Value {
		parts := make([]int, 6)
		for i := range u.args {
			parts[i] = u.int(i)
		}
		return time.Date(parts[0], time.Month(parts[1]), parts[2], parts[3], parts[4], parts[5], 0, time.UTC)
	}},
}
