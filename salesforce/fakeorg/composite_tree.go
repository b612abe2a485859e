package fakeorg

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// Limits of a request that creates trees.
const (
	treeLimit      = 200 // records in all
	treeLevelLimit = 5
	treeTypeLimit  = 5
)

// branch is a record of a tree.
type branch struct {
	object      *Object // that the path or the relationship wants
	typ         string  // that the record says
	referenceID string
	fields      record
	via         *Field // the reference to the parent, nil at the root
	parent      *branch
	children    []*branch
	id          string // once it is created
}

// createTree is POST /composite/tree/{object}. Records are created level by level, all of them or none.
func createTree(c *call) (*answer, error) {
	levels, err := c.readTrees()
	if err != nil {
		return nil, err
	}
	errs := checkBranches(levels)
	if len(errs) == 0 {
		if errs, err = c.createLevels(levels); err != nil {
			return nil, err
		}
	}
	if len(errs) > 0 {
		return &answer{status: http.StatusBadRequest, body: object{{"hasErrors", true}, {"results", errs}}}, nil
	}
	results := []object{}
	for _, level := range levels {
		for _, b := range level {
			results = append(results, object{{"referenceId", b.referenceID}, {"id", b.id}})
		}
	}
	return &answer{status: http.StatusCreated, body: object{{"hasErrors", false}, {"results", results}}}, nil
}

// readTrees reads the body of the request: the records by level. The sentences about levels and types were not found in
// a source.
func (c *call) readTrees() (levels [][]*branch, err error) {
	o, err := c.object()
	if err != nil {
		return nil, err
	}
	var body branches
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	level, err := body.read(o, nil, nil)
	if err != nil {
		return nil, err
	}
	count, types := 0, map[*Object]bool{}
	for len(level) > 0 {
		var next []*branch
		for _, b := range level {
			count++
			types[b.object] = true
			next = append(next, b.children...)
		}
		levels, level = append(levels, level), next
	}
	switch {
	case len(levels) > treeLevelLimit:
		return nil, refuse(http.StatusBadRequest, "LIMIT_EXCEEDED", "The request can’t contain trees of more than %d levels.", treeLevelLimit)
	case len(types) > treeTypeLimit:
		return nil, refuse(http.StatusBadRequest, "LIMIT_EXCEEDED", "The request can’t contain records of more than %d types.", treeTypeLimit)
	}
	return levels, checkCount(count, treeLimit)
}

// branches are the roots of a request, or the children of a record in one relationship.
type branches struct {
	Records []json.RawMessage `json:"records"`
}

func (bs branches) read(o *Object, parent *branch, via *Field) (all []*branch, err error) {
	for _, text := range bs.Records {
		b := &branch{object: o, parent: parent, via: via}
		if err := b.read(text); err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

// read takes a record apart: its attributes, its fields, and the records below it.
func (b *branch) read(text []byte) error {
	r, err := decodeRecord(text)
	if err != nil {
		return err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return unreadable(text, err)
	}
	b.typ = typeOf(r)
	attributes, _ := r.get("attributes").(map[string]any)
	if b.referenceID, _ = attributes["referenceId"].(string); b.referenceID == "" {
		// With this status by the report of a client's author.
		return refuse(http.StatusForbidden, "INVALID_INPUT", "Include a reference ID for each record in the request.")
	}
	for _, in := range r {
		child := b.object.Child(in.name)
		if _, isObject := in.value.(map[string]any); child == nil || !isObject {
			b.fields = append(b.fields, in)
			continue
		}
		var below branches
		if err := json.Unmarshal(members[in.name], &below); err != nil {
			return unreadable(text, err)
		}
		children, err := below.read(child.Object, b, child.Field)
		if err != nil {
			return err
		}
		b.children = append(b.children, children...)
	}
	return nil
}

// checkBranches refuses records before any is created. The sentence about a type that does not fit was not found in a
// source.
func checkBranches(levels [][]*branch) (errs []object) {
	seen := map[string]int{}
	for _, level := range levels {
		for _, b := range level {
			seen[b.referenceID]++
			switch {
			case seen[b.referenceID] == 2:
				errs = append(errs, b.refused(invalid("INVALID_INPUT", "Duplicate ReferenceId provided in the request."),
					invalid("PROCESSING_HALTED", "Duplicate ReferenceId found: "+b.referenceID)))
			case b.typ == "":
				errs = append(errs, b.refused(invalid("INVALID_INPUT", "Include an entity type for each record in the request.")))
			case !strings.EqualFold(b.typ, b.object.Name):
				errs = append(errs, b.refused(invalid("INVALID_INPUT", "The record is a "+b.typ+", but a "+b.object.Name+" belongs here.")))
			}
		}
	}
	return errs
}

// refused is how the errors of a record are shown.
func (b *branch) refused(errs ...error) object {
	all := []object{}
	for _, err := range errs {
		all = append(all, recordError(err))
	}
	return object{{"referenceId", b.referenceID}, {"errors", all}}
}

// createLevels creates the records, or none of them: then it tells the errors of the first level that has some.
func (c *call) createLevels(levels [][]*branch) (errs []object, err error) {
	err = c.within(func() error {
		for _, level := range levels {
			for _, b := range level {
				if err := c.within(func() error { return c.createBranch(b) }); err != nil {
					errs = append(errs, b.refused(err))
				}
			}
			if len(errs) > 0 {
				return errRolledBack
			}
		}
		return nil
	})
	if errors.Is(err, errRolledBack) {
		return errs, nil
	}
	return nil, err
}

func (c *call) createBranch(b *branch) (err error) {
	fields := b.fields
	if b.parent != nil {
		fields = append(fields, input{name: b.via.Name, value: b.parent.id})
	}
	b.id, err = c.insert(b.object, fields)
	return err
}
