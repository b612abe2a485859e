package tools

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/salesforce/soql"
)

// carries reports whether the row carries other requests.
func (op *Op) carries() bool {
	return slices.ContainsFunc(op.params(), func(p Param) bool { return slices.Contains([]Form{Subrequests, BatchRequests, Graphs}, p.Form) })
}

// touchInside is of rows that carry requests: each is gated as the row of our own
// table that does the same. What no row does is not let through.
func touchInside(r *reach, args Args) error {
	for _, p := range r.op.params() {
		list, _ := args[p.Name].([]any)
		var err error
		switch p.Form {
		case Subrequests, BatchRequests:
			err = r.requests(list)
		case Graphs:
			for _, graph := range list {
				requests, _ := graph.(map[string]any)["compositeRequest"].([]any)
				if err = r.requests(requests); err != nil {
					break
				}
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// An earlier request may be referred to by those after it.
type earlier struct {
	objects []string // whose records its answer has
	proven  bool     // every field of its answer was gated
	aliased bool     // names in its answer are of the caller's choice
}

func (r *reach) requests(list []any) error {
	before := map[string]earlier{}
	for i, e := range list {
		request := e.(map[string]any)
		from := len(r.touches)
		op, args, err := r.inner(request, before)
		if err != nil {
			r.touches = append(r.touches, allowlist.Touch{How: allowlist.Writes,
				Why: fmt.Sprintf("what request %d of it does cannot be told: %v", i+1, err)})
			return errOutside
		}
		r.touches = append(r.touches, allowlist.Touch{Op: op.operation()})
		if err := r.row(op, args); err != nil {
			return err
		}
		if reference, ok := request["referenceId"].(string); ok {
			before[reference] = r.answers(op, args, r.touches[from:])
		}
	}
	return nil
}

// answers says what a reference to a request's answer may lead to.
func (r *reach) answers(op *Op, args Args, touches []allowlist.Touch) earlier {
	e := earlier{}
	for _, t := range touches {
		if t.SObject != "" && !slices.Contains(e.objects, t.SObject) {
			e.objects = append(e.objects, t.SObject)
		}
	}
	statement, ok := args[q.Name].(string)
	query, err := soql.Parse(statement)
	if !ok {
		return e
	}
	e.proven, e.aliased = true, true // of a search, which may have aliases too
	if err == nil {
		e.aliased = false
		soql.Walk(query, func(n soql.Node) bool {
			switch n := n.(type) {
			case *soql.FieldSet:
				e.proven = false
			case *soql.Column:
				e.aliased = e.aliased || n.Alias != nil
			}
			return true
		})
	}
	return e
}

var (
	insideURL = regexp.MustCompile(`^(?:/services/data)?/?v\d{2,3}\.0(/[^?#]*)(?:\?([^#]*))?$`)
	// idReference matches a reference to the ID of a record, which can be nothing
	// else in a path or a statement than that.
	idReference = regexp.MustCompile(`@\{([A-Za-z0-9_]+)(?:\.[A-Za-z0-9_]+|\[\d+\])*\.[iI]d\}`)
	reference   = regexp.MustCompile(`@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[\d+\])*)\}`)
)

// someID stands for an ID that only Salesforce will know. No record has it.
const someID = "000000000000000"

// The members of a request inside a request, and the headers it may have: others
// can change what names mean, as Sforce-Call-Options does.
var (
	insideMembers = []string{"method", "url", "referenceId", "body", "richInput", "httpHeaders"}
	insideHeaders = []string{"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"}
)

// inner finds the row that does what a request inside a request asks, and its
// arguments. The error says why there is none.
func (r *reach) inner(request map[string]any, before map[string]earlier) (*Op, Args, error) {
	for name := range request {
		if !slices.Contains(insideMembers, name) {
			return nil, nil, fmt.Errorf("it has a member %s", clip(name))
		}
	}
	headers, _ := request["httpHeaders"].(map[string]any)
	for name := range headers {
		if !slices.Contains(insideHeaders, strings.ToLower(name)) {
			return nil, nil, fmt.Errorf("it has the header %s", clip(name))
		}
	}
	target, method := text(request["url"]), text(request["method"])
	m := insideURL.FindStringSubmatch(target)
	if m == nil {
		return nil, nil, fmt.Errorf("its URL %s is not the path of a resource", clip(target))
	}
	path := strings.Split(strings.TrimSuffix(m[1], "/"), "/")
	query, err := r.queryOf(m[2], before)
	if err != nil {
		return nil, nil, err
	}
	var body any
	for _, name := range []string{"body", "richInput"} {
		if v, ok := request[name]; ok && body == nil {
			body = v
		} else if ok {
			return nil, nil, fmt.Errorf("it has two bodies")
		}
	}
	why := fmt.Errorf("no action has %s %s", clip(method), clip(m[1]))
	var refused *Op
	var refusedArgs Args
	for i := range r.server.Table {
		for j := range r.server.Table[i].Ops {
			op := &r.server.Table[i].Ops[j]
			args, ok, err := r.matches(op, method, path, before)
			if !ok || op.carries() {
				continue
			}
			if err == nil {
				args, err = r.arguments(op, args, query, body, before)
			}
			var ours *Error
			if errors.As(err, &ours) { // whose code and hint are for a call of its own
				err = errors.New(ours.Message)
			}
			if err != nil {
				why = fmt.Errorf("%s: %w", op.Name(), err)
				continue
			}
			if r.rule.Permits(op.operation()) {
				return op, args, nil
			}
			refused, refusedArgs = op, args
		}
	}
	if refused != nil { // which the gate will say
		return refused, refusedArgs, nil
	}
	return nil, nil, why
}

// matches reports whether a path is the row's, and fills its holes. What stands in
// them is decoded once; what would mean something else if it were decoded again,
// or not at all, is an error.
func (r *reach) matches(op *Op, method string, path []string, before map[string]earlier) (args map[string]any, ok bool, err error) {
	verb, pattern, _ := strings.Cut(op.Call, " ")
	parts := strings.Split(strings.TrimSuffix(pattern, "/"), "/")
	if verb != method || parts[min(1, len(parts)-1)] == "services" || len(parts) != len(path) {
		return nil, false, nil
	}
	args = map[string]any{}
	for i, part := range parts {
		hole := holeRE.FindStringSubmatch(part)
		if hole == nil {
			if part != path[i] {
				return nil, false, nil
			}
			continue
		}
		value, bad := url.PathUnescape(path[i])
		if p, _ := op.param(hole[1]); bad == nil && (p.Form == RecordID || foldKey(text(args[external.Name])) == "id") {
			bad = r.refersTo(value, text(args[sObjectName.Name]), before)
		}
		if bad == nil {
			value, bad = r.known(value, before)
		}
		if bad == nil && strings.ContainsAny(value, "/\\%;?#&+") {
			bad = fmt.Errorf("%s may mean more than one thing in a path", clip(value))
		}
		args[hole[1]], err = value, bad
		if err != nil {
			break
		}
	}
	return args, true, err
}

// queryOf reads the parameters of a URL, each of which stands there once.
func (r *reach) queryOf(raw string, before map[string]earlier) (map[string]string, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, fmt.Errorf("its parameters cannot be read")
	}
	query := map[string]string{}
	for name, list := range values {
		if len(list) != 1 {
			return nil, fmt.Errorf("%s is given twice", clip(name))
		}
		if query[name], err = r.known(list[0], before); err != nil {
			return nil, err
		}
	}
	return query, nil
}

// known puts something in the place of references to IDs. Any other reference could
// become any text, and with it another path or statement.
func (r *reach) known(s string, before map[string]earlier) (string, error) {
	for _, m := range idReference.FindAllStringSubmatch(s, -1) {
		if e, ok := before[m[1]]; !ok || e.aliased {
			return "", fmt.Errorf("what %s will be is not known", clip(m[0]))
		}
	}
	s = idReference.ReplaceAllString(s, someID)
	if strings.Contains(s, "@{") {
		return "", fmt.Errorf("what %s will be is not known; only the ID of a record may be referred to here", clip(s))
	}
	return s, nil
}

// refersTo reports a reference in the place of an ID whose answer has no records of
// the object that is named beside it.
func (r *reach) refersTo(value, object string, before map[string]earlier) error {
	for _, m := range idReference.FindAllStringSubmatch(value, -1) {
		of := before[m[1]].objects
		if r.rule.Narrowed() && !slices.ContainsFunc(of, func(name string) bool { return strings.EqualFold(name, object) }) {
			return fmt.Errorf("%s may be no ID of %s", clip(m[0]), clip(object))
		}
	}
	return nil
}

// arguments are those of a request inside a request, as the row takes them.
func (r *reach) arguments(op *Op, args map[string]any, query map[string]string, body any, before map[string]earlier) (Args, error) {
	for name, value := range query {
		p, ok := op.param(name)
		if _, twice := args[name]; !ok || twice || op.wrapped(p) && op.method() != "DELETE" || slices.Contains([]In{Local, Shape, Body, Raw}, p.In) {
			return nil, op.unknown(name)
		}
		args[name] = value
	}
	_, raw := op.raw()
	flat, isObject := body.(map[string]any)
	switch {
	case raw:
		return nil, fmt.Errorf("its rows are not read inside other requests")
	case body == nil:
	case op.Flat && isObject:
		for name, v := range flat {
			if _, twice := args[name]; twice {
				return nil, op.unknown(name)
			}
			args[name] = v
		}
	default:
		args[bodyName] = body
	}
	if err := r.references(op, body, before); err != nil {
		return nil, err
	}
	return op.Check(args)
}

// references notes what references in a body read of earlier answers. In the values
// of records they may be any field of them; elsewhere they are not read.
func (r *reach) references(op *Op, v any, before map[string]earlier) error {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if strings.Contains(name, "@{") {
				return fmt.Errorf("the name %s is a reference", clip(name))
			}
			if err := r.references(op, v[name], before); err != nil {
				return err
			}
		}
	case []any:
		for _, e := range v {
			if err := r.references(op, e, before); err != nil {
				return err
			}
		}
	case string:
		if !strings.Contains(v, "@{") {
			return nil
		}
		if !slices.ContainsFunc(op.params(), func(p Param) bool { return slices.Contains([]Form{FieldValues, RecordList, TreeRecords}, p.Form) }) {
			return fmt.Errorf("it refers to %s where that decides what it does", clip(v))
		}
		for _, m := range reference.FindAllStringSubmatch(v, -1) {
			if err := r.refers(m[0], m[2], before[m[1]]); err != nil {
				return err
			}
		}
		if rest := reference.ReplaceAllString(v, ""); strings.Contains(rest, "@{") {
			return fmt.Errorf("the reference %s cannot be read", clip(v))
		}
	}
	return nil
}

// refers notes what a reference reads of an earlier answer that was not gated field
// by field: every field on its way.
func (r *reach) refers(whole, path string, to earlier) error {
	if !r.rule.Narrowed() || to.proven && !to.aliased {
		return nil
	}
	names := regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`).FindAllString(path, -1)
	if len(names) > 0 && slices.Contains([]string{"id", "success", "created"}, strings.ToLower(names[len(names)-1])) {
		return nil
	}
	last := false
	for _, of := range to.objects {
		object, err := r.describe(of)
		if err != nil {
			return fmt.Errorf("what %s reads is not known", clip(whole))
		}
		for i, name := range names {
			if f := object.field(name); f != nil {
				r.touch(object.Name, f.Name, allowlist.Reads)
				last = last || i == len(names)-1
			}
		}
	}
	if !last && !to.proven {
		return fmt.Errorf("what %s reads is not known", clip(whole))
	}
	return nil
}
