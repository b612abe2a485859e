package tools

import (
	"errors"
	"fmt"
	"strings"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/salesforce/soql"
)

// hows are the uses of fields in statements in the words of rules. What is grouped
// by is shown.
var hows = map[soql.Use]string{soql.Selected: allowlist.Reads, soql.Filtered: allowlist.Filters, soql.Sorted: allowlist.Sorts, soql.Grouped: allowlist.Reads}

// touchSOQL is of rows with a query.
func touchSOQL(r *reach, args Args) error { return r.query(text(args[q.Name])) }

// touchSOSL is of rows with a search.
func touchSOSL(r *reach, args Args) error {
	statement, err := soql.ParseSearch(text(args[q.Name]))
	if err != nil {
		r.unknown("its statement cannot be read: %v", err)
		return nil
	}
	return r.reads(statement.Reads)
}

// query notes what a query reads.
func (r *reach) query(statement string) error {
	query, err := soql.Parse(statement)
	if err != nil {
		r.unknown("its statement cannot be read: %v", err)
		return nil
	}
	return r.reads(query.Reads)
}

// reads notes what a statement reads. All fields of records that are shown are no
// touch: the answer is rid of those that are not to be seen. Where it cannot be,
// because it is a stream of rows, they are.
func (r *reach) reads(list func(soql.Describe) ([]soql.Read, error)) error {
	if !r.rule.Narrowed() {
		return nil
	}
	reads, err := list(func(name string) (*soql.SObject, error) {
		if !r.rule.PermitsSObject(name) { // it is not asked about
			r.touch(name, "", allowlist.Reads)
			return nil, errOutside
		}
		object, err := r.describe(name)
		if err != nil {
			return nil, err
		}
		return &object.SObject, nil
	})
	var unknown *soql.NameError
	if errors.As(err, &unknown) {
		r.unknown("%s", unknown.Msg)
		return nil
	}
	if err != nil {
		return err
	}
	for _, read := range reads {
		switch {
		case read.SObject == soql.Any:
			r.unknown("it looks at every object; name those that are meant, as in RETURNING Account(Id, Name)")
		case read.Field == soql.Any && read.Use == soql.Selected && r.op.Gives != Job:
			r.touch(read.SObject, "", allowlist.Reads)
		default:
			r.touch(read.SObject, read.Field, hows[read.Use])
			if read.Compound != "" && r.rule.DeniesWhole(read.SObject, read.Compound) {
				r.touch(read.SObject, read.Compound, hows[read.Use])
			}
		}
	}
	return nil
}

// selected notes fields of an object with the ways that lead to them, as a query
// selects them.
func (r *reach) selected(object *described, fields []string) error {
	if !r.rule.Narrowed() {
		return nil
	}
	return r.query("SELECT " + strings.Join(fields, ", ") + " FROM " + object.Name)
}

// touchSearch is of a search without SOSL. A member that is not known could mean
// anything.
func touchSearch(r *reach, args Args) error {
	body := args[bodyName].(map[string]any)
	search := &soql.Search{}
	for name, v := range body {
		switch name {
		case "in":
			search.In = &soql.Name{Text: strings.ToUpper(text(v))}
		case "q", "overallLimit", "defaultLimit", "spellCorrection", "fields", "sobjects":
		default:
			r.unknown("what %s in a search does is not known", clip(name))
		}
	}
	list, _ := body["sobjects"].([]any)
	for _, e := range list {
		object, _ := e.(map[string]any)
		returning, err := searched(object, body["fields"])
		if err != nil {
			r.unknown("%v", err)
			return nil
		}
		search.Returning = append(search.Returning, returning)
	}
	return r.reads(search.Reads)
}

// searched is an object of a search, as SOSL names it.
func searched(object map[string]any, otherwise any) (*soql.Returning, error) {
	returning := &soql.Returning{}
	fields, given := object["fields"]
	if !given {
		fields = otherwise
	}
	list, isList := fields.([]any)
	if fields != nil && !isList {
		return nil, errors.New("the fields of a search are no list of names")
	}
	for _, f := range list {
		name, _ := f.(string)
		if !pathRE.MatchString(name) {
			return nil, fmt.Errorf("%q is no field name", clip(name))
		}
		var path soql.Path
		for part := range strings.SplitSeq(name, ".") {
			path = append(path, soql.Name{Text: part})
		}
		returning.Items = append(returning.Items, &soql.Column{Expr: path})
	}
	for member, v := range object {
		var err error
		switch member {
		case "fields", "limit":
		case "name":
			returning.Object = soql.Name{Text: text(v)}
		case "where":
			returning.Where, err = soql.ParseFilter(text(v))
		case "orderBy":
			returning.OrderBy, err = soql.ParseOrder(text(v))
		default:
			err = fmt.Errorf("what %s in a search does is not known", clip(member))
		}
		if err != nil {
			return nil, err
		}
	}
	return returning, nil
}

// touchHandle is of rows that go on with what was begun: it touches what that did.
func touchHandle(r *reach, args Args) error {
	if r.server.Handles == nil {
		r.unknown("what it goes on with is not known")
		return nil
	}
	for _, handle := range r.op.continues(args) {
		touches, known, err := r.server.Handles.Touches(r.ctx, r.caller, handle)
		switch {
		case err != nil:
			return fmt.Errorf("read what the %s touches: %w", handle, err)
		case !known:
			r.unknown("the %s was begun when the rule had no lists; begin again", clip(handle))
		}
		r.touches = append(r.touches, touches...)
	}
	return nil
}

// touchJob is of a query that runs as a job.
func touchJob(r *reach, args Args) error { return r.query(text(args[jobQuery.Name])) }

// touchReports is of lists of reports, which are records themselves.
func touchReports(r *reach, _ Args) error {
	_, err := r.object("Report", allowlist.Reads)
	return err
}

// touchDashboards is of lists of dashboards.
func touchDashboards(r *reach, _ Args) error {
	_, err := r.object("Dashboard", allowlist.Reads)
	return err
}

// touchQuickAction is of what an action of an object looks like. Of a global one
// only Salesforce knows the object.
func touchQuickAction(r *reach, args Args) error {
	object, _, dotted := strings.Cut(text(args[quickAction.Name]), ".")
	if !dotted {
		r.unknown("of which object the action %s is cannot be told", clip(object))
		return nil
	}
	_, err := r.object(object, allowlist.Reads)
	return err
}
