package allowlist

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

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
