package app

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/tools"
)

// elements returns the texts of the elements of a name in a page.
func elements(t testing.TB, page, name string) (texts []string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == name {
			texts = append(texts, textOf(n))
		}
	}
	return texts
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func attributeOf(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// formOf is what a browser sends for the form with an action, as it came.
func formOf(t testing.TB, page, action string) url.Values {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if to, _ := attributeOf(n, "action"); n.Type != html.ElementNode || n.Data != "form" || to != action {
			continue
		}
		form := url.Values{}
		for d := range n.Descendants() {
			name, named := attributeOf(d, "name")
			value, _ := attributeOf(d, "value")
			kind, _ := attributeOf(d, "type")
			_, checked := attributeOf(d, "checked")
			switch {
			case !named:
			case d.Data == "input" && (kind != "checkbox" || checked):
				form.Add(name, value)
			case d.Data == "textarea":
				form.Add(name, strings.ReplaceAll(textOf(d), "\n", "\r\n"))
			case d.Data == "select":
				form.Add(name, chosen(d))
			}
		}
		return form
	}
	t.Fatalf("no form sends to %s", action)
	return nil
}

func chosen(list *html.Node) string {
	first, any := "", false
	for o := range list.Descendants() {
		if o.Data != "option" {
			continue
		}
		value, _ := attributeOf(o, "value")
		if _, selected := attributeOf(o, "selected"); selected {
			return value
		}
		if !any {
			first, any = value, true
		}
	}
	return first
}

// drawRule draws a rule that is valid, with anything that a rule can say.
func drawRule(t *rapid.T, table tools.Table) allowlist.Rule {
	sometimes := func(what string) bool { return rapid.Bool().Draw(t, what) }
	some := func(what string, from []string) (drawn []string) {
		if sometimes(what) {
			return nil
		}
		for _, value := range from {
			if rapid.IntRange(0, 6).Draw(t, what+" "+value) == 0 {
				drawn = append(drawn, value)
			}
		}
		return drawn
	}
	var actions, confirm []string
	for _, tool := range table {
		actions = append(actions, tool.Name)
		for _, op := range tool.Ops {
			actions = append(actions, tool.Name+"."+op.Action)
		}
	}
	for _, name := range append([]string{"add", "set", "remove", "act"}, actions...) {
		if name != "approvals" && !strings.HasPrefix(name, "approvals.") {
			confirm = append(confirm, name)
		}
	}
	objects, someFields := []string{"Account", "Invoice__c", "ns__Thing__c", "Case"}, []string{"Contact.Email", "*.SSN__c", "Contact.*"}
	rule := allowlist.Rule{
		Agent:    rapid.SampledFrom([]string{"desk", "dеsk", `"><script>`, "a b&amp;c", "yes", "*"}).Draw(t, "agent"),
		Host:     rapid.SampledFrom([]string{"", "factory", "calls"}).Draw(t, "host"),
		Off:      sometimes("off"),
		Preset:   rapid.SampledFrom([]string{"", "read", "read+add", "all"}).Draw(t, "preset"),
		Actions:  some("actions", actions),
		Confirm:  some("confirm", confirm),
		SObjects: allowlist.Lists{Allow: some("objects allow", objects), Deny: some("objects deny", objects)},
		Fields:   allowlist.Lists{Allow: some("fields allow", someFields), Deny: some("fields deny", someFields)},
		Changes:  some("changes", objects),
		Limits: allowlist.Limits{CallsPerMinute: rapid.Int64Range(0, 3).Draw(t, "a minute"), CallsPerDay: rapid.Int64Range(0, 1<<40).Draw(t, "a day"),
			WritesPerDay: rapid.Int64Range(0, 3).Draw(t, "writes")},
	}
	if rapid.IntRange(0, 3).Draw(t, "all changes") == 0 {
		rule.Changes = allowlist.Changes{"*"}
	}
	if len(rule.Confirm) > 0 && sometimes("within") {
		rule.ConfirmWithin = time.Duration(rapid.Int64Range(60, 30*24*3600).Draw(t, "seconds")) * time.Second
	}
	return rule
}

