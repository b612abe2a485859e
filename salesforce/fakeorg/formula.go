package fakeorg

import (
	"fmt"
	"regexp"
	"strings"
)

// today stands for the org's date in the SQL of a validation rule.
const today = "$Today"

// formula translates a formula of the platform into an SQL expression over a row of an object: fields of the object
// itself, literals, operators and the commonest functions.
type formula struct {
	o      *Object
	tokens []string
	pos    int
	depth  int
	err    error
}

// formulaValue is a part of a formula. Blank text is null in the database and "" in formulas.
type formulaValue struct {
	sql  string
	kind string // text, picklist, number, boolean, date or datetime
}

var formulaToken = regexp.MustCompile(`\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|/\*(?s:.*?)\*/|[0-9]+(?:\.[0-9]+)?|[A-Za-z_$][A-Za-z0-9_.$]*|<>|!=|==|<=|>=|&&|\|\||[-+*/^&(),<>=!])`)

// translateFormula gives the SQL and the kind of a formula.
func translateFormula(o *Object, text string) (formulaValue, error) {
	f := &formula{o: o}
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		at := formulaToken.FindStringSubmatchIndex(rest)
		if at == nil || at[0] != 0 {
			return formulaValue{}, fmt.Errorf("syntax error near %.20s", rest)
		}
		if token := rest[at[2]:at[3]]; !strings.HasPrefix(token, "/*") {
			f.tokens = append(f.tokens, token)
		}
		rest = rest[at[1]:]
	}
	v := f.expr(0)
	if f.err == nil && f.pos < len(f.tokens) {
		f.fail("syntax error: extra %s", f.tokens[f.pos])
	}
	return v, f.err
}

func (f *formula) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
	f.pos = len(f.tokens)
}

func (f *formula) peek() string {
	if f.pos < len(f.tokens) {
		return f.tokens[f.pos]
	}
	return ""
}

func (f *formula) take(tokens ...string) string {
	for _, token := range tokens {
		if f.peek() == token {
			f.pos++
			return token
		}
	}
	return ""
}

func (f *formula) need(token string) {
	if f.take(token) == "" {
		f.fail("syntax error: missing %s", token)
	}
}

var formulaLevels = [][]string{{"||"}, {"&&"}, {"=", "==", "<>", "!="}, {"<", "<=", ">", ">="}, {"+", "-", "&"}, {"*", "/"}}

// expr reads binary operators, those that bind least first.
func (f *formula) expr(level int) formulaValue {
	f.depth++
	defer func() { f.depth-- }()
	if f.depth > 500 {
		f.fail("the formula is nested too deeply")
	}
	if level == len(formulaLevels) {
		return f.unary()
	}
	l := f.expr(level + 1)
	for n := 0; f.err == nil; n++ {
		op := f.take(formulaLevels[level]...)
		if op == "" {
			break
		}
		if n > 200 {
			f.fail("the formula is too long")
		}
		l = f.operate(op, l, f.expr(level+1))
	}
	return l
}

func (f *formula) unary() formulaValue {
	if f.take("-") != "" {
		v := f.want("number", f.unary())
		return formulaValue{"(-" + v.sql + ")", "number"}
	}
	if f.take("!") != "" {
		return formulaValue{"(NOT " + f.truth(f.unary()) + ")", "boolean"}
	}
	return f.primary()
}

// want checks the kind of a value.
func (f *formula) want(kind string, v formulaValue) formulaValue {
	if v.kind != kind && f.err == nil {
		f.fail("Incorrect parameter type. Expected %s, received %s", kind, v.kind)
	}
	return v
}

// truth is a condition that is never null.
func (f *formula) truth(v formulaValue) string {
	return "coalesce(" + f.want("boolean", v).sql + ", 0)"
}

func (f *formula) operate(op string, l, r formulaValue) formulaValue {
	switch op {
	case "||":
		return formulaValue{"(" + f.truth(l) + " OR " + f.truth(r) + ")", "boolean"}
	case "&&":
		return formulaValue{"(" + f.truth(l) + " AND " + f.truth(r) + ")", "boolean"}
	case "&":
		return f.concat(l, r)
	case "+", "-", "*", "/":
		return f.calculate(op, l, r)
	}
	if l.kind == "picklist" || r.kind == "picklist" {
		f.fail("Field is a picklist field. Picklist fields are only supported in certain functions.")
	}
	if l.kind != r.kind {
		f.fail("Incorrect parameter type for operator '%s'. Expected %s, received %s", op, l.kind, r.kind)
	}
	sql := map[string]string{"==": "=", "!=": "<>"}[op]
	if sql == "" {
		sql = op
	}
	if l.kind == "text" {
		return formulaValue{fmt.Sprintf("(coalesce(%s, '') %s coalesce(%s, '') COLLATE BINARY)", l.sql, sql, r.sql), "boolean"}
	}
	return formulaValue{"(" + l.sql + " " + sql + " " + r.sql + ")", "boolean"}
}

