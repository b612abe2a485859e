package apex

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// org is a platform with two objects and some classes, whose records are kept in a map.
type org struct {
	classes map[string]*Class
	records map[string]*SObject
}

var orgFields = map[string]map[string]FieldInfo{
	"Account": {"id": {Name: "Id", Type: "id"}, "name": {Name: "Name", Type: "string"}, "annualrevenue": {Name: "AnnualRevenue", Type: "currency", Scale: 2},
		"numberofemployees": {Name: "NumberOfEmployees", Type: "int"}, "contacts": {Name: "Contacts", Type: "children", Object: "Contact"}},
	"Contact": {"id": {Name: "Id", Type: "id"}, "lastname": {Name: "LastName", Type: "string"}, "accountid": {Name: "AccountId", Type: "reference"},
		"account": {Name: "Account", Type: "parent", Object: "Account"}},
}

func (o *org) Class(name string) *Class { return o.classes[strings.ToLower(name)] }

func (o *org) Object(name string) string {
	for known := range orgFields {
		if strings.EqualFold(known, name) {
			return known
		}
	}
	return ""
}

func (o *org) Field(object, name string) (FieldInfo, bool) {
	f, known := orgFields[object][strings.ToLower(name)]
	return f, known
}

// Query understands SELECT … FROM object WHERE Name = 'x', all in this order.
func (o *org) Query(soql string) ([]*SObject, error) {
	var fields, object, name string
	words := append(strings.Fields(soql), "")
	for i, word := range words[:len(words)-1] {
		if i == 0 {
			continue
		}
		switch word {
		case "FROM":
			fields, object = strings.Join(words[1:i], ""), words[i+1]
		case "=":
			name = strings.Trim(words[i+1], "'")
		}
	}
	if o.Object(object) == "" {
		return nil, &RowError{Code: "INVALID_TYPE", Message: "sObject type '" + object + "' is not supported."}
	}
	var found []*SObject
	for i := range len(o.records) {
		record := o.records[fmt.Sprintf("001%015d", i)]
		if record == nil || record.Type != object {
			continue
		}
		if have, _ := record.Get("Name"); name != "" && have != name {
			continue
		}
		row := NewSObject(object)
		row.Queried = true
		for field := range strings.SplitSeq(fields, ",") {
			v, _ := record.Get(field)
			row.Put(field, v)
		}
		found = append(found, row)
	}
	return found, nil
}

func (o *org) Count(soql string) (int, error) {
	found, err := o.Query(strings.Replace(soql, "COUNT()", "Id", 1))
	return len(found), err
}

func (o *org) Write(op, _ string, record *SObject) (string, error) {
	if name, set := record.Get("Name"); record.Type == "Account" && op != "delete" && (set || op == "insert") && name == nil {
		return "", &RowError{"REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]", []string{"Name"}}
	}
	id, _ := record.Get("Id")
	if op == "insert" || op == "upsert" && id == nil {
		id = ID(fmt.Sprintf("001%015d", len(o.records)))
		o.records[Text(id)] = NewSObject(record.Type)
	}
	if op == "delete" {
		o.records[Text(id)] = nil
		return Text(id), nil
	}
	if o.records[Text(id)] == nil {
		return "", &RowError{"INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", nil}
	}
	for _, name := range record.Changed() {
		v, _ := record.Get(name)
		o.records[Text(id)].Put(name, v)
	}
	o.records[Text(id)].Put("Id", id)
	return Text(id), nil
}

func (o *org) Within(do func() error) error {
	before := maps.Clone(o.records)
	err := do()
	if err != nil {
		o.records = before
	}
	return err
}

func (o *org) User() User {
	return User{ID: "005000000000001AAA", FirstName: "Ada", LastName: "Marlow"}
}

func (o *org) Now() time.Time { return time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC) }

