package fakeorg

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits of a SOAP request. There are no entities but those of XML itself, so that a document cannot grow.
const (
	maxSOAP     = 1 << 20 // bytes
	maxDepth    = 32
	maxElements = 20000
)

// xmlElement is an element of an XML document: what it is called, and either elements or a text.
type xmlElement struct {
	name     xml.Name
	isNil    bool // xsi:nil
	children []*xmlElement
	text     strings.Builder
}

const schemaInstance = "http://www.w3.org/2001/XMLSchema-instance"

// parseSOAP reads a document. Directives, such as a document type, are refused.
func parseSOAP(text []byte) (*xmlElement, error) {
	if len(text) > maxSOAP {
		return nil, fmt.Errorf("more than %d bytes", maxSOAP)
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	root := &xmlElement{}
	open, count := []*xmlElement{root}, 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if count++; count > maxElements || len(open) > maxDepth {
				return nil, fmt.Errorf("more than %d elements, or more than %d in each other", maxElements, maxDepth)
			}
			e := &xmlElement{name: t.Name}
			for _, a := range t.Attr {
				e.isNil = e.isNil || a.Name == xml.Name{Space: schemaInstance, Local: "nil"} && (a.Value == "true" || a.Value == "1")
			}
			last := open[len(open)-1]
			last.children = append(last.children, e)
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			open[len(open)-1].text.Write(t)
		case xml.Directive:
			return nil, errors.New("a document type is not allowed")
		case xml.ProcInst:
			if t.Target != "xml" {
				return nil, errors.New("processing instructions are not allowed")
			}
		}
	}
	if len(root.children) != 1 || strings.TrimSpace(root.text.String()) != "" {
		return nil, errors.New("a document has one element")
	}
	return root.children[0], nil
}

// all returns the child elements of that name in the namespace of the element itself.
func (e *xmlElement) all(name string) []*xmlElement {
	var found []*xmlElement
	for _, child := range e.children {
		if child.name.Local == name && child.name.Space == e.name.Space {
			found = append(found, child)
		}
	}
	return found
}

// value is the text of the only child of that name; empty when there is none, or one that is nil.
func (e *xmlElement) value(name string) string {
	if found := e.all(name); len(found) > 0 && !found[0].isNil {
		return strings.TrimSpace(found[0].text.String())
	}
	return ""
}

// xmlNode is XML to be written: an element with a text or with elements.
type xmlNode struct {
	tag     string // with attributes; they end with a blank before the slash of an empty element
	content any    // text, []xmlNode, or nil for none
}

// xmlLeaf makes an element with a text, or one that is nil.
func xmlLeaf(tag string, value any) xmlNode {
	if value == nil {
		return xmlNode{tag: tag + ` xsi:nil="true"`}
	}
	return xmlNode{tag, fmt.Sprint(value)}
}

func (n xmlNode) write(b *bytes.Buffer) {
	if n.content == nil {
		b.WriteString("<" + n.tag + "/>")
		return
	}
	b.WriteString("<" + n.tag + ">")
	switch content := n.content.(type) {
	case string:
		_ = xml.EscapeText(b, []byte(content)) // a buffer takes everything
	case []xmlNode:
		for _, child := range content {
			child.write(b)
		}
	}
	name, _, _ := strings.Cut(n.tag, " ")
	b.WriteString("</" + name + ">")
}
