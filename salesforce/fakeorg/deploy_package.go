package fakeorg

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// Limits of a deploy ("Deploy", in facts about limits of the Metadata API).
const (
	maxZip      = 39 << 20
	maxFiles    = 10_000
	maxUnpacked = 600 << 20
	maxOneFile  = 64 << 20 // ours: a file is read as a whole
)

// metadataKind is a type of metadata: the folder its files are in and how their names end.
type metadataKind struct {
	name, folder, suffix string
	bundle               bool   // a component is a folder of files
	table                string // object of the Tooling API whose rows are the components, by FullName and Metadata
}

// metadataKinds are the types a package may have. Of those without a table, files are kept as they are.
var metadataKinds = []metadataKind{
	{name: "CustomObject", folder: "objects", suffix: "object"}, {name: "ApexClass", folder: "classes", suffix: "cls"},
	{name: "ApexTrigger", folder: "triggers", suffix: "trigger"}, {name: "ApexPage", folder: "pages", suffix: "page"},
	{name: "ApexComponent", folder: "components", suffix: "component"},
	{name: "Layout", folder: "layouts", suffix: "layout", table: "Layout"}, {name: "FlexiPage", folder: "flexipages", suffix: "flexipage", table: "FlexiPage"},
	{name: "Flow", folder: "flows", suffix: "flow", table: "Flow"}, {name: "PermissionSet", folder: "permissionsets", suffix: "permissionset", table: "PermissionSet"},
	{name: "LightningComponentBundle", folder: "lwc", bundle: true}, {name: "AuraDefinitionBundle", folder: "aura", bundle: true},
	{name: "StaticResource", folder: "staticresources", suffix: "resource"}, {name: "CustomLabels", folder: "labels", suffix: "labels"},
	{name: "CustomTab", folder: "tabs", suffix: "tab"}, {name: "CustomApplication", folder: "applications", suffix: "app"},
	{name: "CustomMetadata", folder: "customMetadata", suffix: "md"}, {name: "CustomPermission", folder: "customPermissions", suffix: "customPermission"},
	{name: "Profile", folder: "profiles", suffix: "profile"}, {name: "PermissionSetGroup", folder: "permissionsetgroups", suffix: "permissionsetgroup"},
	{name: "Workflow", folder: "workflows", suffix: "workflow"}, {name: "QuickAction", folder: "quickActions", suffix: "quickAction"},
	{name: "RemoteSiteSetting", folder: "remoteSiteSettings", suffix: "remoteSite"}, {name: "NamedCredential", folder: "namedCredentials", suffix: "namedCredential"},
	{name: "GlobalValueSet", folder: "globalValueSets", suffix: "globalValueSet"}, {name: "StandardValueSet", folder: "standardValueSets", suffix: "standardValueSet"},
	{name: "Queue", folder: "queues", suffix: "queue"}, {name: "Group", folder: "groups", suffix: "group"}, {name: "Role", folder: "roles", suffix: "role"},
	{name: "Report", folder: "reports", suffix: "report"}, {name: "Dashboard", folder: "dashboards", suffix: "dashboard"},
	{name: "EmailTemplate", folder: "email", suffix: "email"}, {name: "Settings", folder: "settings", suffix: "settings"},
	{name: "SharingRules", folder: "sharingRules", suffix: "sharingRules"}, {name: "AssignmentRules", folder: "assignmentRules", suffix: "assignmentRules"},
	{name: "EscalationRules", folder: "escalationRules", suffix: "escalationRules"}, {name: "ApprovalProcess", folder: "approvalProcesses", suffix: "approvalProcess"},
	{name: "ReportType", folder: "reportTypes", suffix: "reportType"}, {name: "Translations", folder: "translations", suffix: "translation"},
	{name: "ApexTestSuite", folder: "testSuites", suffix: "testSuite"}, {name: "FlowDefinition", folder: "flowDefinitions", suffix: "flowDefinition"},
	{name: "CustomSite", folder: "sites", suffix: "site"}, {name: "ConnectedApp", folder: "connectedApps", suffix: "connectedApp"},
	{name: "DuplicateRule", folder: "duplicateRules", suffix: "duplicateRule"}, {name: "MatchingRules", folder: "matchingRules", suffix: "matchingRule"},
}

// partKinds are the types whose components stand in the file of another one.
var partKinds = map[string]string{"CustomField": "CustomObject", "ValidationRule": "CustomObject", "RecordType": "CustomObject", "ListView": "CustomObject",
	"CompactLayout": "CustomObject", "FieldSet": "CustomObject", "WebLink": "CustomObject", "BusinessProcess": "CustomObject",
	"CustomLabel": "CustomLabels", "WorkflowRule": "Workflow", "WorkflowAlert": "Workflow", "WorkflowFieldUpdate": "Workflow"}

func kindNamed(name string) *metadataKind {
	if i := slices.IndexFunc(metadataKinds, func(k metadataKind) bool { return k.name == name }); i >= 0 {
		return &metadataKinds[i]
	}
	return nil
}

// fileOf is where a component is in a package.
func fileOf(kind, fullName string) string {
	k := kindNamed(kind)
	switch {
	case k == nil:
		return ""
	case k.bundle:
		return k.folder + "/" + fullName
	}
	return k.folder + "/" + fullName + "." + k.suffix
}

// manifest is package.xml, or one of the files that say what to delete.
type manifest struct {
	Types []struct {
		Name    string   `xml:"name"`
		Members []string `xml:"members"`
	} `xml:"types"`
	Version string `xml:"version"`
}