const returnsClass = `public virtual class Returns {
	public static Integer calls = 0;
	private final String reason;
	public Decimal total { get; private set; }
	public String label { get { return 'R-' + reason; } }
	public enum Level { LOW, HIGH }
	public class ReturnException extends Exception {}
	public Returns(String reason) { this.reason = reason; total = 0; calls++; }
	public Returns() { this('none'); }
	public Returns add(Decimal amount) {
		if (amount < 0) {
			throw new ReturnException('negative amount');
		}
		total += amount;
		return this;
	}
	public virtual String kind() { return 'plain'; }
	public String describe() { return kind() + ' ' + label; }
	public static Integer next() { return ++calls; }
	public static Level levelOf(Decimal amount) { return amount > 100 ? Level.HIGH : Level.LOW; }
	public static Level levelOf(String amount) { return levelOf(Decimal.valueOf(amount)); }
	public class Express extends Returns {
		public Express(String reason) { super(reason); }
		public override String kind() { return 'express'; }
	}
}`

func newOrg(t *testing.T, sources ...string) *org {
	t.Helper()
	o := &org{classes: map[string]*Class{}, records: map[string]*SObject{}}
	for _, source := range append(sources, returnsClass) {
		c, err := ParseClass(source)
		if err != nil {
			t.Fatal(err)
		}
		o.classes[strings.ToLower(c.Name)] = c
	}
	return o
}

// run gives what a block writes with System.debug, one line each, and then how it ends.
func run(t *testing.T, source string) string {
	t.Helper()
	in := &Interpreter{Platform: newOrg(t)}
	a, refused := ParseAnonymous(source)
	if refused != nil {
		return fmt.Sprintf("%d:%d %s", refused.Line, refused.Column, refused.Message)
	}
	err := in.Run(a)
	var lines []string
	for _, e := range in.Events {
		_, text, _ := strings.Cut(e.Detail, "|")
		lines = append(lines, text)
	}
	var thrown *Exception
	var unknown *Error
	switch {
	case errors.As(err, &thrown):
		lines = append(lines, thrown.Error())
	case errors.As(err, &unknown):
		lines = append(lines, fmt.Sprintf("%d:%d %s", unknown.Line, unknown.Column, unknown.Message))
	case err != nil:
		t.Fatal(err)
	}
	return strings.Join(lines, "; ")
}

