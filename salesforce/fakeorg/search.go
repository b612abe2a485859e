package fakeorg

import (
	"fmt"
	"strconv"
	"strings"

	"salesforce-mcp/salesforce/soql"
)

// Limits of a search, from the SOSL reference: rows in all, and rows of one object when it has no LIMIT.
const (
	maxFound      = 2000
	maxFoundOfOne = 250
)

// search answers a FIND. Before v37 the answer is a bare array.
func (c *call) search() (*answer, error) {
	text := c.URL.Query().Get("q")
	s, err := soql.ParseSearch(text)
	if err != nil {
		return nil, asMalformed(err, "MALFORMED_SEARCH")
	}
	records, err := c.found(text, s)
	if err != nil {
		return nil, err
	}
	if version, err := strconv.ParseFloat(strings.TrimPrefix(c.version, "v"), 64); err == nil && version < 37 {
		return ok(records)
	}
	return ok(object{{"searchRecords", records}})
}

// found gives the records of a search, object by object in the order of RETURNING. A real org finds words in an index
// that is written a little after the records, and ranks what it finds; here every searchable text is compared in
// place, and the order is that of ORDER BY or of the ids.
func (c *call) found(text string, s *soql.Search) ([]object, error) {
	if err := longEnough(s.Term.Root); err != nil {
		return nil, err
	}
	if n := phrases(s.Term.Root); n > maxPhrases {
		return nil, refuse(400, "INVALID_SEARCH", "the search term has %d words, the limit is %d", n, maxPhrases)
	}
	returning := s.Returning
	if len(returning) == 0 {
		for _, o := range c.schema().Objects {
			if searchable(o) {
				returning = append(returning, &soql.Returning{Object: soql.Name{Text: o.Name, At: s.At}})
			}
		}
	}
	group := "ALL"
	if s.In != nil {
		group = s.In.Text
	}
	records := []object{}
	most := maxFound
	if s.Limit != nil {
		most = min(most, s.Limit.Value)
	}
	for _, r := range returning {
		q := asQuery(r, len(returning))
		more, err := c.foundOf(text, q, s.Term.Root, group)
		if err != nil {
			return nil, err
		}
		records = append(records, more...)
	}
	return records[:min(len(records), most)], nil
}

// asQuery makes the query for the rows of one object; the term is added to its conditions.
func asQuery(r *soql.Returning, objects int) *soql.Query {
	q := &soql.Query{At: r.Object.At, Items: r.Items, Where: r.Where, OrderBy: r.OrderBy, Limit: r.Limit, Offset: r.Offset,
		From: soql.Source{Path: soql.Path{r.Object}}}
	if len(q.Items) == 0 {
		q.Items = []soql.Item{&soql.Column{Expr: soql.Path{{Text: "Id", At: r.Object.At}}}}
	}
	if q.Limit == nil {
		q.Limit = &soql.Number{At: r.Object.At, Value: min(maxFound/objects, maxFoundOfOne)}
	}
	return q
}

func (c *call) foundOf(text string, q *soql.Query, term soql.Match, group string) ([]object, error) {
	t := &translation{schema: c.schema(), text: text, now: c.org.now(), user: c.user.id}
	object, err := t.object(q.From.Path[0])
	if err != nil {
		return nil, err
	}
	if !searchable(object) {
		return nil, refuse(400, "INVALID_TYPE", "entity type %s does not support search", object.Name)
	}
	scope, err := t.newScope(object, q)
	if err != nil {
		return nil, err
	}
	scope.extra = scope.matches(term, searched(object, group))
	s := &selection{scope: scope, plan: &plan{}, level: 1}
	if err := s.records(q); err != nil {
		return nil, err
	}
	s.plan.args = t.args
	_, records, err := c.run(s.plan)
	return records, err
}

// searchable reports whether searches look at an object.
func searchable(o *Object) bool {
	return !o.Event && !o.face && !o.Durable && o.Prefix != "" && o.NameField() != nil
}