// TestEditorHasTheRule: a rule that is opened in the editor and sent as it came is the
// same rule, whatever it says. So every field of a rule has its place there.
func TestEditorHasTheRule(t *testing.T) {
	o := newOffice(t)
	o.app.Tools.Table = tools.NewTable(tools.Versions, tools.Process, tools.ApprovalsTool) // pages of all of them take long
	drawn := map[string]bool{}                                                             // fields of a rule that said something
	sorted := cmp.Options{cmpopts.EquateEmpty(), cmpopts.SortSlices(func(a, b string) bool { return a < b })}
	rapid.Check(t, func(rt *rapid.T) {
		rule := drawRule(rt, o.app.Tools.Table)
		if problems := (&request{app: o.app, language: english}).problemsOf(&config.Workspace{Workspace: allowlist.Workspace{Name: "demo", Profiles: testHosts()}}, rule); problems != nil {
			rt.Fatalf("%+v is not valid: %v", rule, problems)
		}
		r := &request{Request: httptest.NewRequest(http.MethodGet, "/", nil), app: o.app, workspace: "demo", language: rapid.SampledFrom([]string{english, french}).Draw(rt, "language")}
		p := r.page("")
		p.ruleForm(config.Workspace{Workspace: allowlist.Workspace{Name: "demo", Profiles: testHosts()}}, draft{rule: rule, known: rapid.Bool().Draw(rt, "known"), view: tools.Dispatch})
		again, problems := r.ruleOf(formOf(t, p.String(), agentsURL+"/rule"))
		if diff := cmp.Diff(rule, again, sorted); diff != "" || problems != nil {
			rt.Fatalf("%v (-opened +sent):\n%s", problems, diff)
		}
		v := reflect.ValueOf(rule)
		for i := range v.NumField() {
			if !v.Field(i).IsZero() {
				drawn[v.Type().Field(i).Name] = true
			}
		}
	})
	o.app.Tools.Table = tools.All
	whole := allowlist.Rule{Agent: "desk"}
	for _, op := range tools.All.Operations() {
		whole.Actions = append(whole.Actions, op.Tool+"."+op.Action)
	}
	r := &request{Request: httptest.NewRequest(http.MethodGet, "/", nil), app: o.app, workspace: "demo", language: english}
	p := r.page("")
	p.ruleForm(config.Workspace{Workspace: allowlist.Workspace{Name: "demo"}}, draft{rule: whole, view: tools.Dispatch})
	if again, _ := r.ruleOf(formOf(t, p.String(), agentsURL+"/rule")); !slices.Equal(again.Actions, whole.Actions) {
		t.Errorf("of %d actions the editor has %d", len(whole.Actions), len(again.Actions))
	}
	for i := range reflect.TypeFor[allowlist.Rule]().NumField() {
		if name := reflect.TypeFor[allowlist.Rule]().Field(i).Name; !drawn[name] {
			t.Errorf("field %s of a rule is not tried: has it its place in the editor?", name)
		}
	}
}

// TestSaveRule: what was typed is kept or comes back with what is wrong beside it; what
// somebody else has changed meanwhile is not overwritten.
func TestSaveRule(t *testing.T) {
	o := newOffice(t, allowlist.Rule{Agent: "desk", Preset: "read"})
	open := func() url.Values {
		t.Helper()
		return formOf(t, o.visit("admin", agentsURL+"/rule?agent=desk&host=", nil).body, agentsURL+"/rule")
	}
	wrong := open()
	for name, value := range map[string]string{"sObjectsDeny": "Opportunity, not a name!", "fieldsAllow": "Email", "callsPerMinute": "-1", "confirmWithin": "soon", "changes": "some"} {
		wrong.Set(name, value)
	}
	wrong["confirm"] = []string{"remove"}
	v := o.visit("admin", agentsURL+"/rule", wrong)
	for _, has := range []string{`id="sObjectsDeny-problem"`, `id="fieldsAllow-problem"`, `id="callsPerMinute-problem"`, `id="confirmWithin-problem"`, `id="changesOf-problem"`, "Opportunity, not a name!", `href="#fieldsAllow"`, `value="soon"`} {
		if !strings.Contains(v.body, has) {
			t.Errorf("what comes back does not have %q", has)
		}
	}
	if v.status != http.StatusUnprocessableEntity || !slices.ContainsFunc(elements(t, v.body, "textarea"), func(s string) bool { return s == "Email" }) {
		t.Errorf("what is wrong: %d", v.status)
	}
	if diff := cmp.Diff([]allowlist.Rule{{Agent: "desk", Preset: "read"}}, o.rules("demo")); diff != "" {
		t.Errorf("and was kept:\n%s", diff)
	}
	first, second := open(), open()
	first.Set("preset", "all")
	second.Set("preset", "read+add")
	if v := o.visit("admin", agentsURL+"/rule", first); v.status != http.StatusSeeOther {
		t.Fatalf("the first: %d %.300s", v.status, v.body)
	}
	remove := url.Values{"agent": {"desk"}, "host": {""}, "was": second["was"]}
	for path, form := range map[string]url.Values{"/rule": second, "/rule/remove": remove} {
		if v := o.visit("admin", agentsURL+path, form); v.status != http.StatusConflict || !strings.Contains(v.body, "Somebody changed this rule") {
			t.Errorf("%s of the second: %d", path, v.status)
		}
	}
	if diff := cmp.Diff([]allowlist.Rule{{Agent: "desk", Preset: "all"}}, o.rules("demo")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	remove.Set("was", open().Get("was"))
	if v := o.visit("admin", agentsURL+"/rule/remove", remove); v.status != http.StatusSeeOther || len(o.rules("demo")) != 0 || o.mayRead("desk") {
		t.Errorf("removed: %d, %+v", v.status, o.rules("demo"))
	}
	made := url.Values{"agent": {"desk"}, "host": {"factory"}, "allowed": {"yes"}, "preset": {"read"}, "actions": {"records.getThem"}, "changes": {"none"}}
	if v := o.visit("admin", agentsURL+"/rule", made); v.status != http.StatusUnprocessableEntity || len(o.rules("demo")) != 0 {
		t.Errorf("an action that is not in the table: %d, %+v", v.status, o.rules("demo"))
	}
}

// TestEffectsAreWords: no effect is told by its colour alone.
func TestEffectsAreWords(t *testing.T) {
	r := &request{app: &App{}, language: english}
	for _, effect := range allowlist.Effects(allowlist.PresetAll) {
		p := r.page("")
		p.effect(effect)
		if r.effectWord(effect) == "" || !strings.Contains(p.String(), ">"+r.effectWord(effect)+"<") || r.t(effectDoc[effect]) == "" {
			t.Errorf("%s: %s", effect, p.String())
		}
	}
	for _, tool := range tools.All {
		for _, op := range tool.Ops {
			if effectWords[op.Effect.String()] == "" {
				t.Errorf("%s.%s has no word for its effect", tool.Name, op.Action)
			}
		}
	}
}
