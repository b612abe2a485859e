package apex

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// query runs [SELECT …] with the values of its binds in their places.
func (in *Interpreter) query(f *frame, q *query) (Value, error) {
	var soql strings.Builder
	for i, part := range q.parts {
		soql.WriteString(part)
		if i < len(q.binds) {
			v, err := in.eval(f, q.binds[i])
			if err != nil {
				return nil, err
			}
			text, err := in.asLiteral(q.binds[i].at(), v)
			if err != nil {
				return nil, err
			}
			soql.WriteString(text)
		}
	}
	return in.soql(q.Pos, soql.String())
}

// asLiteral writes a value as a constant of SOQL.
func (in *Interpreter) asLiteral(at Pos, v Value) (string, error) {
	switch v := v.(type) {
	case nil, bool, int64, Decimal:
		return Text(v), nil
	case string, ID:
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`).Replace(Text(v)) + "'", nil
	case Date:
		return v.Format(time.DateOnly), nil
	case time.Time:
		return v.UTC().Format("2006-01-02T15:04:05Z"), nil
	case *SObject:
		id, _ := v.Get("Id")
		return in.asLiteral(at, id)
	case *Set:
		return in.asLiteral(at, &List{Items: v.keyList()})
	case *List:
		literals := make([]string, len(v.Items))
		for i, item := range v.Items {
			var err error
			if literals[i], err = in.asLiteral(at, item); err != nil {
				return "", err
			}
		}
		if len(literals) == 0 { // an IN with nothing in it finds nothing
			literals = []string{"'000000000000000'"}
		}
		return "(" + strings.Join(literals, ", ") + ")", nil
	}
	return "", &Error{at, "Invalid bind expression type of " + typeName(v)}
}

// soql runs a query.
func (in *Interpreter) soql(at Pos, text string) (Value, error) {
	if in.Queries++; in.Queries > maxQueries {
		return nil, in.limit(fmt.Sprintf("Too many SOQL queries: %d", in.Queries))
	}
	words := strings.Fields(strings.ToUpper(text))
	if len(words) > 1 && words[0] == "FIND" {
		return nil, unknown(at, "SOSL")
	}
	if len(words) > 1 && strings.HasPrefix(strings.Join(words[1:min(3, len(words))], ""), "COUNT()") {
		n, err := in.Platform.Count(text)
		return int64(n), in.refusedQuery(at, err)
	}
	records, err := in.Platform.Query(text)
	if err != nil {
		return nil, in.refusedQuery(at, err)
	}
	if in.QueryRows += len(records); in.QueryRows > 5*maxRows {
		return nil, in.limit(fmt.Sprintf("Too many query rows: %d", 5*maxRows+1))
	}
	list := &List{Elem: Type{Name: "SObject"}}
	for _, r := range records {
		list.Elem.Name = r.Type
		list.Items = append(list.Items, r)
	}
	return list, nil
}

// refusedQuery: a query that is no SOQL does not compile.
func (in *Interpreter) refusedQuery(at Pos, err error) error {
	var refused *RowError
	if errors.As(err, &refused) {
		return &Error{at, refused.Message}
	}
	return err
}

// dmlStmt is insert, update, upsert and delete: all records or none.
func (in *Interpreter) dmlStmt(f *frame, s *dmlStmt) error {
	v, err := in.eval(f, s.x)
	if err != nil {
		return err
	}
	records, err := in.records(s.x.at(), v)
	if err != nil {
		return err
	}
	_, err = in.dml(s.Pos, s.op, s.key, records, true)
	return err
}

// records is the operand of a DML statement.
func (in *Interpreter) records(at Pos, v Value) ([]*SObject, error) {
	switch v := v.(type) {
	case nil:
		return nil, in.throw("NullPointerException", nullReference)
	case *SObject:
		return []*SObject{v}, nil
	case *List:
		var records []*SObject
		for _, item := range v.Items {
			record, isRecord := item.(*SObject)
			if item == nil {
				return nil, in.throw("NullPointerException", nullReference)
			}
			if !isRecord {
				return nil, &Error{at, "DML requires SObject or SObject list type: " + typeName(v)}
			}
			records = append(records, record)
		}
		return records, nil
	}
	return nil, &Error{at, "DML requires SObject or SObject list type: " + typeName(v)}
}

// dml writes records. With allOrNone the first failure undoes all and is thrown, else failures are in the result.
func (in *Interpreter) dml(at Pos, op, key string, records []*SObject, allOrNone bool) ([]error, error) {
	if op == "undelete" || op == "merge" {
		return nil, unknown(at, "%s", op)
	}
	if in.DML++; in.DML > maxDML {
		return nil, in.limit(fmt.Sprintf("Too many DML statements: %d", in.DML))
	}
	if in.DMLRows += len(records); in.DMLRows > maxRows {
		return nil, in.limit(fmt.Sprintf("Too many DML rows: %d", in.DMLRows))
	}
	failures := make([]error, len(records))
	err := in.Platform.Within(func() error {
		for i, record := range records {
			failures[i] = in.Platform.Within(func() error { return in.writeOne(op, key, record) })
			var refused *RowError
			if failures[i] != nil && (allOrNone || !errors.As(failures[i], &refused)) {
				return failures[i]
			}
		}
		return nil
	})
	var refused *RowError
	if !errors.As(err, &refused) {
		return failures, err
	}
	row := 0
	for failures[row] == nil {
		row++
	}
	if op == "insert" {
		for _, record := range records {
			record.remove("Id")
		}
	}
	message := fmt.Sprintf("%s failed. First exception on row %d", strings.ToUpper(op[:1])+op[1:], row)
	if id, known := records[row].Get("Id"); known && id != nil {
		message += " with id " + Text(id)
	}
	return nil, in.throw("DmlException", "%s; first error: %s, %s: [%s]", message, refused.Code, refused.Message, strings.Join(refused.Fields, ", "))
}

func (in *Interpreter) writeOne(op, key string, record *SObject) error {
	id, hasID := record.Get("Id")
	hasID = hasID && id != nil
	switch {
	case op == "insert" && hasID:
		return &RowError{Code: "INVALID_FIELD_FOR_INSERT_UPDATE", Message: "cannot specify Id in an insert call", Fields: []string{"Id"}}
	case (op == "update" || op == "delete") && !hasID:
		return &RowError{Code: "MISSING_ARGUMENT", Message: "Id not specified in an " + op + " call", Fields: []string{}}
	}
	written, err := in.Platform.Write(op, key, record)
	if err == nil && op != "delete" {
		record.Put("Id", ID(written))
		record.changed = nil
	}
	return err
}
