package tools

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/soql"
)

// values notes the fields of a record that is written. A relationship may stand
// among them, with a field by which Salesforce finds the other record (REST API
// guide, "Insert or Update a Record Using an External ID").
func (r *reach) values(object *described, record map[string]any) error {
	if !r.rule.Narrowed() {
		return nil
	}
	for name, v := range record {
		switch v := v.(type) {
		case map[string]any:
			if name == "attributes" {
				r.attributes(v)
				continue
			}
			if err := r.related(object, name, v); err != nil {
				return err
			}
		case []any:
			r.unknown("%s of %s is a list", clip(name), object.Name)
		default:
			if foldKey(name) == "id" {
				r.ids(object, v)
				continue
			}
			r.field(object, name, allowlist.Writes)
		}
	}
	return nil
}

// attributes says of a record what it is. What their other members do when they are
// sent is not documented: url names a record too.
func (r *reach) attributes(of map[string]any) {
	for name := range of {
		if name != "type" && name != "referenceId" {
			r.unknown("its attributes have %s", clip(name))
		}
	}
}

// related notes the record that values name by a field of it. A polymorphic
// relationship may lead to any of its objects, unless the values say which.
func (r *reach) related(object *described, name string, values map[string]any) error {
	found := false
	given, err := Param{}.typeOf(values)
	if err != nil {
		r.unknown("the type of %s is not written as in attributes: {type: Account}", clip(name))
		return errOutside
	}
	for _, f := range object.Fields {
		if f.RelationshipName == "" || foldKey(f.RelationshipName) != foldKey(name) {
			continue
		}
		r.touch(object.Name, f.Name, allowlist.Writes)
		for _, target := range f.ReferenceTo {
			if given != "" && !strings.EqualFold(given, target) {
				continue
			}
			found = true
			other, err := r.object(target, allowlist.Reads)
			if err != nil {
				return err
			}
			for by, v := range values {
				nested, isObject := v.(map[string]any)
				if by == "attributes" {
					r.attributes(nested)
					continue
				}
				if isObject {
					r.unknown("%s.%s is an object", clip(name), clip(by))
				}
				r.field(other, by, allowlist.Filters)
			}
		}
	}
	if !found {
		r.unknown("%s has no relationship %s", object.Name, clip(name))
	}
	return nil
}

// touchCollection is of rows that write records of any types.
func touchCollection(r *reach, args Args) error { return r.records(args[recordList.Name].([]any)) }

// records notes records by the types that they say they are of.
func (r *reach) records(list []any) error {
	for _, e := range list {
		record := e.(map[string]any)
		name, err := Param{}.typeOf(record)
		if err != nil {
			return err
		}
		object, err := r.object(name, allowlist.Writes)
		if err != nil {
			return err
		}
		if err := r.values(object, record); err != nil {
			return err
		}
	}
	return nil
}

// touchIDs is of rows that name records by nothing but their IDs. Their first three
// characters tell of which object they are.
func touchIDs(r *reach, args Args) error {
	if !r.rule.Narrowed() {
		return nil
	}
	ids := args[recordIDs.Name].([]string)
	seen := map[string]bool{}
	for _, id := range ids {
		_, wrong := salesforce.To18(id)
		if seen[id[:3]] && wrong == nil {
			continue
		}
		seen[id[:3]] = true
		name, err := r.objectOf(id)
		if err != nil {
			return err
		}
		if name == "" {
			r.unknown("of which object %s is cannot be told", clip(id))
			continue
		}
		if _, err := r.object(name, r.op.how()); err != nil {
			return err
		}
	}
	return nil
}

// touchTree is of records with their children below the names of relationships.
func touchTree(r *reach, args Args) error {
	return r.tree(args[treeRecords.Name].([]any), text(args[sObjectName.Name]))
}

