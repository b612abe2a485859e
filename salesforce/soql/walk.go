package soql

// Walk visits a part of a statement and everything in it, in the order it was
// written. visit is called with every node before its parts; when it gives
// false the parts are left out, otherwise it is called with nil after them, so
// that a visitor can keep a stack (of queries, say: a path belongs to the
// innermost one).
//
// The nodes are *Query, Source, every Item, Cond, Value and Expr, *Filter,
// *With, *GroupBy, *OrderBy, *Order, *Search, *Returning and Name (a scope, a
// type in TYPEOF, a data category).
func Walk(n Node, visit func(Node) bool) {
	if !visit(n) {
		return
	}
	for _, part := range parts(n) {
		Walk(part, visit)
	}
	visit(nil)
}

// Paths lists every path below n with its position, those in FROM included,
// in the order they were written.
func Paths(n Node) []Path {
	var paths []Path
	Walk(n, func(n Node) bool {
		if path, ok := n.(Path); ok {
			paths = append(paths, path)
		}
		return true
	})
	return paths
}

func parts(n Node) []Node {
	switch n := n.(type) {
	case *Query:
		return queryParts(n)
	case *Search:
		parts := nodes(n.Returning)
		return append(parts, nodes(n.With)...)
	case *Returning:
		parts := append([]Node{n.Object}, nodes(n.Items)...)
		if n.Where != nil {
			parts = append(parts, n.Where)
		}
		if n.OrderBy != nil {
			parts = append(parts, n.OrderBy)
		}
		return parts
	case Source:
		return []Node{n.Path}
	case *Column:
		return []Node{n.Expr}
	case *Child:
		return []Node{n.Query}
	case *TypeOf:
		parts := []Node{n.Field}
		for _, when := range n.When {
			parts = append(append(parts, when.Object), nodes(when.Then)...)
		}
		return append(parts, nodes(n.Else)...)
	case *Call:
		return nodes(n.Args)
	case *Filter:
		return []Node{n.Cond}
	case *Logic:
		return nodes(n.Terms)
	case *Not:
		return []Node{n.Cond}
	case *Comparison:
		return []Node{n.Left, n.Right}
	case *List:
		return nodes(n.Values)
	case *SemiJoin:
		return []Node{n.Query}
	case *With:
		parts := nodes(n.Values)
		for _, c := range n.Categories {
			parts = append(append(parts, c.Group), nodes(c.Names)...)
		}
		return parts
	case *GroupBy:
		return nodes(n.Exprs)
	case *OrderBy:
		return nodes(n.Keys)
	case *Order:
		return []Node{n.Expr}
	}
	return nil
}

func queryParts(q *Query) []Node {
	parts := append(nodes(q.Items), q.From)
	parts = append(parts, nodes(q.Joins)...)
	if q.Scope != nil {
		parts = append(parts, *q.Scope)
	}
	if q.Where != nil {
		parts = append(parts, q.Where)
	}
	parts = append(parts, nodes(q.With)...)
	if q.GroupBy != nil {
		parts = append(parts, q.GroupBy)
	}
	if q.Having != nil {
		parts = append(parts, q.Having)
	}
	if q.OrderBy != nil {
		parts = append(parts, q.OrderBy)
	}
	return parts
}

func nodes[T Node](items []T) []Node {
	list := make([]Node, len(items))
	for i, item := range items {
		list[i] = item
	}
	return list
}
