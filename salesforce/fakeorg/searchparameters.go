package fakeorg

import (
	"cmp"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"salesforce-mcp/salesforce/soql"
)

// searchParameters is the body of a parameterized search.
type searchParameters struct {
	Q            string   `json:"q"`
	Fields       []string `json:"fields"`
	In           string   `json:"in"`
	OverallLimit int      `json:"overallLimit"`
	DefaultLimit int      `json:"defaultLimit"`
	Offset       int      `json:"offset"`
	SObjects     []searchObject
}

type searchObject struct {
	Name    string   `json:"name"`
	Fields  []string `json:"fields"`
	Limit   int      `json:"limit"`
	Where   string   `json:"where"`
	OrderBy string   `json:"orderBy"`
}

// parameterizedSearch answers a search whose parts are parameters. Its term is plain text: nothing in it is an
// operator.
func (c *call) parameterizedSearch() (*answer, error) {
	p, err := c.searchParameters()
	if err != nil {
		return nil, err
	}
	switch {
	case strings.TrimSpace(p.Q) == "":
		return nil, refuse(400, "MALFORMED_SEARCH", "q is required: the text to search for")
	case len(p.Fields) > 0 && len(p.SObjects) == 0:
		return nil, refuse(400, "MALFORMED_SEARCH", "fields needs at least one entry in sobjects")
	}
	s := &soql.Search{Term: soql.Term{Text: p.Q, Root: words(p.Q)}}
	if p.In != "" {
		s.In = &soql.Name{Text: strings.ToUpper(p.In)}
		if !slices.Contains([]string{"ALL", "NAME", "EMAIL", "PHONE", "SIDEBAR"}, s.In.Text) {
			return nil, refuse(400, "MALFORMED_SEARCH", "in wants ALL, NAME, EMAIL, PHONE or SIDEBAR, not %s", p.In)
		}
	}
	if p.OverallLimit > 0 {
		s.Limit = &soql.Number{Value: p.OverallLimit}
	}
	for _, o := range p.SObjects {
		r, err := p.returning(o)
		if err != nil {
			return nil, err
		}
		s.Returning = append(s.Returning, r)
	}
	records, err := c.found("", s) // no statement to point into
	if err != nil {
		return nil, err
	}
	return ok(object{{"searchRecords", records}})
}

// words makes a term of plain text: all its words.
func words(text string) soql.Match {
	all := &soql.AllOf{}
	for _, word := range strings.Fields(text) {
		all.Terms = append(all.Terms, &soql.Phrase{Text: soql.EscapeSearch(word)})
	}
	if len(all.Terms) == 1 {
		return all.Terms[0]
	}
	return all
}

func (p *searchParameters) returning(o searchObject) (*soql.Returning, error) {
	r := &soql.Returning{Object: soql.Name{Text: o.Name}}
	fields := o.Fields
	if len(fields) == 0 {
		fields = p.Fields
	}
	for _, field := range fields {
		path := soql.Path{}
		for name := range strings.SplitSeq(field, ".") {
			path = append(path, soql.Name{Text: name})
		}
		r.Items = append(r.Items, &soql.Column{Expr: path})
	}
	var err error
	if o.Where != "" {
		if r.Where, err = soql.ParseFilter(o.Where); err != nil {
			return nil, asMalformed(err, "MALFORMED_SEARCH")
		}
	}
	if o.OrderBy != "" {
		if r.OrderBy, err = soql.ParseOrder(o.OrderBy); err != nil {
			return nil, asMalformed(err, "MALFORMED_SEARCH")
		}
	}
	if limit := cmp.Or(o.Limit, p.DefaultLimit); limit > 0 {
		r.Limit = &soql.Number{Value: min(limit, maxFound)}
	}
	if p.Offset > 0 {
		r.Offset = &soql.Number{Value: p.Offset}
	}
	return r, nil
}

// searchParameters reads the body of a POST, or the query of a GET: sobject=Contact&Contact.fields=id,name.
func (c *call) searchParameters() (*searchParameters, error) {
	p := &searchParameters{}
	if c.Method == "POST" {
		body, err := io.ReadAll(c.Body)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(body, p); err != nil {
			return nil, unreadable(body, err)
		}
		return p, nil
	}
	query := c.URL.Query()
	p.Q, p.In, p.Fields = query.Get("q"), query.Get("in"), list(query.Get("fields"))
	var err error
	whole := func(values url.Values, key string) int {
		if values.Get(key) == "" {
			return 0
		}
		n, failed := strconv.Atoi(values.Get(key))
		if failed != nil || n < 0 {
			err = refuse(400, "MALFORMED_SEARCH", "%s wants a number, not %s", key, values.Get(key))
		}
		return n
	}
	p.OverallLimit, p.DefaultLimit, p.Offset = whole(query, "overallLimit"), whole(query, "defaultLimit"), whole(query, "offset")
	for _, names := range query["sobject"] {
		for _, name := range list(names) {
			p.SObjects = append(p.SObjects, searchObject{Name: name, Fields: list(query.Get(name + ".fields")), Where: query.Get(name + ".where"),
				OrderBy: query.Get(name + ".orderBy"), Limit: whole(query, name+".limit")})
		}
	}
	return p, err
}
