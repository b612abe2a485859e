package receipt

import (
	"bytes"
	"fmt"
	"image/color"
	"strings"

	"codeberg.org/go-pdf/fpdf"
	"github.com/boombuler/barcode/code128"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
)

// Measures of the A4 page, in millimetres.
const (
	margin        = 18.0
	bottom        = 22.0
	width         = 210 - 2*margin
	label         = 32.0 // the names of fields
	quantityWidth = 26.0
	amountWidth   = 42.0
	lineHeight    = 5.5
	moduleWidth   = 0.38 // the narrowest bar of a code
	codeHeight    = 20.0
)

type field struct{ name, value string }

type row struct{ product, quantity, amount string }

// page is a document that is being written, from top to bottom.
type page struct{ *fpdf.Fpdf }

func newPage(c Content, title string) page {
	p := page{fpdf.New("P", "mm", "A4", "")}
	p.SetCatalogSort(true)
	p.SetCreationDate(c.Date.UTC())
	p.SetModificationDate(c.Date.UTC())
	number := printable(c.CaseNumber)
	p.SetTitle(title+" "+number, true)
	p.SetAuthor(printable(c.Company), true)
	p.SetSubject("Return of case "+number, true)
	p.SetCreator("salesforce-mcp", true)
	p.SetLang("en")

	p.AddUTF8FontFromBytes("go", "", goregular.TTF)
	p.AddUTF8FontFromBytes("go", "B", gobold.TTF)
	p.SetMargins(margin, margin, margin)
	p.SetAutoPageBreak(true, bottom)
	p.SetFooterFunc(func() {
		p.SetY(-bottom + 8)
		p.SetFont("go", "", 8)
		p.SetX(margin)
		p.cell(width-20, fmt.Sprintf("%s, case %s", title, number), "L")
		p.cell(20, fmt.Sprintf("Page %d", p.PageNo()), "R")
	})
	p.AddPage()
	p.SetFont("go", "B", 11)
	p.line(printable(c.Company))
	p.SetFont("go", "B", 18)
	p.Ln(2)
	p.line(title)
	p.Ln(4)
	return p
}

// line writes a text over the whole width.
func (p page) line(text string) {
	_, size := p.GetFontSize()
	p.CellFormat(width, size*1.4, p.cut(text, width), "", 1, "L", false, 0, "")
}

// cell writes a text into w millimetres, and moves to the right of them.
func (p page) cell(w float64, text, align string) {
	p.CellFormat(w, lineHeight, p.cut(text, w), "", 0, align, false, 0, "")
}

// cut shortens a text until w millimetres hold it.
func (p page) cut(text string, w float64) string {
	w -= 2 * p.GetCellMargin()
	if p.GetStringWidth(text) <= w {
		return text
	}
	runes := []rune(strings.TrimSuffix(text, "…"))
	for len(runes) > 0 && p.GetStringWidth(string(runes)+"…") > w {
		runes = runes[:len(runes)-1]
	}
	return strings.TrimRight(string(runes), " ") + "…"
}

// fields writes names and values. Those with no value are left out.
func (p page) fields(fields ...field) {
	for _, f := range fields {
		value := printable(f.value)
		if value == "" {
			continue
		}
		p.SetFont("go", "", 10)
		p.cell(label, f.name, "L")
		p.SetFont("go", "B", 10)
		p.cell(width-label, value, "L")
		p.Ln(lineHeight)
	}
	p.Ln(6)
}

// table writes rows below a heading, which is repeated on each page. A product has up
// to two lines.
func (p page) table(heading row, rows []row) {
	productWidth := width - quantityWidth
	if heading.amount != "" {
		productWidth -= amountWidth
	}
	write := func(style string, r row) {
		p.SetFont("go", style, 10)
		product := p.SplitText(printable(r.product), productWidth)
		if len(product) > 2 {
			product = []string{product[0], p.cut(strings.Join(product[1:], " "), productWidth)}
		}
		if len(product) == 0 {
			product = []string{"?"}
		}
		p.cell(productWidth, product[0], "L")
		p.cell(quantityWidth, r.quantity, "R")
		if heading.amount != "" {
			p.cell(amountWidth, r.amount, "R")
		}
		p.Ln(lineHeight)
		if len(product) > 1 {
			p.cell(productWidth, product[1], "L")
			p.Ln(lineHeight)
		}
	}
	_, height := p.GetPageSize()
	write("B", heading)
	p.rule()
	for _, r := range rows {
		if p.GetY()+2*lineHeight > height-bottom {
			p.AddPage()
			write("B", heading)
			p.rule()
		}
		write("", r)
	}
	p.rule()
}

func (p page) rule() {
	p.Ln(1)
	p.Line(margin, p.GetY(), margin+width, p.GetY())
	p.Ln(1)
}

// more says how many lines were left out.
func (p page) more(n int) {
	if n > 0 {
		p.SetFont("go", "", 10)
		p.line(fmt.Sprintf("and %d more lines", n))
	}
}

// total writes an amount below the amounts of the table.
func (p page) total(name, amount string, bold bool) {
	style := ""
	if bold {
		style = "B"
	}
	p.SetFont("go", style, 11)
	p.cell(width-amountWidth, name, "R")
	p.cell(amountWidth, amount, "R")
	p.Ln(lineHeight + 1)
}

// code draws a Code 128 bar code, with its text below.
func (p page) code(text string) error {
	bars, err := code128.Encode(text)
	if err != nil {
		return fmt.Errorf("bar code of the case number: %w", err)
	}
	modules := bars.Bounds().Dx()
	// Ten modules of white are on both sides of a code at least.
	module := min(moduleWidth, width/float64(modules+20))
	left, top := margin+10*module, p.GetY()
	for i := 0; i < modules; i++ {
		if !black(bars.At(i, 0)) {
			continue
		}
		start := i
		for i+1 < modules && black(bars.At(i+1, 0)) {
			i++
		}
		p.Rect(left+float64(start)*module, top, float64(i+1-start)*module, codeHeight, "F")
	}
	p.SetXY(left, top+codeHeight+1)
	p.SetFont("go", "B", 14)
	p.line(text)
	p.SetX(margin)
	p.Ln(5)
	return nil
}

func black(c color.Color) bool {
	return color.GrayModel.Convert(c).(color.Gray).Y < 128
}

// bytes ends the document.
func (p page) bytes() ([]byte, error) {
	var out bytes.Buffer
	if err := p.Output(&out); err != nil {
		return nil, fmt.Errorf("write the PDF: %w", err)
	}
	return withoutNames(out.Bytes()), nil
}

// names is the dictionary of embedded files, which the writer puts into every
// document, and which is empty.
var names = []byte("/Names <<\n/EmbeddedFiles << /Names [\n  \n] >>\n>>\n")

// withoutNames blanks it, so that whoever looks for embedded files finds no word of
// them. All else stays at its place, as the table of objects says.
func withoutNames(pdf []byte) []byte {
	if at := bytes.LastIndex(pdf, names); at >= 0 {
		copy(pdf[at:], bytes.Repeat([]byte(" "), len(names)-1))
	}
	return pdf
}
