package tools

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxRecord is how many bytes one record of a CSV may have. Salesforce's have
// at most 400,000 characters (Bulk API 2.0 guide, "Limits").
const maxRecord = 2 << 20

var errLongRecord = &Error{Code: Unreadable, Message: fmt.Sprintf("a record of the CSV is longer than %d bytes", maxRecord)}

// A csvReader reads the records of a CSV one by one, as they are and taken
// apart, in memory bounded by maxRecord.
type csvReader struct {
	from   *bufio.Reader
	comma  rune
	header []string
	raw    []byte // the last record as it is, with its line break
}

// newCSV reads the header. A CSV without any record has none.
func newCSV(from io.Reader) (*csvReader, error) {
	c := &csvReader{from: bufio.NewReaderSize(from, 64<<10)}
	err := c.next()
	if errors.Is(err, io.EOF) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	c.raw = bytes.TrimPrefix(c.raw, []byte("\ufeff"))
	c.comma = delimiterOf(c.raw)
	c.header, err = c.fields()
	return c, err
}

// delimiterOf finds the column delimiter of a header: the first of those that
// jobs know which stands outside of quotes.
func delimiterOf(header []byte) rune {
	quoted := false
	for _, b := range header {
		if b == '"' {
			quoted = !quoted
		}
		if !quoted && strings.IndexByte(",\t|;^`", b) >= 0 {
			return rune(b)
		}
	}
	return ','
}

// next reads the next record into raw. An empty line is none.
func (c *csvReader) next() error {
	for {
		if err := c.line(); err != nil || len(bytes.TrimRight(c.raw, "\r\n")) > 0 {
			return err
		}
	}
}

// line reads the next record, or an empty line, into raw. A line break inside
// quotes does not end it.
func (c *csvReader) line() error {
	c.raw = c.raw[:0]
	quotes := 0
	for {
		part, err := c.from.ReadSlice('\n')
		c.raw = append(c.raw, part...)
		quotes += bytes.Count(part, []byte{'"'})
		switch {
		case len(c.raw) > maxRecord:
			return errLongRecord
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(c.raw) > 0:
			return nil
		case err != nil:
			return err
		case quotes%2 == 0:
			return nil
		}
	}
}

// fields takes the last record apart.
func (c *csvReader) fields() ([]string, error) {
	r := csv.NewReader(bytes.NewReader(c.raw))
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = c.comma, true, -1
	fields, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("a record of the CSV is not readable: %w", err)
	}
	return fields, nil
}

// skip leaves out n records, or as many as there are.
func (c *csvReader) skip(n int) error {
	for range n {
		if err := c.next(); err != nil {
			return err
		}
	}
	return nil
}

// row is the last record as an object. An empty cell is null, as Salesforce
// writes it.
func (c *csvReader) row() (object, error) {
	fields, err := c.fields()
	if err != nil {
		return nil, err
	}
	o := make(object, 0, len(fields))
	for i, f := range fields {
		name := fmt.Sprint("column ", i+1)
		if i < len(c.header) {
			name = c.header[i]
		}
		var v any
		if f != "" {
			v = f
		}
		o = append(o, member{name, v})
	}
	return o, nil
}

// CopyForSpreadsheets copies a CSV so that no spreadsheet takes a cell for a
// formula: what could be the beginning of one gets an apostrophe in front (OWASP,
// "CSV Injection"). Spreadsheets may take another delimiter than the CSV's, in
// many countries the semicolon, and then its quotes mean nothing within a line:
// so a cell may begin after every delimiter and line break, quoted or not. Plain
// numbers and telephone numbers stay as they are, and everything else byte for
// byte. The error is that of reading or writing.
func CopyForSpreadsheets(to io.Writer, from io.Reader) error {
	in, out := bufio.NewReaderSize(from, 64<<10), bufio.NewWriterSize(to, 32<<10)
	head, _ := in.Peek(4 << 10) // its error comes again below
	head, _, _ = bytes.Cut(bytes.TrimLeft(head, "\r\n"), []byte("\n"))
	ends := string(delimiterOf(head)) + "\"\r\n" // of a cell, as the CSV has it
	for begins := true; ; {                      // a cell may begin here
		if !begins {
			if err := copyWithin(out, in); err != nil {
				return err
			}
		}
		r, size, err := in.ReadRune()
		if errors.Is(err, io.EOF) {
			return out.Flush()
		}
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		if begins && formula(r, in, ends) {
			_ = out.WriteByte('\'') // its error comes again below
		}
		if r == utf8.RuneError && size == 1 { // no UTF-8
			_ = in.UnreadRune()
			b, _ := in.ReadByte()
			err = out.WriteByte(b)
		} else {
			_, err = out.WriteRune(r)
		}
		if err != nil {
			return err
		}
		begins = strings.ContainsRune(cellStarts, r) || begins && (unicode.IsControl(r) || strings.ContainsRune(" \u00a0\ufeff\"", r))
	}
}

// cellStarts are the characters behind which a spreadsheet may begin a cell.
const cellStarts = ",\t|;^`\r\n"

// copyWithin copies what has been read already of the inside of a cell.
func copyWithin(out *bufio.Writer, in *bufio.Reader) error {
	inside, _ := in.Peek(in.Buffered()) // it is there
	if end := bytes.IndexAny(inside, cellStarts); end >= 0 {
		inside = inside[:end]
	}
	_, err := out.Write(inside)
	_, _ = in.Discard(len(inside))
	return err
}

// formula reports whether a cell that begins with r, and goes on with what is to
// be read up to one of ends, could be a formula. Spreadsheets know the wide forms
// as well.
func formula(r rune, rest *bufio.Reader, ends string) bool {
	switch r {
	case '=', '@', '＝', '＠':
		return true
	case '+', '-', '＋', '－':
		const longest = 64 // of a number
		next, _ := rest.Peek(longest)
		if end := bytes.IndexAny(next, ends); end >= 0 {
			next = next[:end]
		}
		return len(next) == longest || len(bytes.Trim(next, "0123456789 .,()/-")) > 0
	}
	return false
}
