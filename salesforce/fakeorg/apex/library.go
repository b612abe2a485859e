package apex

import (
	"errors"
	"maps"
	"strings"
	"time"
)

// builtin is a method of the platform with the number of arguments it takes.
type builtin struct {
	least, most int
	do          func(*using) Value
}

// using is one call of a builtin. Its readers give the arguments; the first that does not fit ends the call with err.
type using struct {
	*Interpreter
	at   Pos
	self Value // of a method of a value
	args []Value
	call *call
	err  error
}

func (u *using) fail(err error) {
	if u.err == nil {
		u.err = err
	}
}

// arg gives an argument of a type; null is refused as by the platform's own code.
func arg[T any](u *using, i int) T {
	v, fits := u.args[i].(T)
	switch {
	case fits:
	case u.args[i] == nil:
		u.fail(u.throw("NullPointerException", "Argument cannot be null."))
	default:
		u.fail(noMethod(u.call, u.args, nil))
	}
	return v
}

// text gives a String or Id.
func (u *using) text(i int) string {
	if id, isID := u.args[i].(ID); isID {
		return string(id)
	}
	return arg[string](u, i)
}

func (u *using) int(i int) int { return int(arg[int64](u, i)) }

func (u *using) number(i int) Decimal {
	d, isNumber := asDecimal(u.args[i])
	if !isNumber {
		return arg[Decimal](u, i)
	}
	return d
}

// use runs a builtin.
func (in *Interpreter) use(b builtin, x *call, self Value, args []Value) (Value, error) {
	if len(args) < b.least || len(args) > b.most {
		return nil, noMethod(x, args, nil)
	}
	u := &using{Interpreter: in, at: x.Pos, self: self, args: args, call: x}
	v := b.do(u)
	if u.err != nil {
		return nil, u.err
	}
	if text, isText := v.(string); isText {
		return in.bounded(text)
	}
	return v, nil
}

// platformCall is a static method of the platform, such as String.valueOf.
func (in *Interpreter) platformCall(f *frame, x *call, t *typeRef, args []Value) (Value, error) {
	of := strings.ToLower(t.name)
	of = strings.TrimPrefix(of, "system.") // System.String is String
	if b, known := statics[of+"."+strings.ToLower(x.name)]; known {
		return in.use(b, x, nil, args)
	}
	if !known(of) {
		return nil, &Error{x.x.at(), "Variable does not exist: " + t.name}
	}
	return nil, unknown(x.Pos, "%s.%s", t.name, x.name)
}

// known reports whether a name is one of the platform's classes.
func known(class string) bool {
	for key := range maps.Keys(statics) {
		if strings.HasPrefix(key, class+".") {
			return true
		}
	}
	return strings.Contains(" schema http messaging json blob crypto encodingutil limits type apexpages eventbus pattern url label trigger ",
		" "+strings.Split(class, ".")[0]+" ")
}

// valueCall is a method of a value.
func (in *Interpreter) valueCall(f *frame, x *call, on Value, args []Value) (Value, error) {
	if l, isList := on.(*List); isList {
		if _, isQuery := x.x.(*query); isQuery && methods["list."+strings.ToLower(x.name)].do == nil {
			record, err := in.onlyRow(l)
			if err != nil {
				return nil, err
			}
			on = record
		}
	}
	for _, kind := range kinds(on) {
		if b, known := methods[kind+"."+strings.ToLower(x.name)]; known {
			return in.use(b, x, on, args)
		}
	}
	if _, isOurs := on.(*Object); isOurs {
		return nil, noMethod(x, args, nil)
	}
	return nil, unknown(x.Pos, "%s.%s", typeName(on), x.name)
}

// kinds names the tables a value's methods are in.
func kinds(v Value) []string {
	switch v := v.(type) {
	case string:
		return []string{"string", "object"}
	case ID:
		return []string{"id", "string", "object"}
	case int64:
		return []string{"integer", "decimal", "object"}
	case Decimal:
		return []string{"decimal", "object"}
	case Date:
		return []string{"date", "object"}
	case time.Time:
		return []string{"datetime", "object"}
	case *List:
		return []string{"list", "object"}
	case *Set:
		return []string{"set", "object"}
	case *Map:
		return []string{"map", "object"}
	case *SObject:
		return []string{"sobject", "object"}
	case enumValue:
		return []string{"enum", "object"}
	case typeValue:
		return []string{"type", "object"}
	case *Object:
		if strings.HasPrefix(v.typ, "Database.") {
			return []string{"result"}
		}
		return []string{"exception", "object"}
	}
	return []string{"object"}
}

// constants are static members of the platform that are no methods.
var constants = map[string]Value{
	"logginglevel.error": "ERROR", "logginglevel.warn": "WARN", "logginglevel.info": "INFO", "logginglevel.debug": "DEBUG",
	"logginglevel.fine": "FINE", "logginglevel.finer": "FINER", "logginglevel.finest": "FINEST",
	"system.logginglevel.error": "ERROR", "system.logginglevel.warn": "WARN", "system.logginglevel.info": "INFO", "system.logginglevel.debug": "DEBUG",
}

