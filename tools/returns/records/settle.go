package records

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"salesforce-mcp/salesforce"
)

// Settle writes what came of a return, all or none. A repetition ends in the same
// records, except that the platform refuses to change some fields of those that are
// there: look with [FindSettled] first. The error of a part that failed names it and
// wraps the [*salesforce.Error]; nothing was kept then.
func Settle(ctx context.Context, org Org, m Mapping, s Settlement) (Done, error) {
	writes, err := m.writes(s)
	if err != nil {
		return Done{}, err
	}
	parts, names, err := m.parts(writes)
	if err != nil {
		return Done{}, err
	}
	answers, err := composite(ctx, org, salesforce.Unsafe, parts)
	if err != nil {
		return Done{}, err
	}
	ids := map[string]string{}
	for i, a := range answers {
		for j, id := range a.ids() {
			if j < len(names[i]) {
				ids[names[i][j]] = id
			}
		}
	}
	return done(writes, ids), nil
}

// done is what was written: the records, and the fields.
func done(writes []write, ids map[string]string) Done {
	d := Done{Changes: changes(writes, ids)}
	for _, w := range writes {
		id := w.id
		if id == "" {
			id = ids[w.name]
		}
		if id != "" && !slices.Contains(d.Records, id) {
			d.Records = append(d.Records, id)
		}
	}
	return d
}

// ids are those of the records of an answer.
func (a answered) ids() []string {
	var one struct{ ID string }
	var many []struct{ ID string }
	if json.Unmarshal(a.Body, &one) == nil && one.ID != "" {
		return []string{one.ID}
	}
	if json.Unmarshal(a.Body, &many) != nil {
		return nil
	}
	var list []string
	for _, m := range many {
		list = append(list, m.ID)
	}
	return list
}

// maxCollection is how many records one collection has (REST API Developer Guide,
// sObject Collections).
const maxCollection = 200

// parts puts writes into the parts of one composite request. Records of one kind that
// follow each other and may be many go into collections. Names are those of the writes
// of each part.
func (m Mapping) parts(writes []write) (parts []part, names [][]string, err error) {
	collections := 0
	for len(writes) > 0 {
		w := writes[0]
		n := 1
		for n < len(writes) && n < maxCollection && writes[n].object == w.object && writes[n].key == w.key && kind(writes[n].name) == kind(w.name) {
			n++
		}
		if n == 1 {
			parts, names = append(parts, w.part()), append(names, []string{w.name})
		} else {
			parts, names = append(parts, collection(writes[:n])), append(names, nil)
			for _, one := range writes[:n] {
				names[len(names)-1] = append(names[len(names)-1], one.name)
			}
			collections++
		}
		writes = writes[n:]
	}
	if collections > maxQueries || len(parts) > maxParts {
		return nil, nil, fmt.Errorf("the return has too many lines to be written at once")
	}
	return parts, names, nil
}

// kind is the name of a part without its number.
func kind(name string) string { return strings.TrimRight(name, "0123456789") }

func (w write) part() part {
	path := "/sobjects/" + w.object + "/"
	if w.id != "" {
		path += w.id
	} else {
		path += w.key + "/" + url.PathEscape(w.value)
	}
	return part{name: w.name, method: http.MethodPatch, path: path, body: w.fields}
}

func collection(writes []write) part {
	w := writes[0]
	path := "/composite/sobjects"
	if w.key != "" {
		path += "/" + w.object + "/" + w.key
	}
	var records []map[string]any
	for _, one := range writes {
		fields := maps.Clone(one.fields)
		fields["attributes"] = map[string]string{"type": one.object}
		if one.key != "" {
			fields[one.key] = one.value
		} else {
			fields["id"] = one.id
		}
		records = append(records, fields)
	}
	return part{name: kind(w.name) + "s", method: http.MethodPatch, path: path, body: map[string]any{"allOrNone": true, "records": records}}
}

// FindSettled looks for what [Settle] has written under the key. It looks for the task:
// all is there, or none.
func FindSettled(ctx context.Context, org Org, m Mapping, s Settlement) (Done, bool, error) {
	writes, err := m.writes(s)
	if err != nil {
		return Done{}, false, err
	}
	// One query for each object that has a key: the task, and at most four others.
	byObject := map[string][]write{}
	for _, w := range writes {
		if w.key != "" {
			byObject[w.object] = append(byObject[w.object], w)
		}
	}
	objects := slices.Sorted(maps.Keys(byObject))
	var list []string
	for _, object := range objects {
		var keys []string
		for _, w := range byObject[object] {
			keys = append(keys, w.value)
		}
		field := byObject[object][0].key
		list = append(list, selects(object, field)+" WHERE "+in(field, keys)+" LIMIT "+strconv.Itoa(maxHistory))
	}
	answers, err := queries(ctx, org, list...)
	if err != nil {
		return Done{}, false, err
	}
	ids := map[string]string{}
	for i, object := range objects {
		for _, w := range byObject[object] {
			for _, r := range answers[i] {
				if r.text(w.key) == w.value {
					ids[w.name] = r.id("Id")
				}
			}
		}
	}
	if ids["task"] == "" {
		return Done{}, false, nil
	}
	return done(writes, ids), true, nil
}
