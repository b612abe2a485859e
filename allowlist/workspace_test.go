package allowlist

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAuthenticate(t *testing.T) {
	rotating := &Profile{Name: "rotating", Tokens: []string{HashToken("old"), strings.ToUpper(HashToken("new"))}}
	w := demo()
	w.Profiles = append(w.Profiles, rotating)
	for token, want := range map[string]*Profile{
		"factory-token": factory, "gateway-token": gateway, "old": rotating, "new": rotating,
		"": nil, "factory-token ": nil, "Factory-Token": nil, "factory-toke": nil, HashToken("factory-token"): nil, "other-token": nil,
	} {
		got, err := w.Authenticate(t.Context(), Presented{Bearer: token})
		if (want == nil) != errors.Is(err, ErrUnauthenticated) || want != nil && (err != nil || got.Profile != want) {
			t.Errorf("%q: host %v, error %v", token, got, err)
		}
	}
	// Neither a local profile nor a broken hash is a way in over HTTP.
	broken := &Workspace{Name: "w", Profiles: []*Profile{
		{Name: "local", Local: true, Tokens: []string{HashToken("t"), HashToken("")}},
		{Name: "empty", Tokens: []string{"", "zz", HashToken("t")[:32], HashToken("")}},
	}}
	for _, token := range []string{"", "t", "zz"} {
		if h, err := broken.Authenticate(t.Context(), Presented{Bearer: token}); err == nil {
			t.Errorf("%q authenticated %q", token, h.Profile.Name)
		}
	}
	if h, err := w.Local(); err != nil || h.Profile != desk {
		t.Errorf("local host %v, error %v", h, err)
	}
	if _, err := (&Workspace{Name: "w"}).Local(); err == nil || !strings.Contains(err.Error(), `"w" has no profile with local`) {
		t.Errorf("error %v", err)
	}
}

func TestParseSource(t *testing.T) {
	for text, want := range map[string]Source{
		"header:agent-id": {FromHeader, "agent-id"}, "argument:agent_id": {FromArgument, "agent_id"}, "static:desk": {Static, "desk"},
		"static:a:b": {Static, "a:b"}, "claim:act.sub": {FromClaim, "act.sub"}, "claim:https://a.example/x": {FromClaim, "https://a.example/x"},
		"cert:uri": {FromCert, "uri"},
	} {
		var got Source
		if err := json.Unmarshal([]byte(`"`+text+`"`), &got); err != nil || got != want {
			t.Errorf("%q: %+v, error %v", text, got, err)
		}
		if back, err := json.Marshal(got); err != nil || string(back) != `"`+text+`"` {
			t.Errorf("%q went back as %s, error %v", text, back, err)
		}
	}
	for _, text := range []string{"", "header", "header:", "argument:", "static:", "static:*", "static: desk", "meta:agent", "claim:", "claim: sub", "cert:issuer", "Header:agent-id", " header:agent-id", "header:agent id", "header:agent-id\r\nx: y", "header:agént"} {
		if s, err := ParseSource(text); err == nil || !strings.Contains(err.Error(), "source ") {
			t.Errorf("%q: %+v, error %v", text, s, err)
		}
	}
}