// searched lists the fields a search group looks at.
func searched(o *Object, group string) []*Field {
	var fields []*Field
	for _, f := range o.Fields {
		in := f.Text() && f.Type != "picklist" && f.Type != "multipicklist"
		switch group {
		case "NAME":
			in = f.NameField
		case "EMAIL":
			in = f.Type == "email"
		case "PHONE":
			in = f.Type == "phone"
		case "SIDEBAR": // what the search box of the sidebar looks at: names, e-mail addresses, phones, numbers
			in = f.NameField || f.Type == "email" || f.Type == "phone" || f.ExternalID
		}
		if in {
			fields = append(fields, f)
		}
	}
	return fields
}

// longEnough refuses a term of one character, in the platform's words.
func longEnough(m soql.Match) error {
	phrase, single := m.(*soql.Phrase)
	if !single {
		return nil
	}
	if text := strings.Trim(phrase.Text, `*?\ `); len([]rune(text)) < 2 {
		return refuse(400, "INVALID_SEARCH", "search term must be longer than one character: %s", phrase.Text)
	}
	return nil
}

// maxPhrases is how many words and phrases a term may have: each is a longish piece of SQL for every field.
const maxPhrases = 100

func phrases(m soql.Match) int {
	n := 0
	switch m := m.(type) {
	case *soql.AllOf:
		for _, term := range m.Terms {
			n += phrases(term)
		}
	case *soql.AnyOf:
		for _, term := range m.Terms {
			n += phrases(term)
		}
	case *soql.Without:
		n = phrases(m.Keep) + phrases(m.Drop)
	case *soql.Phrase:
		n = 1
	}
	return n
}

// matches translates a search term into a condition.
func (s *scope) matches(m soql.Match, fields []*Field) string {
	all := func(terms []soql.Match, op string) string {
		sql := make([]string, len(terms))
		for i, term := range terms {
			sql[i] = s.matches(term, fields)
		}
		return balanced(sql, op)
	}
	switch m := m.(type) {
	case *soql.AllOf:
		return all(m.Terms, " AND ")
	case *soql.AnyOf:
		return all(m.Terms, " OR ")
	case *soql.Without:
		return "(" + s.matches(m.Keep, fields) + " AND NOT " + s.matches(m.Drop, fields) + ")"
	case *soql.Phrase:
		return s.phrase(m, fields)
	}
	return "0"
}

// wordBreaks become spaces before a text is searched, so that a word is what stands between them.
const wordBreaks = `-_@./,;:()'"&+` + "\n\t"

// phrase looks for whole words, '*' and '?' being wildcards, in the fields, which are put one behind the other with a
// bar between them. Accents count; case does not.
func (s *scope) phrase(p *soql.Phrase, fields []*Field) string {
	pattern := likePattern(p.Text)
	if len(fields) == 0 || pattern == "" {
		return "0"
	}
	texts := make([]string, len(fields))
	for i, f := range fields {
		texts[i] = "coalesce(" + s.root.alias + "." + quoted(f.Name) + ", '')"
	}
	text := strings.Join(texts, " || ' | ' || ")
	for _, r := range wordBreaks {
		text = fmt.Sprintf("replace(%s, char(%d), ' ')", text, r)
	}
	return fmt.Sprintf(`(' ' || %s || ' ') LIKE %s ESCAPE '\'`, text, s.bind("% "+pattern+" %"))
}

// likePattern turns the text of a phrase into a LIKE pattern.
func likePattern(text string) string {
	var b strings.Builder
	protected := false
	for _, r := range text {
		switch {
		case r == '\\' && !protected:
			protected = true
			continue
		case r == '*' && !protected:
			b.WriteByte('%')
		case r == '?' && !protected:
			b.WriteByte('_')
		case strings.ContainsRune(wordBreaks, r):
			b.WriteByte(' ')
		case r == '%' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
		protected = false
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
