package dsul

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestHolds(t *testing.T) {
	values := map[string]any{"n": json.Number("204"), "zero": json.Number("0"), "text": "x", "empty": "", "yes": true, "no": false, "none": nil, "list": []any{},
		"answer": map[string]any{"status": json.Number("200"), "headers": map[string]any{"agent-id": "a"}}}
	resolve := func(p path) (any, error) {
		v, err := p.of(values)
		if err != nil {
			return absent{}, nil //nolint:nilerr // that is what absent is
		}
		return v, nil
	}
	for text, want := range map[string]bool{
		"{{n}} == 204": true, "{{n}} = 204.0": true, "{{n}} != 204": false, "{{n}} >= 200 and {{n}} < 300": true, "{{n}} > 204 or {{n}} < 204": false,
		"{{gone}} >= 200": false, "{{gone}} < 200": false, "{{gone}}": false, "!{{gone}}": true, "not {{gone}}": true, "{{gone}} == {{none}}": false, "{{gone}} != 1": true,
		"{{text}} == \"x\"": true, "{{text}} == 'y'": false, "{{empty}}": false, "{{empty}} == \"\"": true, "{{gone}} == \"\"": false, "{{zero}}": false, "{{list}}": true, "{{none}}": false,
		"{{yes}} and {{no}}": false, "{{yes}} or {{no}}": true, "{{no}} or {{no}} or {{yes}}": true, "{{no}} and {{no}} or {{yes}}": true, "{{no}} and ({{no}} or {{yes}})": false,
		"{{yes}} == true": true, "{{no}} == false": true, "{{none}} == null": true, "{{answer.status}} == 200": true, `{{answer.headers["agent-id"]}} == "a"`: true, "{{n}} == -1": false,
		"{{text}} == \"{{text}}\"": false, "!({{yes}} and {{no}})": true, "{{yes}} && {{yes}} || {{no}}": true,
	} {
		if got, err := holds(text, resolve); got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "{{n}} ==", "{{n}} == 204 204", "({{n}}", "\"x", "{{n", "and", "{{n}} matches x", "{% n %}", "andy", "{{yes}} andy"} {
		if got, err := holds(text, resolve); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func FuzzHolds(f *testing.F) {
	f.Add(`{{a.b}} == "x" and not ({{n}} >= 1.5 || !null)`)
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = holds(text, func(path) (any, error) { return absent{}, nil })
	})
}

func files(automations ...string) fstest.MapFS {
	all := fstest.MapFS{"index.yml": {Data: []byte("name: X\nslug: x\nconfig:\n  schema: {url: {type: string}}\n  value: {url: '{{secret.url}}', kept: here}\n")}}
	for _, text := range automations {
		slug := strings.Fields(strings.TrimPrefix(text, "slug: "))[0]
		all["automations/"+slug+".yml"] = &fstest.MapFile{Data: []byte(text)}
	}
	return all
}

func TestReadAppRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"slug: a\ndo: [{nothing: {}}]":                                `there is no instruction "nothing"`,
		"slug: a\ndo: [{set: {name: x, vale: 1}}]":                    `set has no "vale"`,
		"slug: a\ndo: [{conditions: {default: [{fetch: {uri: x}}]}}]": `fetch has no "uri"`,
		"slug: a\ndo: [{a: {q: 1}}]":                                  `a has no "q"`,
		"slug: a\ndo: [{set: {}, fetch: {}}]":                         "an instruction is one name",
		"slug: a\ndo: [set]":                                          "an instruction is one name",
		"slug: a\ndo: {}":                                             "do: it must be a list",
		"slug: a\nwhat: 1\ndo: []":                                    "field what not found",
	} {
		if _, err := ReadApp(files(text)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "automations/a.yml") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	other := files()
	other["automations/b.yml"] = &fstest.MapFile{Data: []byte("slug: a\ndo: []")}
	if _, err := ReadApp(other); err == nil || !strings.Contains(err.Error(), "must be the name of the file") {
		t.Errorf("%v", err)
	}
	if _, err := ReadApp(fstest.MapFS{}); err == nil {
		t.Error("no error without index.yml")
	}
}

