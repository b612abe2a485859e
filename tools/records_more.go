package tools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"salesforce-mcp/salesforce"
)

// Parameters of files and of lead conversion.
var (
	uploadName    = Param{Name: "fileName", Type: "string", Form: FileName, In: Local, Doc: "as in receipt.pdf"}
	uploadContent = Param{Name: "content", Type: "string", Form: Base64, In: Local, Doc: "the file in base64"}
	uploadTitle   = Param{Name: "title", Type: "string", In: Local, Doc: "file name by default"}
	uploadTo      = Param{Name: "linkedEntityId", Type: "string", Form: RecordID, In: Local, Doc: "record it belongs to"}

	leadID          = Param{Name: "leadId", Type: "string", Form: RecordID, In: Local}
	leadStatus      = Param{Name: "convertedStatus", Type: "string", Form: Text, In: Local, Doc: "the org's own by default"}
	leadAccount     = Param{Name: "accountId", Type: "string", Form: RecordID, In: Local, Doc: "existing account"}
	leadContact     = Param{Name: "contactId", Type: "string", Form: RecordID, In: Local, Doc: "existing contact"}
	leadOpportunity = Param{Name: "opportunityName", Type: "string", In: Local}
	noOpportunity   = Param{Name: "doNotCreateOpportunity", Type: "boolean", In: Local}
	leadOwner       = Param{Name: "ownerId", Type: "string", Form: RecordID, In: Local}
)

// uploadFile stores a file. FirstPublishLocationId attaches it in the same step
// (Object Reference, "ContentVersion").
func uploadFile(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	name := args[uploadName.Name].(string)
	version := object{{"Title", name}, {"PathOnClient", name}, {"VersionData", args[uploadContent.Name]}}
	if title, ok := args[uploadTitle.Name]; ok {
		version = version.with("Title", title)
	}
	if to, ok := args[uploadTo.Name]; ok {
		version = append(version, member{"FirstPublishLocationId", to})
	}
	req, err := op.Request(args)
	if err != nil {
		return nil, err
	}
	if req.Body, err = encode(version); err != nil {
		return nil, err
	}
	return org.Do(ctx, req)
}

// leadConverts are the elements of a conversion in the order of the WSDL, which
// requires leadFlags.
var (
	leadConverts = []string{leadAccount.Name, leadContact.Name, leadStatus.Name, noOpportunity.Name, leadID.Name, leadOpportunity.Name,
		"overwriteLeadSource", leadOwner.Name, "sendNotificationEmail"}
	leadFlags = []string{noOpportunity.Name, "overwriteLeadSource", "sendNotificationEmail"}
)

// convertLead converts a lead. REST has no resource for it, SOAP has
// convertLead() (SOAP API Developer Guide).
func convertLead(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	status, ok := args[leadStatus.Name].(string)
	if !ok {
		var err error
		if status, err = convertedStatus(ctx, org); err != nil {
			return nil, err
		}
	}
	args[leadStatus.Name] = status
	lead := element{name: "leadConverts"}
	for _, name := range leadConverts {
		if v, ok := args[name]; ok {
			lead.children = append(lead.children, element{name: name, text: text(v)})
		} else if slices.Contains(leadFlags, name) {
			lead.children = append(lead.children, element{name: name, text: "false"})
		}
	}
	resp, results, err := soap(ctx, org, op, partnerNamespace, element{name: "convertLead", children: []element{lead}})
	if err != nil {
		return nil, err
	}
	if len(results) != 1 {
		return nil, &Error{Code: Unreadable, Message: fmt.Sprintf("Salesforce answered for %d leads instead of one", len(results)), RequestID: resp.RequestID}
	}
	result, _ := results[0].(object)
	if e, failed := result.get("errors").(object); failed { // a single one is no list in XML
		result = result.with("errors", []any{e})
	}
	resp.Body, err = encode(result)
	return resp, err
}

// convertedStatus returns the org's first lead status that means converted.
func convertedStatus(ctx context.Context, org Org) (string, error) {
	const statuses = "SELECT MasterLabel FROM LeadStatus WHERE IsConverted = true ORDER BY SortOrder LIMIT 1"
	resp, err := org.Do(ctx, &salesforce.Request{Method: "GET", Path: "/query", Query: url.Values{"q": {statuses}}, Semantics: salesforce.Safe})
	if err != nil {
		return "", err
	}
	var found struct {
		Records []struct{ MasterLabel string }
	}
	if err := json.Unmarshal(resp.Body, &found); err != nil {
		return "", fmt.Errorf("read the lead statuses: %w", err)
	}
	if len(found.Records) == 0 {
		return "", &Error{Code: MissingArgument, Message: "the org has no lead status that means converted; give one as " + leadStatus.Name}
	}
	return found.Records[0].MasterLabel, nil
}

// getField fetches one field. Salesforce serves a file's content and a
// relationship below the record's own URL. Whether it serves a plain value
// there is not documented, and for a relationship that leads nowhere it answers
// 404, so after a 404 the value is taken from the record.
func getField(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	resp, err := plain(ctx, org, op, args)
	var e *salesforce.Error
	if !errors.As(err, &e) || e.Class != salesforce.ClassNotFound {
		return resp, err
	}
	field := args[fieldName.Name].(string)
	resp, err = memberOf(ctx, org, args, field, field)
	if errors.As(err, &e) && e.Code == "INVALID_FIELD" {
		if empty, err := memberOf(ctx, org, args, field+".Id", field); err == nil {
			return empty, nil
		}
	}
	return resp, err
}

// memberOf fetches the record with one field and answers with the member of
// that name.
func memberOf(ctx context.Context, org Org, args Args, field, name string) (*salesforce.Response, error) {
	resp, err := org.Do(ctx, &salesforce.Request{Method: "GET", Semantics: salesforce.Safe,
		Path: fill("/sobjects/{sObjectName}/{recordId}", args), Query: url.Values{fields.Name: {field}}})
	if err != nil {
		return nil, err
	}
	var record map[string]json.RawMessage
	if err := json.Unmarshal(resp.Body, &record); err != nil {
		return nil, fmt.Errorf("read %s of the record: %w", name, err)
	}
	resp.Body = []byte("null")
	for member, value := range record {
		if foldKey(member) == foldKey(name) {
			resp.Body = value
		}
	}
	return resp, nil
}
