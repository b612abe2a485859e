package soql

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxPath is how many relationships a path may go over: the platform's limit.
const MaxPath = 5

// reader collects what a statement reads, and keeps the describes it asked for.
type reader struct {
	describe Describe
	known    map[string]*sObject // by name in lower case
	reads    []Read
	seen     map[Read]bool // with At 0
}

func newReader(describe Describe) *reader {
	return &reader{describe: describe, known: map[string]*sObject{}, seen: map[Read]bool{}}
}

func (r *reader) add(reads ...Read) {
	for _, read := range reads {
		key := read
		key.At = 0
		if !r.seen[key] {
			r.seen[key] = true
			r.reads = append(r.reads, read)
		}
	}
}

func (r *reader) unknown(at Name, format string, args ...any) *NameError {
	return &NameError{Name: at.Text, At: at.At, Msg: fmt.Sprintf(format, args...)}
}

// sObject is a described sObject with its names in lower case.
type sObject struct {
	*SObject
	fields   map[string]*Field
	parents  map[string][]*Field // by relationship
	children map[string]*ChildRelationship
}

// sObject describes an sObject, once.
func (r *reader) sObject(name Name) (*sObject, error) {
	key := lower(name.Text)
	if known, ok := r.known[key]; ok && known != nil {
		return known, nil
	} else if ok {
		return nil, r.unknown(name, "there is no sObject %s", name.Text)
	}
	described, err := r.describe(name.Text)
	if errors.Is(err, ErrNoSObject) {
		r.known[key] = nil
		return nil, r.unknown(name, "there is no sObject %s", name.Text)
	}
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", name.Text, err)
	}
	o := &sObject{SObject: described, fields: map[string]*Field{}, parents: map[string][]*Field{}, children: map[string]*ChildRelationship{}}
	for i := range described.Fields {
		f := &described.Fields[i]
		o.fields[lower(f.Name)] = f
		if f.RelationshipName != "" {
			o.parents[lower(f.RelationshipName)] = append(o.parents[lower(f.RelationshipName)], f)
		}
	}
	for i := range described.ChildRelationships {
		if c := &described.ChildRelationships[i]; c.RelationshipName != "" {
			o.children[lower(c.RelationshipName)] = c
		}
	}
	r.known[key] = o
	return o, nil
}

// read lists a field, and the fields it is made of.
func (o *sObject) read(f *Field, use Use, at int) []Read {
	reads := []Read{{SObject: o.Name, Field: f.Name, Compound: f.wholeOf(), Use: use, At: at}}
	for _, part := range o.Fields {
		if part.wholeOf() != "" && strings.EqualFold(part.wholeOf(), f.Name) {
			reads = append(reads, Read{SObject: o.Name, Field: part.Name, Compound: part.wholeOf(), Use: use, At: at})
		}
	}
	return reads
}

// wholeOf names the compound field that a field is a part of. Some fields call themselves so (Account.Name).
func (f *Field) wholeOf() string {
	if strings.EqualFold(f.CompoundFieldName, f.Name) {
		return ""
	}
	return f.CompoundFieldName
}

// scope is the query a path stands in.
type scope struct {
	*reader
	object  *sObject
	outer   *scope
	aliases map[string][]Path // of FROM: the paths from object they stand for
	results map[string]Expr   // of the SELECT list, by alias
}

// from reads the entries of FROM: their aliases, and the parents that those after the first lead to.
func (s *scope) from(q *Query, show Use) error {
	if q.From.Alias != nil {
		s.aliases[lower(q.From.Alias.Text)] = []Path{{}}
	}
	for _, join := range q.Joins {
		paths := s.owned(join.Path)
		if len(paths) == 0 {
			return s.unknown(join.Path[0], "FROM has no alias %s before it", join.Path[0].Text)
		}
		if err := s.among(paths, func(path Path) ([]Read, error) {
			end, err := s.follow(s.object, path, show)
			return end.reads, err
		}); err != nil {
			return err
		}
		if join.Alias == nil {
			continue
		}
		alias := lower(join.Alias.Text)
		if s.aliases[alias] != nil {
			return s.unknown(*join.Alias, "the alias %s stands twice in FROM", join.Alias.Text)
		}
		s.aliases[alias] = paths
	}
	return nil
}

// isOwn reports whether a name is that of the query's object, or its alias, and of nothing else.
func (s *scope) isOwn(name string) bool {
	if paths, ok := s.aliases[lower(name)]; ok {
		return len(paths) == 1 && len(paths[0]) == 0
	}
	return strings.EqualFold(name, s.object.Name)
}

// owned lists what a path means that starts with an alias of FROM or with the name of the object.
func (s *scope) owned(path Path) []Path {
	var paths []Path
	for _, prefix := range s.aliases[lower(path[0].Text)] {
		if whole := append(append(Path{}, prefix...), path[1:]...); len(whole) > 0 {
			paths = append(paths, whole)
		}
	}
	if len(path) > 1 && strings.EqualFold(path[0].Text, s.object.Name) {
		paths = append(paths, path[1:])
	}
	return paths
}

// each calls read with every meaning of a path: one that starts at the query's object, at its alias, or at that of a query
// around it. The meanings that lead somewhere are read; there must be one.
func (s *scope) each(path Path, read func(*sObject, Path) ([]Read, error)) error {
	meanings := append([]Path{path}, s.owned(path)...)
	err := s.among(meanings, func(path Path) ([]Read, error) { return read(s.object, path) })
	unknown := (*NameError)(nil)
	if err != nil && !errors.As(err, &unknown) {
		return err
	}
	for outer := s.outer; outer != nil; outer = outer.outer {
		meanings := outer.owned(path)
		if len(meanings) == 0 {
			continue
		}
		more := s.among(meanings, func(path Path) ([]Read, error) { return read(outer.object, path) })
		if more != nil && !errors.As(more, &unknown) {
			return more
		}
		if more == nil {
			err = nil
		}
	}
	return err
}