// assertion is how an assertion fails: it cannot be caught.
func (u *using) assertion(holds bool, message int, detail string) Value {
	if holds || u.err != nil {
		return nil
	}
	text := "Assertion Failed"
	if message < len(u.args) {
		text += ": " + Text(u.args[message])
	}
	if detail != "" {
		text += ": " + detail
	}
	u.fail(u.thrown(&Object{typ: "System.AssertException", message: text}, true))
	return nil
}

func assertEqual(u *using) Value {
	return u.assertion(equal(u.args[0], u.args[1]), 2, "Expected: "+Text(u.args[0])+", Actual: "+Text(u.args[1]))
}

func assertNotEqual(u *using) Value {
	return u.assertion(!equal(u.args[0], u.args[1]), 2, "Same value: "+Text(u.args[0]))
}

func isTrue(want bool) func(*using) Value {
	return func(u *using) Value { return u.assertion(arg[bool](u, 0) == want, 1, "") }
}

func debug(u *using) Value {
	level, message := "DEBUG", u.args[0]
	if len(u.args) == 2 {
		level, message = Text(u.args[0]), u.args[1]
	}
	u.log(Event{Kind: "USER_DEBUG", Detail: level + "|" + Text(message), Line: u.at.Line})
	return nil
}

// log adds a line to the log, unless that is full.
func (in *Interpreter) log(e Event) {
	in.steps += len(e.Detail) / 100
	if in.logged += len(e.Detail) + 50; in.logged < maxText {
		in.Events = append(in.Events, e)
	}
}

func nothing(*using) Value { return nil }

// resetLimits: what runs between startTest and stopTest has limits of its own.
func resetLimits(u *using) Value {
	u.Queries, u.DML, u.QueryRows, u.DMLRows = 0, 0, 0, 0
	return nil
}

func user(read func(User) string) builtin {
	return builtin{0, 0, func(u *using) Value { return read(u.Platform.User()) }}
}

func userID(read func(User) string) builtin {
	return builtin{0, 0, func(u *using) Value { return ID(read(u.Platform.User())) }}
}

func used(read func(*Interpreter) int) builtin {
	return builtin{0, 0, func(u *using) Value { return int64(read(u.Interpreter)) }}
}

// statics are the static methods that are understood.
var statics = map[string]builtin{
	"system.debug":           {1, 2, debug},
	"system.assert":          {1, 2, isTrue(true)},
	"system.assertequals":    {2, 3, assertEqual},
	"system.assertnotequals": {2, 3, assertNotEqual},
	"assert.areequal":        {2, 3, assertEqual},
	"assert.arenotequal":     {2, 3, assertNotEqual},
	"assert.istrue":          {1, 2, isTrue(true)},
	"assert.isfalse":         {1, 2, isTrue(false)},
	"assert.isnull": {1, 2, func(u *using) Value {
		return u.assertion(u.args[0] == nil, 1, "Expected: null, Actual: "+Text(u.args[0]))
	}},
	"assert.isnotnull": {1, 2, func(u *using) Value { return u.assertion(u.args[0] != nil, 1, "Same value: null") }},
	"assert.fail":      {0, 1, func(u *using) Value { return u.assertion(false, 0, "") }},
	"assert.isinstanceoftype": {2, 3, func(u *using) Value {
		return u.assertion(u.instanceOf(nil, u.args[0], Type{Name: arg[typeValue](u, 1).name}), 2, "")
	}},
	"test.starttest":               {0, 0, resetLimits},
	"test.stoptest":                {0, 0, nothing},
	"test.isrunningtest":           {0, 0, func(u *using) Value { return u.Testing }},
	"userinfo.getuserid":           userID(func(user User) string { return user.ID }),
	"userinfo.getprofileid":        userID(func(user User) string { return user.ProfileID }),
	"userinfo.getorganizationid":   userID(func(user User) string { return user.OrganizationID }),
	"userinfo.getusername":         user(func(user User) string { return user.Username }),
	"userinfo.getuseremail":        user(func(user User) string { return user.Email }),
	"userinfo.getfirstname":        user(func(user User) string { return user.FirstName }),
	"userinfo.getlastname":         user(func(user User) string { return user.LastName }),
	"userinfo.getname":             user(func(user User) string { return strings.TrimSpace(user.FirstName + " " + user.LastName) }),
	"limits.getqueries":            used(func(in *Interpreter) int { return in.Queries }),
	"limits.getlimitqueries":       used(func(*Interpreter) int { return maxQueries }),
	"limits.getdmlstatements":      used(func(in *Interpreter) int { return in.DML }),
	"limits.getlimitdmlstatements": used(func(*Interpreter) int { return maxDML }),
	"limits.getqueryrows":          used(func(in *Interpreter) int { return in.QueryRows }),
	"limits.getdmlrows":            used(func(in *Interpreter) int { return in.DMLRows }),
	"database.insert":              database("insert"),
	"database.update":              database("update"),
	"database.upsert":              database("upsert"),
	"database.delete":              database("delete"),
	"database.query":               {1, 1, func(u *using) Value { return u.dynamic(u.text(0)) }},
	"database.countquery":          {1, 1, func(u *using) Value { return u.dynamic(u.text(0)) }},
	"system.now":                   {0, 0, func(u *using) Value { return u.Platform.Now() }},
	"datetime.now":                 {0, 0, func(u *using) Value { return u.Platform.Now() }},
	"system.today":                 {0, 0, today},
	"date.today":                   {0, 0, today},
	"system.currenttimemillis":     {0, 0, func(u *using) Value { return u.Platform.Now().UnixMilli() }},
	"boolean.valueof":              {1, 1, func(u *using) Value { return strings.EqualFold(Text(u.args[0]), "true") }},
	"id.valueof":                   {1, 1, func(u *using) Value { return u.asked(u.asID(u.at, u.args[0])) }},
	"type.forname":                 {1, 2, func(u *using) Value { return typeValue{u.text(len(u.args) - 1)} }},
}

