package catalog

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/google/go-cmp/cmp"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/salesforce"
)

const origin = "https://salesforce.example.com"

func workspace(mode string) *config.Workspace {
	return &config.Workspace{
		Workspace: allowlist.Workspace{Name: "emea-sales", Profiles: []*allowlist.Profile{{Name: "agent-factory", Tokens: []string{allowlist.HashToken("secret-token")},
			Agent: []allowlist.Source{{Kind: allowlist.FromHeader, Name: "agent-id"}}, User: []allowlist.Source{{Kind: allowlist.FromHeader, Name: "user-id"}}}}},
		Auth: &config.Auth{Mode: mode, ClientID: "secret-client", ClientSecret: "secret-client-secret", PrivateKey: "secret-key", AccessToken: "secret-access", Username: "secret-user"},
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestEntry: the entry is the documented one, and where people connect is in it in auth
// mode oauth alone.
func TestEntry(t *testing.T) {
	const want = `{
  "name": "salesforce_emea_sales",
  "display_name": "Salesforce (emea-sales)",
  "type": "mcp",
  "category": "crm",
  "description": "` + description + `",
  "config_schema": {
    "type": "object",
    "required": [
      "name",
      "server"
    ],
    "properties": {
      "name": {
        "type": "string",
        "title": "Server Name",
        "default": "salesforce_emea_sales"
      },
      "server": {
        "type": "string",
        "title": "SSE/WebSocket URL",
        "default": "https://salesforce.example.com/w/emea-sales/mcp"
      },
      "scope": {
        "type": "string",
        "title": "Scope",
        "default": "context_id,agent_id,user_id"
      },
      "headers": {
        "type": "object",
        "title": "Auth Headers (JSON)",
        "description": "How the platform proves itself to the server: the host token, by the name of a secret",
        "default": {
          "Authorization": "Bearer {{secrets.SALESFORCE_MCP_EMEA_SALES_TOKEN}}"
        }
      }
    }
  },
  "auth": null
}
`
	for _, mode := range []string{"jwt", "clientCredentials", "accessToken"} {
		if diff := cmp.Diff(want, asJSON(t, Entry(workspace(mode), origin+"/", ""))); diff != "" {
			t.Errorf("%s: %s", mode, diff)
		}
	}
	const auth = `"auth": {
    "type": "oauth2",
    "status_url": "https://salesforce.example.com/w/emea-sales/oauth/status",
    "connect_url": "https://salesforce.example.com/w/emea-sales/oauth/connect",
    "disconnect_url": "https://salesforce.example.com/w/emea-sales/oauth/disconnect",
    "scopes": [
      "api",
      "refresh_token"
    ]
  }`
	people := workspace("oauth")
	people.Auth.Scopes = "api refresh_token"
	if diff := cmp.Diff(strings.Replace(want, `"auth": null`, auth, 1), asJSON(t, Entry(people, origin, ""))); diff != "" {
		t.Error(diff)
	}
	people.Catalog = &config.Catalog{NoAuth: true}
	if Entry(people, origin, "").Auth != nil {
		t.Error("there is an auth")
	}
	people.Catalog = &config.Catalog{Name: "crm", DisplayName: "CRM", HostSecret: "X", Bridge: "https://api.studio.prisme.ai/v2/workspaces/slug:sales/webhooks/Salesforce"}
	e := Entry(people, origin, "oauth")
	if e.Endpoint() != people.Catalog.Bridge+".mcp" || e.Auth.Type != "oauth" || e.Auth.ConnectURL != people.Catalog.Bridge+".oauthConnect" || e.ConfigSchema.Properties.Headers.Default != nil {
		t.Errorf("%+v %+v", e, e.Auth)
	}
	for _, tool := range []any{Tool(people, origin, "secret-token").HostToken.Reveal(), Tool(people, origin, "x").Auth.Type} {
		if tool != "" && tool != "oauth" {
			t.Errorf("%v", tool)
		}
	}
	if tool := Tool(workspace("jwt"), origin, salesforce.Secret("t")); tool.Server != origin+"/w/emea-sales/mcp" || tool.Scope != Scope || tool.HostToken != "t" || tool.Auth != nil {
		t.Errorf("%+v", tool)
	}
}

// TestServerJSON: what registries get is what the schema 2025-12-11 of the MCP registry
// takes. testdata/server.schema.json says so much of it, in our words, as we write; what
// we do not write it refuses.
func TestServerJSON(t *testing.T) {
	text, err := os.ReadFile("testdata/server.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("server.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("server.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	long := workspace("jwt")
	long.Catalog = &config.Catalog{DisplayName: strings.Repeat("é", 150), DocumentationURL: "https://docs.example.com/x"}
	local := workspace("oauth")
	local.Profiles = nil
	for name, s := range map[string]Server{
		"all":       ServerJSON(nil, origin, "1.2.3"),
		"one":       ServerJSON(workspace("jwt"), origin, "0.0.0-dev"),
		"long":      ServerJSON(long, "https://salesforce.example.com:8443", "1"),
		"loopback":  ServerJSON(local, "http://127.0.0.1:8080", "1"),
		"six":       ServerJSON(local, "http://[::1]:8080", "1"),
		"localhost": ServerJSON(local, "http://localhost:8080", "1"),
	} {
		text := asJSON(t, s)
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
		if name == "all" && strings.Contains(text, "sales\"") {
			t.Errorf("a workspace is named: %s", text)
		}
		if out := os.Getenv("SALESFORCE_MCP_TEST_OUT"); out != "" { // to try it against the registry's own schema
			_ = os.WriteFile(out+"/"+name+".json", []byte(text), 0o600)
		}
	}
	if got := ServerJSON(workspace("jwt"), origin, "1").Name; got != "com.example.salesforce/salesforce-emea-sales" {
		t.Error(got)
	}
	broken := ServerJSON(nil, origin, "1")
	broken.Name = "no slash"
	v, _ := jsonschema.UnmarshalJSON(strings.NewReader(asJSON(t, broken)))
	if schema.Validate(v) == nil {
		t.Error("the schema takes everything")
	}
}

// TestNothingSecret: whatever the workspace, no secret of it is in what is published.
func TestNothingSecret(t *testing.T) {
	for _, mode := range []string{"jwt", "clientCredentials", "accessToken", "oauth"} {
		w := workspace(mode)
		for _, v := range []any{Entry(w, origin, ""), ServerJSON(w, origin, "1"), ServerJSON(nil, origin, "1")} {
			if text := asJSON(t, v); strings.Contains(text, "secret-") || strings.Contains(text, allowlist.HashToken("secret-token")) {
				t.Errorf("%s: %s", mode, text)
			}
		}
	}
}