// deployPackage is a package that has been opened.
type deployPackage struct {
	files    map[string]*zip.File // by their path in the package
	manifest manifest
	before   manifest // to delete before the components are deployed
	after    manifest // and afterwards
	read     int64    // bytes unpacked so far
}

// tooLarge is the refusal of a zip; code and words were not found in a source.
func tooLarge(format string, args ...any) error {
	return refuse(400, "LIMIT_EXCEEDED", format, args...)
}

// openZip checks a zip against the limits, before anything of it is unpacked.
func openZip(data []byte) (*zip.Reader, error) {
	if len(data) > maxZip {
		return nil, tooLarge("Maximum size of a zip file is 39 MB, this one has %d bytes", len(data))
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, refuse(400, "INVALID_CROSS_REFERENCE_KEY", "The file is not a zip file: %v", err)
	}
	if len(z.File) > maxFiles {
		return nil, tooLarge("Maximum number of files in a zip file is 10000, this one has %d", len(z.File))
	}
	var total uint64
	for _, f := range z.File {
		if total += f.UncompressedSize64; total > maxUnpacked {
			return nil, tooLarge("Maximum size of the unpacked files is 600 MB")
		}
	}
	return z, nil
}

// errNoManifest is the failure of a zip without package.xml.
var errNoManifest = errors.New("No package.xml found") //nolint:staticcheck // the platform's words

// openPackage finds the package in a zip: at the top, or, unless there is a single package, in a folder.
func openPackage(data []byte, single bool) (*deployPackage, error) {
	z, err := openZip(data)
	if err != nil {
		return nil, err
	}
	root, found := "", false
	for _, f := range z.File {
		dir, name := path.Split(f.Name)
		if name == "package.xml" && (single && dir == "" || !single && strings.Count(dir, "/") == 1) {
			root, found = dir, true
		}
	}
	if !found {
		return nil, errNoManifest
	}
	p := &deployPackage{files: map[string]*zip.File{}}
	for _, f := range z.File {
		if name, below := strings.CutPrefix(f.Name, root); below && !strings.HasSuffix(name, "/") {
			p.files[name] = f
		}
	}
	for file, into := range map[string]*manifest{"package.xml": &p.manifest, "destructiveChangesPre.xml": &p.before,
		"destructiveChanges.xml": &p.before, "destructiveChangesPost.xml": &p.after} {
		if err := p.readManifest(file, into); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *deployPackage) readManifest(file string, into *manifest) error {
	if p.files[file] == nil {
		return nil
	}
	text, err := p.content(file)
	if err != nil {
		return err
	}
	var m manifest
	if err := xml.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("Error parsing file: %w", err)
	}
	into.Types = append(into.Types, m.Types...)
	into.Version = m.Version
	return nil
}

// content unpacks a file. What a zip says about sizes is not believed.
func (p *deployPackage) content(file string) ([]byte, error) {
	f := p.files[file]
	if f == nil {
		return nil, nil
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // it only reads
	text, err := io.ReadAll(io.LimitReader(r, maxOneFile+1))
	if err != nil {
		return nil, err
	}
	if p.read += int64(len(text)); len(text) > maxOneFile || p.read > maxUnpacked {
		return nil, tooLarge("Maximum size of the unpacked files is 600 MB")
	}
	return text, nil
}

// members lists the components of a type that the package has files for.
func (p *deployPackage) members(k *metadataKind) []string {
	var all []string
	for file := range p.files {
		rest, below := strings.CutPrefix(file, k.folder+"/")
		if !below {
			continue
		}
		name, isOne := strings.CutSuffix(rest, "."+k.suffix)
		if k.bundle {
			name, _, isOne = strings.Cut(rest, "/")
		}
		if isOne && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// names tells what a manifest names of a type, and whether it names all with *.
func (m *manifest) names(kind string) (members []string, all bool) {
	for _, t := range m.Types {
		if t.Name != kind {
			continue
		}
		for _, member := range t.Members {
			if member == "*" {
				all = true
			} else {
				members = append(members, member)
			}
		}
	}
	return members, all
}

// xmlValue reads a metadata file as the JSON the Tooling API shows: elements that repeat become lists, and "true" and
// "false" booleans.
func xmlValue(text []byte) (map[string]any, error) {
	d := xml.NewDecoder(bytes.NewReader(text))
	for {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		if _, isStart := token.(xml.StartElement); isStart {
			value, err := xmlMembers(d, 0)
			object, isObject := value.(map[string]any)
			if err == nil && !isObject {
				object = map[string]any{}
			}
			return object, err
		}
	}
}

// xmlMembers reads what stands in an element, up to its end.
func xmlMembers(d *xml.Decoder, depth int) (any, error) {
	if depth > 50 {
		return nil, errors.New("elements are nested too deeply")
	}
	var text strings.Builder
	var object map[string]any
	for {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.CharData:
			text.Write(t)
		case xml.StartElement:
			value, err := xmlMembers(d, depth+1)
			if err != nil {
				return nil, err
			}
			if object == nil {
				object = map[string]any{}
			}
			object[t.Name.Local] = withValue(object[t.Name.Local], value)
		case xml.EndElement:
			if object != nil {
				return object, nil
			}
			return xmlScalar(strings.TrimSpace(text.String())), nil
		}
	}
}

// withValue adds a value to what an element has under a name already.
func withValue(known, value any) any {
	switch known := known.(type) {
	case nil:
		return value
	case []any:
		return append(known, value)
	}
	return []any{known, value}
}

func xmlScalar(text string) any {
	switch text {
	case "true":
		return true
	case "false":
		return false
	}
	return text
}