// blocks are anonymous blocks, and what they write, line by line, and how they end.
var blocks = map[string]string{
	// Values and operators.
	"System.debug(7 / 2 + ' ' + 7.0 / 2 + ' ' + 1.50 * 2 + ' ' + 1 / 3.0);":                    "3 3.5 3.00 0.333333333333333333333333333333333",
	"System.debug(149.99 * 3 == 449.97);":                                                      "true",
	"Decimal d = 1; d += 0.1; System.debug(d + d + d);":                                        "3.3",
	"System.debug('Abc' == 'aBC'); System.debug('a' != 'b'); System.debug('a'.equals('A'));":   "true; true; false",
	"Integer i = 5; i++; ++i; i -= 2; System.debug(i-- + ' ' + i);":                            "5 4",
	"System.debug(1 + 2 * 3 - (4 - 1) << 1);":                                                  "8",
	"System.debug(16 >> 2); System.debug(5 >= 5 && 3 > 2 || false);":                           "4; true",
	"String s; System.debug('x' + s); System.debug(s ?? 'none'); System.debug(s?.length());":   "xnull; none; null",
	"Object o = 3; System.debug(o instanceof Integer); System.debug((Integer) o + 1);":         "true; 4",
	"Id id = '001000000000001AAA'; System.debug(id == '001000000000001');":                     "true",
	"System.debug(true ? 'a' : 'b'); System.debug(!false); System.debug(-5);":                  "a; true; -5",
	"Date d = Date.newInstance(2027, 1, 31); System.debug(String.valueOf(d + 1) + d.month());": "2027-02-011",
	"System.debug(System.today().daysBetween(Date.newInstance(2027, 3, 11)));":                 "10",
	`System.debug('it\'s ' + 'a\tb');`:                                                         "it's a\tb",
	"System.debug('a,b,,'.split(',')); System.debug('R-001'.substring(2).leftPad(5, '0'));":    "(a, b); 00001",
	"System.debug(String.join(new List<Integer>{1, 2}, '-') + String.isBlank(' '));":           "1-2true",
	"System.debug(String.format('{0} of {1}', new List<Object>{1, 'two'}));":                   "1 of two",
	"System.debug(Math.max(1, 2) + Math.mod(7, 4)); System.debug(Math.round(2.5));":            "5; 3",
	"System.debug(2.345.setScale(2)); System.debug((1234567.5).format());":                     "2.35; 1,234,567.5",
	"System.debug(Integer.valueOf('12') + 1); System.debug(UserInfo.getName());":               "13; Ada Marlow",
	"System.debug(LoggingLevel.ERROR, 'x');":                                                   "x",
	// Collections.
	"List<String> l = new List<String>{'b', 'a'}; l.add('c'); l.sort(); System.debug(l + '' + l.size() + l[1]);":                                                        "(a, b, c)3b",
	"String[] l = new String[2]; l[0] = 'x'; System.debug(l);":                                                                                                          "(x, null)",
	"Set<Integer> s = new Set<Integer>{3, 1, 3}; s.add(1); System.debug(s.size()); System.debug(s.contains(3));":                                                        "2; true",
	"Map<String, Integer> m = new Map<String, Integer>{'a' => 1}; m.put('b', 2); for (String k : m.keySet()) { System.debug(k + m.get(k)); } System.debug(m.get('c'));": "a1; b2; null",
	"List<Decimal> l = new List<Decimal>(); l.add(1); System.debug(l == new List<Decimal>{1.0});":                                                                       "true",
	"List<Object> l = new List<Object>(); l.add(l); System.debug(l == l); System.debug(String.valueOf(l).length() > 10);":                                               "true; true",
	// Control flow.
	"Integer n = 0; for (Integer i = 0; i < 10; i++) { if (i == 3) continue; if (i == 6) break; n += i; } System.debug(n);":    "12",
	"Integer i = 0; do { i++; } while (i < 3); while (true) { if (i > 5) { break; } i++; } System.debug(i);":                   "6",
	"switch on 'b' { when 'a' { System.debug('A'); } when 'b', 'c' { System.debug('BC'); } when else { System.debug('?'); } }": "BC",
	"Object o = 'x'; switch on o { when Integer n { System.debug(1); } when String s { System.debug(s + s); } }":               "xx",
	"switch on Returns.levelOf(500) { when LOW { System.debug('low'); } when HIGH { System.debug('high'); } }":                 "high",
	"if (false) System.debug(1); else if (1 > 2) System.debug(2); else System.debug(3);":                                       "3",
	"Integer twice(Integer n) { return n * 2; } System.debug(twice(21));":                                                      "42",
	"class Point { Integer x; Point(Integer x) { this.x = x; } } System.debug(new Point(4).x);":                                "4",
	// Classes.
	"System.debug(new Returns('broken').add(10).add(5.5).total);":                                                    "15.5",
	"System.debug(new Returns().label); new Returns(); System.debug(Returns.calls);":                                 "R-none; 2",
	"System.debug(new Returns.Express('late').describe()); System.debug(Returns.levelOf('50.5'));":                   "express R-late; LOW",
	"Returns r = new Returns.Express('x'); System.debug(r instanceof Returns.Express); System.debug(r.kind());":      "true; express",
	"System.debug(Returns.Level.values()); System.debug(Returns.Level.HIGH.ordinal());":                              "(LOW, HIGH); 1",
	"class P { Integer x = Returns.next(); P() { this(1); } P(Integer i) {} } new P(); System.debug(Returns.calls);": "1",
	"Datetime t = Date.newInstance(2027, 1, 2); System.debug(t.hour() + ' ' + t.date().day());":                      "0 2",
	// Exceptions.
	"Integer x = 1 / 0;":                               "System.MathException: Divide by 0",
	"String s; s.length();":                            "System.NullPointerException: Attempt to de-reference a null object",
	"List<Integer> l = new List<Integer>(); l.get(2);": "System.ListException: List index out of bounds: 2",
	"throw new Returns.ReturnException('no');":         "Returns.ReturnException: no",
	"new Returns().add(-1);":                           "Returns.ReturnException: negative amount",
	"try { Integer x = 1 / 0; } catch (MathException e) { System.debug(e.getMessage() + e.getTypeName()); } finally { System.debug('f'); }": "Divide by 0System.MathException; f",
	"try { new Returns().add(-1); } catch (Returns.ReturnException e) { System.debug(e.getMessage()); }":                                    "negative amount",
	"try { Integer.valueOf('x'); } catch (Exception e) { throw e; }":                                                                        "System.TypeException: Invalid integer: x",
	"try { System.assert(false, 'm'); } catch (Exception e) { System.debug('never'); }":                                                     "System.AssertException: Assertion Failed: m",
	"System.assertEquals(1, 2);":                                      "System.AssertException: Assertion Failed: Expected: 1, Actual: 2",
	"Assert.areEqual('a', 'b', 'text');":                              "System.AssertException: Assertion Failed: text: Expected: a, Actual: b",
	"Assert.isTrue(1 == 1); Assert.isNull(null); Assert.fail('end');": "System.AssertException: Assertion Failed: end",
	"while (true) {}":                                                 "System.LimitException: Apex CPU time limit exceeded",
	"void f() { f(); } f();":                                          "System.LimitException: Maximum stack depth reached: 1001",
	"String s = 'xxxxxxxxxx'; while (true) { s += s; }":               "System.LimitException: Apex heap size too large: 10485760",
	// Records.
	"Account a = new Account(Name = 'A', AnnualRevenue = 5); insert a; System.debug(a.Id); System.debug(a.name + a.AnnualRevenue);": "001000000000000000; A5",
	"insert new Account();": "System.DmlException: Insert failed. First exception on row 0; first error: REQUIRED_FIELD_MISSING, Required fields are missing: [Name]: [Name]",
	"insert new List<Account>{new Account(Name = 'A'), new Account(Name = 'B')}; System.debug([SELECT COUNT() FROM Account]);":                                                                  "2",
	"try { insert new List<Account>{new Account(Name = 'A'), new Account()}; } catch (DmlException e) {} System.debug([SELECT Id FROM Account].size());":                                        "0",
	"List<Database.SaveResult> r = Database.insert(new List<Account>{new Account(Name = 'A'), new Account()}, false); System.debug(r[0].isSuccess() + ' ' + r[1].getErrors()[0].getMessage());": "true Required fields are missing: [Name]",
	"insert new Account(Name = 'A'); String n = 'A'; Account a = [SELECT Id, Name FROM Account WHERE Name = :n]; a.Name = 'B'; update a; System.debug([SELECT Name FROM Account].Name);":        "B",
	"Account a = [SELECT Id FROM Account WHERE Name = 'none'];":                                                  "System.QueryException: List has no rows for assignment to SObject",
	"insert new Account(Name = 'A'); for (Account a : [SELECT Id FROM Account]) { System.debug(a.Name); }":       "System.SObjectException: SObject row was retrieved via SOQL without querying the requested field: Account.Name",
	"Account a = new Account(Name = 'A'); insert a; delete a; System.debug([SELECT Id FROM Account].isEmpty());": "true",
	"Contact c = new Contact(LastName = 'L'); System.debug(c.Account.Name); System.debug(c.get('lastname'));":    "null; L",
	"update new Account(Name = 'A');": "System.DmlException: Update failed. First exception on row 0; first error: MISSING_ARGUMENT, Id not specified in an update call: []",
	// What is not Apex, or not understood.
	"System.debug('x')":                     "1:18 Missing ';' at '<EOF>'",
	"Integer i":                             "1:10 Missing ';' at '<EOF>'",
	"Integer i = ;":                         "1:13 Unexpected token ';'.",
	"if (true) { System.debug(1);":          "1:29 Missing '}' at '<EOF>'",
	"System.debug(1); }":                    "1:18 Unexpected token '}'.",
	"String s = 'abc":                       "1:12 Unterminated string literal.",
	"Integer i = 'x';":                      "1:13 Illegal assignment from String to Integer",
	"System.debug(nothing);":                "1:14 Variable does not exist: nothing",
	"Nothing.run();":                        "1:1 Variable does not exist: Nothing",
	"Returns.nothing(1);":                   "1:9 Method does not exist or incorrect signature: void nothing(Integer) from the type Returns",
	"Account a = new Account(Nope__c = 1);": "1:25 Invalid field Nope__c for SObject Account",
	"5 + 5;":                                "1:1 Expression cannot be a statement.",
	"Http h = new Http();":                  "1:10 simulated: the type Http",
	"Messaging.sendEmail(null);":            "1:11 simulated: Messaging.sendEmail",
	"System.debug([FIND 'x' IN ALL FIELDS RETURNING Account]);": "1:14 simulated: SOSL",
}

