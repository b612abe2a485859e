package tools

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/textproto"

	"salesforce-mcp/salesforce"
)

var retrieveHints = map[string]string{"INVALID_TYPE": "Check the type: metadata types are written as in CustomObject, CustomField, ApexClass."}

var (
	deployFile    = Param{Name: "file", Type: "string", Form: Zip, Doc: "zip with package.xml, in base64"}
	deployOptions = Param{Name: "deployOptions", Type: "object", Doc: "{checkOnly, rollbackOnError, singlePackage (package.xml is at the root), testLevel, runTests, …}"}
	requestID     = Param{Name: "requestId", Type: "string", Form: RecordID, Handle: Deploy, Doc: "deploy ID"}
	deployDetails = Param{Name: "includeDetails", Type: "boolean", Doc: "each component and test"}
	metadataType  = Param{Name: "type", Type: "string", Form: FieldName, In: Local, Doc: "as in CustomObject"}
	fullNames     = Param{Name: "fullNames", Type: "string", Form: FullNames, In: Local, Doc: "comma-separated, at most 10"}
)

// Metadata is the tool for deploys.
//
// Salesforce takes a deploy as multipart/form-data with the raw bytes of the
// zip; that the part with the options is called json is from the Metadata API
// guide (jsforce calls it entity_content, which works as well). REST has no
// resource that retrieves metadata (/metadata/retrieveRequest is answered 404),
// so retrieve asks the Metadata API over SOAP.
var Metadata = Tool{Name: "metadata", Doc: "Metadata and its deploys.", Ops: []Op{
	{Action: "deploy", Instruction: "deployMetadata", Doc: "Start a deploy; checkOnly true only validates.", Effect: Act, Opaque: true,
		Call: "POST /metadata/deployRequest", Gives: Deploy, Needs: []Param{deployFile}, Takes: []Param{deployOptions}, Run: deploy, View: deployView, Note: deployNote},
	{Action: "getDeployStatus", Instruction: "getMetadataDeployStatus", Doc: "Show how far a deploy is.", Effect: Read, Touches: nothing,
		Call: "GET /metadata/deployRequest/{requestId}", Needs: []Param{requestID}, Takes: []Param{deployDetails}, View: deployView, Note: deployNote},
	{Action: "retrieve", Instruction: "readMetadata", Doc: "Read components by name.", Effect: Read, Opaque: true,
		Call: "POST /services/Soap/m", Needs: []Param{metadataType, fullNames}, Run: readMetadata, Hints: retrieveHints},
}}

// deploy sends the zip and its options as the two parts of a form.
func deploy(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	options, ok := args[deployOptions.Name].(map[string]any)
	if !ok {
		options = map[string]any{}
	}
	head, err := encode(map[string]any{deployOptions.Name: options})
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, part := range []struct {
		disposition, mediaType string
		content                []byte
	}{
		{`form-data; name="json"`, "application/json", head},
		{`form-data; name="file"; filename="deploy.zip"`, "application/zip", args[deployFile.Name].([]byte)},
	} {
		w, err := form.CreatePart(textproto.MIMEHeader{"Content-Disposition": {part.disposition}, "Content-Type": {part.mediaType}})
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(part.content); err != nil {
			return nil, err
		}
	}
	if err := form.Close(); err != nil {
		return nil, err
	}
	return org.Do(ctx, &salesforce.Request{Method: "POST", Path: "/metadata/deployRequest", Body: body.Bytes(), Semantics: op.semantics(),
		Header: map[string][]string{"Content-Type": {form.FormDataContentType()}}})
}

// readMetadata reads components of one type. One that does not exist is an
// empty result (Metadata API guide, "readMetadata()").
func readMetadata(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	names := args[fullNames.Name].([]string)
	read := element{name: "readMetadata", children: []element{{name: "type", text: args[metadataType.Name].(string)}}}
	for _, name := range names {
		read.children = append(read.children, element{name: "fullNames", text: name})
	}
	resp, results, err := soap(ctx, org, op, metadataNamespace, read)
	if err != nil {
		return nil, err
	}
	records := []any{}
	for _, result := range results {
		o, _ := result.(object)
		for _, m := range o {
			if list, ok := m.value.([]any); ok {
				records = append(records, list...)
				continue
			}
			records = append(records, m.value)
		}
	}
	resp.Body, err = encode(object{{"records", found(records)}})
	return resp, err
}

// found leaves out the components that do not exist.
func found(records []any) []any {
	kept := []any{}
	for _, r := range records {
		if o, ok := r.(object); ok && o.get("fullName") != nil && o.get("fullName") != "" {
			kept = append(kept, o)
		}
	}
	return kept
}

// deployView has what is inside deployResult beside the deploy's ID, as the
// connector's documentation has it, and its failures before its successes.
// Salesforce writes single details as objects instead of lists, and some of
// their numbers and booleans as strings (recordings of the vendor's CLI).
func deployView(_ Args, v any) any {
	o, _ := v.(object)
	result, ok := o.get("deployResult").(object)
	if !ok {
		return v
	}
	details, _ := result.get("details").(object)
	flat := object{{"id", o.get("id")}}.merge(result.without("details"))
	for _, list := range []string{"componentFailures", "componentSuccesses"} {
		if rows := listOf(details.get(list)); rows != nil {
			flat = append(flat, member{list, pick(rows, deployColumns, true)})
		}
	}
	tests, _ := details.get("runTestResult").(object)
	if tests == nil {
		tests, _ = details.get("runTestResults").(object)
	}
	if rows := listOf(tests.get("failures")); rows != nil {
		flat = append(flat, member{"testFailures", pick(rows, []string{"name", "methodName", "message", "stackTrace"}, true)})
	}
	return flat
}

var deployColumns = []string{"componentType", "fullName", "fileName", "problemType", "problem", "lineNumber", "columnNumber", "created", "changed", "deleted"}

// listOf is a list, or a single value as one; nil when there is nothing.
func listOf(v any) []any {
	switch v := v.(type) {
	case []any:
		if len(v) > 0 {
			return v
		}
	case object:
		return []any{v}
	}
	return nil
}

// deployNote says what comes after the state that a deploy is in.
func deployNote(args Args, v any) string {
	o, _ := v.(object)
	result, _ := o.get("deployResult").(object)
	switch {
	case cell(result.get("done")) != "true":
		return fmt.Sprintf("It is under way: in some seconds, action getDeployStatus, requestId %q.", o.get("id"))
	case cell(result.get("success")) != "true" && args[includeDetails.Name] != true:
		return fmt.Sprintf("What failed: action getDeployStatus, requestId %q, includeDetails true.", o.get("id"))
	}
	return ""
}
