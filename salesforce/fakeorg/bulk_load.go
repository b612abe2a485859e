package fakeorg

import (
	"database/sql"
	"errors"
	"io"
	"strconv"
	"strings"
)

// bulkLoad is the work of an ingest job.
type bulkLoad struct {
	upload            []byte // nil until there is one
	names             []string
	header, next      int // where in the upload the rows start, and those that have not been processed
	batches           int
	succeeded, failed []byte // rows of results
}

// A job does stepRows rows in each step of its time: recordings of large jobs count in such numbers. The platform saves
// saveRows of them at once: an external id may be there once in each.
const (
	stepRows = 2000
	saveRows = 200
)

// start has the job begin once all its data is there.
func (j *bulkJob) start(c *call) {
	j.enter(c, jobUploaded)
	c.later(1, j.begin)
}

// begin reads the upload from end to end, so that one that cannot be read changes nothing. Of a job that has been
// deleted meanwhile there is nothing left to read.
func (j *bulkJob) begin(c *call) error {
	if j.state != jobUploaded {
		return nil
	}
	j.enter(c, jobRunning)
	rows, err := 0, j.see(c)
	if err == nil {
		rows, err = j.survey(c.schema())
	}
	switch {
	case err != nil:
		j.fail(c, err.Error())
	case rows == 0:
		j.load.next = len(j.load.upload)
		j.enter(c, jobComplete)
	default:
		j.load.batches = (rows + batchRows - 1) / batchRows
		c.later(1, j.step)
	}
	return nil
}

// see has the job work with its object as the user sees it now.
func (j *bulkJob) see(c *call) error {
	o := c.schema().Object(j.object.Name)
	if o == nil {
		return bulkError("InvalidJob", "InvalidJob : Unable to find object: %s", j.object.Name)
	}
	j.object = o
	return nil
}

// survey counts the rows, and notes where they start and what their columns are called.
func (j *bulkJob) survey(s *Schema) (rows int, err error) {
	r := j.reader(0)
	names, err := r.next()
	if errors.Is(err, io.EOF) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	header := r.at()
	names = append([]string{}, names...)
	if _, err := j.columns(s, names); err != nil {
		return 0, err
	}
	for ; err == nil; rows++ {
		_, err = r.next()
	}
	if !errors.Is(err, io.EOF) {
		return 0, err
	}
	j.load.names, j.load.header, j.load.next = names, header, header
	return rows - 1, nil
}

// step does the next rows.
func (j *bulkJob) step(c *call) error {
	if j.state != jobRunning {
		return nil
	}
	if tx, isTx := c.db.(*sql.Tx); isTx {
		statements := &prepared{querier: tx, statements: map[string]*sql.Stmt{}}
		defer statements.close()
		c.db = statements
	}
	if err := j.see(c); err != nil {
		j.fail(c, err.Error())
		return nil
	}
	columns, err := j.columns(c.schema(), j.load.names)
	if err != nil {
		return err
	}
	run := &bulkRun{call: c, job: j, columns: columns, good: j.writer(), bad: j.writer()}
	r := j.reader(j.load.next)
	done := false
	for range stepRows / saveRows {
		if done = run.save(r); done {
			break
		}
	}
	j.load.succeeded, j.load.failed = append(j.load.succeeded, run.good.Bytes()...), append(j.load.failed, run.bad.Bytes()...)
	j.processed, j.failed, j.load.next = j.processed+run.rows, j.failed+run.failed, r.at()
	j.active += c.org.options.Pace
	if done {
		j.enter(c, jobComplete)
	} else {
		c.later(1, j.step)
	}
	return nil
}

// bulkRun is one step of a job.
type bulkRun struct {
	*call
	job          *bulkJob
	columns      []bulkColumn
	good, bad    *csvWriter
	rows, failed int
}