func (r *reach) tree(list []any, of string) error {
	for _, e := range list {
		record := e.(map[string]any)
		name, err := Param{}.typeOf(record)
		if err != nil {
			return err
		}
		if !strings.EqualFold(name, of) {
			r.unknown("a record of type %s stands where those of %s belong", clip(name), clip(of))
			return errOutside
		}
		object, err := r.object(name, allowlist.Writes)
		if err != nil {
			return err
		}
		own := map[string]any{}
		for member, v := range record {
			children, isChildren := v.(map[string]any)
			records, isList := children["records"].([]any)
			if member == "attributes" || !isChildren || !isList || !r.rule.Narrowed() {
				own[member] = v
				continue
			}
			i := slices.IndexFunc(object.ChildRelationships, func(c soql.ChildRelationship) bool { return strings.EqualFold(c.RelationshipName, member) })
			if i < 0 {
				r.unknown("%s has no child relationship %s", object.Name, clip(member))
				return errOutside
			}
			if err := r.tree(records, object.ChildRelationships[i].ChildSObject); err != nil {
				return err
			}
		}
		if err := r.values(object, own); err != nil {
			return err
		}
	}
	return nil
}

// touchFile is of a file that is stored: a ContentVersion, and the record it is
// attached to.
func touchFile(r *reach, args Args) error {
	version, err := r.object("ContentVersion", allowlist.Writes)
	if err != nil {
		return err
	}
	for _, name := range []string{"Title", "PathOnClient", "VersionData"} {
		r.field(version, name, allowlist.Writes)
	}
	to, ok := args[uploadTo.Name].(string)
	if !ok {
		return nil
	}
	r.field(version, "FirstPublishLocationId", allowlist.Writes)
	name, err := r.objectOf(to)
	if err == nil && name == "" {
		r.unknown("of which object %s is cannot be told", clip(to))
	} else if err == nil {
		r.touch(name, "", allowlist.Writes)
	}
	return err
}

// touchCounts is of rows that count records of the objects they are given. Without
// any the answer is rid of what is not to be seen.
func touchCounts(r *reach, args Args) error {
	names, _ := args[sObjectNames.Name].([]string)
	for _, name := range names {
		if _, err := r.object(name, allowlist.Reads); err != nil {
			return err
		}
	}
	return nil
}

// touchObjectActions is of the quick actions of an object, or of all.
func touchObjectActions(r *reach, args Args) error {
	name, ok := args[actionsObject.Name].(string)
	if !ok {
		return nil
	}
	_, err := r.object(name, allowlist.Reads)
	return err
}

// bulkEffects says what the operation of a job does to the org.
var bulkEffects = map[string]Effect{"insert": Add, "update": Set, "upsert": Set, "delete": Remove, "hardDelete": Remove}

// touchIngest is of a job that is to write records of one object: what the job
// does is what its operation does.
func touchIngest(r *reach, args Args) error {
	op := *r.op
	op.Effect = bulkEffects[text(args[ingestKind.Name])]
	r.op = &op
	object, err := r.object(text(args[jobObject.Name]), allowlist.Writes)
	if err != nil {
		return err
	}
	if by, ok := args[upsertField.Name]; ok {
		r.field(object, text(by), allowlist.Filters)
	}
	return nil
}

// columnRE matches a column of an upload: a field, or one of another record over a
// relationship, whose type may stand before it (Bulk API 2.0 guide, "Relationship
// Fields in a Header Row").
var columnRE = regexp.MustCompile(`^(?:([A-Za-z]\w*):)?([A-Za-z]\w*)(?:[.]([A-Za-z]\w*))?$`)

