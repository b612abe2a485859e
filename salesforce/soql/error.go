package soql

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// An Error says where a statement is malformed. Error() gives the message
// alone; Context gives it the way the platform does.
type Error struct {
	Pos  int    // byte offset in the statement
	Msg  string // in the platform's words where they are known: "unexpected token: 'FROM'"
	Near string // the token at Pos, "" at the end of the statement
	text string
}

func (e *Error) Error() string {
	row, column := Locate(e.text, e.Pos)
	return fmt.Sprintf("%s at row %d, column %d", e.Msg, row, column)
}

// Context renders the error as the platform's MALFORMED_QUERY message: the
// surroundings of the place, a caret under it, its row and column, the text.
func (e *Error) Context() string { return Context(e.text, e.Pos, e.Msg) }

// Locate turns a byte offset of a statement into a row and a column. Both
// count from 1, columns in characters.
func Locate(statement string, pos int) (row, column int) {
	before := statement[:min(max(pos, 0), len(statement))]
	line := before[strings.LastIndexByte(before, '\n')+1:]
	return 1 + strings.Count(before, "\n"), 1 + utf8.RuneCountInString(line)
}

// contextReach is how many bytes the platform shows on both sides of an error
// before it goes on to the end of a word. Recorded messages agree with 30
// (amp-018 and others).
const contextReach = 30

// Context renders a message about a place in a statement the way the platform
// does in MALFORMED_QUERY, INVALID_FIELD and INVALID_TYPE:
//
//	SELECT Nope FROM Account
//	       ^
//	ERROR at Row:1:Column:8
//	No such column 'Nope' on entity 'Account'.
//
// The real messages start with a line break, and so does this one.
func Context(statement string, pos int, msg string) string {
	pos = min(max(pos, 0), len(statement))
	from, to := max(pos-contextReach, 0), min(pos+contextReach, len(statement))
	for from > 0 && !gap(statement[from-1]) {
		from--
	}
	for to < len(statement) && !gap(statement[to]) {
		to++
	}
	before := statement[from:pos]
	indent := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	row, column := Locate(statement, pos)
	return fmt.Sprintf("\n%s\n%s^\nERROR at Row:%d:Column:%d\n%s",
		statement[from:to], strings.Repeat(" ", indent), row, column, msg)
}

func gap(c byte) bool { return c == ' ' || c == ',' || c == '\n' || c == '\t' || c == '\r' }
