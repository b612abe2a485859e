package tools

import (
	"maps"
	"slices"
	"strings"

	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/soql"
)

func (b *before) remove(args Args) error {
	name := args[sObjectName.Name].(string)
	if !b.of.Of(name) {
		return nil
	}
	return b.whole(name, []was{{id: args[recordID.Name].(string), single: true}})
}

func (b *before) removeMany(args Args) error {
	ids := args[recordIDs.Name].([]string)
	objects, err := b.objectsOf()
	if err != nil {
		return err
	}
	b.seen = make([]was, len(ids))
	at := map[string][]int{}
	for i, id := range ids {
		if name := objects[id[:3]]; name != "" && b.of.Of(name) {
			at[name] = append(at[name], i)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(at)) {
		one := &before{ctx: b.ctx, org: b.org, of: b.of}
		var records []was
		for _, i := range at[name] {
			records = append(records, was{id: ids[i]})
		}
		if err := one.whole(name, records); err != nil {
			return err
		}
		for n, i := range at[name] {
			b.seen[i] = one.seen[n]
		}
	}
	return nil
}

// objectsOf returns the objects by the first three characters of their IDs, which
// the names of several records do not tell (Describe Global).
func (b *before) objectsOf() (map[string]string, error) {
	answer, err := b.do(&salesforce.Request{Method: "GET", Path: "/sobjects"})
	if err != nil {
		return nil, err
	}
	o, _ := answer.(object)
	list, _ := o.get("sobjects").([]any)
	objects := map[string]string{}
	for _, e := range list {
		described, _ := e.(object)
		prefix, _ := described.get("keyPrefix").(string)
		name, _ := described.get("name").(string)
		if prefix != "" {
			objects[prefix] = name
		}
	}
	if len(objects) == 0 {
		return nil, errUnreadableBefore
	}
	return objects, nil
}

// whole reads all fields of at most 200 records of one object.
func (b *before) whole(name string, records []was) error {
	var ids []string
	for _, w := range records {
		ids = append(ids, soql.Quote(w.id))
	}
	list, err := b.query("SELECT FIELDS(ALL) FROM " + name + " WHERE Id IN (" + strings.Join(ids, ", ") + ") LIMIT 200")
	if err != nil {
		return err
	}
	found := map[string]any{}
	for _, r := range list {
		if record, ok := r.(object); ok {
			found[idOf(record)] = record
		}
	}
	read := make([]any, len(records))
	for i, w := range records {
		id, err := salesforce.To18(w.id)
		if err != nil {
			return err
		}
		read[i] = found[id]
	}
	return b.note(name, records, read)
}
