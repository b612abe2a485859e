package tools

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// mostZip is how many bytes a deploy's zip may have (Metadata API guide, "Metadata
// Limits").
const mostZip = 39 << 20

// fullNameRE matches names of metadata components, as in Account.Industry__c or
// "Account-Account Layout".
var fullNameRE = regexp.MustCompile(`^[\p{L}\p{N}_][\p{L}\p{N}_ .%()/:-]{0,254}$`)

// file checks an argument that names or holds files.
func (p Param) file(v any) (any, error) {
	s, _ := v.(string)
	switch p.Form {
	case FileName:
		if s == "." || s == ".." || len(s) > 255 || !utf8.ValidString(s) || strings.ContainsAny(s, `/\`) || strings.ContainsFunc(s, control) {
			return nil, p.wrong(fmt.Sprintf("%q is no name of a file: give it without folders, as in receipt.pdf", clip(s)))
		}
		return s, nil
	case FullNames:
		return p.list(v, 10, func(name string) (string, error) {
			if !fullNameRE.MatchString(name) {
				return "", p.wrong(fmt.Sprintf("%q is no name of a component, as in Account.Industry__c", clip(name)))
			}
			return name, nil
		})
	}
	// Models break long lines; Salesforce does not take them so.
	content, err := base64.StdEncoding.DecodeString(strings.NewReplacer("\n", "", "\r", "").Replace(s))
	switch {
	case err != nil || len(content) == 0:
		return nil, p.wrong("it is not base64, or empty")
	case p.Form == Base64:
		return base64.StdEncoding.EncodeToString(content), nil
	case !strings.HasPrefix(string(content[:min(4, len(content))]), "PK"):
		return nil, p.wrong("it is base64, but of no zip file")
	case len(content) > mostZip:
		return nil, p.wrong(fmt.Sprintf("the zip has %d bytes; Salesforce takes at most %d", len(content), mostZip))
	}
	return content, nil
}