// among reads the paths that lead somewhere. When none does, the error is that of the last: a path with its prefix taken off
// tells more than one whose first name is not known.
func (s *scope) among(paths []Path, read func(Path) ([]Read, error)) error {
	var failed error
	found := false
	for _, path := range paths {
		reads, err := read(path)
		if unknown := (*NameError)(nil); err != nil && !errors.As(err, &unknown) {
			return err
		} else if err != nil {
			failed = err
			continue
		}
		found = true
		s.add(reads...)
	}
	if found {
		return nil
	}
	return failed
}

// end is where the relationships of a path lead.
type end struct {
	objects     []Name // sObjects, with the place of the relationship
	polymorphic bool   // a field here is one of the object Name
	via         []Read // the references of the last relationship
	reads       []Read // all references, and the rows they lead to
}

func start(o *sObject) end { return end{objects: []Name{{Text: o.Name}}} }

func (e end) leadsTo(object string) bool {
	return slices.ContainsFunc(e.objects, func(n Name) bool { return strings.EqualFold(n.Text, object) })
}

// shown lists the references of the last relationship again, as read for use: what shows the id or the type of a parent shows
// what the reference holds.
func (e end) shown(use Use) []Read {
	reads := slices.Clone(e.via)
	for i := range reads {
		reads[i].Use = use
	}
	return reads
}

// follow goes over the relationships of a path, the last name included.
func (r *reader) follow(from *sObject, path Path, use Use) (end, error) {
	at := start(from)
	return r.onward(at, path, use)
}

func (r *reader) onward(at end, path Path, use Use) (end, error) {
	if len(path) > MaxPath {
		return end{}, r.unknown(path[0], "%s goes over %d relationships, the limit is %d", path, len(path), MaxPath)
	}
	for _, name := range path {
		next, err := r.parent(at, name, use)
		if err != nil {
			return end{}, err
		}
		next.reads = append(at.reads, next.reads...)
		at = next
	}
	return at, nil
}

// parent goes over one relationship.
func (r *reader) parent(at end, name Name, use Use) (end, error) {
	next := end{}
	for _, object := range at.objects {
		o, err := r.sObject(object)
		if err != nil {
			return end{}, err
		}
		for _, f := range o.parents[lower(name.Text)] {
			next.via = append(next.via, o.read(f, Filtered, name.At)...)
			next.polymorphic = next.polymorphic || f.NamePointing || len(f.ReferenceTo) > 1
			for _, target := range f.ReferenceTo {
				if !next.leadsTo(target) {
					next.objects = append(next.objects, Name{Text: target, At: name.At})
				}
			}
		}
	}
	if len(next.objects) == 0 {
		return end{}, r.unknown(name, "%s has no relationship %s", at.String(), name.Text)
	}
	next.polymorphic = next.polymorphic || len(next.objects) > 1
	next.reads = slices.Clone(next.via)
	for _, target := range next.objects {
		next.reads = append(next.reads, Read{SObject: target.Text, Use: use, At: name.At})
	}
	return next, nil
}

func (e end) String() string {
	names := make([]string, len(e.objects))
	for i, o := range e.objects {
		names[i] = o.Text
	}
	return strings.Join(names, ", ")
}

// column reads the field at the end of a path.
func (r *reader) column(from end, path Path, use Use, money bool) ([]Read, error) {
	name := path[len(path)-1]
	at, err := r.onward(end{objects: from.objects, polymorphic: from.polymorphic, via: from.via}, path[:len(path)-1], use)
	if err != nil {
		return nil, err
	}
	reads, found := at.reads, false
	if strings.EqualFold(name.Text, "Id") || at.polymorphic && strings.EqualFold(name.Text, "Type") {
		reads = append(reads, at.shown(use)...)
		if at.polymorphic {
			return reads, nil
		}
	}
	for _, object := range at.objects {
		o, err := r.sObject(object)
		if unknown := (*NameError)(nil); at.polymorphic && errors.As(err, &unknown) {
			reads = append(reads, Read{SObject: object.Text, Field: Any, Use: use, At: name.At})
			found = true
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, f := range o.named(name.Text, at.polymorphic) {
			found = true
			reads = append(reads, o.read(f, use, name.At)...)
			if currency := o.fields["currencyisocode"]; money && f.Type == "currency" && currency != nil {
				reads = append(reads, o.read(currency, use, name.At)...)
			}
		}
	}
	if !found {
		return nil, r.unknown(name, "%s has no field %s", at.String(), name.Text)
	}
	return reads, nil
}

// named lists the fields a name may mean: over a polymorphic reference, Name is what names the record.
func (o *sObject) named(name string, polymorphic bool) []*Field {
	var fields []*Field
	if f := o.fields[lower(name)]; f != nil {
		fields = append(fields, f)
	}
	if !polymorphic || !strings.EqualFold(name, "Name") {
		return fields
	}
	for i := range o.Fields {
		if f := &o.Fields[i]; f.NameField && !slices.Contains(fields, f) {
			fields = append(fields, f)
		}
	}
	return fields
}

// back reads the reference of a child that leads to its parent.
func (r *reader) back(child *sObject, field string, at Name) error {
	f := child.fields[lower(field)]
	if f == nil {
		return r.unknown(at, "%s has no field %s", child.Name, field)
	}
	r.add(child.read(f, Filtered, at.At)...)
	return nil
}

func lower(s string) string { return strings.ToLower(s) }
