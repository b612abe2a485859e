package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
	"salesforce-mcp/cmd/salesforce-mcp/internal/web"
	"salesforce-mcp/tools"
)

// An office is a house with settings, of the workspaces demo and other in the database and
// of filed in the file, and a gate that holds what is saved.
type office struct {
	*house
	gate     *allowlist.Gate
	browsers map[string]*browser
}

const factoryToken = "factory-token-of-the-tests-0123456789"

// hosts are two hosts: one names its agents in a header, one in calls only.
func testHosts() []*allowlist.Profile {
	return []*allowlist.Profile{
		{Name: "factory", Tokens: []string{allowlist.HashToken(factoryToken)}, Agent: []allowlist.Source{{Kind: allowlist.FromHeader, Name: "agent-id"}}},
		{Name: "calls", Tokens: []string{allowlist.HashToken("another-token-of-the-tests-0123456789")}, OverwritesArguments: true, Agent: []allowlist.Source{{Kind: allowlist.FromArgument, Name: "agent_id"}}},
	}
}

// applyTo puts the policies of a configuration in force in a gate.
func applyTo(gate *allowlist.Gate) func(*config.Config) error {
	return func(c *config.Config) error {
		var all []*allowlist.Workspace
		for i := range c.Workspaces {
			all = append(all, &c.Workspaces[i].Workspace)
		}
		return gate.Replace(all...)
	}
}