// touchUpload is of rows that are given to a job: the columns are fields of its
// object.
func touchUpload(r *reach, args Args) error {
	if err := touchHandle(r, args); err != nil || !r.rule.Narrowed() {
		return err
	}
	header, err := headerOf(args[rawBody.Name])
	if err != nil {
		r.unknown("the header of its rows cannot be read")
		return nil
	}
	for _, job := range slices.Clone(r.touches) {
		if job.SObject == "" || job.Field != "" {
			continue
		}
		object, err := r.object(job.SObject, allowlist.Writes)
		if err != nil {
			return err
		}
		for i, column := range header {
			m := columnRE.FindStringSubmatch(column)
			switch {
			case m == nil:
				r.unknown("%q is no column of a job", clip(column))
			case m[3] == "" && m[1] == "":
				if foldKey(m[2]) != "id" {
					r.field(object, m[2], allowlist.Writes)
				} else if err := r.rowIDs(object, args[rawBody.Name], i, len(header)); err != nil {
					return err
				}
			default:
				by := map[string]any{m[3]: ""}
				if m[1] != "" {
					by["attributes"] = map[string]any{"type": m[1]}
				}
				if err := r.related(object, m[2], by); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// rowIDs notes the IDs in a column of an upload. Of rows that are streamed each is
// looked at before it is sent on.
func (r *reach) rowIDs(object *described, v any, at, columns int) error {
	check := func(fields []string) error {
		if len(fields) != columns {
			return fmt.Errorf("a row has %d columns, and its header %d", len(fields), columns)
		}
		if fields[at] == "" {
			return nil
		}
		if _, err := salesforce.To18(fields[at]); err != nil {
			return err
		}
		if !strings.HasPrefix(fields[at], object.KeyPrefix) {
			return fmt.Errorf("%s is no ID of %s", clip(fields[at]), object.Name)
		}
		return nil
	}
	if upload, streamed := v.(*Upload); streamed {
		upload.Reader = &checkedRows{c: &csvReader{from: bufio.NewReaderSize(upload.Reader, 64<<10)}, check: check}
		return nil
	}
	rows := &checkedRows{c: &csvReader{from: bufio.NewReader(strings.NewReader(text(v)))}, check: check}
	if _, err := io.Copy(io.Discard, rows); err != nil {
		r.unknown("%v", cmp.Or(rows.wrong, err))
	}
	return nil
}

// checkedRows are the rows of a CSV, byte for byte, up to one that does not pass.
type checkedRows struct {
	c      *csvReader
	check  func([]string) error
	header bool // it was read
	rest   []byte
	wrong  error // with the row that did not pass
}

func (c *checkedRows) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		if err := c.c.line(); err != nil {
			return 0, err
		}
		c.rest = c.c.raw
		if len(bytes.TrimRight(c.rest, "\r\n")) == 0 {
			continue
		}
		if !c.header {
			c.header, c.c.comma = true, delimiterOf(c.rest)
			continue
		}
		if c.wrong = c.row(); c.wrong != nil {
			return 0, &Error{Code: NotAuthorized, Message: "This agent is not authorized to use this connector for these rows, which were not sent to their end: " + c.wrong.Error()}
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// row checks the last row, which must be written so that it means one thing to every
// reader of CSV.
func (c *checkedRows) row() error {
	if bytes.Count(c.rest, []byte{'\r'}) != bytes.Count(c.rest, []byte("\r\n")) {
		return errors.New("a row has a carriage return of its own")
	}
	one := csv.NewReader(bytes.NewReader(c.rest))
	one.Comma, one.FieldsPerRecord = c.c.comma, -1
	fields, err := one.Read()
	if err != nil {
		return err
	}
	if _, err := one.Read(); !errors.Is(err, io.EOF) {
		return errors.New("a row has line breaks and quotes that can be read in two ways")
	}
	return c.check(fields)
}

// maxHeader is how many bytes the header of an upload may have.
const maxHeader = 64 << 10

// headerOf reads the columns of an upload, and leaves what is streamed as it was.
func headerOf(v any) ([]string, error) {
	upload, streamed := v.(*Upload)
	if !streamed {
		c, err := newCSV(strings.NewReader(text(v)))
		if err == nil && c.header == nil {
			err = errors.New("there is none")
		}
		if err != nil {
			return nil, err
		}
		return c.header, nil
	}
	var line []byte
	for one := make([]byte, 1); len(line) < maxHeader; {
		n, err := upload.Read(one)
		line = append(line, one[:n]...)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if err != nil || n > 0 && one[0] == '\n' {
			break
		}
	}
	upload.Reader = io.MultiReader(bytes.NewReader(line), upload.Reader)
	if len(line) >= maxHeader {
		return nil, errors.New("it is too long")
	}
	return headerOf(string(line))
}
