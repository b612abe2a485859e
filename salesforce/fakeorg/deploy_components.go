package fakeorg

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"salesforce-mcp/salesforce/fakeorg/apex"
)

// component is what became of one component of a deploy.
type component struct {
	kind, fullName, file, id  string
	created, changed, deleted bool
	problem, warning          string
	line, column              int
}

// message is a componentSuccess or a componentFailure: a DeployMessage.
func (m *component) message(c *call) object {
	problem, kind, line, column := any(nil), any(nil), any(nil), any(nil)
	switch {
	case m.problem != "":
		problem, kind = m.problem, "Error"
	case m.warning != "":
		problem, kind = m.warning, "Warning"
	}
	if m.line > 0 {
		line, column = m.line, m.column
	}
	return object{{"changed", m.changed && m.problem == ""}, {"columnNumber", column}, {"componentType", m.kind}, {"created", m.created && m.problem == ""},
		{"createdDate", c.now().Format(storedTime)}, {"deleted", m.deleted && m.problem == ""}, {"fileName", m.file}, {"forPackageManifestFile", m.kind == ""},
		{"fullName", m.fullName}, {"id", orNull(m.id)}, {"knownPackagingProblem", false}, {"lineNumber", line}, {"problem", problem}, {"problemType", kind},
		{"requiresProductionTestRun", false}, {"success", m.problem == ""}, {"warning", m.warning != ""}}
}

// deployment is a package being deployed.
type deployment struct {
	*call
	*deployPackage
	done []*component
}

// apply deploys all components of a package. Each is undone by itself when it fails.
func (c *call) apply(p *deployPackage) ([]*component, error) {
	d := &deployment{call: c, deployPackage: p}
	c.tooling = true
	d.unknownKinds()
	for _, step := range []func() error{func() error { return d.deleteAll(&p.before) }, d.deployAll, func() error { return d.deleteAll(&p.after) }} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	manifest := &component{fullName: "package.xml", file: "package.xml", changed: true}
	return append(d.done, manifest), nil
}

// count is how many components the package names: what numberComponentsTotal says before they are deployed.
func (p *deployPackage) count() int {
	n := 0
	for i := range metadataKinds {
		k := &metadataKinds[i]
		named, all := p.manifest.names(k.name)
		if all {
			n += len(p.members(k))
		}
		n += len(named)
	}
	for kind := range partKinds {
		named, _ := p.manifest.names(kind)
		n += len(named)
	}
	for _, m := range []*manifest{&p.before, &p.after} {
		for _, t := range m.Types {
			n += len(t.Members)
		}
	}
	return n
}

func (d *deployment) unknownKinds() {
	for _, t := range d.manifest.Types {
		if kindNamed(t.Name) == nil && partKinds[t.Name] == "" { // the platform's words as far as they are remembered
			d.done = append(d.done, &component{kind: t.Name, fullName: "package.xml", file: "package.xml",
				problem: fmt.Sprintf("Unknown type name '%s' specified in package.xml", t.Name)})
		}
	}
}

// one deploys a component; what it refuses is its problem, and is undone.
func (d *deployment) one(m *component, do func() error) error {
	d.done = append(d.done, m)
	err := d.within(do)
	var f *fault
	if errors.As(err, &f) {
		m.problem = f.message
		return nil
	}
	return err
}

func (d *deployment) missing(kind, name string) {
	d.done = append(d.done, &component{kind: kind, fullName: name, file: "package.xml",
		problem: fmt.Sprintf("An object '%s' of type %s was named in package.xml, but was not found in zipped directory", name, kind)})
}

