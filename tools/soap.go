package tools

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"salesforce-mcp/salesforce"
)

// Namespaces of the two SOAP APIs.
const (
	partnerNamespace  = "urn:partner.soap.sforce.com"
	metadataNamespace = "http://soap.sforce.com/2006/04/metadata"
)

// An element is one element of a SOAP request: its name and its text or its
// children.
type element struct {
	name     string
	text     string
	children []element
}

func (e element) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "<%s>", e.name)
	b.WriteString(salesforce.EscapeXML(e.text))
	for _, c := range e.children {
		c.write(b)
	}
	fmt.Fprintf(b, "</%s>", e.name)
}

// soap sends an operation and returns the elements "result" of its answer as
// JSON.
func soap(ctx context.Context, org Org, op *Op, namespace string, operation element) (*salesforce.Response, []any, error) {
	var body bytes.Buffer
	operation.write(&body)
	_, path, _ := strings.Cut(op.Call, " ")
	resp, err := org.Do(ctx, &salesforce.Request{Method: "POST", Path: path, Soap: namespace, Body: body.Bytes(), Semantics: op.semantics()})
	if err != nil {
		return nil, nil, err
	}
	if len(resp.Body) > largeAnswer {
		large.Lock()
		defer large.Unlock()
	}
	results, err := soapResults(resp.Body)
	if err != nil {
		return nil, nil, &Error{Code: Unreadable, Message: fmt.Sprintf("Salesforce answered %s, but its answer cannot be read: %v", op.Name(), err), RequestID: resp.RequestID}
	}
	resp.Header.Set("Content-Type", "application/json")
	return resp, results, nil
}

// soapResults returns the values of Envelope, Body, …Response, result.
func soapResults(body []byte) ([]any, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	var results []any
	for depth := 0; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && results != nil {
			return results, nil
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if depth++; depth == 4 && token.Name.Local == "result" {
				v, err := xmlValue(d, token, 0)
				if err != nil {
					return nil, err
				}
				results = append(results, v)
				depth--
			}
		case xml.EndElement:
			depth--
		}
	}
}

// xmlValue reads an element to its end: its text, null, or an object of its
// children, in which those of the same name are a list.
func xmlValue(d *xml.Decoder, start xml.StartElement, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("it nests deeper than %d levels", maxDepth)
	}
	var text strings.Builder
	children := object{}
	for {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.CharData:
			text.Write(token)
		case xml.StartElement:
			v, err := xmlValue(d, token, depth+1)
			if err != nil {
				return nil, err
			}
			children = children.add(token.Name.Local, v)
		case xml.EndElement:
			return valueOf(start, children, text.String()), nil
		}
	}
}

// valueOf is the value of an element that was read.
func valueOf(start xml.StartElement, children object, text string) any {
	null := slices.ContainsFunc(start.Attr, func(a xml.Attr) bool { return a.Name.Local == "nil" && a.Value == "true" })
	switch {
	case null:
		return nil
	case len(children) > 0:
		return children
	case text == "true" || text == "false":
		return text == "true"
	}
	return text
}

// add adds a member, or makes the one of that name a list.
func (o object) add(name string, v any) object {
	for i := range o {
		if o[i].name != name {
			continue
		}
		list, ok := o[i].value.([]any) // no element by itself is a list
		if !ok {
			list = []any{o[i].value}
		}
		o[i].value = append(list, v)
		return o
	}
	return append(o, member{name, v})
}
