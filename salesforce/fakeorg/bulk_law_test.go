package fakeorg_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// fillable is what describe says of a field that a record can be created with.
type fillable struct {
	Name, Type             string
	Length, Scale          int
	Createable, Updateable bool
	Unique                 bool
	PicklistValues         []struct{ Value string }
}

// draw makes a value of the field for a JSON body, never null. A text is one that stays as it is: the platform cuts off
// spaces around it, and a file has one kind of line break.
func (f fillable) draw(r *rapid.T) any {
	var values []string
	for _, v := range f.PicklistValues {
		values = append(values, v.Value)
	}
	switch f.Type {
	case "boolean":
		return rapid.Bool().Draw(r, f.Name)
	case "int":
		return rapid.Int32().Draw(r, f.Name)
	case "double", "currency", "percent":
		n := float64(rapid.Int64Range(0, 999_999_999).Draw(r, f.Name))
		if f.Type == "percent" {
			n = float64(int(n) % 100)
		} else if f.Scale > 0 {
			n /= 100
		}
		return n
	case "date", "datetime":
		at := time.Unix(rapid.Int64Range(-1e9, 4e9).Draw(r, f.Name), 0).UTC()
		if f.Type == "date" {
			return at.Format(time.DateOnly)
		}
		return at.Format(time.RFC3339)
	case "email":
		return rapid.StringMatching(`[a-z]{1,9}@[a-z]{1,9}\.example`).Draw(r, f.Name)
	case "multipicklist":
		return strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(values), 1, len(values), rapid.ID).Draw(r, f.Name), ";")
	case "picklist":
		return rapid.SampledFrom(values).Draw(r, f.Name)
	}
	mark := rapid.SampledFrom([]string{"a", "Ü", "🔧", "\"", "'", ",", ";", "|", "^", "`", "\t", "\n", " ", "#N/A", "\\", "=1+1", "true", "0"})
	text := strings.Join(rapid.SliceOfN(mark, 1, 10).Draw(r, f.Name), "")
	if runes := []rune(text); len(runes) > f.Length {
		text = string(runes[:f.Length])
	}
	if text = strings.TrimSpace(text); text == "" || text == "#N/A" { // which a file cannot say
		return "x"
	}
	return text
}

// What a query job exports, an ingest job takes: an insert makes an equal record of it, and an upsert gives a changed
// record back the values it had. It cannot empty a field, since an empty cell leaves one alone.
func TestExportImportLaw(t *testing.T) {
	s := startBulk(t)
	fields := map[string][]fillable{}
	objects := []string{"Account", "Lead", "Contact", "ReturnOrder", "Warranty_Claim__c"}
	for _, object := range objects {
		var d struct{ Fields []fillable }
		if err := json.Unmarshal([]byte(s.do("GET", "/sobjects/"+object+"/describe", "").body), &d); err != nil {
			t.Fatal(err)
		}
		for _, f := range d.Fields {
			if f.Createable && f.Updateable && !f.Unique && f.Type != "reference" {
				fields[object] = append(fields[object], f)
			}
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		object := rapid.SampledFrom(objects).Draw(r, "object")
		format := fmt.Sprintf(`"columnDelimiter":%q,"lineEnding":%q`, rapid.SampledFrom([]string{"COMMA", "TAB", "PIPE", "SEMICOLON", "CARET", "BACKQUOTE"}).Draw(r, "delimiter"),
			rapid.SampledFrom([]string{"LF", "CRLF"}).Draw(r, "ending"))
		var names []string
		record, other := map[string]any{}, map[string]any{}
		for _, f := range fields[object] {
			names = append(names, f.Name)
			record[f.Name], other[f.Name] = f.draw(r), f.draw(r)
		}
		for name := range record { // and some have no value
			if strings.HasSuffix(name, "City") && rapid.Bool().Draw(r, "no "+name) {
				delete(record, name)
				delete(other, name)
			}
		}
		id := s.create(object, asJSON(r, record))
		values := func(id string) map[string]any {
			all := map[string]any{}
			body := s.do("GET", "/sobjects/"+object+"/"+id+"?fields="+strings.Join(names, ","), "").body
			if err := json.Unmarshal([]byte(body), &all); err != nil {
				r.Fatalf("%v: %s", err, body)
			}
			delete(all, "attributes")
			delete(all, "Id")
			return all
		}
		want := values(id)
		export := func(columns string) string {
			return s.export(`{"operation":"query","query":"SELECT ` + columns + " FROM " + object + ` WHERE Id = '` + id + `'",` + format + "}")
		}
		load := func(job, csv string) string {
			info := s.ingest(`{`+job+`,"object":"`+object+`",`+format+"}", csv)
			succeeded, failed, _ := s.results(info.ID)
			_, row, _ := strings.Cut(succeeded, "\n")
			if len(row) < 20 {
				r.Fatalf("%+v\n%s\n%s", info, csv, failed)
			}
			return row[1:19]
		}
		inserted := load(`"operation":"insert"`, export(strings.Join(names, ", ")))
		if diff := cmp.Diff(want, values(inserted)); diff != "" || inserted == id {
			r.Fatalf("inserted (-want +got):\n%s", diff)
		}
		before := export("Id, " + strings.Join(names, ", "))
		s.do("PATCH", "/sobjects/"+object+"/"+id, asJSON(r, other)).want(t, 204, "")
		upserted := load(`"operation":"upsert","externalIdFieldName":"Id"`, before)
		if diff := cmp.Diff(want, values(id)); diff != "" || upserted != id {
			r.Fatalf("upserted (-want +got):\n%s", diff)
		}
	})
}

func asJSON(r *rapid.T, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		r.Fatal(err)
	}
	return string(text)
}
