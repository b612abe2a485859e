package metadata

import (
	"strings"

	"salesforce-mcp/cmd/salesforce-mcp/internal/trail"
)

// AuditLog adds to a package the object that audit entries are written into, with the
// fields that are not left out, and the permission set of who writes them. Fields are
// as in the configuration: names by member of the entry, "" for those left out.
func (p *Package) AuditLog(object string, names map[string]string) {
	o := Object{Name: object, Label: inWords(object), Plural: inWords(object) + "s", Deployment: "Deployed", Sharing: "Private",
		NameField:   &NameField{DisplayFormat: "AL-{00000000}", Label: "Number", Type: "AutoNumber"},
		Description: "Entries of the audit trail of salesforce-mcp. The trail itself is kept by the server."}
	needs := []Need{{Object: object, Read: true, Create: true, Edit: true}}
	for i, f := range trail.AuditLogFields {
		name, given := names[f.From]
		if !given {
			name = f.Name
		}
		if !strings.HasSuffix(name, "__c") {
			continue
		}
		field := Field{Name: name, Label: inWords(name), Type: f.Type, ExternalID: i == 0, Unique: i == 0}
		switch f.Type {
		case "Text":
			field.Length = f.Length
		case "LongTextArea":
			field.Length, field.VisibleLines = f.Length, 5
		case "Number":
			field.Precision, field.Scale = f.Length, &f.Scale
		}
		o.Fields = append(o.Fields, field)
		needs = append(needs, Need{Object: object, Field: name, Read: true, Edit: true})
	}
	needs = append(needs, Need{User: "ApiEnabled"})
	p.Objects = append(p.Objects, o)
	p.Sets = append(p.Sets, set(AuditLogSet, "Salesforce MCP Audit Log", "What the integration user of salesforce-mcp needs to write audit entries into "+object+".", needs))
}