func (f *formula) concat(l, r formulaValue) formulaValue {
	return formulaValue{fmt.Sprintf("(coalesce(%s, '') || coalesce(%s, ''))", f.want("text", l).sql, f.want("text", r).sql), "text"}
}

func (f *formula) calculate(op string, l, r formulaValue) formulaValue {
	switch {
	case op == "+" && l.kind == "text":
		return f.concat(l, r)
	case (op == "+" || op == "-") && l.kind == "date" && r.kind == "number":
		return formulaValue{fmt.Sprintf("date(%s, (%s%s) || ' days')", l.sql, op, r.sql), "date"}
	case op == "-" && l.kind == "date" && r.kind == "date":
		return formulaValue{fmt.Sprintf("(julianday(%s) - julianday(%s))", l.sql, r.sql), "number"}
	}
	l, r = f.want("number", l), f.want("number", r)
	if op == "/" {
		return formulaValue{"(" + l.sql + " * 1.0 / nullif(" + r.sql + ", 0))", "number"}
	}
	return formulaValue{"(" + l.sql + " " + op + " " + r.sql + ")", "number"}
}

func (f *formula) primary() formulaValue {
	token := f.peek()
	f.pos++
	switch {
	case token == "":
		f.fail("syntax error: unexpected end")
	case token == "(":
		v := f.expr(0)
		f.need(")")
		return v
	case token[0] == '"' || token[0] == '\'':
		text := regexp.MustCompile(`\\(.)`).ReplaceAllString(token[1:len(token)-1], "$1")
		return formulaValue{"'" + strings.ReplaceAll(text, "'", "''") + "'", "text"}
	case token[0] >= '0' && token[0] <= '9':
		return formulaValue{token, "number"}
	case strings.EqualFold(token, "true"):
		return formulaValue{"1", "boolean"}
	case strings.EqualFold(token, "false"):
		return formulaValue{"0", "boolean"}
	case strings.EqualFold(token, "null"):
		return formulaValue{"NULL", "text"}
	case f.take("(") != "":
		return f.function(strings.ToUpper(token))
	default:
		return f.field(token)
	}
	return formulaValue{}
}

// field is a field of the object itself: paths to others are not understood.
func (f *formula) field(name string) formulaValue {
	field := f.o.Field(name)
	if field == nil || !field.Stored() || field.Type == "base64" {
		f.fail("Field %s does not exist. Check spelling.", name)
		return formulaValue{}
	}
	kind := "text"
	switch field.Type {
	case "int", "double", "currency", "percent":
		kind = "number"
	case "boolean", "date", "datetime":
		kind = field.Type
	case "picklist", "multipicklist":
		kind = "picklist"
	}
	return formulaValue{quoted(field.Name), kind}
}

// function reads the arguments of a function from after its parenthesis.
func (f *formula) function(name string) formulaValue {
	var args []formulaValue
	for f.err == nil && f.take(")") == "" {
		if len(args) > 0 {
			f.need(",")
		}
		args = append(args, f.expr(0))
	}
	known, ok := formulaFunctions[name]
	if !ok {
		f.fail("the function %s is not understood", name)
		return formulaValue{}
	}
	if len(args) < known.least || len(args) > known.most {
		f.fail("Incorrect number of parameters for function '%s()'. Expected %d, received %d", name, known.least, len(args))
		return formulaValue{}
	}
	return known.sql(f, args)
}

type formulaFunction struct {
	least, most int
	sql         func(*formula, []formulaValue) formulaValue
}

// joined is AND and OR.
func joined(op string) formulaFunction {
	return formulaFunction{1, 30, func(f *formula, args []formulaValue) formulaValue {
		terms := make([]string, len(args))
		for i, arg := range args {
			terms[i] = f.truth(arg)
		}
		return formulaValue{"(" + strings.Join(terms, " "+op+" ") + ")", "boolean"}
	}}
}

// onKind is a function of one argument that gives a value of a kind; @ stands for the argument.
func onKind(takes, gives, sql string) formulaFunction {
	return formulaFunction{1, 1, func(f *formula, args []formulaValue) formulaValue {
		return formulaValue{strings.ReplaceAll(sql, "@", f.want(takes, args[0]).sql), gives}
	}}
}