// asked keeps the error of a step.
func (u *using) asked(v Value, err error) Value {
	if err != nil {
		u.fail(err)
	}
	return v
}

// dynamic runs a query that is a text; a wrong one is an exception.
func (u *using) dynamic(text string) Value {
	if u.err != nil {
		return nil
	}
	v, err := u.soql(u.at, text)
	var refused *Error
	if errors.As(err, &refused) && !strings.HasPrefix(refused.Message, "simulated: ") {
		err = u.throw("QueryException", "%s", refused.Message)
	}
	return u.asked(v, err)
}

func today(u *using) Value {
	y, m, d := u.Platform.Now().UTC().Date()
	return Date{time.Date(y, m, d, 0, 0, 0, 0, time.UTC)}
}

// methods are the methods of values that are understood. Those of texts, numbers, dates and collections have files of
// their own.
var methods = map[string]builtin{
	"object.tostring":               {0, 0, func(u *using) Value { return Text(u.self) }},
	"object.equals":                 {1, 1, func(u *using) Value { return equal(u.self, u.args[0]) }},
	"object.hashcode":               {0, 0, func(u *using) Value { return int64(len(Text(u.self))) }},
	"exception.getmessage":          {0, 0, func(u *using) Value { return u.self.(*Object).message }},
	"exception.gettypename":         {0, 0, func(u *using) Value { return u.self.(*Object).typ }},
	"exception.getlinenumber":       {0, 0, func(u *using) Value { return int64(u.self.(*Object).line) }},
	"exception.getstacktracestring": {0, 0, func(u *using) Value { return u.self.(*Object).trace }},
	"exception.setmessage":          {1, 1, func(u *using) Value { u.self.(*Object).message = u.text(0); return nil }},
	"exception.getcause": {0, 0, func(u *using) Value {
		if cause := u.self.(*Object).cause; cause != nil {
			return cause
		}
		return nil
	}},
	"enum.name": {0, 0, func(u *using) Value { return u.self.(enumValue).name }},
	"enum.ordinal": {0, 0, func(u *using) Value {
		for i, name := range u.self.(enumValue).class.Values {
			if name == u.self.(enumValue).name {
				return int64(i)
			}
		}
		return nil
	}},
	"type.getname":         {0, 0, func(u *using) Value { return u.self.(typeValue).name }},
	"result.issuccess":     field("success"),
	"result.getid":         field("id"),
	"result.geterrors":     field("errors"),
	"result.getmessage":    field("message"),
	"result.getstatuscode": field("statuscode"),
	"sobject.get": {1, 1, func(u *using) Value {
		return u.asked(u.recordField(u.at, u.self.(*SObject), u.text(0)))
	}},
	"sobject.put": {2, 2, func(u *using) Value {
		name := u.text(0)
		u.fail(u.setRecordField(u.at, u.self.(*SObject), name, u.args[1]))
		return nil
	}},
	"sobject.clone": {0, 4, func(u *using) Value {
		s := u.self.(*SObject)
		c := NewSObject(s.Type)
		for _, name := range s.names {
			if v, _ := s.Get(name); !strings.EqualFold(name, "Id") || len(u.args) > 0 && u.args[0] == true {
				c.set(name, v)
			}
		}
		return c
	}},
	"sobject.getpopulatedfieldsasmap": {0, 0, func(u *using) Value {
		s, m := u.self.(*SObject), newMap(Type{Name: "String"}, Type{Name: "Object"})
		for _, name := range s.names {
			v, _ := s.Get(name)
			m.put(name, v)
		}
		return m
	}},
}

func init() {
	for _, more := range []map[string]builtin{textMethods, numberMethods, dateMethods, collectionMethods} {
		maps.Copy(methods, more)
	}
	for _, more := range []map[string]builtin{textStatics, numberStatics, dateStatics} {
		maps.Copy(statics, more)
	}
}

// Understands reports whether a method of one of the platform's classes can be called.
func Understands(class, method string, static bool) bool {
	table := methods
	if static {
		table = statics
	}
	_, known := table[strings.ToLower(class+"."+method)]
	if !known && !static && strings.EqualFold(class, "Integer") {
		return Understands("Decimal", method, false)
	}
	return known
}
