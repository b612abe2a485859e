package fakeorg

import (
	"cmp"
	"errors"
	"slices"
	"strconv"

	"salesforce-mcp/salesforce/soql"
)

// createQueryJob is POST /jobs/query.
func createQueryJob(c *call) (*answer, error) {
	var spec bulkSpec
	err := c.sends("json")
	if err == nil {
		err = readBulk(c.Body, &spec)
	}
	if err == nil {
		err = spec.complete("query", "queryAll")
	}
	if err != nil {
		return nil, err
	}
	spec.ExternalIDFieldName, spec.AssignmentRuleID = "", ""
	p, err := c.bulkPlan(spec.Query, spec.Operation == "queryAll")
	if err != nil {
		return nil, err
	}
	if _, used := c.bulkUse(); used >= dailyQueryJobs {
		return nil, bulkError("LIMIT_EXCEEDED", "Max bulk v2 query jobs (%d) per 24 hrs has been reached (%d)", dailyQueryJobs, used+1)
	}
	j := c.addJob(queryType, spec, p.shape.of.object, jobUploaded)
	j.enter(c, jobUploaded)
	j.export.plan, j.export.columns = p, exportColumns(p.shape, "")
	if versionNumber(c.version) < 50 {
		slices.SortStableFunc(j.export.columns, func(a, b exportColumn) int { return cmp.Compare(a.name, b.name) })
	}
	c.later(1, j.run)
	return ok(j.createdInfo())
}

// bulkPlan plans a query, unless it is one the Bulk API has no answer to. A statement that every API refuses is an
// API_ERROR here: so is at least what the older Bulk API tells with a code of its own, FUNCTIONALITY_NOT_ENABLED.
func (c *call) bulkPlan(text string, deleted bool) (*plan, error) {
	q, err := soql.Parse(text)
	if err != nil {
		return nil, bulkError("API_ERROR", "%s", asFault(asMalformed(err, "")).message)
	}
	if what := notExported(q); what != "" {
		return nil, bulkError("API_ERROR", "%s", what)
	}
	p, err := c.plan(text, deleted)
	var f *fault
	switch {
	case errors.As(err, &f):
		return nil, bulkError("API_ERROR", "%s", f.message)
	case err != nil:
		return nil, err
	case p.shape.of.object.PerUser:
		return nil, notInBulk(p.shape.of.object)
	}
	for _, column := range exportColumns(p.shape, "") {
		switch column.field.Type {
		case "address":
			return nil, bulkError("API_ERROR", "Selecting compound data not supported in Bulk Query")
		case "base64":
			return nil, bulkError("API_ERROR", "Blob field not supported in Bulk V2 Query with CSV content type")
		}
	}
	return p, nil
}

// notExported says what keeps a query out of the Bulk API. The guide lists it all; the words are known for queries
// within queries only, the others follow them.
func notExported(q *soql.Query) string {
	for _, item := range q.Items {
		switch item.(type) {
		case *soql.Child:
			return "Aggregate Relationships not supported in Bulk V2 Query with CSV content type"
		case *soql.TypeOf:
			return "TYPEOF not supported in Bulk Query"
		}
	}
	switch {
	case q.GroupBy != nil:
		return "GROUP BY not supported in Bulk Query"
	case q.Offset != nil:
		return "OFFSET not supported in Bulk Query"
	case aggregated(q) || isCount(q):
		return "Aggregate functions not supported in Bulk Query"
	}
	return ""
}

// exportColumn is a column of a result: a field of the object, or with a path such as Owner.Name one of a parent.
type exportColumn struct {
	shapeMember
	name string
}

// exportColumns lists the fields of a record and of its parents, in the order in which they were selected.
func exportColumns(s *shape, path string) []exportColumn {
	var columns []exportColumn
	for _, m := range s.members {
		if m.parent != nil {
			columns = append(columns, exportColumns(m.parent, path+m.key+".")...)
		} else {
			columns = append(columns, exportColumn{shapeMember: m, name: path + m.key})
		}
	}
	slices.SortStableFunc(columns, func(a, b exportColumn) int { return cmp.Compare(a.place, b.place) })
	return columns
}

// abortQueryJob is PATCH /jobs/query/{id}.
func abortQueryJob(c *call) (*answer, error) {
	j, err := c.bulkJob(queryType)
	if err != nil {
		return nil, err
	}
	state, err := c.readState()
	switch {
	case err != nil:
	case state != jobAborted:
		err = badValue("state", state)
	default:
		err = j.abort(c)
	}
	if err != nil {
		return nil, err
	}
	return ok(j.changedInfo())
}

// run has the job take its turn, which comes later.
func (j *bulkJob) run(c *call) error {
	if j.state == jobUploaded {
		j.enter(c, jobRunning)
		c.later(1, j.query)
	}
	return nil
}

// query keeps the rows there are now. What is changed afterwards does not change the results.
func (j *bulkJob) query(c *call) error {
	if j.state != jobRunning {
		return nil
	}
	rows, err := c.db.QueryContext(c.Context(), j.export.plan.sql, j.export.plan.args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	row, into := make([]any, len(j.export.plan.reads)), make([]any, len(j.export.plan.reads))
	for i := range row {
		into[i] = &row[i]
	}
	w := &blockWriter{csvWriter: j.writer()}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for _, column := range j.export.columns {
			w.cell(column.text(row[column.column]))
		}
		if err := w.endRow(); err != nil {
			return err
		}
	}
	if err := errors.Join(rows.Err(), w.flush()); err != nil {
		return err
	}
	j.export.blocks, j.processed, j.export.plan = w.blocks, w.total, nil
	j.enter(c, jobComplete)
	return nil
}

// text is a value as results show it: times in UTC as they are stored, numbers as everywhere.
func (c exportColumn) text(column any) string {
	if c.format {
		column = formatted(c.field, column)
	} else if c.field.Type != "datetime" {
		column = shown(c.field, column)
	}
	switch v := column.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case double:
		return v.String()
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return ""
}