func TestValidateNamesEveryProblem(t *testing.T) {
	if err := demo().Validate(); err != nil {
		t.Errorf("a good workspace: %v", err)
	}
	w := &Workspace{
		Name: "de mo ",
		Profiles: []*Profile{
			{Name: "a", Tokens: []string{"bearer-token-itself", HashToken(""), HashToken("x")}, Agent: []Source{{FromArgument, "agent_id"}, {FromHeader, "Authorization"}, {Static, "s"}}},
			{Name: "a", Local: true, Tokens: []string{HashToken("x")}, Agent: []Source{{FromHeader, "agent-id"}}, User: []Source{{"meta", "user"}}},
			{Name: "", Local: true, OverwritesArguments: true},
			{Name: "c", OverwritesArguments: true, Agent: []Source{{FromArgument, "user_id"}}},
			nil,
		},
		Rules: []Rule{
			{Agent: "", Preset: "write", Actions: []string{"records", "records.get.x", "rec ords", ""}},
			{Agent: "*", Host: "nowhere"},
			{Agent: "lab"}, {Agent: "lab"},
		},
	}
	err := w.Validate()
	if err == nil {
		t.Fatal("no problem found")
	}
	got := strings.Split(err.Error(), "\n")
	var fields []string
	for _, line := range got {
		field, _, _ := strings.Cut(line, ": ")
		fields = append(fields, field)
	}
	want := []string{
		"name",
		"profiles[0].tokens[0]", "profiles[0].tokens[1]", "profiles[0].agent[0]", "profiles[0].agent[1]", "profiles[0].agent[2]",
		"profiles[1].tokens", "profiles[1].agent[0]", "profiles[1].user[0]", "profiles[1].name", "profiles[1].tokens[0]",
		"profiles[2].name", "profiles[2].overwritesArguments", "profiles[2].agent", "profiles[2].local",
		"profiles[3].tokens", "profiles[3].agent[0]", "profiles[4]",
		"rules[0].agent", "rules[0].preset", "rules[0].actions[1]", "rules[0].actions[2]", "rules[0].actions[3]",
		"rules[1].host", "rules[3].agent",
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("problems (-want +got):\n%s\n%s", diff, err)
	}
	if strings.Contains(err.Error(), "bearer-token-itself") {
		t.Errorf("the message repeats a token:\n%s", err)
	}
	if _, err := NewGate(w, demo(), demo()); err == nil || !strings.Contains(err.Error(), "twice") || !strings.Contains(err.Error(), "profiles[0].tokens[0]") {
		t.Errorf("NewGate: %v", err)
	}
}

