package soql

import (
	"errors"
	"slices"
	"strings"
)

// MaxPath is how many relationships Reads follows in a path. The platform follows 5; a name that is both an alias and a
// relationship can stand for twice as many in the meaning that the org does not take.
const MaxPath = 10

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
			return refuse(join.Path[0], "FROM has no alias %s before it", join.Path[0].Text)
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
			return refuse(*join.Alias, "the alias %s stands twice in FROM", join.Alias.Text)
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
	for outer := s.outer; outer != nil && (err == nil || leadsNowhere(err)); outer = outer.outer {
		meanings := outer.owned(path)
		if len(meanings) == 0 {
			continue
		}
		more := s.among(meanings, func(path Path) ([]Read, error) { return read(outer.object, path) })
		if !leadsNowhere(more) {
			err = more
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
		switch {
		case leadsNowhere(err):
			failed = err
		case err != nil:
			return err
		default:
			found = true
			s.add(reads...)
		}
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
	reads       []Read // all references, and the rows they lead to
}

func start(o *sObject) end { return end{objects: []Name{{Text: o.Name}}} }

func (e end) leadsTo(object string) bool {
	return slices.ContainsFunc(e.objects, func(n Name) bool { return strings.EqualFold(n.Text, object) })
}

// follow goes over the relationships of a path, the last name included.
func (r *reader) follow(from *sObject, path Path, use Use) (end, error) {
	at := start(from)
	return r.onward(at, path, use)
}

func (r *reader) onward(at end, path Path, use Use) (end, error) {
	for i, name := range path {
		if i == MaxPath {
			return end{}, refuse(path[0], "%s goes over %d relationships, the limit is %d", path, len(path), MaxPath)
		}
		next, err := r.parent(at, name, use)
		if err != nil {
			return end{}, err
		}
		next.reads = slices.Concat(at.reads, next.reads)
		at = next
	}
	return at, nil
}

// parent goes over one relationship.
func (r *reader) parent(at end, name Name, use Use) (end, error) {
	next, found := end{}, false
	led := map[string]bool{}
	for _, object := range at.objects {
		o, err := r.sObject(object)
		if err != nil {
			return end{}, err
		}
		for _, f := range o.parents[lower(name.Text)] {
			found = true
			next.reads = append(next.reads, o.read(f, use, name.At)...)
			next.polymorphic = next.polymorphic || f.NamePointing || len(f.ReferenceTo) > 1
			for _, target := range f.ReferenceTo {
				if !led[lower(target)] {
					led[lower(target)] = true
					next.objects = append(next.objects, Name{Text: target, At: name.At})
				}
			}
		}
	}
	if !found {
		return end{}, nowhere(name, "%s has no relationship %s", at, name.Text)
	}
	if len(next.objects) == 0 {
		return end{}, refuse(name, "where the relationship %s of %s leads is not known", name.Text, at)
	}
	next.polymorphic = next.polymorphic || len(next.objects) > 1
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
	at, err := r.onward(end{objects: from.objects, polymorphic: from.polymorphic}, path[:len(path)-1], use)
	if err != nil {
		return nil, err
	}
	reads, found := at.reads, at.polymorphic && nameFields[lower(name.Text)]
	if at.polymorphic && (strings.EqualFold(name.Text, "Id") || strings.EqualFold(name.Text, "Type")) {
		return reads, nil // which the reference itself tells
	}
	for _, object := range at.objects {
		o, err := r.sObject(object)
		if unknown := (*NameError)(nil); at.polymorphic && errors.As(err, &unknown) {
			reads = append(reads, Read{SObject: object.Text, Field: Any, Use: Filtered, At: name.At})
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
		return nil, nowhere(name, "%s has no field %s", at, name.Text)
	}
	return reads, nil
}
