package fakeorg_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"go.yaml.in/yaml/v3"

	"salesforce-mcp/salesforce/fakeorg"
)

// suite is testdata/fidelic-tests.yaml, cases transcribed from the conformance suite of Fidelic
// (github.com/fidelic-dev/fidelic-conformance, Apache-2.0, Copyright 2026 Fidelic), many of them checked against a
// real org by its authors.
type suite struct {
	Defs  map[string]string
	Tests []struct {
		ID, Name string
		Setup    []step
		Request  step
		Expect   struct {
			Status int
			Body   any
		}
	}
}

type step struct {
	Method, Path string
	Query, Form  map[string]string
	Headers      map[string]string
	Body         any
	Save         map[string]string
}

// unknown are cases whose authors say that nobody knows what a real org does.
var unknown = map[string]bool{"soql-013": true}

func TestConformance(t *testing.T) {
	file, err := os.ReadFile("testdata/fidelic-tests.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var tests suite
	if err := yaml.Unmarshal(file, &tests); err != nil {
		t.Fatal(err)
	}
	if len(tests.Tests) < 46 {
		t.Fatalf("only %d cases read", len(tests.Tests))
	}
	s := start(t, fakeorg.Options{Clients: []fakeorg.Client{{Key: "conformance", Secret: "its secret", RunAs: fakeorg.IntegrationUser}}})
	for _, test := range tests.Tests {
		t.Run(test.ID, func(t *testing.T) {
			if unknown[test.ID] {
				t.Skip("the suite's authors do not know what a real org answers")
			}
			scene := scene{server: s, defs: tests.Defs, saved: map[string]string{"{{rand}}": uuid.NewString()[:12],
				"{{target:client_id}}": "conformance", "{{target:client_secret}}": "its secret"}}
			for _, before := range test.Setup {
				if r := scene.play(t, before); r.status >= 300 {
					t.Fatalf("setup %s %s: %d %s", before.Method, before.Path, r.status, r.body)
				}
			}
			r := scene.play(t, test.Request)
			if r.status != test.Expect.Status {
				t.Errorf("status %d, want %d: %s", r.status, test.Expect.Status, r.body)
			}
			if test.Expect.Body == nil {
				return
			}
			var got any
			if err := json.Unmarshal([]byte(r.body), &got); err != nil {
				t.Fatal(err)
			}
			for _, difference := range differences("$", scene.fill(test.Expect.Body), got) {
				t.Error(difference)
			}
		})
	}
}

// scene is a case being played: what its steps have saved.
type scene struct {
	*server
	defs, saved map[string]string
}

func (s scene) play(t *testing.T, st step) reply {
	t.Helper()
	path := s.fill(st.Path).(string)
	query := url.Values{}
	for key, value := range st.Query {
		query.Set(key, s.fill(value).(string))
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var headers []string
	for key, value := range st.Headers {
		headers = append(headers, key, value)
	}
	body := ""
	switch {
	case st.Form != nil:
		form := url.Values{}
		for key, value := range st.Form {
			form.Set(key, s.fill(value).(string))
		}
		body, headers = form.Encode(), append(headers, "Content-Type", "application/x-www-form-urlencoded")
	case st.Body != nil:
		text, err := json.Marshal(s.fill(st.Body))
		if err != nil {
			t.Fatal(err)
		}
		body = string(text)
	}
	r := s.do(st.Method, path, body, headers...)
	for name, from := range st.Save {
		made := map[string]any{}
		if err := json.Unmarshal([]byte(r.body), &made); err == nil {
			s.saved["{{saved:"+name+"}}"] = fmt.Sprint(made[strings.TrimPrefix(from, "$.")])
		}
	}
	return r
}

// fill puts what is saved into a value.
func (s scene) fill(value any) any {
	switch v := value.(type) {
	case string:
		for key, path := range s.defs {
			v = strings.ReplaceAll(v, "{"+key+"}", path)
		}
		for key, text := range s.saved {
			v = strings.ReplaceAll(v, key, text)
		}
		return v
	case map[string]any:
		filled := map[string]any{}
		for key, item := range v {
			filled[key] = s.fill(item)
		}
		return filled
	case []any:
		filled := make([]any, len(v))
		for i, item := range v {
			filled[i] = s.fill(item)
		}
		return filled
	case int:
		return float64(v)
	}
	return value
}

var matchers = map[string]string{"sfid": `^[A-Za-z0-9]{15}([A-Za-z0-9]{3})?$`, "string": ``,
	"iso8601": `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$`}

// differences lists where got is not as expected. Expected objects may leave keys out, and each item of an expected
// array must fit some item.
func differences(at string, want, got any) []string {
	if text, isText := want.(string); isText && strings.HasPrefix(text, "{{match:") {
		return mismatch(at, strings.TrimSuffix(strings.TrimPrefix(text, "{{match:"), "}}"), got)
	}
	switch w := want.(type) {
	case map[string]any:
		g, isObject := got.(map[string]any)
		if !isObject {
			return []string{fmt.Sprintf("%s is %v, not an object", at, got)}
		}
		var all []string
		for key, value := range w {
			all = append(all, differences(at+"."+key, value, g[key])...)
		}
		return all
	case []any:
		g, isArray := got.([]any)
		if !isArray || len(w) == 0 && len(g) > 0 {
			return []string{fmt.Sprintf("%s is %v, want %v", at, got, want)}
		}
		for _, item := range w {
			if !fitsSome(item, g) {
				return []string{fmt.Sprintf("%s has no item like %v: %v", at, item, got)}
			}
		}
		return nil
	}
	if !reflect.DeepEqual(want, got) {
		return []string{fmt.Sprintf("%s is %v, want %v", at, got, want)}
	}
	return nil
}

func fitsSome(want any, items []any) bool {
	for _, item := range items {
		if len(differences("$", want, item)) == 0 {
			return true
		}
	}
	return false
}

func mismatch(at, matcher string, got any) []string {
	if matcher == "any" {
		return nil
	}
	pattern, isRegexp := strings.CutPrefix(matcher, "regex:")
	if !isRegexp {
		pattern = matchers[matcher]
	}
	text, isText := got.(string)
	if !isText || !regexp.MustCompile(pattern).MatchString(text) {
		return []string{fmt.Sprintf("%s is %v, want %s", at, got, matcher)}
	}
	return nil
}
