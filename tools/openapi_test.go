package tools_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"golang.org/x/tools/txtar"

	"salesforce-mcp/tools"
)

// openAPI is the document as an independent library reads and validates it.
func openAPI(t *testing.T, table tools.Table) *openapi3.T {
	t.Helper()
	text, err := table.OpenAPI("https://salesforce.example.com/w/sales/instructions", "1")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestOpenAPI: the document is valid OpenAPI 3.1 and has one POST for each row.
func TestOpenAPI(t *testing.T) {
	doc := openAPI(t, tools.All)
	if doc.OpenAPI != "3.1.0" || doc.Paths.Len() != len(tools.All.InstructionNames()) {
		t.Errorf("OpenAPI %s with %d paths", doc.OpenAPI, doc.Paths.Len())
	}
	upload := doc.Paths.Find("/uploadIngestData").Post
	if upload.RequestBody.Value.Content["text/csv"] == nil || len(upload.Parameters) != 1 || upload.Parameters[0].Value.Name != "jobId" {
		t.Errorf("uploadIngestData: %+v", upload)
	}
	if create, query := doc.Paths.Find("/createRecord").Post, doc.Paths.Find("/runQuery").Post; len(create.Parameters) != 1 || create.Parameters[0].Value.Name != tools.KeyHeader ||
		create.RequestBody.Value.Content["application/json"].Schema.Value.Properties["idempotencyKey"] == nil || len(query.Parameters) != 0 {
		t.Errorf("createRecord: %+v, runQuery: %+v", create, query)
	}
	query := doc.Paths.Find("/runQuery").Post.RequestBody.Value.Content["application/json"].Schema.Value
	if query.Properties["outputFormat"] != nil || strings.Join(query.Required, " ") != "q" {
		t.Errorf("runQuery: %+v", query)
	}
}

// TestOpenAPITakesTheCases: the schemas of the document take the arguments of
// every case that reached Salesforce, in their documented nesting.
func TestOpenAPITakesTheCases(t *testing.T) {
	doc := openAPI(t, tools.All)
	files, err := filepath.Glob("../testdata/ops/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.SplitN(filepath.Base(file), ".", 3)
		op, err := tools.All.Find(parts[0], parts[1])
		if err != nil {
			t.Fatal(err)
		}
		var args map[string]any
		if err := json.Unmarshal(section(archive, "args"), &args); err != nil {
			t.Fatal(err)
		}
		if len(section(archive, "request")) == 0 || strings.Contains(file, ".spelling.") { // refused, or taken although it is not as described
			continue
		}
		for _, name := range []string{"outputFormat", "skip", "filter"} { // which only shape
			delete(args, name)
		}
		body, _ := args["body"].(map[string]any)
		for name, v := range body {
			if op.TypeOf(name) != "" && (v == nil || v == "") {
				delete(body, name)
			}
		}
		for name, v := range args {
			if v == nil || v == "" { // which mean absent
				delete(args, name)
			}
			if list, ok := v.([]any); ok && op.TypeOf(name) == "string" { // lists may be lists
				var texts []string
				for _, e := range list {
					texts = append(texts, e.(string))
				}
				args[name] = strings.Join(texts, ",")
			}
			if text, ok := v.(string); ok && op.TypeOf(name) == "array" {
				args[name] = []any{text}
			}
		}
		schema := doc.Paths.Find("/" + op.Instruction).Post.RequestBody.Value.Content["application/json"].Schema.Value
		if err := schema.VisitJSON(args); err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
		checked++
	}
	if checked < 75 {
		t.Errorf("only %d cases were checked", checked)
	}
}
