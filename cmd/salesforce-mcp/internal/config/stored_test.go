package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/salesforce"
)

// TestDocument: what a document says is what it was made of.
func TestDocument(t *testing.T) {
	text := `name: sales
profiles:
  - name: factory
    tokens: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]
    agent: ["header:agent-id", "argument:agent_id"]
    overwritesArguments: true
  - name: gateway
    jwt: {issuer: "https://login.example.com", audience: [a, b], clockSkew: 2m0s, requiredClaims: {act.sub: ["false", "0"]}}
    agent: ["claim:azp"]
rules:
  - {agent: a, preset: all, changes: [Account], confirm: [set], confirmWithin: 8h0m0s, limits: {callsPerDay: 5}, fields: {deny: [Contact.Email]}}
  - {agent: "0", preset: read, changes: true}
auth: {mode: jwt, loginURL: "https://acme.my.salesforce.com", clientID: "false", username: a@b.example}
auditLog: {fields: {agent: ""}, reserve: 0}
agentforce: {clientID: other, idle: 10m0s}
returns:
  gateway: record
  mapping: {currency: {code: USD}, lines: {finalSale: "0"}}
  policyText: |
    currency: USD
    rules: []
`
	w, err := ParseWorkspace([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	document, err := w.Document()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseWorkspace(document)
	if err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	a, b := plain(t, w), plain(t, again)
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%v\n%v\n%s", a, b, document)
	}
	for _, noise := range []string{"•", "privateKey", "accessToken", "null", "stripeURL", "host: \"\""} {
		if strings.Contains(string(document), noise) {
			t.Errorf("%s in\n%s", noise, document)
		}
	}
	w = Workspace{Auth: &Auth{}}
	if document, err = w.Document(); err != nil || !strings.Contains(string(document), "auth: {}") {
		t.Errorf("%s, %v", document, err)
	}
	if _, err := ParseWorkspace([]byte("name: a\nnonsense: 1\n")); err == nil || !strings.Contains(err.Error(), "there is no field nonsense here") {
		t.Error(err)
	}
}

// plain is a workspace as it compares: the mapping without the places of its nodes.
func plain(t *testing.T, w Workspace) any {
	var mapping any
	if w.Returns != nil {
		if err := w.Returns.Mapping.Decode(&mapping); err != nil {
			t.Fatal(err)
		}
		r := *w.Returns
		r.Mapping = yaml.Node{}
		w.Returns = &r
	}
	return []any{w, mapping}
}

// TestDocumentLaw: rules come back as they were, whatever stands in them.
func TestDocumentLaw(t *testing.T) {
	text := rapid.String().Filter(func(s string) bool { return !strings.ContainsAny(s[:min(len(s), 1)], " \t\r\n") })
	names := rapid.SliceOfN(text, 1, 3)
	rule := rapid.Custom(func(t *rapid.T) allowlist.Rule {
		r := allowlist.Rule{Agent: text.Draw(t, "agent"), Preset: rapid.SampledFrom([]string{"", "read", "all", "0", "null"}).Draw(t, "preset")}
		if rapid.Bool().Draw(t, "lists") {
			r.Actions, r.Confirm, r.Changes = names.Draw(t, "actions"), names.Draw(t, "confirm"), names.Draw(t, "changes")
			r.SObjects.Allow, r.Fields.Deny = names.Draw(t, "objects"), names.Draw(t, "fields")
			r.ConfirmWithin = time.Duration(rapid.Int64Range(0, 1<<50).Draw(t, "within"))
			r.Limits.WritesPerDay = rapid.Int64().Draw(t, "writes")
		}
		return r
	})
	rapid.Check(t, func(t *rapid.T) {
		w := Workspace{Workspace: allowlist.Workspace{Name: text.Draw(t, "name"), Rules: rapid.SliceOfN(rule, 1, 4).Draw(t, "rules")}}
		document, err := w.Document()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseWorkspace(document)
		if err != nil || !reflect.DeepEqual(w, again) {
			t.Fatalf("%v\n%+v\n%+v\n%s", err, w, again, document)
		}
	})
}

// TestReserved: what only the operator may set is refused in the database, each by
// its name, and files that are named are not read.
func TestReserved(t *testing.T) {
	for field, text := range map[string]string{
		"auth.privateKeyFile":              "auth: {mode: jwt, privateKeyFile: /etc/shadow}",
		"auth.clientSecretFile":            "auth: {mode: clientCredentials, clientSecretFile: x}",
		"auth.accessTokenFile":             "auth: {mode: accessToken, accessTokenFile: x}",
		"auth.privateKey":                  "auth: {mode: jwt, privateKey: hush}",
		"auth.transitKey":                  "auth: {mode: jwt, transitKey: other}",
		"auth.proof":                       "auth: {mode: oauth, proof: none, clientID: x, loginURL: 'https://acme.my.salesforce.com'}",
		"returns.policy":                   "returns: {gateway: record, policy: /etc/passwd}",
		"returns.stripeKeyFile":            "returns: {gateway: stripe, stripeKeyFile: x}",
		"returns.stripeKey":                "returns: {gateway: stripe, stripeKey: hush}",
		"agentforce.agentClientSecret":     "auth: {mode: clientCredentials}\nagentforce: {clientID: x, agentClientSecret: hush}",
		"agentforce.agentClientSecretFile": "auth: {mode: clientCredentials}\nagentforce: {clientID: x, agentClientSecretFile: /etc/shadow}",
		"returns.stripeURL":                "returns: {gateway: stripe, stripeURL: 'http://127.0.0.1:1'}",
		"profiles[0].clientCert":           "profiles: [{name: p, agent: ['static:a'], clientCert: {header: X-Cert, from: [0.0.0.0/0], required: {cn: '*'}}}]",
		"auth: the login URL":              "auth: {mode: clientCredentials, clientID: x, loginURL: 'http://127.0.0.1:8081'}",
		"name: \"\"":                       "rules: []",
		"rules[0].actions[0]":              "rules: [{agent: a, actions: [nonsense]}]",
		"returns.policyText":               "auth: {mode: jwt, clientID: x, username: y}\nreturns: {gateway: record, mapping: {currency: {code: USD}}, policyText: nonsense}",
		"auth.proof: login needs":          "auth: {mode: oauth, proof: login, clientID: x, loginURL: 'https://acme.my.salesforce.com'}",
	} {
		w, err := ParseWorkspace([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if field != "name: \"\"" {
			w.Name = "sales"
		}
		_, err = (&Config{}).Stored(w)
		if err == nil || !strings.Contains("\n"+err.Error(), "\n"+field) || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "workspaces[") {
			t.Errorf("%s: %v", field, err)
		}
	}
	w, err := ParseWorkspace([]byte("name: sales\nauth: {mode: oauth, proof: none, clientID: x, loginURL: 'http://127.0.0.1:8081'}\n" +
		"returns: {gateway: record, mapping: {currency: {code: USD}}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	done, err := (&Config{AllowLoopbackOrg: true}).Stored(w)
	if err != nil || done.APIVersion != salesforce.DefaultVersion || !done.Stored || done.Returns.Rules == nil || w.APIVersion != "" || w.Returns.Company != "" {
		t.Errorf("with a simulated org: %+v, %v", done, err)
	}
}

// TestSecretMembers: whatever a workspace comes to have that is a secret, or a file, is
// known to be one: else the history would keep it, or read it.
func TestSecretMembers(t *testing.T) {
	files := map[string]bool{"policy": true}
	for _, name := range SecretMembers {
		files[name+"File"] = true
	}
	n := 0
	var walk func(at string, of reflect.Type)
	walk = func(at string, of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of == reflect.TypeFor[yaml.Node]() || of.Kind() != reflect.Struct {
			return
		}
		for i := range of.NumField() {
			f := of.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if name == "-" || !f.IsExported() {
				continue
			}
			if f.Type == reflect.TypeFor[salesforce.Secret]() {
				if n++; !slices.Contains(SecretMembers, name) {
					t.Errorf("%s.%s is a secret that Credentials does not have", at, name)
				}
			}
			if strings.HasSuffix(name, "File") && !files[name] {
				t.Errorf("%s.%s is a file that is not refused in the database", at, name)
			}
			walk(at+"."+name, f.Type)
		}
	}
	walk("", reflect.TypeFor[Workspace]())
	if n != len(SecretMembers) {
		t.Errorf("%d secrets were seen, of %v", n, SecretMembers)
	}
}
