package dsul

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func known(name string, _ map[string]any) error {
	if name != "runQuery" {
		return errors.New("there is no instruction " + name)
	}
	return nil
}

func TestInterpolate(t *testing.T) {
	var values map[string]any
	d := json.NewDecoder(strings.NewReader(`{"id":"001","n":12345678901234567890,"yes":true,"none":null,"one":1,"key":"b-c",
		"job":{"id":"750","list":[{"Id":"a"},{"Id":"b"}],"b-c":{"d":"deep"},"7":"seven"},"my-job":{"an-id":"x"}}`))
	d.UseNumber()
	if err := d.Decode(&values); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]any{
		"plain":                        "plain",
		"{{id}}":                       "001",
		"{{ id }}":                     "001",
		"{{n}}":                        json.Number("12345678901234567890"),
		"{{yes}}":                      true,
		"{{none}}":                     nil,
		"{{job.list}}":                 []any{map[string]any{"Id": "a"}, map[string]any{"Id": "b"}},
		"{{job.list[1].Id}}":           "b",
		"{{job.list[{{one}}].Id}}":     "b",
		"{{job['list'][0][\"Id\"]}}":   "a",
		"{{job.b-c.d}}":                "deep",
		`{{job["b-c"].d}}`:             "deep",
		"{{job[{{key}}].d}}":           "deep",
		"{{my-job.an-id}}":             "x",
		"{{job.7}}":                    "seven",
		"a {{id}}, {{n}} and {{none}}": "a 001, 12345678901234567890 and ",
		"{{id}}{{id}}":                 "001001",
		"{{none}}{{id}}":               "001",
		"is {{job.list[0]}}":           "is {\n  \"Id\": \"a\"\n}",
		"a } b }} c":                   "a } b }} c",
	} {
		got, err := interpolate(text, func(p path) (any, error) { return p.of(values) })
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %v", text, err, diff)
		}
	}
	for text, want := range map[string]string{
		"{{job.idd}}":        "there is no job.idd; job is an object with ",
		"{{job.list[2].Id}}": "there is no job.list[2]; job.list is a list of 2",
		"{{id.x}}":           "there is no id.x; id is a single value",
		"{{nobody}}":         "there is no nobody",
		"{{id":               "is not closed",
		"{{id + 1}}":         "holds more than a path",
		"{{}}":               "must hold a path",
		"{{job.}}":           `a name is missing after "job."`,
		"{{job[0}}":          "a bracket",
		"{{job['x}}":         "a quote",
		"{{job[{{job}}].d}}": "neither a place nor a name",
		"{% 1 + 1 %}":        "expressions",
	} {
		if got, err := interpolate(text, func(p path) (any, error) { return p.of(values) }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v %v, want %s", text, got, err, want)
		}
	}
}

func TestParseRefusesWithItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"a: b":             "line 1: it must be a list",
		"- [":              "it is no YAML",
		"- hello":          "line 1: a step must be",
		"- {}":             "line 1: it has no instruction",
		"- set: {name: x}": `line 1: "set" is not known`,
		"- Salesforce.runQuery: {q: x}\n- Salesforce.runQeury:\n    q: x":                              "line 2: there is no instruction runQeury",
		"- Salesforce.runQuery:\n    q: '{{who}}'":                                                     `line 2: the name "who" is not known here; known are given`,
		"- Salesforce.runQuery:\n    q: '{{later.x}}'\n- Salesforce.runQuery: {q: x}\n  output: later": `line 2: the name "later"`,
		"- Salesforce.runQuery: {q: x}\n  output: 'a b'":                                               "line 2: output",
		"- Salesforce.runQuery: {q: x}\n  outptu: a":                                                   `line 2: "outptu" is not known`,
		"- Salesforce.runQuery: {q: x}\n  Salesforce.runQuery: {q: x}":                                 "line 2: Salesforce.runQuery: a step has one",
		"- Salesforce.runQuery: [x]":                                                                   "line 1: Salesforce.runQuery: its arguments must be a mapping",
		"- Salesforce.runQuery: {q: x, q: y}":                                                          `line 1: "q" stands twice`,
		"- Salesforce.runQuery: {q: 0x10}":                                                             "line 1: 0x10 is no number",
		"- Salesforce.runQuery: {q: &a x}\n- Salesforce.runQuery: {q: *a}":                             "line 2: anchors",
		"- Salesforce.runQuery: {q: !!binary aGk=}":                                                    "line 1: a value of the type !!binary",
		"- Salesforce.runQuery: {'{{given}}': 1}":                                                      "line 1: a key must be a plain name",
	} {
		if _, err := Parse(strings.NewReader(text), known, []string{"given"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	// Every problem is told at once.
	if _, err := Parse(strings.NewReader("- x: 1\n- y: 1"), known, nil); err == nil || !strings.Contains(err.Error(), "line 1") || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("%v", err)
	}
}

func TestArguments(t *testing.T) {
	steps, err := Parse(strings.NewReader(`
- Salesforce.runQuery:
    q: "SELECT Id FROM Account LIMIT {{n}}"
    number: 250000
    precise: 12345678901234567890.5
    when: 2026-01-31
    flags: [true, null, 'true', "{{given.x[0]}}"]
    rawBody: |
      a,b
      1,2
  output: accounts
- Salesforce.runQuery:
`), known, []string{"n", "given"})
	if err != nil || len(steps) != 2 || steps[0].Output != "accounts" || steps[0].Line != 2 || steps[1].Line != 12 {
		t.Fatalf("%+v, %v", steps, err)
	}
	got, err := steps[0].Arguments(map[string]any{"n": "5", "given": map[string]any{"x": []any{json.Number("7")}}})
	want := map[string]any{"q": "SELECT Id FROM Account LIMIT 5", "number": json.Number("250000"), "precise": json.Number("12345678901234567890.5"),
		"when": "2026-01-31", "flags": []any{true, nil, "true", json.Number("7")}, "rawBody": "a,b\n1,2\n"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := steps[0].Arguments(map[string]any{"n": "5", "given": map[string]any{}}); err == nil || !strings.Contains(err.Error(), "line 7: there is no given.x") {
		t.Errorf("%v", err)
	}
	if got, err := steps[1].Arguments(nil); len(got) != 0 || got == nil || err != nil {
		t.Errorf("%v %v", got, err)
	}
}

func FuzzInterpolate(f *testing.F) {
	f.Add("{{a.b[0].c}} {{a[{{b}}]['x-y']}}")
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = interpolate(text, func(p path) (any, error) { return p.of(map[string]any{"a": []any{"x"}, "b": json.Number("0")}) })
	})
}