func newOffice(t *testing.T, rules ...allowlist.Rule) *office {
	t.Helper()
	o := &office{house: newHouse(t), gate: &allowlist.Gate{}, browsers: map[string]*browser{}}
	kept := secrets.NewSealed(o.store, secrets.FileKeys(filepath.Join(t.TempDir(), "master.key"), func(string) {}))
	s := &settings.Settings{Store: o.store, Journal: o.journal, Secrets: kept, Log: zerolog.Nop(), Apply: applyTo(o.gate)}
	workspace := func(name string, rules ...allowlist.Rule) config.Workspace {
		return config.Workspace{Workspace: allowlist.Workspace{Name: name, Profiles: testHosts(), Rules: rules}, APIVersion: "v62.0"}
	}
	file := &config.Config{Listen: "127.0.0.1:0", Workspaces: []config.Workspace{workspace("filed", allowlist.Rule{Agent: "from-the-file", Preset: "read"})}}
	if err := s.Take(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	for name, rules := range map[string][]allowlist.Rule{"demo": rules, "other": {{Agent: "hidden-agent", Preset: "all"}}} {
		if err := s.Create(t.Context(), settings.Author{Name: "test"}, workspace(name, rules...)); err != nil {
			t.Fatal(err)
		}
	}
	o.app.Settings, o.app.Names, o.app.Refused = s, s.Names, o.store
	o.app.Tools = &tools.Server{Table: tools.All, Gate: o.gate, Journal: o.journal, Log: zerolog.Nop()}
	return o
}

// visit sends a request of a person: a form when there is one. A path that begins with
// hx: is asked for by htmx.
func (o *office) visit(who, path string, form url.Values) answer {
	o.t.Helper()
	if o.browsers[who] == nil {
		o.browsers[who] = o.as(who)
	}
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	if path, partial := strings.CutPrefix(path, "hx:"); partial {
		return o.browsers[who].send(method, path, form, "HX-Request", "true")
	}
	return o.browsers[who].send(method, path, form)
}

// rules are those of a workspace as they are kept.
func (o *office) rules(workspace string) []allowlist.Rule {
	o.t.Helper()
	w, err := o.app.Settings.Workspace(o.t.Context(), workspace)
	if err != nil {
		o.t.Fatal(err)
	}
	return w.Rules
}

var readRecord = allowlist.Operation{Tool: "records", Action: "get", Effect: "read"}

// mayRead reports whether the gate that holds lets an agent of factory read.
func (o *office) mayRead(agent string) bool {
	_, err := o.gate.Allow(allowlist.Caller{Workspace: "demo", Host: "factory", Agent: agent}, readRecord)
	return err == nil
}

// refuse records calls of an agent whom no rule covers.
func (o *office) refuse(workspace, agent string, times int) {
	o.t.Helper()
	for range times {
		if _, err := o.journal.Refuse(o.t.Context(), audit.Entry{Workspace: workspace, Host: "factory", Agent: agent, Tool: "records", Code: string(tools.NotAuthorized)}); err != nil {
			o.t.Fatal(err)
		}
	}
}

const agentsURL = "/workspaces/demo/agents"

// TestAllowAgent: a tick holds at once, is lost by nothing, and an agent that cannot be
// one is none.
func TestAllowAgent(t *testing.T) {
	o := newOffice(t, allowlist.Rule{Agent: "careful", Preset: "all", Fields: allowlist.Lists{Deny: []string{"Contact.Email"}}})
	tick := func(path, agent, host, allowed string) answer {
		return o.visit("admin", path, url.Values{"agent": {agent}, "host": {host}, "allowed": {allowed}})
	}
	if o.mayRead("desk") {
		t.Fatal("desk may read before it is allowed")
	}
	if v := tick(agentsURL+"/allow", "desk", "", "yes"); v.status != http.StatusSeeOther || v.header.Get("Location") != agentsURL || !o.mayRead("desk") {
		t.Errorf("allowed: %d, may read %v", v.status, o.mayRead("desk"))
	}
	// Another server of the database, when it looks there (it does so twice a second).
	elsewhere := &allowlist.Gate{}
	replica := &settings.Settings{Store: o.store, Journal: o.journal, Log: zerolog.Nop(), Apply: applyTo(elsewhere)}
	if err := replica.Take(t.Context(), &config.Config{Listen: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	v := tick("hx:"+agentsURL+"/allow", "careful", "", "")
	if v.status != http.StatusOK || o.mayRead("careful") || !strings.HasPrefix(v.body, "<li") || strings.Contains(v.body, "<html") || strings.Contains(v.body, " checked") || !strings.Contains(v.body, "Saved.") {
		t.Errorf("unticked: %d %s, may read %v", v.status, v.body, o.mayRead("careful"))
	}
	_, there := elsewhere.Allow(allowlist.Caller{Workspace: "demo", Agent: "careful"}, readRecord)
	if err := replica.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, then := elsewhere.Allow(allowlist.Caller{Workspace: "demo", Agent: "careful"}, readRecord); there != nil || then == nil {
		t.Errorf("on another server: %v before it looks, %v after", there, then)
	}
	if v := tick("hx:"+agentsURL+"/allow", "careful", "", "yes"); v.status != http.StatusOK || !strings.Contains(v.body, " checked") {
		t.Errorf("ticked again: %d %s", v.status, v.body)
	}
	want := []allowlist.Rule{{Agent: "careful", Preset: "all", Fields: allowlist.Lists{Deny: []string{"Contact.Email"}}}, {Agent: "desk", Preset: "read"}}
	if diff := cmp.Diff(want, o.rules("demo")); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	for agent, host := range map[string]string{"": "", " desk": "", "desk\u200b": "", "a\nb": "", strings.Repeat("x", 129): "", "*": "", "desk2": "nowhere"} {
		if v := tick("hx:"+agentsURL+"/allow", agent, host, "yes"); v.status != http.StatusUnprocessableEntity {
			t.Errorf("%q through %q: %d", agent, host, v.status)
		}
	}
	if diff := cmp.Diff(want, o.rules("demo")); diff != "" {
		t.Errorf("rules after what cannot be one (-want +got):\n%s", diff)
	}
	for _, agent := range []string{"Desk", "dеsk", "desk "} { // another case, a Cyrillic letter, a space
		if o.mayRead(agent) {
			t.Errorf("%q is let in as desk", agent)
		}
	}
}

// TestAllowEverybody asks first, warns while it holds, and gives the list back.
func TestAllowEverybody(t *testing.T) {
	o := newOffice(t, allowlist.Rule{Agent: "shut", Preset: "all", Off: true})
	page := o.visit("admin", agentsURL+"/everybody", nil)
	if page.status != http.StatusOK || !strings.Contains(page.body, "Warning:") {
		t.Errorf("the question: %d", page.status)
	}
	if v := o.visit("admin", agentsURL+"/everybody", url.Values{"preset": {"read"}}); v.status != http.StatusUnprocessableEntity || o.mayRead("anybody") {
		t.Errorf("without a yes: %d", v.status)
	}
	if v := o.visit("admin", agentsURL+"/everybody", url.Values{"preset": {"write"}, "sure": {"yes"}}); v.status != http.StatusBadRequest {
		t.Errorf("a preset that is none: %d", v.status)
	}
	if v := o.visit("admin", agentsURL+"/everybody", url.Values{"preset": {"read"}, "sure": {"yes"}}); v.status != http.StatusSeeOther || !o.mayRead("anybody") || o.mayRead("shut") {
		t.Errorf("allowed: %d; anybody %v, shut %v", v.status, o.mayRead("anybody"), o.mayRead("shut"))
	}
	for _, form := range []url.Values{ // there is no way around the question
		{"agent": {"*"}, "host": {"factory"}, "allowed": {"yes"}, "preset": {"all"}, "changes": {"none"}},
		{"agent": {"*"}, "host": {"factory"}, "allowed": {"yes"}, "preset": {"all"}, "changes": {"none"}, "was": {print(allowlist.Rule{})}},
	} {
		if v := o.visit("admin", agentsURL+"/rule", form); v.status == http.StatusSeeOther || len(o.rules("demo")) != 2 {
			t.Errorf("a rule for all agents in the editor: %d", v.status)
		}
	}
	if v := o.visit("admin", agentsURL+"/rule?agent=*&host=factory", nil); v.header.Get("Location") != agentsURL+"/everybody" {
		t.Errorf("the editor of a rule for all agents: %d", v.status)
	}
	if v := o.visit("auditor", agentsURL, nil); !strings.Contains(v.body, "All agents are allowed. Whoever holds a token") {
		t.Error("the page does not warn")
	}
	o.refuse("demo", "refused-before", 1)
	if v := o.visit("auditor", agentsURL, nil); strings.Contains(v.body, "refused-before") {
		t.Error("where all agents are allowed, one is shown as refused")
	}
	if v := o.visit("admin", agentsURL+"/nobody", url.Values{}); v.status != http.StatusSeeOther || o.mayRead("anybody") {
		t.Errorf("withdrawn: %d", v.status)
	}
}

// TestRefusedLately: strangers are texts; what looks like another is said, and not
// allowed with one click.
func TestRefusedLately(t *testing.T) {
	o := newOffice(t, allowlist.Rule{Agent: "desk", Preset: "read"}, allowlist.Rule{Agent: "covered", Preset: "read"})
	long := strings.Repeat("w", 128)
	for agent, times := range map[string]int{"newcomer": 3, "dеsk": 1, "Desk": 1, "<script>alert(1)</script>": 1, long: 1, "covered": 2} {
		o.refuse("demo", agent, times)
	}
	o.refuse("other", "of-the-other", 1)
	page := o.visit("admin", agentsURL, nil)
	for _, has := range []string{"newcomer", "<td class=\"number\">3</td>", "&lt;script&gt;alert(1)&lt;/script&gt;", long, "е = U+0435", "on the list is desk", "Look and allow…"} {
		if !strings.Contains(page.body, has) {
			t.Errorf("the page does not have %q", has)
		}
	}
	for _, hasNot := range []string{"<script>alert", "of-the-other", "hidden-agent", `name="agent" value="dеsk"`, factoryToken, allowlist.HashToken(factoryToken)} {
		if strings.Contains(page.body, hasNot) {
			t.Errorf("the page has %q", hasNot)
		}
	}
	if list := page.body[strings.Index(page.body, "refused-title"):]; strings.Contains(list, "covered") {
		t.Error("an agent on the list is among the refused")
	}
	if v := o.visit("admin", agentsURL+"/allow", url.Values{"agent": {"newcomer"}, "host": {"factory"}, "allowed": {"yes"}}); v.status != http.StatusSeeOther || !o.mayRead("newcomer") {
		t.Errorf("allowed with one click: %d", v.status)
	}
	if page := o.visit("admin", agentsURL, nil); strings.Contains(page.body[strings.Index(page.body, "refused-title"):], "newcomer") {
		t.Error("and is among the refused still")
	}
	rule := o.visit("admin", "/workspaces/demo/agents/rule?"+url.Values{"agent": {"dеsk"}, "host": {"factory"}}.Encode(), nil)
	if rule.status != http.StatusOK || !strings.Contains(rule.body, "not plain ASCII") {
		t.Errorf("the look at it: %d", rule.status)
	}
}

// TestSearchAgents finds by agent and host, in whatever case, and shows a part of many.
func TestSearchAgents(t *testing.T) {
	var rules []allowlist.Rule
	for i := range mostAgents + 5 {
		rules = append(rules, allowlist.Rule{Agent: fmt.Sprintf("agent-%03d", i), Preset: "read"})
	}
	o := newOffice(t, append(rules, allowlist.Rule{Agent: "Helpdesk", Host: "calls", Preset: "read"})...)
	if all := o.visit("auditor", agentsURL, nil); strings.Count(all.body, `class="agent"`) != mostAgents || !strings.Contains(all.body, "These are the first 200") {
		t.Errorf("%d agents are shown", strings.Count(all.body, `class="agent"`))
	}
	for search, want := range map[string]int{"HELP": 1, "calls": 1, "agent-00": 10, "%": 0, "<b>": 0} {
		query := "?" + url.Values{"q": {search}}.Encode()
		whole, part := o.visit("auditor", agentsURL+query, nil), o.visit("auditor", "hx:"+agentsURL+"/found"+query, nil)
		for _, v := range []answer{whole, part} {
			if n := strings.Count(v.body, `class="agent"`); n != want || strings.Contains(v.body, "<b>") {
				t.Errorf("%q finds %d, want %d", search, n, want)
			}
		}
		if strings.Contains(part.body, "<html") {
			t.Errorf("%q: the part is a whole page", search)
		}
	}
	if v := o.visit("auditor", agentsURL+"/found?q=a%26b", nil); v.header.Get("Location") != agentsURL+"?q=a%26b" {
		t.Errorf("without htmx: %d %s", v.status, v.header.Get("Location"))
	}
}

// TestAgentRoles: admins change, others read, and whoever has no role learns nothing.
func TestAgentRoles(t *testing.T) {
	o := newOffice(t, allowlist.Rule{Agent: "desk", Preset: "read"})
	o.refuse("demo", "stranger", 1)
	paths := []struct {
		path  string
		form  url.Values
		read  bool // by every role
		admin int
	}{
		{"", nil, true, 200},
		{"/rule?agent=desk&host=", nil, true, 200},
		{"/rule?agent=new&host=", nil, false, 200},
		{"/everybody", nil, false, 200},
		{"/everybody", url.Values{"preset": {"all"}, "sure": {"yes"}}, false, 303},
		{"/nobody", url.Values{}, false, 303},
		{"/allow", url.Values{"agent": {"new"}, "host": {""}, "allowed": {"yes"}}, false, 303},
		{"/rule", url.Values{"agent": {"second"}, "host": {""}, "allowed": {"yes"}, "preset": {"read"}, "changes": {"none"}}, false, 303},
		{"/rule/preview", url.Values{"agent": {"third"}, "host": {""}, "allowed": {"yes"}, "preset": {"read"}, "changes": {"none"}}, false, 200},
		{"/rule/remove", url.Values{"agent": {"second"}, "host": {""}, "was": {print(allowlist.Rule{Agent: "second", Preset: "read"})}}, false, 303},
	}
	before := o.rules("demo")
	for _, p := range paths {
		for _, person := range []string{"approver", "auditor", "neighbour", "nobody"} {
			want := http.StatusNotFound
			if p.read && (person == "approver" || person == "auditor") {
				want = http.StatusOK
			}
			v := o.visit(person, agentsURL+p.path, p.form)
			if v.status != want {
				t.Errorf("%s of %q: %d, want %d", p.path, person, v.status, want)
			}
			body := v.body[strings.Index(v.body, "<main"):strings.Index(v.body, "</main>")]
			if strings.Contains(body, `method="post"`) || strings.Contains(body, "hx-post") {
				t.Errorf("%s of %q: has a form", p.path, person)
			}
			if want == http.StatusNotFound && (strings.Contains(body, "desk") || strings.Contains(body, "stranger")) {
				t.Errorf("%s of %q: tells of agents", p.path, person)
			}
		}
	}
	if diff := cmp.Diff(before, o.rules("demo")); diff != "" {
		t.Errorf("somebody without the right changed the rules (-want +got):\n%s", diff)
	}
	for _, p := range paths {
		if v := o.visit("admin", agentsURL+p.path, p.form); v.status != p.admin {
			t.Errorf("%s of the admin: %d, want %d: %.300s", p.path, v.status, p.admin, v.body)
		}
	}
}

// TestDeclaredWorkspace: what stands in the file is shown, and changed there.
func TestDeclaredWorkspace(t *testing.T) {
	o := newOffice(t)
	const filed = "/workspaces/filed/agents"
	for _, path := range []string{"", "/rule?agent=from-the-file&host="} {
		v := o.visit("owner", filed+path, nil)
		body := v.body[strings.Index(v.body, "<main"):strings.Index(v.body, "</main>")]
		if v.status != http.StatusOK || !strings.Contains(body, "from-the-file") || strings.Contains(body, `method="post"`) {
			t.Errorf("%q: %d %.300s", path, v.status, body)
		}
	}
	rule := url.Values{"agent": {"new"}, "host": {""}, "allowed": {"yes"}, "preset": {"read"}, "sure": {"yes"}}
	for _, path := range []string{"/allow", "/rule", "/rule/preview", "/everybody", "/nobody"} {
		if v := o.visit("owner", filed+path, rule); v.status != http.StatusConflict {
			t.Errorf("%s: %d", path, v.status)
		}
	}
}

// TestPreviewIsTheList: what the editor shows is what the endpoint answers, for what is
// saved and for what is not yet.
func TestPreviewIsTheList(t *testing.T) {
	o := newOffice(t, allowlist.Rule{Agent: "desk", Preset: "read"}, allowlist.Rule{Agent: "other", Preset: "all", Actions: []string{"query"}})
	endpoint := httptest.NewServer((&web.Server{MCP: tools.NewMCP(o.app.Tools, "salesforce-mcp", "test"), Tools: o.app.Tools, Gate: o.gate, MaxBody: 1 << 20, Log: zerolog.Nop()}).Handler())
	defer endpoint.Close()
	listed := func(agent, token string) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint.URL+"/w/demo/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("agent-id", agent)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var answer struct{ Result json.RawMessage }
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Result == nil {
			t.Fatalf("%d: %v", resp.StatusCode, err)
		}
		return string(answer.Result)
	}
	shown := func(v answer) string {
		t.Helper()
		for _, code := range elements(t, v.body, "code") {
			if strings.HasPrefix(code, `{"`) {
				return code
			}
		}
		t.Fatalf("%d: no list in %.300s", v.status, v.body)
		return ""
	}
	const query = "/rule?agent=desk&host="
	if got, want := shown(o.visit("auditor", agentsURL+query, nil)), listed("desk", factoryToken); got != want {
		t.Errorf("saved: shown %.300s\nsent %.300s", got, want)
	}
	all := url.Values{"through": {unnamed + "calls"}, "agent": {"desk"}, "host": {""}, "allowed": {"yes"}, "preset": {"read"}, "changes": {"none"}}
	if got, want := shown(o.visit("admin", "hx:"+agentsURL+"/rule/preview", all)), listed("", "another-token-of-the-tests-0123456789"); got != want {
		t.Errorf("before an agent is named: shown %.300s\nsent %.300s", got, want)
	}
	all.Set("preset", "")
	all["actions"] = []string{"records.get", "records.create"}
	if v := o.visit("admin", "hx:"+agentsURL+"/rule/preview", all); !strings.Contains(v.body, "This one may use 2 actions.") {
		t.Errorf("what the agent itself may do is not said: %.300s", v.body)
	}
	form := url.Values{"agent": {"desk"}, "host": {""}, "allowed": {"yes"}, "preset": {"all"}, "actions": {"records", "query.soql"}, "confirm": {"remove"}, "changes": {"none"}, "fieldsDeny": {"Contact.Email"}}
	form.Set("was", print(o.rules("demo")[0]))
	whole, part := o.visit("admin", agentsURL+"/rule/preview", form), o.visit("admin", "hx:"+agentsURL+"/rule/preview", form)
	if listed("desk", factoryToken) == shown(part) {
		t.Error("a preview changes what holds")
	}
	if v := o.visit("admin", agentsURL+"/rule", form); v.status != http.StatusSeeOther {
		t.Fatalf("save: %d %.300s", v.status, v.body)
	}
	want := listed("desk", factoryToken)
	for _, v := range []answer{whole, part, o.visit("admin", agentsURL+query, nil)} {
		if got := shown(v); got != want {
			t.Errorf("shown %.300s\nsent %.300s", got, want)
		}
	}
	if tokens := fmt.Sprintf("%d characters divided", 0); strings.Contains(part.body, tokens) || !strings.Contains(part.body, "an estimate: characters divided by 4") {
		t.Error("the size is not said, or not as an estimate")
	}
}