func TestRun(t *testing.T) {
	for source, want := range blocks {
		if got := run(t, source); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", source, got, want)
		}
	}
}

// TestClass: what a class is made of, and what is no class.
func TestClass(t *testing.T) {
	c, err := ParseClass(`@IsTest(SeeAllData=true)
private class ReturnsTest {
	@TestSetup
	static void make() {}
	@IsTest
	static void first() { System.assertEquals(1, 1); }
	static testMethod void second() {}
	static Integer helper() { return 1; }
}`)
	if err != nil {
		t.Fatal(err)
	}
	var tests []string
	for _, m := range c.Tests() {
		tests = append(tests, m.Name)
	}
	if got := strings.Join(tests, " "); got != "first second" || !c.SeeAllData || c.Lines() != nil {
		t.Errorf("tests %s, see all data %t, lines %v", got, c.SeeAllData, c.Lines())
	}
	code, err := ParseClass("public class Code {\n\tpublic static Integer f(Boolean b) {\n\t\tif (b)\n\t\t\treturn 1;\n\n\t\treturn 2;\n\t}\n}")
	if err != nil || fmt.Sprint(code.Lines()) != "[3 4 6]" {
		t.Errorf("%v, the lines are %v", err, code.Lines())
	}
	for source, want := range map[string]string{
		"":                                        "line 1, column 1: Unexpected token '<EOF>'.",
		"public class {}":                         "line 1, column 14: Unexpected token '{'.",
		"public class A {":                        "line 1, column 17: Missing '}' at '<EOF>'",
		"public class A {} }":                     "line 1, column 19: Missing '<EOF>' at '}'",
		"public class A { void f() { x } }":       "line 1, column 31: Missing ';' at '}'",
		"public class A { Integer i Integer j;}":  "line 1, column 28: Missing ';' at 'Integer'",
		"public class A { void f(); }":            "line 1, column 18: Method must have a body or be declared abstract: f",
		"public class A { Integer i; String I; }": "line 1, column 36: Duplicate field: I",
		"trigger T on Account (before insert) {}": "line 1, column 1: Unexpected token 'trigger'.",
		"public class select {}":                  "line 1, column 14: Identifier name is reserved: select",
		"public class A { /* never ends }":        "line 1, column 18: Unexpected token '/*'.",
		"public class A { Integer i = " + strings.Repeat("(", 1000): "line 1, column 129: simulated: nested more than 200 levels deep",
	} {
		if _, err := ParseClass(source); err == nil || err.Error() != want {
			t.Errorf("%.60s\ngot  %v\nwant %s", source, err, want)
		}
	}
	trigger, err := ParseTrigger("trigger T on Account (before insert, after update) { for (Account a : Trigger.new) { a.Name = 'x'; } }")
	if err != nil || trigger.Object != "Account" || fmt.Sprint(trigger.Events) != "[before insert after update]" {
		t.Errorf("%v %+v", err, trigger)
	}
}