// onTwo is a function of two arguments; @ and # stand for them.
func onTwo(first, second, gives, sql string) formulaFunction {
	return formulaFunction{2, 2, func(f *formula, args []formulaValue) formulaValue {
		return formulaValue{strings.NewReplacer("@", f.want(first, args[0]).sql, "#", f.want(second, args[1]).sql).Replace(sql), gives}
	}}
}

func isBlank(_ *formula, args []formulaValue) formulaValue {
	return formulaValue{"(" + args[0].sql + " IS NULL OR " + args[0].sql + " = '')", "boolean"}
}

func orBlank(_ *formula, args []formulaValue) formulaValue {
	return formulaValue{"coalesce(nullif(" + args[0].sql + ", ''), " + args[1].sql + ")", args[0].kind}
}

func ifElse(f *formula, args []formulaValue) formulaValue {
	return formulaValue{"iif(" + f.truth(args[0]) + ", " + args[1].sql + ", " + args[2].sql + ")", args[1].kind}
}

var formulaFunctions = map[string]formulaFunction{
	"AND": joined("AND"), "OR": joined("OR"), "NOT": onKind("boolean", "boolean", "(NOT coalesce(@, 0))"),
	"IF": {3, 3, ifElse}, "ISBLANK": {1, 1, isBlank}, "ISNULL": {1, 1, isBlank}, "BLANKVALUE": {2, 2, orBlank}, "NULLVALUE": {2, 2, orBlank},
	"ISPICKVAL": onTwo("picklist", "text", "boolean", "(coalesce(@, '') = #)"),
	"INCLUDES":  onTwo("picklist", "text", "boolean", "(instr(';' || lower(@) || ';', ';' || lower(#) || ';') > 0)"),
	"TEXT": {1, 1, func(_ *formula, args []formulaValue) formulaValue {
		return formulaValue{"CAST(" + args[0].sql + " AS TEXT)", "text"}
	}},
	"VALUE": onKind("text", "number", "CAST(@ AS REAL)"), "LEN": onKind("text", "number", "length(coalesce(@, ''))"),
	"UPPER": onKind("text", "text", "upper(@)"), "LOWER": onKind("text", "text", "lower(@)"), "TRIM": onKind("text", "text", "trim(@)"),
	"LEFT": onTwo("text", "number", "text", "substr(@, 1, #)"), "RIGHT": onTwo("text", "number", "text", "substr(@, -(#))"),
	"CONTAINS": onTwo("text", "text", "boolean", "(instr(coalesce(@, ''), #) > 0)"),
	"BEGINS":   onTwo("text", "text", "boolean", "(instr(coalesce(@, ''), #) = 1)"),
	"ABS":      onKind("number", "number", "abs(@)"), "ROUND": onTwo("number", "number", "number", "round(@, #)"),
	"MOD": onTwo("number", "number", "number", "(@ % nullif(#, 0))"), "MAX": onTwo("number", "number", "number", "max(@, #)"),
	"MIN": onTwo("number", "number", "number", "min(@, #)"), "FLOOR": onKind("number", "number", "floor(@)"), "CEILING": onKind("number", "number", "ceil(@)"),
	"YEAR":  onKind("date", "number", "CAST(substr(@, 1, 4) AS INTEGER)"),
	"MONTH": onKind("date", "number", "CAST(substr(@, 6, 2) AS INTEGER)"), "DAY": onKind("date", "number", "CAST(substr(@, 9, 2) AS INTEGER)"),
	"TODAY": {0, 0, func(*formula, []formulaValue) formulaValue { return formulaValue{"'" + today + "'", "date"} }},
}

// setFormula makes a field one that is worked out. A formula that is not understood is refused.
func (m *fieldMetadata) setFormula(_ *Schema, o *Object, f *Field) error {
	v, err := translateFormula(o, m.Formula)
	if err != nil {
		return notSimulated("the formula is not understood: " + err.Error())
	}
	kinds := map[string]string{"string": "text", "double": "number", "currency": "number", "percent": "number", "boolean": "boolean", "date": "date"}
	switch {
	case strings.Contains(v.sql, today) || f.Type == "date" && v.kind == "datetime":
		return notSimulated("a formula field that changes from day to day is not simulated")
	case kinds[f.Type] != v.kind:
		return integrity("Formula result is data type (%s), incompatible with expected data type (%s).", v.kind, m.Type)
	}
	f.SQL, f.Formula, f.Required, f.Access, f.Default = v.sql, m.Formula, false, "none", ""
	if f.Type == "string" {
		f.Length = 1300
	}
	return nil
}