func (d *deployment) deployAll() error {
	for i := range metadataKinds {
		k := &metadataKinds[i]
		named, all := d.manifest.names(k.name)
		has := d.members(k)
		for _, name := range named {
			if !slices.Contains(has, name) && (k.name != "CustomObject" || d.org.schema.Object(name) == nil) {
				d.missing(k.name, name)
			}
		}
		if k.name == "CustomObject" {
			if err := d.objectFiles(has, func(name string) bool { return all || slices.Contains(named, name) }); err != nil {
				return err
			}
			continue
		}
		for _, name := range has {
			if !all && !slices.Contains(named, name) {
				d.done = append(d.done, &component{kind: k.name, fullName: name, file: fileOf(k.name, name),
					warning: fmt.Sprintf("An object of type %s was found in the zipped directory, but was not named in package.xml: %s", k.name, name)})
				continue
			}
			m := &component{kind: k.name, fullName: name, file: fileOf(k.name, name)}
			if err := d.one(m, func() error { return d.deploy(k, m) }); err != nil {
				return err
			}
		}
	}
	return d.otherParts()
}

// deploy puts one component into the org.
func (d *deployment) deploy(k *metadataKind, m *component) error {
	text, err := d.content(m.file)
	if err != nil {
		return err
	}
	switch {
	case k.name == "ApexClass" || k.name == "ApexTrigger":
		return d.deployApex(m, string(text))
	case k.name == "ApexPage" || k.name == "ApexComponent":
		return d.deployMarkup(m, string(text))
	case k.table != "":
		metadata, err := xmlValue(text)
		if err != nil {
			return refuse(400, "INVALID_METADATA", "Error parsing file: %v", err)
		}
		return d.deployRow(m, k.table, metadata)
	}
	return d.keep(m, text)
}

// meta reads the -meta.xml beside a file.
func (d *deployment) meta(m *component) (map[string]any, error) {
	text, err := d.content(m.file + "-meta.xml")
	if err != nil {
		return nil, err
	}
	if text == nil {
		return nil, refuse(400, "INVALID_METADATA", "Required file missing: %s-meta.xml", m.file) // words not found in a source
	}
	metadata, err := xmlValue(text)
	if err != nil {
		return nil, refuse(400, "INVALID_METADATA", "Error parsing file: %v", err)
	}
	return metadata, nil
}

func (d *deployment) deployApex(m *component, source string) error {
	o := d.schema().Object(m.kind)
	metadata, err := d.meta(m)
	if err != nil {
		return err
	}
	made, refused := compile(o, source)
	if refused == nil && made.name != m.fullName {
		refused = &apex.Error{Pos: apex.Pos{Line: 1, Column: 1}, Message: "Invalid type name: the file declares " + made.name}
	}
	if refused != nil {
		m.line, m.column = refused.Line, refused.Column
		return refuse(400, "APEX_ERROR", "%s", refused.Message)
	}
	var settings record
	for _, name := range []string{"apiVersion", "status"} {
		if value := metadata[name]; value != nil {
			settings = append(settings, input{name: name, value: value})
		}
	}
	if m.id, err = d.idNamed(o, made.name); err != nil {
		return err
	}
	if m.id == "" {
		m.created, m.changed = true, true
		m.id, err = d.insert(o, append(settings, input{name: "Name", value: made.name}, input{name: "Body", value: source}))
		return err
	}
	var was string
	if err := d.db.QueryRowContext(d.Context(), fmt.Sprintf(`SELECT Body FROM %q WHERE Id = ?`, o.Name), m.id).Scan(&was); err != nil {
		return err
	}
	if m.changed = was != source; !m.changed {
		return nil
	}
	if err := d.replaceApex(o, m.id, made); err != nil {
		return err
	}
	return d.updateRecord(o, m.id, settings)
}

func (d *deployment) deployMarkup(m *component, markup string) error {
	o := d.schema().Object(m.kind)
	metadata, err := d.meta(m)
	if err != nil {
		return err
	}
	label, _ := metadata["label"].(string)
	if label == "" {
		label = m.fullName
	}
	if m.id, err = d.idNamed(o, m.fullName); err != nil {
		return err
	}
	m.changed = true
	fields := record{{name: "Markup", value: markup}, {name: "MasterLabel", value: label}}
	if m.id != "" {
		return d.update(o, m.id, fields)
	}
	m.created = true
	m.id, err = d.insert(o, append(fields, input{name: "Name", value: m.fullName}))
	return err
}

