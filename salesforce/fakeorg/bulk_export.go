package fakeorg

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// bulkExport is the work of a query job: what it will ask, then the rows it has found.
type bulkExport struct {
	plan    *plan
	columns []exportColumn
	blocks  []bulkBlock
}

// bulkBlock is some rows of a result, compressed.
type bulkBlock struct {
	rows int
	data []byte
}

// A block is full with so many rows, or bytes before they are compressed.
const (
	blockRows  = 1000
	blockBytes = 256 << 10
)

// blockWriter makes blocks of rows.
type blockWriter struct {
	*csvWriter
	blocks      []bulkBlock
	rows, total int
}

func (w *blockWriter) endRow() error {
	w.end()
	w.rows++
	w.total++
	if w.rows < blockRows && w.Len() < blockBytes {
		return nil
	}
	return w.flush()
}

func (w *blockWriter) flush() error {
	if w.rows == 0 {
		return nil
	}
	var data bytes.Buffer
	z, err := gzip.NewWriterLevel(&data, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if _, err := w.WriteTo(z); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	w.blocks, w.rows = append(w.blocks, bulkBlock{w.rows, bytes.Clone(data.Bytes())}), 0
	return nil
}

// write writes the rows of the block from the one with the number on, at most so many.
func (b bulkBlock) write(w io.Writer, from, most int) error {
	z, err := gzip.NewReader(bytes.NewReader(b.data))
	if err != nil {
		return err
	}
	if from == 0 && most >= b.rows {
		_, err = io.Copy(w, z) //nolint:gosec // what this package has compressed
		return err
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return err
	}
	text = text[rowsEnd(text, from):]
	_, err = w.Write(text[:rowsEnd(text, most)])
	return err
}

// rowsEnd is where the first n rows end. A line break in quotes ends none.
func rowsEnd(text []byte, n int) int {
	quoted := false
	for i, b := range text {
		switch {
		case n == 0:
			return i
		case b == '"':
			quoted = !quoted
		case b == '\n' && !quoted:
			n--
		}
	}
	return len(text)
}

// exportPage is how many rows an answer has when the client does not say. The platform's number is not documented; this
// is the largest of the chunks in which it reads large tables.
const exportPage = 250_000

// completeQuery finds the query job of the path, whose results are there. That the version must be that of the job, or the
// answer is 409, and that results of a job that is not complete are refused with 412 is documented; codes and words
// are not.
func (c *call) completeQuery() (*bulkJob, error) {
	j, err := c.bulkJob(queryType)
	switch {
	case err != nil:
	case j.version != c.version:
		err = refuse(http.StatusConflict, "INVALIDVERSION", "The job was created with %s: ask for its results with the same version", j.version)
	case j.state != jobComplete:
		err = refuse(http.StatusPreconditionFailed, "JOB_NOT_COMPLETE", "The job has no results: its state is %s", j.state)
	}
	return j, err
}

// queryResults is GET /jobs/query/{id}/results?locator=&maxRecords=.
func queryResults(c *call) (*answer, error) {
	j, err := c.completeQuery()
	if err != nil {
		return nil, err
	}
	from, err := rowLocator(c.URL.Query().Get("locator"), j.processed)
	if err != nil {
		return nil, err
	}
	most := exportPage
	if text := c.URL.Query().Get("maxRecords"); text != "" {
		if most, err = strconv.Atoi(text); err != nil || most < 1 {
			return nil, badValue("maxRecords", text)
		}
	}
	to := min(from+most, j.processed)
	a := csvStream(j.page(from, to-from))
	a.header["Sforce-NumberOfRecords"] = []string{strconv.Itoa(to - from)}
	a.header["Sforce-Locator"] = []string{j.locator(to)}
	return a, nil
}

// page writes rows, below the names of their columns.
func (j *bulkJob) page(from, rows int) stream {
	w := j.writer()
	for _, column := range j.export.columns {
		w.cell(column.name)
	}
	w.end()
	header, blocks := w.Bytes(), j.export.blocks
	return func(to io.Writer) error {
		_, err := to.Write(header)
		skip, left := from, rows
		for _, b := range blocks {
			if skip >= b.rows {
				skip -= b.rows
				continue
			}
			if err == nil && left > 0 {
				err = b.write(to, skip, left)
			}
			left -= min(left, b.rows-skip)
			skip = 0
		}
		return err
	}
}

// locator names the row with the number, or says that there are no more. The platform's locators are numbers in
// base64, too.
func (j *bulkJob) locator(row int) string {
	if row >= j.processed {
		return "null"
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(row)))
}

func rowLocator(text string, rows int) (int, error) {
	if text == "" {
		return 0, nil
	}
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	row, notNumber := strconv.Atoi(string(decoded))
	if err != nil || notNumber != nil || row < 0 || row >= rows {
		return 0, bulkError("API_ERROR", "Invalid locator: %s", text) // the platform's words were not found
	}
	return row, nil
}

// queryResultPages is GET /jobs/query/{id}/resultPages: where to get the next five parts of the results, so that a
// client can get them side by side.
func queryResultPages(c *call) (*answer, error) {
	if versionNumber(c.version) < 58 {
		return nil, noResource()
	}
	j, err := c.completeQuery()
	if err != nil {
		return nil, err
	}
	at, err := rowLocator(c.URL.Query().Get("locator"), j.processed)
	if err != nil {
		return nil, err
	}
	base := fmt.Sprintf("/services/data/%s/jobs/query/%s/", j.version, j.id)
	pages := []object{}
	for ; at < j.processed && len(pages) < 5; at += exportPage {
		pages = append(pages, object{{"resultUrl", base + "results?locator=" + j.locator(at)}})
	}
	var next any
	if at < j.processed {
		next = base + "resultpages?locator=" + j.locator(at)
	}
	return ok(object{{"resultPages", pages}, {"nextRecordsUrl", next}, {"done", next == nil}})
}
