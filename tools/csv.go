package tools

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxRecord is how many bytes one record of a CSV may have. Salesforce's have
// at most 400,000 characters (Bulk API 2.0 guide, "Limits").
const maxRecord = 2 << 20

var errLongRecord = fmt.Errorf("a record of the CSV is longer than %d bytes", maxRecord)

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

// next reads the next record into raw. A line break inside quotes does not end
// it.
func (c *csvReader) next() error {
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
		case quotes%2 == 0 && len(bytes.TrimRight(c.raw, "\r\n")) > 0:
			return nil
		case quotes%2 == 0: // an empty line is no record
			c.raw = c.raw[:0]
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
// formula: one that could be the beginning of a formula gets an apostrophe in
// front (OWASP, "CSV Injection"). Plain numbers and telephone numbers stay as
// they are, and so do records without such cells, byte for byte. It needs
// memory for one record. The error is that of reading or writing.
func CopyForSpreadsheets(to io.Writer, from io.Reader) error {
	c, err := newCSV(from)
	if err != nil {
		return err
	}
	for {
		if len(c.raw) > 0 {
			if err := c.guard(); err != nil {
				return err
			}
			if _, err := to.Write(c.raw); err != nil {
				return err
			}
		}
		err := c.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// guard rewrites the last record if one of its cells is dangerous.
func (c *csvReader) guard() error {
	if !bytes.ContainsAny(c.raw, "=+-@\t\r|%") {
		return nil
	}
	fields, err := c.fields()
	if err != nil {
		return err
	}
	changed := false
	for i, f := range fields {
		if dangerous(f) {
			fields[i], changed = "'"+f, true
		}
	}
	if !changed {
		return nil
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Comma, w.UseCRLF = c.comma, bytes.HasSuffix(c.raw, []byte("\r\n"))
	if err := w.Write(fields); err != nil {
		return err
	}
	w.Flush()
	c.raw = append(c.raw[:0], b.Bytes()...)
	return w.Error()
}

// dangerous reports whether a spreadsheet could take a cell for a formula.
func dangerous(cell string) bool {
	cell = strings.TrimLeft(cell, " \u00a0")
	if cell == "" {
		return false
	}
	switch cell[0] {
	case '=', '@', '\t', '\r':
		return true
	case '+', '-':
		return strings.Trim(cell[1:], "0123456789 .,()/-") != ""
	}
	return false
}
