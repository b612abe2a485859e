// Package metadata writes packages for Salesforce's Metadata API: what an org needs
// for returns and for the audit log (custom fields, a platform event, an object) and
// permission sets with what the integration user needs, and no more.
//
// The elements are those of the Metadata API Developer Guide: CustomObject,
// CustomField and PermissionSet.
package metadata

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/xml"
	"slices"
	"strings"
	"time"
)

// A Package is what is deployed together. The same package is the same bytes.
type Package struct {
	Version string // of the API, such as v62.0
	Objects []Object
	Sets    []PermissionSet
}

// An Object is a custom object or platform event that is made, or, without a label,
// one that is there and gets fields.
type Object struct {
	XMLName         xml.Name   `xml:"http://soap.sforce.com/2006/04/metadata CustomObject"`
	Name            string     `xml:"-"`
	Deployment      string     `xml:"deploymentStatus,omitempty"`
	Description     string     `xml:"description,omitempty"`
	EventType       string     `xml:"eventType,omitempty"`
	Fields          []Field    `xml:"fields"`
	Label           string     `xml:"label,omitempty"`
	NameField       *NameField `xml:"nameField"`
	Plural          string     `xml:"pluralLabel,omitempty"`
	PublishBehavior string     `xml:"publishBehavior,omitempty"`
	Sharing         string     `xml:"sharingModel,omitempty"`
}

// NameField is the field that names the records of an object.
type NameField struct {
	DisplayFormat string `xml:"displayFormat,omitempty"`
	Label         string `xml:"label"`
	Type          string `xml:"type"`
}

// A Field is a custom field.
type Field struct {
	Name          string `xml:"fullName"`
	CaseSensitive bool   `xml:"caseSensitive,omitempty"`
	Description   string `xml:"description,omitempty"`
	ExternalID    bool   `xml:"externalId,omitempty"`
	Label         string `xml:"label"`
	Length        int    `xml:"length,omitempty"`
	Precision     int    `xml:"precision,omitempty"`
	Required      bool   `xml:"required,omitempty"`
	Scale         *int   `xml:"scale"`
	Type          string `xml:"type"`
	Unique        bool   `xml:"unique,omitempty"`
	VisibleLines  int    `xml:"visibleLines,omitempty"`
}

// A PermissionSet is what its users may do.
type PermissionSet struct {
	XMLName     xml.Name           `xml:"http://soap.sforce.com/2006/04/metadata PermissionSet"`
	Name        string             `xml:"-"`
	Description string             `xml:"description"`
	Fields      []FieldPermission  `xml:"fieldPermissions"`
	Activation  bool               `xml:"hasActivationRequired"`
	Label       string             `xml:"label"`
	Objects     []ObjectPermission `xml:"objectPermissions"`
	User        []UserPermission   `xml:"userPermissions"`
}

// A FieldPermission is about a field, such as Case.Subject.
type FieldPermission struct {
	Edit  bool   `xml:"editable"`
	Field string `xml:"field"`
	Read  bool   `xml:"readable"`
}

// An ObjectPermission is about the records of an object.
type ObjectPermission struct {
	Create    bool   `xml:"allowCreate"`
	Delete    bool   `xml:"allowDelete"`
	Edit      bool   `xml:"allowEdit"`
	Read      bool   `xml:"allowRead"`
	ModifyAll bool   `xml:"modifyAllRecords"`
	Object    string `xml:"object"`
	ViewAll   bool   `xml:"viewAllRecords"`
}

// A UserPermission is about what is not about records.
type UserPermission struct {
	Enabled bool   `xml:"enabled"`
	Name    string `xml:"name"`
}

// A manifest is package.xml.
type manifest struct {
	XMLName xml.Name        `xml:"http://soap.sforce.com/2006/04/metadata Package"`
	Types   []manifestTypes `xml:"types"`
	Version string          `xml:"version"`
}

type manifestTypes struct {
	Members []string `xml:"members"`
	Name    string   `xml:"name"`
}

// Zip is the package as a file, with package.xml at the top.
func (p Package) Zip() ([]byte, error) {
	objects, sets := slices.Clone(p.Objects), slices.Clone(p.Sets)
	slices.SortFunc(objects, func(a, b Object) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(sets, func(a, b PermissionSet) int { return cmp.Compare(a.Name, b.Name) })
	m := manifest{Version: strings.TrimPrefix(p.Version, "v")}
	var fields, made, permissions []string
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, o := range objects {
		if err := add(z, "objects/"+o.Name+".object", o); err != nil {
			return nil, err
		}
		if o.Label != "" {
			made = append(made, o.Name)
		}
		for _, f := range o.Fields {
			fields = append(fields, o.Name+"."+f.Name)
		}
	}
	for _, s := range sets {
		if err := add(z, "permissionsets/"+s.Name+".permissionset", s); err != nil {
			return nil, err
		}
		permissions = append(permissions, s.Name)
	}
	for _, t := range []manifestTypes{{fields, "CustomField"}, {made, "CustomObject"}, {permissions, "PermissionSet"}} {
		if len(t.Members) > 0 {
			m.Types = append(m.Types, t)
		}
	}
	if err := add(z, "package.xml", m); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// add writes a file. Its time is always the first that a zip can say.
func add(z *zip.Writer, name string, content any) error {
	w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		return err
	}
	text, err := xml.MarshalIndent(content, "", "    ")
	if err != nil {
		return err
	}
	_, err = w.Write([]byte(xml.Header + string(text) + "\n"))
	return err
}
