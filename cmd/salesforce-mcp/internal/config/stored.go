package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"salesforce-mcp/cmd/salesforce-mcp/internal/connect"
)

// LargestDocument is how many bytes the document of a workspace may have.
const LargestDocument = 512 << 10

// ParseWorkspace reads a workspace as it stands in the database: the mapping that
// the file has under workspaces, as it was written, without defaults.
func ParseWorkspace(document []byte) (Workspace, error) {
	var w Workspace
	d := yaml.NewDecoder(bytes.NewReader(document))
	d.KnownFields(true)
	if err := d.Decode(&w); err != nil && !errors.Is(err, io.EOF) {
		return Workspace{}, errors.New(readable(err))
	}
	return w, nil
}

// Document writes a workspace down for [ParseWorkspace], without what is empty and
// without secrets, which have another place.
func (w Workspace) Document() ([]byte, error) {
	if w.Returns != nil { // as a block, whatever a browser has made of it
		r := *w.Returns
		r.PolicyText = strings.TrimLeft(strings.ReplaceAll(r.PolicyText, "\r\n", "\n"), "\n")
		if r.Mapping.Kind == yaml.DocumentNode && len(r.Mapping.Content) == 1 {
			r.Mapping = *r.Mapping.Content[0]
		}
		w.Returns = &r
	}
	var node yaml.Node
	if err := node.Encode(w); err != nil { // the YAML library writes some blocks so that it cannot read them
		return nil, fmt.Errorf("a text in the settings cannot be kept: none may begin with a line break (%w)", err)
	}
	prune(&node, true)
	var text bytes.Buffer
	e := yaml.NewEncoder(&text)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(&node), e.Close()); err != nil {
		return nil, err
	}
	if text.Len() > LargestDocument {
		return nil, fmt.Errorf("the settings of a workspace have %d bytes; at most %d are kept", text.Len(), LargestDocument)
	}
	return text.Bytes(), nil
}

// SecretMembers are the members of a workspace that are secrets, whatever its mode.
var SecretMembers = func() (names []string) {
	w := Workspace{Auth: &Auth{}, Returns: &Returns{}, Agentforce: &Agentforce{}}
	for _, c := range w.Credentials() {
		names = append(names, c.Name)
	}
	return names
}()

// prune takes what is empty out of mappings: the zero value of a member is its
// default. A section of the top may be there and say nothing, which is not the same as
// not being there; in some an empty value means something.
func prune(n *yaml.Node, top bool) {
	if n.Kind == yaml.SequenceNode {
		for _, element := range n.Content {
			prune(element, false)
		}
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	var kept []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if name.Value != "auditLog" && name.Value != "mapping" {
			prune(value, false)
		}
		section := top && value.Kind == yaml.MappingNode
		if section || !empty(value) && !slices.Contains(SecretMembers, name.Value) {
			kept = append(kept, name, value)
		}
	}
	n.Content = kept
}

func empty(n *yaml.Node) bool {
	switch n.Kind {
	case yaml.MappingNode, yaml.SequenceNode:
		return len(n.Content) == 0
	case yaml.ScalarNode:
		none := []string{"", "0s"} // a duration is written as a text
		if n.ShortTag() != "!!str" {
			none = []string{"", "null", "~", "false", "0", "0s"}
		}
		return slices.Contains(none, n.Value)
	}
	return n.Kind == 0
}

// Stored completes a workspace of the database as the file's are completed, and
// returns every problem it has, each with field and value. Those who administer a
// workspace write it, and not the operator of the server: what reaches beyond the
// workspace is refused.
func (c *Config) Stored(w Workspace) (Workspace, error) {
	w.Stored = true
	reserved := w.reserved(c.AllowLoopbackOrg)
	if reserved != nil {
		return w, reserved // what they name is not read
	}
	only := Config{AllowLoopbackOrg: c.AllowLoopbackOrg, Login: c.Login, Secrets: c.Secrets, Workspaces: []Workspace{w.clone()}}
	only.workspaceDefaults()
	unread := only.LoadReturns("")
	w = only.Workspaces[0]
	problems := []error{unread, only.checkProof(0), w.validate("", c.AllowLoopbackOrg, true)}
	err := errors.Join(problems...)
	if err != nil {
		err = errors.New(strings.ReplaceAll(err.Error(), "workspaces[0].", ""))
	}
	return w, err
}

// clone is a copy that gets its defaults without the original.
func (w Workspace) clone() Workspace {
	w.Missing = slices.Clone(w.Missing)
	if w.Auth != nil {
		a := *w.Auth
		w.Auth = &a
	}
	if w.AuditLog != nil {
		a := *w.AuditLog
		a.Fields = maps.Clone(a.Fields)
		w.AuditLog = &a
	}
	if w.Returns != nil {
		r := *w.Returns
		w.Returns = &r
	}
	return w
}

// reserved is an error for each member that the operator alone may set, because it
// reaches the server's files, other machines, or what others may do.
func (w *Workspace) reserved(loopback bool) error {
	var problems []error
	bad := func(field, why string) {
		problems = append(problems, fmt.Errorf("%s: can be set in the configuration file only, by the operator of the server: %s", field, why))
	}
	for _, s := range w.Credentials() {
		at := w.section(s) + "." + s.Name
		if *s.File != "" {
			bad(at+"File", "it is a file on the server")
		}
		if *s.Value != "" {
			problems = append(problems, fmt.Errorf("%s: secrets are no part of the settings, whose history is kept: store it by itself", at))
		}
	}
	if a := w.Auth; a != nil {
		if a.TransitKey != "" {
			bad("auth.transitKey", "whoever may name a key of Vault can sign as whoever it belongs to")
		}
		if connect.Proof(a.Proof) == connect.Unproven && !loopback {
			bad("auth.proof", "with none, whoever opens a link is taken for its user; use login, bridge or username")
		}
	}
	if r := w.Returns; r != nil {
		if r.Policy != "" {
			bad("returns.policy", "it is a file on the server; write the rules into policyText")
		}
		if r.StripeURL != "" {
			bad("returns.stripeURL", "it is another server than Stripe's")
		}
	}
	for i, p := range w.Profiles {
		if p != nil && p.ClientCert != nil {
			bad(fmt.Sprintf("profiles[%d].clientCert", i), "it says which proxies are believed")
		}
	}
	return errors.Join(problems...)
}