// TestInterpreter: values keep their type, absent ones are left out, and what a webhook
// sees of a request is what the platform passes on.
func TestInterpreter(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTeapot)
		_ = json.NewEncoder(w).Encode(map[string]any{"method": r.Method, "query": r.URL.RawQuery, "one": r.Header.Get("One"), "has": r.Header.Values("Two"), "workspace": r.Header.Get("X-Prismeai-Workspace-Id")})
	}))
	defer server.Close()
	app, err := ReadApp(files(
		"slug: echo\narguments: {a: {}, b: {}}\ndo: [{set: {name: out, value: {a: '{{a}}', b: '{{b}}', both: '{{a}}{{b}}', list: ['{{b}}'], deep: {x: '{{a.x}}'}}}}]\noutput: '{{out}}'",
		"slug: outer\narguments: {n: {}}\ndo: [{echo: {a: '{{n}}', output: got}}, {set: {name: got, type: merge, value: {more: '{{user.id}}'}}}, {conditions: {'{{n}} == 7': [{break: {}}]}}, {set: {name: got, value: late}}]\noutput: '{{got}}'",
		"slug: hook\nwhen: {endpoint: true}\ndo: [{fetch: {url: '{{config.url}}/p', method: post, query: {q: 'a b'}, headers: {one: '{{headers[\"one\"]}}', two: '{{headers[\"x-two\"]}}'}, outputMode: detailed_response, output: r}}, {set: {name: $http, value: {status: '{{r.status}}', headers: {a: '{{method}}'}}}}]\noutput: {r: '{{r.body}}', body: '{{body.k}}', run: '{{run.sourceWorkspaceId}}', kept: '{{config.kept}}'}",
		"slug: loop\ndo: [{loop: {}}]",
		"slug: quiet\nprivate: true\ndo: []",
		"slug: gone\ndo: [{fetch: {url: '{{config.nothing}}/x', method: get, output: r}}]\noutput: '{{r.error.message}}'",
	))
	if err != nil {
		t.Fatal(err)
	}
	i := &Instance{App: app, Secrets: map[string]any{"url": server.URL}, Global: map[string]any{"workspaceId": "w"}, HTTP: server.Client()}
	got, err := i.Call(t.Context(), "echo", map[string]any{"a": map[string]any{"x": json.Number("12345678901234567890")}}, Caller{})
	want := map[string]any{"a": map[string]any{"x": json.Number("12345678901234567890")}, "both": "{\n  \"x\": 12345678901234567890\n}", "list": []any{nil}, "deep": map[string]any{"x": json.Number("12345678901234567890")}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	got, err = i.Call(t.Context(), "outer", map[string]any{"n": json.Number("7")}, Caller{User: map[string]any{"id": "u"}})
	if m, ok := got.(map[string]any); err != nil || !ok || m["a"] != json.Number("7") || m["more"] != "u" {
		t.Errorf("%v %v", got, err)
	}
	if got, err = i.Call(t.Context(), "outer", nil, Caller{}); got != "late" || err != nil {
		t.Errorf("%v %v", got, err)
	}
	r, err := i.Webhook(t.Context(), "hook", Request{Method: "POST", Headers: map[string]string{"One": "1", "X-Two": "2"}, Body: map[string]any{"k": "v"}}, Caller{Source: "s"})
	wantBody := map[string]any{"r": map[string]any{"method": "POST", "query": "q=a+b", "one": "1", "has": nil, "workspace": "w"}, "body": "v", "run": "s", "kept": "here"}
	if diff := cmp.Diff(wantBody, r.Body); diff != "" || err != nil || r.Status != http.StatusTeapot || r.Headers["a"] != "POST" {
		t.Errorf("%v %+v %s", err, r, diff)
	}
	for slug, want := range map[string]string{"loop": "without end", "quiet": "no public automation", "nobody": "no public automation"} {
		if _, err := i.Call(t.Context(), slug, nil, Caller{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", slug, err)
		}
	}
	if _, err := i.Call(t.Context(), "echo", map[string]any{"c": 1}, Caller{}); err == nil {
		t.Error("an argument that there is not is taken")
	}
	if _, err := i.Webhook(t.Context(), "echo", Request{}, Caller{}); err == nil {
		t.Error("what is no webhook is one")
	}
	if got, err := i.Call(t.Context(), "gone", nil, Caller{}); err != nil || got == nil {
		t.Errorf("%v %v", got, err)
	}
	i.Secrets = nil // then the reference is the text that it is
	if r, err := i.Webhook(t.Context(), "hook", Request{}, Caller{}); err != nil || r.Status != 200 {
		t.Errorf("%+v %v", r, err)
	}
}