// save does the next few rows, and reports whether they were the last. Each is undone by itself when it fails.
func (run *bulkRun) save(r *bulkReader) (last bool) {
	var rows [][]string
	for len(rows) < saveRows {
		row, err := r.next()
		if err != nil { // the end: the upload has been read before
			last = true
			break
		}
		rows = append(rows, append([]string{}, row...))
	}
	records, problems := make([]record, len(rows)), make([]error, len(rows))
	count := map[string]int{}
	for i, row := range rows {
		records[i], problems[i] = bulkRecord(run.columns, row)
		key, _ := withoutField(records[i], run.job.ExternalIDFieldName)
		count[strings.ToLower(key)]++
	}
	for i, row := range rows {
		var out outcome
		err := problems[i]
		if err == nil {
			err = run.within(func() error {
				out = run.do(records[i], count)
				return out.err
			})
		}
		run.note(row, out, err)
	}
	return last
}

// do does what the job is for with one record.
func (run *bulkRun) do(r record, count map[string]int) outcome {
	o := run.job.object
	switch run.job.Operation {
	case "insert":
		id, err := run.insert(o, r)
		if err == nil && o.Event {
			_, err = run.announce(o, id)
		}
		return outcome{id: id, err: err}
	case "update":
		return run.updateOne(o, r)
	case "upsert":
		return run.upsertOne(o, o.Field(run.job.ExternalIDFieldName), r, count)
	}
	given, _ := withoutField(r, "Id")
	id, err := rowID(given)
	if err == nil {
		err = run.remove(o, id)
	}
	if err == nil && run.job.Operation == "hardDelete" {
		err = run.purge(o.base(), id)
	}
	return outcome{id: id, err: err}
}

// note writes what happened to a row into the results.
func (run *bulkRun) note(row []string, out outcome, err error) {
	run.rows++
	w := run.good
	if err != nil {
		run.failed++
		w = run.bad
		w.cell(run.failedID(row))
		w.cell(rowError(err))
	} else {
		created := run.job.Operation == "insert" || out.created != nil && *out.created
		w.cell(out.id)
		w.cell(strconv.FormatBool(created))
	}
	for i := range max(len(run.columns), len(row)) {
		cell := ""
		if i < len(row) {
			cell = row[i]
		}
		if err == nil {
			cell = run.columns[i].saved(cell)
		}
		w.cell(cell)
	}
	w.end()
}

// saved is how successful results show a cell: numbers with a fraction in the form they are stored in, as in the
// guide's example.
func (c bulkColumn) saved(cell string) string {
	if c.by == nil && c.field.xsdType() == "xsd:double" {
		if n, err := strconv.ParseFloat(cell, 64); err == nil {
			return double(n).String()
		}
	}
	return cell
}

// failedID is the id of a record that was to be changed. Results had none before v53.0.
func (run *bulkRun) failedID(row []string) string {
	for i, c := range run.columns[:min(len(run.columns), len(row))] {
		if c.by == nil && c.field.Name == "Id" && versionNumber(run.job.version) >= 53 {
			id, _ := parseID(row[i])
			return id
		}
	}
	return ""
}

// rowError is how results tell an error: CODE:message:Field Field --.
func rowError(err error) string {
	f := asFault(err)
	text := f.code + ":" + f.message + ":"
	for _, name := range f.fields {
		text += name + " "
	}
	return text + "--"
}

// purge takes a deleted record and the details that were deleted with it out of the recycle bin.
func (c *call) purge(o *Object, id string) error {
	for _, child := range o.Children {
		if child.Field.OnDelete != "cascade" {
			continue
		}
		ids, err := c.texts(`SELECT Id FROM `+quoted(child.Object.Name)+` WHERE `+quoted(child.Field.Name)+` = ?`, id)
		if err != nil {
			return err
		}
		for _, childID := range ids {
			if err := c.purge(child.Object, childID); err != nil {
				return err
			}
		}
	}
	_, err := c.db.ExecContext(c.Context(), `DELETE FROM `+quoted(o.Name)+` WHERE Id = ?`, id)
	return err
}