// TestValidateProofs: each proof is checked, and a profile has one.
func TestValidateProofs(t *testing.T) {
	claim, cert, header := []Source{{FromClaim, "azp"}}, []Source{{FromCert, "uri"}}, []Source{{FromHeader, "Agent-Id"}}
	jwt := func(change func(*JWT)) *JWT {
		j := &JWT{Issuer: "https://login.example.com"}
		change(j)
		return j
	}
	mtls := func(change func(*ClientCert)) *ClientCert {
		c := &ClientCert{Header: "X-Forwarded-Client-Cert", From: Networks{"10.0.0.0/8"}, Required: map[string]OneOf{"uri": {"*"}}}
		change(c)
		return c
	}
	tokens := []string{HashToken("t")}
	for name, test := range map[string]struct {
		profile Profile
		problem string // "" for none
	}{
		"jwt":                      {Profile{JWT: jwt(func(*JWT) {}), Agent: claim}, ""},
		"clientCert":               {Profile{ClientCert: mtls(func(*ClientCert) {}), Agent: cert}, ""},
		"vouches":                  {Profile{Tokens: tokens, Agent: header, User: header, Vouches: true}, ""},
		"vouches for nobody":       {Profile{Tokens: tokens, Agent: header, Vouches: true}, "vouches: true needs a source of the user"},
		"a local one vouches":      {Profile{Local: true, Agent: []Source{{Static, "x"}}, User: []Source{{Static, "u"}}, Vouches: true}, "vouches: a local profile"},
		"a local one with jwt":     {Profile{Local: true, JWT: jwt(func(*JWT) {}), Agent: claim}, "jwt: a local profile"},
		"tokens and jwt":           {Profile{Tokens: tokens, JWT: jwt(func(*JWT) {}), Agent: claim}, "tokens: there is jwt too"},
		"jwt and clientCert":       {Profile{ClientCert: mtls(func(*ClientCert) {}), JWT: jwt(func(*JWT) {}), Agent: claim}, "jwt: there is clientCert too"},
		"a claim without jwt":      {Profile{Tokens: tokens, Agent: claim}, "agent[0]: \"claim:azp\" cannot be read"},
		"a part without cert":      {Profile{JWT: jwt(func(*JWT) {}), Agent: cert}, "agent[0]: \"cert:uri\" cannot be read"},
		"no issuer":                {Profile{JWT: jwt(func(j *JWT) { j.Issuer = "" }), Agent: claim}, "jwt.issuer: is needed"},
		"issuer is no URL":         {Profile{JWT: jwt(func(j *JWT) { j.Issuer = "gateway" }), Agent: claim}, "or give jwksURL"},
		"issuer by name, keys":     {Profile{JWT: jwt(func(j *JWT) { j.Issuer, j.JWKSURL = "gateway", "https://gw.example/keys" }), Agent: claim}, ""},
		"issuer over http":         {Profile{JWT: jwt(func(j *JWT) { j.Issuer = "http://login.example.com" }), Agent: claim}, "must be an https URL"},
		"keys over http":           {Profile{JWT: jwt(func(j *JWT) { j.JWKSURL = "http://login.example.com/keys" }), Agent: claim}, "jwt.jwksURL"},
		"keys in a file":           {Profile{JWT: jwt(func(j *JWT) { j.JWKSURL = "file:///etc/passwd" }), Agent: claim}, "jwt.jwksURL"},
		"keys with a password":     {Profile{JWT: jwt(func(j *JWT) { j.JWKSURL = "https://u:p@login.example.com/keys" }), Agent: claim}, "jwt.jwksURL"},
		"any audience":             {Profile{JWT: jwt(func(j *JWT) { j.Audience = OneOf{"*"} }), Agent: claim}, "jwt.audience[0]"},
		"HS256":                    {Profile{JWT: jwt(func(j *JWT) { j.Algorithms = []string{"RS256", "HS256"} }), Agent: claim}, "jwt.algorithms[1]: \"HS256\" is none of"},
		"none":                     {Profile{JWT: jwt(func(j *JWT) { j.Algorithms = []string{"none"} }), Agent: claim}, "jwt.algorithms[0]"},
		"an hour of skew":          {Profile{JWT: jwt(func(j *JWT) { j.ClockSkew = time.Hour }), Agent: claim}, "jwt.clockSkew"},
		"a claim without values":   {Profile{JWT: jwt(func(j *JWT) { j.RequiredClaims = map[string]OneOf{"x": {}} }), Agent: claim}, "jwt.requiredClaims"},
		"no audience, no scope":    {Profile{JWT: jwt(func(j *JWT) { j.NoAudience = true }), Agent: claim}, "jwt.noAudience"},
		"no audience, any scope":   {Profile{JWT: jwt(func(j *JWT) { j.NoAudience, j.RequiredClaims = true, map[string]OneOf{"scope": {"*"}} }), Agent: claim}, "jwt.noAudience"},
		"scopes in one":            {Profile{JWT: jwt(func(j *JWT) { j.Scopes = []string{"a b"} }), Agent: claim}, "jwt.scopes[0]"},
		"a scope with a quote":     {Profile{JWT: jwt(func(j *JWT) { j.Scopes = []string{`a", error="x`} }), Agent: claim}, "jwt.scopes[0]"},
		"no header":                {Profile{ClientCert: mtls(func(c *ClientCert) { c.Header = "" }), Agent: cert}, "clientCert.header"},
		"a header with a secret":   {Profile{ClientCert: mtls(func(c *ClientCert) { c.Header = "authorization" }), Agent: cert}, "clientCert.header"},
		"from nobody":              {Profile{ClientCert: mtls(func(c *ClientCert) { c.From = nil }), Agent: cert}, "clientCert.from: the addresses"},
		"from everybody":           {Profile{ClientCert: mtls(func(c *ClientCert) { c.From = Networks{"0.0.0.0/0"} }), Agent: cert}, "clientCert.from[0]"},
		"nothing required":         {Profile{ClientCert: mtls(func(c *ClientCert) { c.Required = nil }), Agent: cert}, "clientCert.required"},
		"an unknown part":          {Profile{ClientCert: mtls(func(c *ClientCert) { c.Required = map[string]OneOf{"issuer": {"x"}} }), Agent: cert}, "clientCert.required: \"issuer\""},
		"another part of the name": {Profile{ClientCert: mtls(func(c *ClientCert) { c.Format, c.Header = "cn", "X-CN" }), Agent: cert}, "clientCert.required.uri"},
		"an unknown format":        {Profile{ClientCert: mtls(func(c *ClientCert) { c.Format = "der" }), Agent: cert}, "clientCert.format"},
	} {
		test.profile.Name = "h"
		err := (&Workspace{Name: "w", Profiles: []*Profile{&test.profile}}).Validate()
		if test.problem == "" && err != nil || test.problem != "" && (err == nil || !strings.Contains(err.Error(), "profiles[0]."+test.problem) && !strings.Contains(err.Error(), test.problem)) {
			t.Errorf("%s: %v, want %q", name, err, test.problem)
		}
	}
}

// The package decides who may do what: beyond the standard library it hangs on
// nothing but what checks the signatures of tokens.
func TestImportsLittle(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(out)) {
		if name != "salesforce-mcp/allowlist" && !strings.HasPrefix(name, "github.com/golang-jwt/jwt/v5") && !strings.HasPrefix(name, "github.com/go-jose/go-jose/v4") {
			t.Errorf("imports %s", name)
		}
	}
}
