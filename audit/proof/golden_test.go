package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/audit"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldenKey signs the golden files and nothing else.
const goldenKey = "PRIVATE+KEY+salesforce-mcp-golden+c097d0bc+Aeve8BxNeNG9Ac4mpyJKkQriYsU3ON7lrQRFoNB1aNPu"

// everything is an entry with every member.
func everything() audit.Entry {
	return audit.Entry{
		Version: 1, ID: "01a20d23-2726-78d7-8db0-a3541a770ae2", Time: time.Date(2026, 11, 24, 10, 38, 57, 318e6, time.UTC), Phase: audit.PhaseOutcome,
		Intent: "01a20d23-2725-7283-9e23-1a41cbbec941", Workspace: "sales", Host: "factory", Agent: "desk", User: "ada", Context: "c-1", Surface: "mcp",
		Tool: "records", Action: "update", Instruction: "updateRecord", Effect: "set", Decision: audit.DecisionAllowed, Rule: "agent desk: all",
		Arguments: json.RawMessage(`{"action":"update","body":{"Amount":12345678901234567890.10,"Name":"<é & \u2028>"}}`),
		Reasoning: "the customer asked for it", Confidence: new(0.85),
		Exchanges: []audit.Exchange{{Method: "PATCH", Path: "/services/data/v62.0/sobjects/Account/001000000000001AAA", Status: 400, RequestID: "r-1", Duration: 1500, Err: "cut"}},
		Records:   []string{"001000000000001AAA"}, Bytes: 7, Outcome: audit.Failed, Code: "FIELD_INTEGRITY_EXCEPTION", Message: "no\nline", Duration: 2 * time.Millisecond,
	}
}

