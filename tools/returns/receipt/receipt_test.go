package receipt

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf16"

	diff "github.com/google/go-cmp/cmp"
	"github.com/ledongthuc/pdf"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

var update = flag.Bool("update", false, "write the golden files anew")

func content() Content {
	return Content{
		Company: "Müller & Søn A/S", CaseNumber: "00001026", OrderNumber: "00000104",
		Run: "run_01JDK3", Date: time.Date(2026, 11, 24, 15, 4, 5, 0, time.UTC),
		Customer: "Zoë Παπαδοπούλου", Outcome: "refund", Reference: "re_3QLx",
		Lines: []Line{
			{"Kettle, 1.7 l, brushed steel", 1, 4990},
			{strings.Repeat("A very long name that goes on and on, ", 8), 12, 123456789},
		},
		Amount: 123460000, Fee: 1779, Currency: "EUR",
	}
}

// TestGolden compares the text of the documents, as another library reads it, with
// files. Run with -update to write them.
func TestGolden(t *testing.T) {
	yen := content()
	yen.Currency, yen.Amount, yen.Fee = "JPY", 4990, 0
	yen.Lines = yen.Lines[:1]
	dinar := content()
	dinar.Currency, dinar.Customer, dinar.Reference, dinar.Lines = "KWD", "", "", nil
	for name, write := range map[string]func() ([]byte, error){
		"refund": func() ([]byte, error) { return Receipt(content()) },
		"yen":    func() ([]byte, error) { return Receipt(yen) },
		"dinar":  func() ([]byte, error) { return Receipt(dinar) },
		"label":  func() ([]byte, error) { return Label(content()) },
	} {
		t.Run(name, func(t *testing.T) {
			document, err := write()
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(read(t, document), "\f\n")
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := diff.Diff(string(want), got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// TestRightAligned: the amounts of a receipt end at one place, whatever their length.
func TestRightAligned(t *testing.T) {
	document, err := Receipt(content())
	if err != nil {
		t.Fatal(err)
	}
	var ends []float64
	for _, r := range runs(open(t, document).Page(1)) {
		font := fonts()[0]
		if strings.HasPrefix(r.text, "1234600.00") {
			font = fonts()[1] // the last is bold
		}
		if strings.HasSuffix(r.text, " EUR") {
			ends = append(ends, r.end(t, font))
		}
	}
	if len(ends) != 4 || slices.Max(ends)-slices.Min(ends) > 0.5 {
		t.Errorf("the amounts end at %v points, and should at one place", ends)
	}
}

// TestSameBytes: nothing but the content is in a document, no clock and no chance.
func TestSameBytes(t *testing.T) {
	for name, write := range map[string]func(Content) ([]byte, error){"receipt": Receipt, "label": Label} {
		first, err := write(content())
		if err != nil {
			t.Fatal(err)
		}
		here := content()
		here.Date = here.Date.In(time.FixedZone("here", 3600))
		for range 5 {
			if again, err := write(here); err != nil || !bytes.Equal(first, again) {
				t.Errorf("the %s has other bytes the second time: %v", name, err)
			}
		}
	}
}

func TestMetadata(t *testing.T) {
	document, err := Receipt(content())
	if err != nil {
		t.Fatal(err)
	}
	info := open(t, document).Trailer().Key("Info")
	for key, want := range map[string]string{
		"Title": "Refund receipt 00001026", "Author": "Müller & Søn A/S", "Subject": "Return of case 00001026",
		"Creator": "salesforce-mcp", "CreationDate": "D:20261124150405", "ModDate": "D:20261124150405",
	} {
		if got := info.Key(key).Text(); got != want {
			t.Errorf("%s is %q, and should be %q", key, got, want)
		}
	}
}

// TestBarCode compares the bars of a label, in modules, with those that ISO/IEC 15417
// (Code 128) has for the case number.
func TestBarCode(t *testing.T) {
	document, err := Label(content())
	if err != nil {
		t.Fatal(err)
	}
	type bar struct{ x, width float64 }
	var bars []bar
	pdf.Interpret(open(t, document).Page(1).V.Key("Contents"), func(stack *pdf.Stack, op string) {
		args := make([]float64, stack.Len())
		for i := len(args) - 1; i >= 0; i-- {
			args[i] = stack.Pop().Float64()
		}
		if op == "re" {
			bars = append(bars, bar{args[0], args[2]})
		}
	})
	const module = moduleWidth * 72 / 25.4
	var got strings.Builder
	for i, b := range bars {
		if i > 0 {
			fmt.Fprintf(&got, "%.0f", (b.x-bars[i-1].x-bars[i-1].width)/module)
		}
		fmt.Fprintf(&got, "%.0f", b.width/module)
	}
	const want = "211232" + // start of code C, pairs of digits
		"212222" + "212222" + "221312" + "321221" + // 00 00 10 26
		"111323" + // 33, which is 105 + 1×0 + 2×0 + 3×10 + 4×26 modulo 103
		"2331112" // stop
	if got.String() != want {
		t.Errorf("the bars are %s, and should be %s", &got, want)
	}
	for _, number := range []string{"1\x0d2", "ⅧⅨ", "a b", "\u00f1", strings.Repeat("1", 31)} {
		c := content()
		c.CaseNumber = number
		if document, err = Label(c); err != nil {
			t.Errorf("case %q has no label: %v", number, err)
		}
		pdf.Interpret(open(t, document).Page(1).V.Key("Contents"), func(stack *pdf.Stack, op string) {
			for stack.Len() > 0 {
				stack.Pop()
			}
			if op == "re" {
				t.Errorf("case %q has a bar code", number)
			}
		})
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "",
		" \t a\r\n\x00b\u2028c\u00a0 ":     "a b c",
		"e\u0301 \u00e9 o\u0308\u0336":     "é é ö",
		"a\u202eb\u2066c\u200bd\ufeffe":    "abcde",
		"a\u3164b\u115fc\ufe0fd\U000e0041": "abcd",
		"やかん, Ωμέγα, Чай, Łódź":            "???, Ωμέγα, Чай, Łódź",
		"☕\ue000\U0001f600":                "???",
		"\xff\xc3":                         "\ufffd\ufffd",
		strings.Repeat("é", 301):           strings.Repeat("é", 300) + "…",
	} {
		if got := printable(text); got != want {
			t.Errorf("%+q is printed as %+q, and should be as %+q", text, got, want)
		}
	}
}

func TestFileName(t *testing.T) {
	for number, want := range map[string]string{
		"00001026":              "return-00001026.pdf",
		"RMA-10/2026":           "return-RMA-10-2026.pdf",
		"../../etc/passwd\x00":  "return--etc-passwd-.pdf",
		"C:\\con.pdf\r\nX-A: b": "return-C-con-pdf-X-A-b.pdf",
		"":                      "return-.pdf",
		strings.Repeat("é", 99): "return--.pdf",
	} {
		if got := FileName(number); got != want {
			t.Errorf("the file of %q is called %q, and should be %q", number, got, want)
		}
	}
}

// TestManyLines: 500 lines are on several pages, each with the heading; of more, it
// is said how many.
func TestManyLines(t *testing.T) {
	c := content()
	c.Lines = nil
	for i := range MaxLines + 37 {
		c.Lines = append(c.Lines, Line{fmt.Sprintf("product-%03d", i), int64(i), int64(i)})
	}
	for name, write := range map[string]func(Content) ([]byte, error){"receipt": Receipt, "label": Label} {
		document, err := write(c)
		if err != nil {
			t.Fatal(err)
		}
		pages := read(t, document)
		if len(pages) < 8 || len(pages) > 20 {
			t.Errorf("the %s has %d pages", name, len(pages))
		}
		all := strings.Join(pages, "")
		for i, page := range pages {
			if !strings.Contains(page, "Quantity") && strings.Contains(page, "product-") {
				t.Errorf("page %d of the %s has lines without their heading", i+1, name)
			}
			if !strings.Contains(page, fmt.Sprintf("Page %d", i+1)) || !strings.Contains(page, "case 00001026") {
				t.Errorf("page %d of the %s does not say so", i+1, name)
			}
		}
		for i := range MaxLines + 37 {
			if strings.Contains(all, fmt.Sprintf("product-%03d", i)) != (i < MaxLines) {
				t.Errorf("line %d of the %s is there, or is not", i, name)
			}
		}
		if !strings.Contains(all, "and 37 more lines") {
			t.Errorf("the %s does not say that there are 37 more", name)
		}
	}
}

func TestRefused(t *testing.T) {
	for want, spoil := range map[string]func(*Content){
		"needs a case number": func(c *Content) { c.CaseNumber = "\u200b\x00" },
		"needs the date":      func(c *Content) { c.Date = time.Time{} },
		"date of the return":  func(c *Content) { c.Date = c.Date.AddDate(8000, 0, 0) },
		"an amount is -1":     func(c *Content) { c.Amount = -1 },
		"at least 0":          func(c *Content) { c.Fee = -5 },
		"minor units":         func(c *Content) { c.Lines[1].Amount = -1 },
		"ISO 4217":            func(c *Content) { c.Currency = "EUR) Tj" },
	} {
		c := content()
		spoil(&c)
		if _, err := Receipt(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, and should say %q", err, want)
		}
	}
}

// hostile are texts that try to be something else than text.
var hostile = []string{
	"<script>alert(1)</script>",
	") Tj ET (",
	"\\) Tj ET /JS (app.alert(1)) \\",
	"/Names << /EmbeddedFiles << /Names [\n  \n] >>\n>>\n",
	"endstream endobj 99 0 obj << /S /JavaScript /JS (x) >> endobj",
	"https://evil.example/?q=1 javascript:alert(1)",
	"safe\u202Egpj.exe\u202C", "zero\u200Bwidth\u2060\uFEFF", "hangul\u3164filler",
	"\x00\x01\x1b[31mred\x1b[0m\r\n\t\v", "not UTF-8 \xff\xc3", "\xe2\x82", "\xf0\x9f",
	"日本語のやかん", "غلاية", "קומקום", "☕🫖", "e\u0301\u0301\u0301\u0301\u0301",
	strings.Repeat("x", 10_000), strings.Repeat("a b ", 2_500), "a" + strings.Repeat("\u0301", 10_000),
	"{nb}", "%s%n%!d", "{{.Secret}}", "=HYPERLINK(\"x\")", "\U000E0041\U000E0042 tags",
}

// TestHostileText (attack 28): what stands in records is text on the paper, whichever
// place it comes to.
func TestHostileText(t *testing.T) {
	for _, text := range hostile {
		t.Run(fmt.Sprintf("%.20q", text), func(t *testing.T) { isText(t, text) })
	}
}

func FuzzText(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(isText)
}

// isText writes both documents with a text at each place, and reads them again: they
// have the pages and keys of any other, and the text as printable has it.
func isText(t *testing.T, text string) {
	clean := printable(text)
	for _, r := range clean {
		if !unicode.IsPrint(r) || unicode.In(r, unicode.Cf, unicode.Bidi_Control) {
			t.Errorf("%+q is not printable in %+q", r, clean)
		}
	}
	if again := printable(clean); again != clean {
		t.Errorf("printed again, %q becomes %q", clean, again)
	}
	c := Content{Company: text, CaseNumber: text, OrderNumber: text, Run: text, Customer: text, Outcome: text,
		Reference: text, Date: time.Unix(1, 0), Lines: []Line{{text, 1, 2}}, Amount: 2, Currency: "EUR"}
	for name, write := range map[string]func(Content) ([]byte, error){"receipt": Receipt, "label": Label} {
		document, err := write(c)
		if clean == "" {
			if err == nil {
				t.Errorf("a %s with no case number was written", name)
			}
			continue
		}
		if err != nil {
			t.Fatalf("write the %s: %v", name, err)
		}
		pages := read(t, document)
		if len(pages) != 1 {
			t.Errorf("the %s has %d pages", name, len(pages))
		}
		start, _ := first(clean, 20)
		if !strings.Contains(squeeze(pages[0]), squeeze(strings.TrimSuffix(string(start), "…"))) {
			t.Errorf("the %s does not show %q:\n%s", name, string(start), pages[0])
		}
		plain(t, document)
	}
	if file := FileName(text); !regexp.MustCompile(`^return-[A-Za-z0-9-]{0,40}\.pdf$`).MatchString(file) {
		t.Errorf("the file name is %q", file)
	}
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), "") }

// keys are all that dictionaries of a document have outside of its fonts. There is
// no link, script, form or embedded file that does without another.
var keys = strings.Fields("Author ColorSpace Contents Count CreationDate Creator Font Info Kids Lang MediaBox ModDate " +
	"Pages Parent ProcSet Producer Resources Root Size Subject Title Type XObject F1 F2")

// plain holds a document to those keys, and looks for words of other kinds outside of
// its streams, where their compressed bytes could be any.
func plain(t *testing.T, document []byte) {
	t.Helper()
	outside := regexp.MustCompile(`(?s)\bstream\r?\n.*?\r?\nendstream`).ReplaceAll(document, nil)
	for _, word := range []string{"/JS", "/JavaScript", "/URI", "/EmbeddedFile", "/AcroForm", "/Annot", "/OpenAction", "/AA",
		"/Launch", "/GoTo", "/Filespec", "/RichMedia", "/XFA", "/ObjStm", "/Encrypt"} {
		if bytes.Contains(outside, []byte(word)) {
			t.Errorf("the document has %s", word)
		}
	}
	seen := map[string]bool{}
	var walk func(pdf.Value, int)
	walk = func(v pdf.Value, depth int) {
		if depth > 8 {
			t.Fatal("the document is nested too deeply")
		}
		for i := range v.Len() {
			walk(v.Index(i), depth+1)
		}
		if v.Kind() != pdf.Dict {
			return
		}
		for _, key := range v.Keys() {
			if !slices.Contains(keys, key) && !regexp.MustCompile(`^F[0-9a-f]{40}$`).MatchString(key) && !seen[key] {
				seen[key] = true
				t.Errorf("the document has a key %s", key)
			}
			if key != "Parent" && key != "Font" {
				walk(v.Key(key), depth+1)
			}
		}
	}
	walk(open(t, document).Trailer(), 0)
}

func open(t *testing.T, document []byte) *pdf.Reader {
	t.Helper()
	reader, err := pdf.NewReader(bytes.NewReader(document), int64(len(document)))
	if err != nil {
		t.Fatalf("the document cannot be read: %v", err)
	}
	return reader
}

// run is a piece of text on a page, from its left end, in points.
type run struct {
	x, y float64
	text string
	size float64
}

// runs returns the pieces of text of a page from top to bottom. The codes of the
// fonts are UTF-16.
func runs(page pdf.Page) (found []run) {
	var now run
	pdf.Interpret(page.V.Key("Contents"), func(stack *pdf.Stack, op string) {
		args := make([]pdf.Value, stack.Len())
		for i := len(args) - 1; i >= 0; i-- {
			args[i] = stack.Pop()
		}
		switch op {
		case "Tf":
			now.size = args[1].Float64()
		case "Td":
			now.x, now.y = args[0].Float64(), args[1].Float64()
		case "Tj":
			raw := args[0].RawString()
			var units []uint16
			for i := 0; i+1 < len(raw); i += 2 {
				units = append(units, uint16(raw[i])<<8|uint16(raw[i+1]))
			}
			now.text = string(utf16.Decode(units))
			found = append(found, now)
		}
	})
	slices.SortStableFunc(found, func(a, b run) int { return -cmp.Compare(a.y, b.y) })
	return found
}

// end is where a piece of text ends on the right, by the widths of the font.
func (r run) end(t *testing.T, font *sfnt.Font) float64 {
	t.Helper()
	end := r.x
	for _, c := range r.text {
		glyph, err := font.GlyphIndex(nil, c)
		if err != nil {
			t.Fatal(err)
		}
		advance, err := font.GlyphAdvance(nil, glyph, fixed.I(1000), 0)
		if err != nil {
			t.Fatal(err)
		}
		end += float64(advance) / 64 / 1000 * r.size
	}
	return end
}

// read returns the text of each page, line by line.
func read(t *testing.T, document []byte) (pages []string) {
	t.Helper()
	reader := open(t, document)
	for i := range reader.NumPage() {
		var b strings.Builder
		y := -1.0
		for _, r := range runs(reader.Page(i + 1)) {
			switch {
			case r.y == y:
				b.WriteString("  ")
			case y >= 0:
				b.WriteString("\n")
			}
			b.WriteString(r.text)
			y = r.y
		}
		pages = append(pages, b.String()+"\n")
	}
	return pages
}
