package fakeorg

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of one row.
const (
	maxCells         = 5000
	maxRowCharacters = 400_000
)

// bulkReader reads the rows of an upload. What it takes and the words it refuses the rest with are those of
// Salesforce's own reader, com.sforce.async.CSVReader in github.com/forcedotcom/wsc: blank rows are none, a line break
// in quotes is always one character, and a mark in front of the first name (a BOM) is a part of that name, for which
// the platform is known to refuse the upload.
type bulkReader struct {
	rows *csv.Reader
	data []byte // the whole upload
	from int    // where in it the reader began
	job  *bulkJob
}

func (j *bulkJob) reader(from int) *bulkReader {
	r := csv.NewReader(bytes.NewReader(j.load.upload[from:]))
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = columnDelimiters[j.ColumnDelimiter], -1, true
	return &bulkReader{rows: r, data: j.load.upload, from: from, job: j}
}

// next gives the next row, which is valid until the next call, or io.EOF.
func (r *bulkReader) next() ([]string, error) {
	for {
		start := r.at()
		row, err := r.rows.Read()
		if err != nil {
			return nil, r.explain(err, start)
		}
		if err := r.check(row); err != nil {
			return nil, err
		}
		if len(row) > 1 || row[0] != "" {
			return row, nil
		}
	}
}

// at is where in the upload the next row starts.
func (r *bulkReader) at() int { return r.from + int(r.rows.InputOffset()) }

func (r *bulkReader) explain(err error, start int) error {
	switch {
	case errors.Is(err, csv.ErrBareQuote):
		return unparsed("Found unescaped quote. A value with quote should be within a quote")
	case errors.Is(err, csv.ErrQuote) && bytes.Count(r.data[start:], []byte{'"'})%2 == 1:
		return unparsed("EOF reached before closing an opened quote")
	case errors.Is(err, csv.ErrQuote):
		return unparsed("Not expecting more text after end quote")
	}
	return err
}

// bulkProblem is why a job fails as a whole.
type bulkProblem string

func (p bulkProblem) Error() string { return string(p) }

func unparsed(format string, args ...any) bulkProblem {
	return bulkProblem("InvalidBatch : Failed to parse CSV. " + fmt.Sprintf(format, args...))
}

// check refuses a row that is too large or ends otherwise than the job says.
func (r *bulkReader) check(row []string) error {
	end := r.at()
	if end > 0 && r.data[end-1] == '\n' && bytes.HasSuffix(r.data[:end], []byte("\r\n")) != (r.job.LineEnding == "CRLF") {
		return bulkProblem("ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is " + r.job.LineEnding)
	}
	characters := 0
	for _, cell := range row {
		characters += utf8.RuneCountInString(cell)
	}
	switch {
	case len(row) > maxCells:
		return unparsed("Exceeded max number of columns per record : %d", maxCells)
	case characters > maxRowCharacters:
		return unparsed("Exceeded max length for one record: %d. Max length for one record should be less than or equal to %d",
			characters, maxRowCharacters)
	}
	return nil
}

// csvWriter appends rows to a buffer. All values are quoted, as in every file the Bulk API writes; an empty one stands
// for null.
type csvWriter struct {
	bytes.Buffer
	delimiter, ending string
	begun             bool // the row has a cell
}

func (j *bulkJob) writer() *csvWriter {
	return &csvWriter{delimiter: string(columnDelimiters[j.ColumnDelimiter]), ending: lineEndings[j.LineEnding]}
}

// cell adds a value to the row.
func (w *csvWriter) cell(value string) {
	w.separate()
	w.WriteByte('"')
	for {
		at := strings.IndexByte(value, '"')
		if at < 0 {
			break
		}
		w.WriteString(value[:at+1])
		w.WriteByte('"')
		value = value[at+1:]
	}
	w.WriteString(value)
	w.WriteByte('"')
}

// bare adds a value that is not quoted: a name of a column of an upload.
func (w *csvWriter) bare(value string) {
	w.separate()
	w.WriteString(value)
}

func (w *csvWriter) separate() {
	if w.begun {
		w.WriteString(w.delimiter)
	}
	w.begun = true
}

// end ends the row.
func (w *csvWriter) end() {
	w.WriteString(w.ending)
	w.begun = false
}
