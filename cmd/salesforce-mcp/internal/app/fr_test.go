package app

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestFrench: every text of the pages has its French, with the same verbs, and there is
// no French of a text that is gone.
func TestFrench(t *testing.T) {
	texts := map[string]string{} // and where they stand
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(set, file.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			for _, arg := range translated(call) {
				text, ok := constant(arg)
				if !ok {
					continue // it is made of words elsewhere
				}
				texts[text] = set.Position(arg.Pos()).String()
			}
			return true
		})
	}
	for text, at := range texts {
		inOther, ok := inFrench[text]
		switch {
		case !ok:
			t.Errorf("%s: no French of %q", at, text)
		case !slices.Equal(verbs(text), verbs(inOther)):
			t.Errorf("%s: %q has other verbs than %q", at, text, inOther)
		}
	}
	for text := range inFrench {
		if texts[text] == "" {
			t.Errorf("French of %q, which no page says", text)
		}
	}
}

// translated are the arguments of a call that are texts.
func translated(call *ast.CallExpr) []ast.Expr {
	name := ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
	}
	switch {
	case (name == "t" || name == "words") && len(call.Args) > 0:
		return call.Args[:1]
	case name == "problem" && len(call.Args) > 1:
		return call.Args[1:2]
	case name == "count" && len(call.Args) == 3:
		return call.Args[1:]
	}
	return nil
}

// constant is a text that stands in the code, perhaps in parts.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		x, ok := constant(e.X)
		y, also := constant(e.Y)
		return x + y, ok && also && e.Op == token.ADD
	}
	return "", false
}

var verb = regexp.MustCompile(`%(?:\[\d+\])?[-+# 0]*\d*(?:\.\d+)?([a-zA-Z%])`)

// verbs are those of package fmt in a text, sorted: another language may have another
// order.
func verbs(text string) (all []string) {
	for _, found := range verb.FindAllStringSubmatch(text, -1) {
		all = append(all, found[1])
	}
	slices.Sort(all)
	return all
}