// TestGolden: entries and checkpoints are written today as they were when the
// golden export was made. What is in it is for ever: a test that fails here wants
// another version of the encoding, not another golden file.
func TestGolden(t *testing.T) {
	f := keyed(t, goldenKey)
	old := everything() // of before there were versions
	old.Version, old.Phase, old.Intent, old.Exchanges = 0, audit.PhaseRefusal, "", nil
	f.entries["sales"] = [][]byte{old.Line(), everything().Line()}
	f.grow(t, "sales", 1)
	text := strings.Join(f.export(t, "sales"), "")
	const name = "testdata/export-v1.jsonl"
	if *update {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(golden) {
		t.Errorf("written now:\n%s\nwritten then:\n%s", text, golden)
	}
	key, err := ParsePublicKey("salesforce-mcp-golden+c097d0bc+AQqm6LTWtJNXG6PPN+vDPYD2gIvPzCFbgZ5knk73jSNJ")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := (Check{Key: key}).Export(bytes.NewReader(golden)); err != nil || !r.OK() || r.Entries != 3 {
		t.Errorf("the golden export: %+v, %v", r, err)
	}
}

// TestKey: a key prints as dots, whole or inside something, and gives its public
// one.
func TestKey(t *testing.T) {
	for range 200 { // base64 has signs of its own between the parts
		text, err := NewKey()
		if err != nil {
			t.Fatal(err)
		}
		f := keyed(t, text)
		signed, err := f.key.Sign(Checkpoint{Origin: f.key.Origin("a"), Size: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.public.Open(signed); err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			seed := text[len(text)-20:]
			if out := fmt.Sprintf(verb, struct{ K Key }{f.key}); strings.Contains(out, seed) {
				t.Errorf("%s prints the key", verb)
			}
		}
	}
	for _, bad := range []string{"", "x", "PRIVATE+KEY+a+b+c", strings.Replace(goldenKey, "golden", "goldex", 1)} {
		if _, err := ParseKey(bad); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// FuzzExport: nothing but the export itself verifies, and nothing breaks the
// reader.
func FuzzExport(f *testing.F) {
	golden, err := os.ReadFile("testdata/export-v1.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	key, err := ParsePublicKey("salesforce-mcp-golden+c097d0bc+AQqm6LTWtJNXG6PPN+vDPYD2gIvPzCFbgZ5knk73jSNJ")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Add(bytes.ToUpper(golden))
	f.Add(bytes.ReplaceAll(golden, []byte("\n"), []byte("\r\n")))
	f.Add([]byte(`{"leaf":-1,"entry":null,"proof":[]}` + "\n"))
	f.Add([]byte(`{"checkpoint":""}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Check{Key: key}.Export(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if r.OK() && !bytes.Equal(text, golden) {
			t.Errorf("verifies: %q", text)
		}
		if _, err := (Check{Key: key}).Bundle(bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzCheckpoint: a note that opens is the one that was signed.
func FuzzCheckpoint(f *testing.F) {
	fix := keyed(f, goldenKey)
	c := Checkpoint{Origin: fix.key.Origin("sales"), Size: 3, Key: fix.public.String()}
	signed, err := fix.key.Sign(c)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add(append(bytes.Clone(signed), signed...))
	f.Add(KeptLine("now", signed))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, err := fix.public.Open(text); err == nil && (got != c || !bytes.Equal(text, signed)) {
			t.Errorf("opens: %q", text)
		}
		if _, _, err := ReadCheckpoints(bytes.NewReader(text), fix.public); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	f := newFixture(b)
	line := everything().Line()
	for range 10_000 {
		f.entries["sales"] = append(f.entries["sales"], line)
	}
	if err := f.seq.Once(context.Background()); err != nil {
		b.Fatal(err)
	}
	text := strings.Join(f.export(b, "sales"), "")
	for b.Loop() {
		if r, err := (Check{f.public, f.kept}).Export(strings.NewReader(text)); err != nil || !r.OK() {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds(), "entries/s")
}

func BenchmarkExport(b *testing.B) {
	f := newFixture(b)
	f.grow(b, "a", 10_000)
	for b.Loop() {
		f.export(b, "a")
	}
	b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds(), "entries/s")
}

func BenchmarkIntegrate(b *testing.B) {
	f := newFixture(b)
	f.add("a", 4096)
	line := everything().Line()
	for i := range f.entries["a"] {
		f.entries["a"][i] = line
	}
	for b.Loop() {
		clear(f.heads)
		clear(f.sizes)
		if err := f.seq.Once(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*4096/b.Elapsed().Seconds(), "entries/s")
}

// TestTwoKeys: while a key takes the place of another, both sign, in one order and
// each once; the text of a key holds what it did before, and nothing else.
func TestTwoKeys(t *testing.T) {
	text, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for range 3 {
		next, err := NextKey(text)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := NextKey(next); err != nil || again != next {
			t.Errorf("a change that is under way begins another: %v", err)
		}
		texts = append(texts, next)
		if text, err = SettledKey(next); err != nil || strings.Count(text, "PRIVATE") != 1 {
			t.Fatal(err)
		}
	}
	key, err := ParseKey(texts[1])
	if err != nil || !key.Changing() {
		t.Fatal(err)
	}
	public, err := ParsePublicKey(key.Public())
	if err != nil || len(public.verifiers) != 3 {
		t.Fatal(err)
	}
	signed, err := key.Sign(Checkpoint{Origin: key.Origin("a"), Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := public.Open(signed); err != nil || c.Key != strings.Join([]string{keyName(public.verifiers[0].Name(), public.verifiers[0].KeyHash()), keyName(public.verifiers[1].Name(), public.verifiers[1].KeyHash())}, " and ") {
		t.Errorf("%+v, %v", c, err)
	}
	lines := strings.SplitAfter(string(signed), "\n")
	first, second := lines[len(lines)-3], lines[len(lines)-2]
	head := strings.Join(lines[:len(lines)-3], "")
	foreign := strings.Replace(second, "— ", "— x", 1)
	for name, bad := range map[string]string{"exchanged": head + second + first, "twice": head + first + first + second, "a third": head + first + second + foreign} {
		if _, err := public.OpenKept([]byte(bad)); err == nil {
			t.Errorf("%s: opens", name)
		}
	}
	if _, err := public.Open([]byte(head + second)); !errors.Is(err, ErrOtherKey) { // what is left is the former key's
		t.Errorf("of the former key: %v", err)
	}
	fields := strings.Fields(texts[2])
	for name, bad := range map[string]string{"none": "", "public only": fields[2], "private last": fields[2] + " " + fields[0], "three private": fields[0] + " " + fields[1] + " " + fields[0], "of another log": fields[0] + " " + strings.Fields(goldenPublic(t))[0], "twice": fields[0] + " " + fields[2] + " " + fields[2]} {
		if _, err := ParseKey(bad); err == nil {
			t.Errorf("%s: is a key", name)
		}
	}
}

func goldenPublic(t *testing.T) string {
	key, err := ParseKey(goldenKey)
	if err != nil {
		t.Fatal(err)
	}
	return key.Public()
}
