package tools

import (
	"cmp"
	"encoding/json"
	"strings"
)

// OpenAPI is the instruction API as an OpenAPI 3.1 document: one POST for each
// row of the table, below server, the URL of a workspace's instructions.
func (t Table) OpenAPI(server, version string) ([]byte, error) {
	paths := object{}
	tags := []any{}
	for _, tool := range t {
		tags = append(tags, object{{"name", tool.Name}, {"description", tool.Doc}})
		for i := range tool.Ops {
			op := &tool.Ops[i]
			paths = append(paths, member{"/" + op.Instruction, object{{"post", op.openAPI()}}})
		}
	}
	return encode(object{
		{"openapi", "3.1.0"},
		{"info", object{{"title", "salesforce-mcp instructions"}, {"version", version},
			{"summary", "Salesforce operations with one workspace's credentials, rules and audit trail"},
			{"description", "Each instruction takes one JSON object of arguments and answers as Salesforce does: JSON, CSV or a file's bytes. " +
				"Name the agent in the header that the workspace's host profile says."},
			{"license", object{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
		{"servers", []any{object{{"url", server}}}},
		{"security", []any{object{{"hostToken", []any{}}}}},
		{"tags", tags},
		{"paths", paths},
		{"components", object{
			{"securitySchemes", object{{"hostToken", object{{"type", "http"}, {"scheme", "bearer"}, {"description", "The host token of the workspace"}}}}},
			{"schemas", object{{"Failure", failureSchema}}},
			{"responses", object{{"Failure", object{{"description", "The call was refused or failed; error.code says why"},
				{"content", object{{"application/json", object{{"schema", object{{"$ref", "#/components/schemas/Failure"}}}}}}}}}}},
		}},
	})
}

// failureSchema is the one shape of errors, that of Error.
var failureSchema = object{
	{"type", "object"}, {"required", []string{"error"}},
	{"properties", object{{"error", object{
		{"type", "object"}, {"required", []string{"code", "message"}},
		{"properties", object{
			{"code", object{{"type", "string"}, {"description", "For programs: one of ours, such as invalid_argument, or Salesforce's errorCode"}}},
			{"message", object{{"type", "string"}, {"description", "For people"}}},
			{"status", object{{"type", "integer"}, {"description", "HTTP status of Salesforce's answer"}}},
			{"fields", listOfStrings}, {"candidates", listOfStrings}, {"also", listOfStrings},
			{"requestId", object{{"type", "string"}, {"description", "Salesforce's X-SFDC-Request-Id"}}},
			{"retryAfter", object{{"type", "integer"}, {"description", "Seconds to wait before trying again"}}},
			{"approvalId", object{{"type", "string"}, {"description", "Of a call that a person has to approve"}}},
			{"expiresAt", object{{"type", "string"}, {"description", "Until when it waits for that"}}},
			{"hint", object{{"type", "string"}, {"description", "What to do next"}}},
		}},
	}}}},
}

var listOfStrings = object{{"type", "array"}, {"items", object{{"type", "string"}}}}

// openAPI is the row as an OpenAPI operation.
func (op *Op) openAPI() object {
	text := op.Doc
	if op.View != nil || op.Brief != nil {
		text += " The answer is Salesforce's own, not the shorter form that tools give a model."
	}
	operation := object{
		{"operationId", op.Instruction},
		{"summary", op.Doc},
		{"description", text + " Request: " + cmp.Or(op.Call, ownCall)},
		{"tags", []string{op.tool}},
		{"x-effect", op.Effect.String()},
	}
	content := object{{"application/json", object{{"schema", op.schema()}}}}
	var parameters []any
	raw, isRaw := op.raw()
	if op.Effect != Read && !isRaw {
		parameters = append(parameters, object{{"name", KeyHeader}, {"in", "header"}, {"description", "The argument " + idempotencyKey.Name + ", which may also stand here"},
			{"schema", object{{"type", "string"}}}})
	}
	if isRaw {
		parameters = append(parameters, op.beside(raw)...)
		content = append(content, member{"text/csv", object{{"schema", object{{"type", "string"}, {"description", raw.Doc + "; streamed, with the other arguments in the query"}}}}})
	}
	if parameters != nil {
		operation = append(operation, member{"parameters", parameters})
	}
	body := object{{"required", len(op.Needs) > 0}, {"content", content}}
	responses := object{
		{"200", object{{"description", "Salesforce's answer"}, {"content", op.answers()}}},
		{"201", object{{"description", "Salesforce's answer, or nothing"}, {"content", op.answers()}}},
		{"204", object{{"description", "Done; there is no answer"}}},
	}
	if op.Effect != Read {
		responses = append(responses, member{"207", object{{"description", "Some parts are done and others failed; each result says how it went"}, {"content", op.answers()}}})
	}
	responses = append(responses, member{"default", object{{"$ref", "#/components/responses/Failure"}}})
	return append(operation, member{"requestBody", body}, member{"responses", responses})
}

// answers are the media types of what the row answers.
func (op *Op) answers() object {
	switch op.Content {
	case CSV:
		return object{{"text/csv", object{{"schema", object{{"type", "string"}}}}}}
	case Value:
		return object{{"application/json", object{}}, {"*/*", object{{"schema", object{{"type", "string"}, {"format", "binary"}}}}}}
	}
	return object{{"application/json", object{}}}
}

// beside are the arguments that go into the query when the body is raw.
func (op *Op) beside(raw Param) []any {
	var list []any
	for _, p := range op.params() {
		if p.Name == raw.Name || p.In == Shape || p.Name == idempotencyKey.Name {
			continue
		}
		list = append(list, object{{"name", p.Name}, {"in", "query"}, {"description", p.Doc + ", when the body is " + strings.TrimSuffix(rawType, "; charset=UTF-8")},
			{"schema", p.property(false)}})
	}
	return list
}

// schema is that of the row's arguments. Where they may stand inside body or
// beside it, none is required in either place.
func (op *Op) schema() object {
	properties, inside := object{}, property{Type: "object", Description: "arguments may stand in here or beside it"}
	var required []string
	for _, p := range op.params() {
		if p.In == Shape {
			continue
		}
		properties = properties.with(p.Name, p.property(false))
		if p.Name != idempotencyKey.Name {
			inside = inside.with(p.Name, p.property(false))
		}
		if op.needs(p) {
			required = append(required, p.Name)
		}
	}
	if op.enveloped() {
		properties, required = properties.with(bodyName, inside), nil
	}
	if op.Effect != Read {
		properties = properties.with(reasoning.Name, reasoning.property(false)).with(confidence.Name, confidence.property(false))
	}
	o := object{{"type", "object"}, {"properties", properties}, {"additionalProperties", false}}
	if required != nil {
		o = append(o, member{"required", required})
	}
	return o
}

func (op *Op) needs(p Param) bool {
	for _, n := range op.Needs {
		if n == p {
			return true
		}
	}
	return false
}

// DecodeArguments reads the arguments of a call from one JSON object, strictly:
// no key twice in any spelling. An empty text is no arguments. Numbers are
// json.Number.
func DecodeArguments(raw []byte) (map[string]any, error) {
	args := map[string]any{}
	if len(strings.TrimSpace(string(raw))) == 0 {
		return args, nil
	}
	if err := strictJSON(raw); err != nil {
		return nil, &Error{Code: InvalidArgument, Message: "the arguments are refused: " + err.Error()}
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(&args); err != nil || args == nil {
		return nil, &Error{Code: InvalidArgument, Message: "the arguments must be one JSON object"}
	}
	return args, nil
}
