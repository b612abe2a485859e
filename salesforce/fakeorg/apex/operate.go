package apex

import (
	"fmt"
	"strings"
	"time"
)

func (in *Interpreter) unary(f *frame, x *unary) (Value, error) {
	v, err := in.eval(f, x.x)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case nil:
		return nil, in.throw("NullPointerException", nullReference)
	case bool:
		if x.op == "!" {
			return !v, nil
		}
	case int64, Decimal:
		switch x.op {
		case "-":
			return in.operate(x.Pos, "-", int64(0), v)
		case "+":
			return v, nil
		case "~":
			if n, isInt := v.(int64); isInt {
				return ^n, nil
			}
		}
	}
	return nil, &Error{x.Pos, fmt.Sprintf("Arithmetic expressions must use numeric arguments: %s %s", x.op, typeName(v))}
}

// binary is an operator with two sides; && and || and ?? leave the right one out when it does not matter.
func (in *Interpreter) binary(f *frame, x *binary) (Value, error) {
	switch x.op {
	case "&&", "||":
		l, err := in.truth(f, x.l)
		if err != nil || l == (x.op == "||") {
			return l, err
		}
		return in.truth(f, x.r)
	}
	l, err := in.eval(f, x.l)
	if err != nil || x.op == "??" && l != nil {
		return l, err
	}
	r, err := in.eval(f, x.r)
	if err != nil || x.op == "??" {
		return r, err
	}
	return in.operate(x.Pos, x.op, l, r)
}

// operate applies an operator.
func (in *Interpreter) operate(at Pos, op string, l, r Value) (Value, error) {
	switch op {
	case "==":
		return equal(l, r), nil
	case "!=", "<>":
		return !equal(l, r), nil
	case "===", "!==":
		return (sameValue(l, r)) == (op == "==="), nil
	case "<", "<=", ">", ">=":
		return in.ordered(at, op, l, r)
	}
	_, lText := l.(string)
	_, rText := r.(string)
	if op == "+" && (lText || rText) {
		return in.bounded(Text(l) + Text(r))
	}
	if l == nil || r == nil {
		return nil, in.throw("NullPointerException", nullReference)
	}
	if v, done := dates(op, l, r); done {
		return v, nil
	}
	if a, isBool := l.(bool); isBool {
		if b, isBool := r.(bool); isBool {
			switch op {
			case "&":
				return a && b, nil
			case "|":
				return a || b, nil
			case "^":
				return a != b, nil
			}
		}
	}
	return in.arithmetic(at, op, l, r)
}

// sameValue is the operator ===: identity of objects, equality of the rest.
func sameValue(l, r Value) bool {
	switch l.(type) {
	case *List, *Set, *Map, *SObject, *Object:
		return l == r
	}
	return equal(l, r)
}

// bounded refuses a text that is larger than the heap. Long texts count as many steps.
func (in *Interpreter) bounded(text string) (Value, error) {
	in.steps += len(text) / 100
	if len(text) > maxText {
		return nil, in.limit(fmt.Sprintf("Apex heap size too large: %d", len(text)))
	}
	return text, nil
}

// ordered compares; with null the answer is false ("If x or y equal null … the expression is false", Apex guide).
func (in *Interpreter) ordered(at Pos, op string, l, r Value) (Value, error) {
	if l == nil || r == nil {
		return false, nil
	}
	c, fits := compare(l, r)
	if !fits {
		return nil, &Error{at, fmt.Sprintf("Comparison arguments must be compatible types: %s, %s", typeName(l), typeName(r))}
	}
	switch op {
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	}
	return c >= 0, nil
}

// dates adds days to a date or a datetime.
func dates(op string, l, r Value) (Value, bool) {
	days, isInt := r.(int64)
	if !isInt || op != "+" && op != "-" || days > 1_000_000 || days < -1_000_000 {
		return nil, false
	}
	if op == "-" {
		days = -days
	}
	switch l := l.(type) {
	case Date:
		return Date{l.AddDate(0, 0, int(days))}, true
	case time.Time:
		return l.AddDate(0, 0, int(days)), true
	}
	return nil, false
}

// maxBits bounds the numbers a calculation may give.
const maxBits = 1000

func (in *Interpreter) arithmetic(at Pos, op string, l, r Value) (Value, error) {
	a, aInt := l.(int64)
	b, bInt := r.(int64)
	if aInt && bInt {
		return in.integers(at, op, a, b)
	}
	x, isNumber := asDecimal(l)
	y, isToo := asDecimal(r)
	if !isNumber || !isToo || !strings.Contains("+-*/", op) {
		return nil, &Error{at, fmt.Sprintf("Arithmetic expressions must use numeric arguments: %s %s %s", typeName(l), op, typeName(r))}
	}
	if op == "/" && y.rat.Sign() == 0 {
		return nil, in.throw("MathException", "Divide by 0")
	}
	d := calculate(op, x, y)
	if d.rat.Num().BitLen() > maxBits {
		return nil, unknown(at, "the number is too large")
	}
	return d, nil
}

func (in *Interpreter) integers(at Pos, op string, a, b int64) (Value, error) {
	switch op {
	case "+":
		return a + b, nil
	case "-":
		return a - b, nil
	case "*":
		return a * b, nil
	case "/":
		if b == 0 {
			return nil, in.throw("MathException", "Divide by 0")
		}
		return a / b, nil
	case "&":
		return a & b, nil
	case "|":
		return a | b, nil
	case "^":
		return a ^ b, nil
	}
	if b < 0 || b > 63 {
		return nil, unknown(at, "a shift by %d", b)
	}
	switch op {
	case "<<":
		return a << b, nil
	case ">>":
		return a >> b, nil
	case ">>>":
		return int64(uint64(a) >> b), nil //nolint:gosec // the bits are what is meant
	}
	return nil, unknown(at, "the operator %s", op)
}