// deployRow makes or changes the row of a component that is one. A flow gets a new version each time.
func (d *deployment) deployRow(m *component, table string, metadata map[string]any) error {
	o := d.schema().Object(table)
	ids, err := d.find(o, o.Field("FullName"), m.fullName)
	if err != nil {
		return err
	}
	m.changed = true
	fields := record{{name: "Metadata", value: metadata}}
	if len(ids) > 0 && table != "Flow" {
		m.id = ids[0]
		return d.update(o, m.id, fields)
	}
	m.created = len(ids) == 0
	m.id, err = d.insert(o, append(fields, input{name: "FullName", value: m.fullName}))
	return err
}

// keep stores a file as it is.
func (d *deployment) keep(m *component, text []byte) error {
	if kindNamed(m.kind).bundle {
		text = nil // the files below it; only that it is there is kept
	}
	var was []byte
	err := d.db.QueryRowContext(d.Context(), `SELECT Body FROM StoredMetadata WHERE Type = ? AND FullName = ?`, m.kind, m.fullName).Scan(&was)
	m.created = err != nil
	if m.changed = m.created || !bytes.Equal(was, text); !m.changed {
		return nil
	}
	_, err = d.db.ExecContext(d.Context(), `INSERT OR REPLACE INTO StoredMetadata (Type, FullName, Body) VALUES (?, ?, ?)`, m.kind, m.fullName, text)
	return err
}

// otherParts reports members that stand in no file of the package, and accepts those of files that are only kept.
func (d *deployment) otherParts() error {
	for kind, of := range partKinds {
		members, _ := d.manifest.names(kind)
		for _, name := range members {
			if slices.ContainsFunc(d.done, func(m *component) bool { return m.kind == kind && m.fullName == name }) {
				continue
			}
			whole, _, isPart := strings.Cut(name, ".")
			if of != "CustomObject" && (d.files[fileOf(of, whole)] != nil || !isPart && len(d.members(kindNamed(of))) > 0) {
				d.done = append(d.done, &component{kind: kind, fullName: name, file: fileOf(of, whole), changed: true})
				continue
			}
			d.missing(kind, name)
		}
	}
	return nil
}

// deleteAll deletes what a manifest of destructive changes names. What is not there is a warning, as on the platform.
func (d *deployment) deleteAll(m *manifest) error {
	for _, t := range m.Types {
		for _, name := range t.Members {
			gone := &component{kind: t.Name, fullName: name, file: "destructiveChanges.xml", deleted: true}
			err := d.one(gone, func() error {
				found, err := d.deleteOne(t.Name, name)
				if err == nil && !found {
					gone.deleted = false
					gone.warning = fmt.Sprintf("No %s named: %s found", t.Name, name)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *deployment) deleteNamed(kind, name string, remove func(*Object, string) error) (found bool, err error) {
	o := d.schema().Object(kind)
	id, err := d.idNamed(o, name)
	if err != nil || id == "" {
		return false, err
	}
	return true, remove(o, id)
}

func (d *deployment) deleteOne(kind, name string) (found bool, err error) {
	switch kind {
	case "CustomField", "ValidationRule", "CustomObject":
		id, err := d.idOfMetadata(kind, name)
		if err != nil {
			return false, nil //nolint:nilerr // there is no such row
		}
		return true, d.remove(d.schema().Object(kind), id)
	case "ApexClass", "ApexTrigger":
		return d.deleteNamed(kind, name, d.discardApex)
	case "ApexPage", "ApexComponent":
		return d.deleteNamed(kind, name, d.remove)
	}
	if k := kindNamed(kind); k != nil && k.table != "" || kind == "RecordType" {
		o := d.schema().Object(kind)
		ids, err := d.find(o, o.Field("FullName"), name)
		if err != nil || len(ids) == 0 {
			return false, err
		}
		return true, d.remove(o, ids[0])
	}
	result, err := d.db.ExecContext(d.Context(), `DELETE FROM StoredMetadata WHERE Type = ? AND FullName = ?`, kind, name)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}