// TestCoverage: the lines that ran, and the stack of an exception.
func TestCoverage(t *testing.T) {
	o := newOrg(t, "public class Code {\n\tpublic static Integer f(Integer n) {\n\t\tif (n > 0) {\n\t\t\treturn 1 / (n - 1);\n\t\t}\n\t\treturn 0;\n\t}\n}",
		"@IsTest\nclass CodeTest {\n\t@IsTest\n\tstatic void one() {\n\t\tCode.f(1);\n\t}\n}")
	in := &Interpreter{Platform: o, Testing: true}
	err := in.RunMethod(o.Class("CodeTest").Tests()[0])
	var thrown *Exception
	if !errors.As(err, &thrown) || thrown.Trace != "Class.Code.f: line 4, column 1\nClass.CodeTest.one: line 5, column 1" || thrown.Line != 4 {
		t.Errorf("%+v", err)
	}
	if got := fmt.Sprint(in.Covered["Code"]); got != "map[3:true 4:true]" {
		t.Errorf("covered %s", got)
	}
}

// FuzzRun: no source makes the parser or the interpreter panic or run for ever.
func FuzzRun(f *testing.F) {
	for source := range blocks {
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		run(t, source)
		_, _ = ParseClass(source)
		_, _ = ParseTrigger(source)
	})
}
