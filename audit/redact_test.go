package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestRedact(t *testing.T) {
	long := strings.Repeat("é", maxString)
	token := strings.Repeat("x", digestFrom)
	for name, test := range map[string]struct{ args, want string }{
		"nothing secret": {`{"q":"SELECT Id FROM A WHERE B > 1 & C < 2","n":12345678901234567890.10,"b":null,"l":[1,"x",{}]}`,
			`{"b":null,"l":[1,"x",{}],"n":12345678901234567890.10,"q":"SELECT Id FROM A WHERE B > 1 & C < 2"}`},
		"a short secret has no digest": {`{"password":"hunter2"}`, `{"password":{"redacted":true,"bytes":9}}`},
		"a long one has": {`{"password":"` + token + `"}`,
			fmt.Sprintf(`{"password":{"redacted":true,"sha256":"%s","bytes":%d}}`, digest([]byte(`"`+token+`"`)), digestFrom+2)},
		"any depth and case": {`{"body":{"PassWord":1,"records":[{"password":{"a":"b"}}]},"passwords":"x"}`,
			`{"body":{"PassWord":{"redacted":true,"bytes":1},"records":[{"password":{"redacted":true,"bytes":9}}]},"passwords":"x"}`},
		"a long string": {`{"body":{"doc":"` + long + `"}}`,
			fmt.Sprintf(`{"body":{"doc":{"truncated":true,"start":"%s","sha256":"%s","bytes":%d}}}`, long[:keptString], digest([]byte(`"`+long+`"`)), len(long)+2)},
		"no arguments": {`{}`, `{}`},
	} {
		var args map[string]any
		decoder := json.NewDecoder(strings.NewReader(test.args))
		decoder.UseNumber()
		if err := decoder.Decode(&args); err != nil {
			t.Fatal(err)
		}
		before := encode(args)
		got := Redact(args, []string{"password"})
		if diff := cmp.Diff(test.want, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if !bytes.Equal(before, encode(args)) {
			t.Errorf("%s: the arguments were changed", name)
		}
	}
	if got := Redact(nil, nil); string(got) != "{}" {
		t.Errorf("no arguments: %s", got)
	}
	if got := Redact(map[string]any{"a": func() {}, "b": json.Number("1; DROP")}, nil); string(got) != `{"a":"unreadable","b":"unreadable"}` {
		t.Errorf("what JSON cannot say: %s", got)
	}
}

func TestRedactIsBounded(t *testing.T) {
	deep := any("end")
	for range 10_000 {
		deep = map[string]any{"d": deep}
	}
	many := map[string]any{}
	for i := range 20_000 {
		many[fmt.Sprint("name-", i)] = i
	}
	list := slices.Repeat([]any{"a value that is short"}, 100_000)
	for name, args := range map[string]map[string]any{
		"deep": {"deep": deep}, "many names": many, "a long name": {strings.Repeat("n", 1<<20): 1},
		"a long list": {"action": "create", "records": list}, "two lists": {"a": list, "b": list[:5], "c": list[:50_000]},
	} {
		got := Redact(args, nil)
		if len(got) > maxArguments || !json.Valid(got) {
			t.Errorf("%s: %d bytes, valid %v", name, len(got), json.Valid(got))
		}
		if got := Names(args); len(got) > maxArguments || !json.Valid(got) {
			t.Errorf("%s: names of %d bytes, valid %v", name, len(got), json.Valid(got))
		}
	}
	var kept struct {
		Action  string
		Records truncated
	}
	if err := json.Unmarshal(Redact(map[string]any{"action": "create", "records": list}, nil), &kept); err != nil {
		t.Fatal(err)
	}
	want := truncated{Truncated: true, SHA256: digest(encode(list)), Bytes: len(encode(list))}
	if kept.Action != "create" || kept.Records != want {
		t.Errorf("kept %+v, want the short argument and %+v", kept, want)
	}
}

func TestRedactCutsLongNames(t *testing.T) {
	got := Redact(map[string]any{strings.Repeat("é", maxName): 1, "action": "get"}, nil)
	want := fmt.Sprintf(`{"action":"get","%s…":1}`, strings.Repeat("é", maxName/2))
	if string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestNamesKeepsNoValues(t *testing.T) {
	got := Names(map[string]any{"token": strings.Repeat("secret", 20), "n": 1})
	want := `{"n":{"redacted":true,"bytes":1},"token":{"redacted":true,"bytes":122}}`
	if string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A secret's value is nowhere in the result, wherever it stood and however
// large everything around it is.
func TestRedactNeverShowsASecret(t *testing.T) {
	const canary = "canary-7f3a"
	rapid.Check(t, func(t *rapid.T) {
		padding := rapid.SampledFrom([]int{0, 10, keptString - 4, maxString, maxArguments}).Draw(t, "padding")
		value := any(strings.Repeat("p", padding) + canary)
		secret := map[string]any{rapid.SampledFrom([]string{"password", "Password", "PASSWORD"}).Draw(t, "name"): value}
		args := any(secret)
		for range rapid.IntRange(0, 2*maxDepth).Draw(t, "depth") {
			if rapid.Bool().Draw(t, "list") {
				args = []any{args, "beside"}
			} else {
				args = map[string]any{"inner": args, "beside": strings.Repeat("b", padding)}
			}
		}
		top := map[string]any{"top": args}
		maps.Copy(top, secret)
		got := Redact(top, []string{"password"})
		if bytes.Contains(got, []byte(canary)) || len(got) > maxArguments || !json.Valid(got) {
			t.Fatalf("%s", got)
		}
	})
}
