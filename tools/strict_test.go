package tools

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestStrictJSON(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, good := range []string{`{}`, `{"a":{"a":1},"b":[{"a":1},{"a":2}]}`, `{"a":"\"{,:\\","b":"\ud83d\ude00"}`, `"x"`, deep(64), ` {"id":12345678901234567890123} `} {
		if err := strictJSON([]byte(good)); err != nil {
			t.Errorf("%.60s: %v", good, err)
		}
	}
	for _, bad := range []string{
		`{"name":"records","name":"admin"}`,
		`{"name":"records","Name":"admin"}`,
		`{"a":{"params":{},"param` + "ſ" + `":{}}}`,
		`{"key":1,"` + "K" + `ey":2}`,
		`{"name":"records","na\u006de":"admin"}`,
		"{\"name\\u0000\":1}",
		`{"a":"\ud800"}`, `{"a":"\udc00\ud800"}`, `{"a":"\ud800A"}`,
		"{\"a\":\"\xff\"}", `{"a":1}{"b":2}`, `{"a":1,}`, `{`, ``, deep(65), deep(20000),
	} {
		if err := strictJSON([]byte(bad)); err == nil {
			t.Errorf("%.60s: accepted", bad)
		}
	}
}

// FuzzStrictJSON: what is accepted is valid, means the same to a reader that
// takes the first of equal keys and to one that takes the last, and nothing
// panics.
func FuzzStrictJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,{"b":"\u00e9"}]}`, `{"a":1,"A":2}`, `{"a":"\ud83d\ude00"}`, `[[[]]]`, `{"a":"\\"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if strictJSON(raw) != nil {
			return
		}
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatalf("accepted, but %v", err)
		}
		// Without equal keys, the number of keys decoded is that of the tokens.
		keys := 0
		var count func(any)
		count = func(v any) {
			switch v := v.(type) {
			case []any:
				for _, e := range v {
					count(e)
				}
			case map[string]any:
				keys += len(v)
				for _, e := range v {
					count(e)
				}
			}
		}
		count(v)
		ordered, err := decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		if n := countMembers(ordered); n != keys {
			t.Fatalf("%d members, %d distinct keys", n, keys)
		}
	})
}

func countMembers(v any) (n int) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			n += countMembers(e)
		}
	case object:
		for _, m := range v {
			n += 1 + countMembers(m.value)
		}
	}
	return n
}

// FuzzParseMessage: no message panics, and none that is accepted has a key that
// mcp-go could take for another.
func FuzzParseMessage(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"records","arguments":{"action":"get"}}}`))
	f.Add([]byte(`{"jsonrpc":"2.0","METHOD":"tools/list","id":"x"}`))
	f.Add([]byte(`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		msg, failure := parseMessage(raw)
		if failure != nil || msg.method == "" {
			return
		}
		var seen struct {
			Method string
			Params struct{ Name string }
		}
		if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&seen); err == nil && (seen.Method != msg.method || msg.method == "tools/call" && seen.Params.Name != msg.tool) {
			t.Fatalf("read as %s %s, run as %s %s", msg.method, msg.tool, seen.Method, seen.Params.Name)
		}
	})
}

func TestParseMessage(t *testing.T) {
	for raw, code := range map[string]int{
		`{"jsonrpc":"2.0","id":1,"METHOD":"tools/list"}`:             codeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","Params":{}}`: codeInvalidRequest,
		`{"jsonrpc":"1.0","id":1,"method":"ping"}`:                   codeInvalidRequest,
		`{"id":1,"method":"ping"}`:                                   codeInvalidRequest,
		`{"jsonrpc":"2.0","id":null,"method":"ping"}`:                codeInvalidRequest,
		`{"jsonrpc":"2.0","id":{},"method":"ping"}`:                  codeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"method":7}`:                        codeInvalidRequest,
		`{"jsonrpc":"2.0","id":1}`:                                   codeInvalidRequest,
		`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`:                 codeInvalidRequest,
		`7`: codeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}`:                                               codeInvalidParams,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":[1,2]}}`:                   codeInvalidParams,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"x"}}`:                                     codeInvalidParams,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":7,"name":"x"}}`:                           codeInvalidParams,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"records","name":"admin"}}`:                codeParse,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"action":1,"Action":2}}}`: codeParse,
		`{"jsonrpc`: codeParse,
		`{"jsonrpc":"2.0","id":1.5,"method":"ping"}`:                                                                           codeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}`:                                                                 codeInvalidRequest,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","Arguments":{}}}`:                                  codeInvalidParams,
		`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/ProtocolVersion":"2026-07-28"}}}`: codeInvalidParams,
		`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":7}}}`:            codeInvalidParams,
	} {
		_, failure := parseMessage([]byte(raw))
		if failure == nil || failure.Code != code {
			t.Errorf("%s: %+v, want %d", raw, failure, code)
		}
	}
	if _, failure := parseMessage([]byte(`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`)); !strings.Contains(failure.Message, "batches") {
		t.Errorf("a batch is refused as %q", failure.Message)
	}
}

// TestPrintable: what hides or deceives is spelled out, what people write is not.
func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"Zweig & Söhne, 日本, 👩\u200d💻 ❤\ufe0f\t\n": "Zweig & Söhne, 日本, 👩\u200d💻 ❤\ufe0f\t\n",
		"a\u202eb\u200bc\x1b[31m":                 `a\u202eb\u200bc\u001b[31m`,
		"\ufe01\U000e0100\u3164\u034f\u2800":      `\ufe01\udb40\udd00\u3164\u034f\u2800`,
		"\U000e0041\u2028":                        `\udb40\udc41\u2028`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("%+q: %+q, want %+q", in, got, want)
		}
	}
}

// FuzzDecode: our reader understands JSON as encoding/json does.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"a":[1,{"b":"\u00e9"},[],{}],"c":null,"d":-1.5e3}`, ` [ true , false ] `, `"x\"y"`, `[[],[]]`, `{"a":{}}`, "\"\xff\"", `0`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		ours, err := decode(raw)
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var theirs any
		if theirErr := d.Decode(&theirs); theirErr != nil || d.More() {
			if err == nil {
				t.Fatalf("accepted, but %v", theirErr)
			}
			return
		}
		if err != nil {
			return // too deep, or something after it
		}
		if !reflect.DeepEqual(plainMap(ours), spelledOut(theirs)) {
			t.Fatalf("%s: %v, want %v", raw, plainMap(ours), theirs)
		}
	})
}

// plainMap is v with maps for objects: of equal keys the last counts.
func plainMap(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plainMap(v[i])
		}
		return list
	case object:
		m := map[string]any{}
		for _, e := range v {
			m[e.name] = plainMap(e.value)
		}
		return m
	}
	return v
}

// spelledOut is v with its numbers as decode gives them.
func spelledOut(v any) any {
	switch v := v.(type) {
	case json.Number:
		return plainNumber(v)
	case []any:
		for i := range v {
			v[i] = spelledOut(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = spelledOut(v[k])
		}
	}
	return v
}
