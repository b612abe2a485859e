package tools

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestCSVRecords(t *testing.T) {
	for name, tt := range map[string]struct {
		text   string
		header []string
		rows   [][]any
	}{
		"nothing":               {"", nil, nil},
		"a header alone":        {"Id,Name\n", []string{"Id", "Name"}, nil},
		"quotes and breaks":     {"\"Id\",\"Name\"\r\n\"1\",\"a \"\"b\"\"\nc\"\r\n2,\r\n", []string{"Id", "Name"}, [][]any{{"1", "a \"b\"\nc"}, {"2", nil}}},
		"no break at the end":   {"Id\n1", []string{"Id"}, [][]any{{"1"}}},
		"tabs, and a BOM":       {"\ufeffId\tName\n1\ta,b\n", []string{"Id", "Name"}, [][]any{{"1", "a,b"}}},
		"semicolons":            {"\"Id,x\";Name\n1;2\n", []string{"Id,x", "Name"}, [][]any{{"1", "2"}}},
		"empty lines":           {"\n\nId\n\n1\n\n", []string{"Id"}, [][]any{{"1"}}},
		"more cells than names": {"Id\n1,2\n", []string{"Id"}, [][]any{{"1,2"}}},
	} {
		c, err := newCSV(strings.NewReader(tt.text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var rows [][]any
		for c.next() == nil {
			o, err := c.row()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var row []any
			for _, m := range o {
				row = append(row, m.value)
			}
			rows = append(rows, row)
		}
		if name == "more cells than names" { // a lone column has no delimiter: a comma is assumed
			tt.rows = [][]any{{"1", "2"}}
		}
		if diff := cmp.Diff(tt.rows, rows); diff != "" || !cmp.Equal(tt.header, c.header) {
			t.Errorf("%s: header %q, rows (-want +got):\n%s", name, c.header, diff)
		}
	}
}

// TestCSVLongRecord (attack 27): a record without an end needs no memory without
// an end.
func TestCSVLongRecord(t *testing.T) {
	c, err := newCSV(io.MultiReader(strings.NewReader("Id\n\""), io.LimitReader(endless{}, 1<<30)))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.next(); !errors.Is(err, errLongRecord) || cap(c.raw) > 4*maxRecord {
		t.Errorf("%v with %d bytes", err, cap(c.raw))
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestCopyForSpreadsheets (attack 27): no cell is a formula, and what is none
// stays what it was.
func TestCopyForSpreadsheets(t *testing.T) {
	for in, want := range map[string]string{
		"Id,Name\r\n1,Acme\r\n":                      "Id,Name\r\n1,Acme\r\n",
		"Id\n=cmd|' /C calc'!A0\n":                   "Id\n'=cmd|' /C calc'!A0\n",
		"Id;Name\n1;@SUM(A1)\n":                      "Id;Name\n1;'@SUM(A1)\n",
		"Id,P\n1,\"=HYPERLINK(\"\"http://x\"\")\"\n": "Id,P\n1,\"'=HYPERLINK(\"\"http://x\"\")\"\n",
		"Phone,N\n+33 4 72 00,-12.5\n":               "Phone,N\n+33 4 72 00,-12.5\n",
		"N\n-2+3+cmd|' /C calc'!D2\n":                "N\n'-2+3+cmd|' /C calc'!D2\n",
		"N\n\"\t=1\"\n":                              "N\n\"\t'=1\"\n",
		"N\n\" =1+1\"\r\n":                           "N\n\" '=1+1\"\r\n",
		"=x\n1\n":                                    "'=x\n1\n",
		"a,=b":                                       "a,'=b",
		"Id,N\n1,\"a;=cmd|' /C calc'!A0\"\n":         "Id,N\n1,\"a;'=cmd|' /C calc'!A0\"\n", // of a semicolon country
		"\"Id\",\"N\"\n\"1\",\"a\n=cmd\"\n":          "\"Id\",\"N\"\n\"1\",\"a\n'=cmd\"\n",
		"\"Id\",\"N\"\n\"1\",\"a;\"\"=cmd\"\"\"\n":   "\"Id\",\"N\"\n\"1\",\"a;\"\"'=cmd\"\"\"\n",
		"N,M\nx\"y,1\n=cmd,\"z\n":                    "N,M\nx\"y,1\n'=cmd,\"z\n", // quotes where none belong
		"N,M\n=x\"y,1\nz,\"z\n":                      "N,M\n'=x\"y,1\nz,\"z\n",
		"N,M\n\"a\"b,=cmd\n":                         "N,M\n\"a\"b,'=cmd\n",
		"N\n＝cmd\n\x00=cmd\n\v@cmd\n":                "N\n'＝cmd\n\x00'=cmd\n\v'@cmd\n",
		"\ufeff=x\n\xff=y;\xff\n":                    "\ufeff'=x\n\xff=y;\xff\n",
		"N\n+" + strings.Repeat("1", 100) + "\n":     "N\n'+" + strings.Repeat("1", 100) + "\n",
		"":                                           "",
	} {
		var out bytes.Buffer
		if err := CopyForSpreadsheets(&out, strings.NewReader(in)); err != nil || out.String() != want {
			t.Errorf("%q: %q, %v, want %q", in, out.String(), err, want)
		}
	}
}

// TestCopyForSpreadsheetsLaw: whatever the text, and whatever is taken for the
// delimiter, no cell is a formula; without apostrophes the text is what it was.
func TestCopyForSpreadsheetsLaw(t *testing.T) {
	const before = `^[\s\x00"\x{a0}]*`
	sum, formula := regexp.MustCompile(before+`[-+＋－][^"]*[^"0-9 .,()/-]`), regexp.MustCompile(before+`[=@＝＠]`)
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.StringOfN(rapid.RuneFrom([]rune("=+-@＝\t\r\n\"',;1 aé|^\x00")), 0, 40, -1).Draw(t, "in")
		var out bytes.Buffer
		if err := CopyForSpreadsheets(&out, strings.NewReader(in)); err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(strings.TrimLeft(in, "\r\n"), "\n")
		for _, delimiter := range ",;\t|^" {
			for _, cell := range strings.FieldsFunc(out.String(), func(r rune) bool { return r == delimiter || r == '\n' || r == '\r' }) {
				if formula.MatchString(cell) || sum.MatchString(cell) && delimiter == delimiterOf([]byte(head)) {
					t.Fatalf("%q has the formula %q between %q", out.String(), cell, delimiter)
				}
			}
		}
		if without := strings.NewReplacer("'", ""); without.Replace(out.String()) != without.Replace(in) {
			t.Fatalf("%q became %q", in, out.String())
		}
	})
}

func FuzzCopyForSpreadsheets(f *testing.F) {
	f.Add("Id,Name\n1,\"=x\"\n")
	f.Add("\"a\nb")
	f.Fuzz(func(t *testing.T, text string) {
		var out bytes.Buffer
		if err := CopyForSpreadsheets(&out, strings.NewReader(text)); err != nil {
			return
		}
		if without := strings.NewReplacer("'", ""); without.Replace(out.String()) != without.Replace(text) {
			t.Errorf("%q became %q", text, out.String())
		}
	})
}
