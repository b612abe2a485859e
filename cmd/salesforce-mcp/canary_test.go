package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log" //nolint:depguard // what net/http writes of a panic is looked through
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/connect"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/tools"
)

// A canaryWorld is a world all of whose secrets are marked, and all of whose output is
// kept.
type canaryWorld struct {
	*world
	*canaries
	sinks
	client  *http.Client
	telling *tellingOrg
	tokens  map[string]string // of hosts, by workspace
	panics  atomic.Bool       // whatever is asked for tokens next panics with one
}

// newCanaryWorld starts a world with a workspace for each auth mode, and two whose people
// connect: "people" has a host that vouches for them, "login" a provider where they sign
// in.
func newCanaryWorld(t *testing.T, change ...func(*config.Config)) (*canaryWorld, *openIDProvider) {
	t.Helper()
	cw := &canaryWorld{canaries: &canaries{}, tokens: map[string]string{}}
	output := &syncBuffer{}
	log.SetOutput(output)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	cw.addPEM("private key", text)
	app := fakeorg.Client{Key: "3MVG9" + rand.Text(), Secret: rand.Text(), PublicKey: &key.PublicKey, RunAs: fakeorg.IntegrationUser, RequireSecret: true, RequirePKCE: true, RotateRefreshTokens: true}
	cw.telling = newTellingOrg(t, cw.canaries, app)
	session := cw.telling.MintToken(fakeorg.IntegrationUser)
	cw.add("client secret", app.Secret)
	cw.add("access token", session)
	cw.add("client secret", providerSecret)
	provider := newOpenIDProvider(t)
	keys := filepath.Join(t.TempDir(), "master.key")
	w := startWorld(t, orgReady{Org: cw.telling.url, ClientID: app.Key, Username: fakeorg.IntegrationUser}, append([]func(*config.Config){func(c *config.Config) {
		c.LogLevel, c.Secrets.KeyFile = "debug", keys
		c.Login = &config.Login{Issuer: provider.url, ClientID: "salesforce-mcp", ClientSecret: providerSecret}
		first := c.Workspaces[0]
		c.Workspaces = nil
		for name, auth := range map[string]config.Auth{
			"a":      {Mode: "jwt", LoginURL: cw.telling.url, ClientID: app.Key, Username: fakeorg.IntegrationUser, PrivateKey: salesforce.Secret(text)},
			"cc":     {Mode: "clientCredentials", LoginURL: cw.telling.url, ClientID: app.Key},
			"at":     {Mode: "accessToken", InstanceURL: cw.telling.url, AccessToken: salesforce.Secret(session)},
			"people": {Mode: "oauth", LoginURL: cw.telling.url, ClientID: app.Key, ClientSecret: salesforce.Secret(app.Secret), Proof: "username"},
			"login":  {Mode: "oauth", LoginURL: cw.telling.url, ClientID: app.Key, ClientSecret: salesforce.Secret(app.Secret), Proof: "login"},
			"dead":   {Mode: "clientCredentials", LoginURL: "http://127.0.0.1:1", ClientID: app.Key, ClientSecret: salesforce.Secret(app.Secret)},
			"broken": {Mode: "jwt", LoginURL: cw.telling.url, ClientID: app.Key, Username: "u@x", PrivateKey: salesforce.Secret(strings.Replace(text, "M", "!", 1))},
		} {
			next, profile := first, *first.Profiles[0]
			cw.tokens[name] = "host-" + rand.Text()
			cw.add("host token", cw.tokens[name])
			profile.Tokens, profile.Vouches = []string{allowlist.HashToken(cw.tokens[name])}, name == "people"
			next.Name, next.Auth, next.Profiles = name, &auth, []*allowlist.Profile{&profile}
			c.Workspaces = append(c.Workspaces, next)
		}
	}}, change...)...)
	cw.world = w
	app.RedirectURIs = []string{w.origin + "/oauth/callback"}
	if err := cw.telling.SetClient(app); err != nil {
		t.Fatal(err)
	}
	if _, err := w.app.secrets.Put(t.Context(), "cc", "clientSecret", salesforce.Secret(app.Secret), 0); err != nil {
		t.Fatal(err)
	}
	if masters, err := os.ReadFile(keys); err == nil {
		cw.add("master key", strings.TrimSpace(string(masters)))
	}
	w.app.orgs.client = salesforce.New(salesforce.Options{Hosts: salesforce.Hosts{Loopback: true}, BodyLimit: largestAnswer, RetryBudget: -1}) // nobody waits
	orgs, workspace := w.app.server.Orgs, w.app.people.Workspace
	w.app.server.Orgs = orgsFunc(func(ctx context.Context, caller allowlist.Caller, sent func(salesforce.Exchange)) (tools.Org, error) {
		if cw.panics.Load() {
			panic(fmt.Sprintf("%v %+v", salesforce.Token{AccessToken: salesforce.Secret(session)}, w.app.config.Workspaces[0].Auth))
		}
		return orgs.Connect(ctx, caller, sent)
	})
	w.app.people.Workspace = func(ctx context.Context, name string) (connect.Workspace, error) {
		found, err := workspace(ctx, name)
		if cw.panics.Load() {
			panic(fmt.Sprintf("%v %+v %#v", found, w.app.config.Login, w.app.people))
		}
		return found, err
	}
	cw.client = &http.Client{Transport: overheard{cw.canaries, &cw.sinks, w.origin}}
	t.Cleanup(func() { // after the server has stopped, and closed its database
		cw.sinks.write("log", w.log.String())
		cw.sinks.write("standard log", output.String())
		cw.sinks.folder(t, w.app.config.Data)
		cw.sinks.check(t, cw.canaries)
		for _, kind := range []string{"client secret", "private key", "access token", "host token"} {
			if cw.count[kind] == 0 {
				t.Errorf("no %s was marked", kind)
			}
		}
		if t.Failed() {
			t.Logf("marked %v", cw.count)
		}
	})
	return cw, provider
}

type orgsFunc func(context.Context, allowlist.Caller, func(salesforce.Exchange)) (tools.Org, error)

func (f orgsFunc) Connect(ctx context.Context, caller allowlist.Caller, sent func(salesforce.Exchange)) (tools.Org, error) {
	return f(ctx, caller, sent)
}

// ask sends a request of a workspace's host, and returns the answer.
func (cw *canaryWorld) ask(workspace, method, path, contentType, body string) (status int, text string) {
	cw.t.Helper()
	r, err := http.NewRequest(method, cw.origin+"/w/"+workspace+"/"+path, strings.NewReader(body))
	if err != nil {
		cw.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+cw.tokens[workspace])
	r.Header.Set("Agent-Id", demoAgent)
	r.Header.Set("Content-Type", contentType)
	resp, err := cw.client.Do(r)
	if err != nil {
		return 0, err.Error() // an answer that was cut off, or a panic
	}
	defer func() { _ = resp.Body.Close() }()
	answer, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer)
}

// tool calls a tool for ann, and reports whether that succeeded.
func (cw *canaryWorld) tool(workspace, tool string, args map[string]any) bool {
	cw.t.Helper()
	named := map[string]any{"agent_id": demoAgent, "user_id": fakeorg.ServiceUser, "context_id": "c", "outputFormat": "both"}
	for name, value := range args {
		named[name] = value
	}
	_, answer := cw.ask(workspace, http.MethodPost, "mcp", "application/json", call(1, tool, named))
	return strings.Contains(answer, `"result"`) && !strings.Contains(answer, `"isError":true`)
}

// anOp is a case of testdata/ops.
type anOp struct {
	tool, action, instruction string
	args                      map[string]any
	responses                 []string
}

// allOps are the first cases of all operations.
func allOps(t *testing.T) (ops []anOp) {
	t.Helper()
	for _, tool := range tools.All {
		for _, op := range tool.Ops {
			file, err := txtar.ParseFile("../../testdata/ops/" + tool.Name + "." + op.Action + ".txtar")
			if err != nil {
				t.Fatal(err)
			}
			next := anOp{tool: tool.Name, action: op.Action, instruction: op.Instruction}
			for _, section := range file.Files {
				switch section.Name {
				case "args":
					d := json.NewDecoder(bytes.NewReader(section.Data))
					d.UseNumber()
					if err := d.Decode(&next.args); err != nil {
						t.Fatal(err)
					}
				case "response":
					next.responses = strings.Split(strings.TrimSuffix(string(section.Data), "\n"), "\n---\n")
				}
			}
			ops = append(ops, next)
		}
	}
	return ops
}

// do calls an operation in both ways. It returns how many succeeded.
func (cw *canaryWorld) do(op anOp) (good int) {
	cw.t.Helper()
	args := map[string]any{"action": op.action}
	for name, value := range op.args {
		args[name] = value
	}
	cw.telling.next(op.responses...)
	if cw.tool("a", op.tool, args) {
		good++
	}
	text, err := json.Marshal(op.args)
	if err != nil {
		cw.t.Fatal(err)
	}
	cw.telling.next(op.responses...)
	if status, _ := cw.ask("a", http.MethodPost, "instructions/"+op.instruction, "application/json", string(text)); status < 300 {
		good++
	}
	cw.telling.next()
	return good
}

// TestCanaries (attack 36): no secret is in anything that the server writes, whatever is
// asked of it and however the org, the provider or a host behaves.
func TestCanaries(t *testing.T) {
	cw, provider := newCanaryWorld(t)
	ops := allOps(t)
	good := 0
	for _, op := range ops {
		good += cw.do(op)
	}
	if good < len(ops)*17/10 { // not all are for both: a session with an agent is of one caller
		t.Errorf("%d of %d calls succeeded", good, 2*len(ops))
	}
	for i, op := range ops {
		for k, mode := range modesOfData {
			if i > 0 && (i+k)%2 != 0 { // the first meets them all, the others half of them
				continue
			}
			cw.telling.mode(dataPaths, mode)
			cw.do(op)
			cw.telling.mode(dataPaths, "")
			cw.tool("a", "versions", map[string]any{"action": "getLimits"}) // or else the org is left alone
		}
	}
	cw.people(provider)
	cw.refusals()
	cw.waiting()
	cw.hosts()
	cw.panicking()

	for _, e := range cw.entriesOfAll() {
		cw.sinks.write("audit", string(e.Line()))
	}
}

// refusals fails every login in every way.
func (cw *canaryWorld) refusals() {
	for _, workspace := range []string{"a", "cc", "at", "people", "dead", "broken"} {
		for _, mode := range modesOfTokens {
			cw.telling.Inject(fakeorg.Fault{Path: "/limits", ExpireTokens: true})
			cw.telling.mode(tokenPath, mode)
			for range 2 { // with the token that has ended, and without one
				if cw.tool(workspace, "versions", map[string]any{"action": "getLimits"}) && workspace != "at" {
					cw.t.Errorf("%s, %s: it works", workspace, mode)
				}
			}
			cw.ask(workspace, http.MethodPost, "testAuth?user_id="+fakeorg.ServiceUser, "", "")
			cw.ask(workspace, http.MethodGet, "oauth/status?user_id="+fakeorg.ServiceUser, "", "")
			cw.ask(workspace, http.MethodPost, "instructions/getLimits", "application/json", "{}")
			cw.telling.mode(tokenPath, "")
			cw.telling.mode(dataPaths, "")
			if workspace == "people" && !cw.tool(workspace, "versions", map[string]any{"action": "getLimits"}) {
				cw.dance(fakeorg.ServiceUser)
			}
		}
		for _, mode := range modesOfData {
			cw.telling.mode(dataPaths, mode)
			cw.telling.mode(userinfoPath, mode)
			cw.ask(workspace, http.MethodPost, "testAuth?user_id="+fakeorg.ServiceUser, "", "")
			cw.ask(workspace, http.MethodGet, "oauth/status?user_id="+fakeorg.ServiceUser, "", "")
			cw.telling.mode(dataPaths, "")
			cw.telling.mode(userinfoPath, "")
			cw.ask(workspace, http.MethodPost, "testAuth?user_id="+fakeorg.ServiceUser, "", "")
		}
	}
}

// waiting has calls end before the org has answered.
func (cw *canaryWorld) waiting() {
	cw.app.server.Timeout = 100 * time.Millisecond
	defer func() { cw.app.server.Timeout = callTimeout }()
	for _, path := range []string{dataPaths, tokenPath} {
		cw.telling.mode(path, "slow")
		for _, call := range []anOp{
			{tool: "versions", action: "getLimits", instruction: "getLimits"},
			{tool: "records", action: "create", instruction: "createRecord", args: map[string]any{"sObjectName": "Account", "body": map[string]any{"Name": "x"}}},
		} {
			if cw.do(call) > 0 {
				cw.t.Errorf("%s, %s: it did not wait", path, call.instruction)
			}
		}
		cw.telling.mode(path, "")
		cw.telling.Inject(fakeorg.Fault{Path: "/limits", ExpireTokens: true})
	}
	if !strings.Contains(cw.sinks.all["answer mcp"].text.String(), "did not answer in time") {
		cw.t.Error("no call has run out of time")
	}
}

// dance connects a person of the workspace people, as far as it goes.
func (cw *canaryWorld) dance(username string) *browser {
	b := cw.browser()
	_, answer := cw.ask("people", http.MethodPost, "mcp", "application/json", call(1, "versions", map[string]any{"action": "getLimits", "agent_id": demoAgent, "user_id": username, "context_id": "c"}))
	at := strings.Index(answer, cw.origin+"/w/people/oauth/connect?ticket=")
	if at < 0 {
		return b
	}
	b.open(answer[at : at+strings.IndexAny(answer[at:], `"\ `)]).follow()
	return b.salesforce(fakeorg.ServiceUser)
}

func (cw *canaryWorld) browser() *browser {
	b := newBrowser(cw.t.(*testing.T))
	b.client.Transport = cw.client.Transport
	return b
}

// people connects, fails to connect and disconnects people, in every way.
func (cw *canaryWorld) people(provider *openIDProvider) {
	cw.dance(fakeorg.ServiceUser).shows(200, "now work as")
	cw.dance("somebody@else.example").shows(403, "another user")
	for _, path := range []string{tokenPath, userinfoPath} {
		for _, mode := range modesOfTokens {
			cw.telling.mode(path, mode)
			if b := cw.dance("x" + fakeorg.ServiceUser); b.status < 400 {
				cw.t.Errorf("%s, %s: %d %s", path, mode, b.status, b.page)
			}
			cw.telling.mode(path, "")
		}
	}
	for _, mode := range append([]string{""}, modesOfTokens...) { // with revoking that fails
		cw.telling.mode(revokePath, mode)
		for _, how := range []string{"oauth/connect", "oauth/disconnect"} {
			status, answer := cw.ask("people", http.MethodPost, how+"?user_id="+fakeorg.ServiceUser, "", "")
			var links connect.Links
			if status != 200 || json.Unmarshal([]byte(answer), &links) != nil {
				cw.t.Errorf("%s: %d %s", how, status, answer)
			}
			if links.ConnectURL != "" {
				cw.browser().open(links.ConnectURL).follow().salesforce(fakeorg.ServiceUser)
			}
		}
		cw.telling.mode(revokePath, "")
	}
	cw.dance(fakeorg.ServiceUser).shows(200, "now work as")
	for _, fails := range []string{"", "echo", "refused"} {
		provider.fails = fails
		_, answer := cw.ask("login", http.MethodPost, "mcp", "application/json", call(1, "versions", map[string]any{"action": "getLimits", "agent_id": demoAgent, "user_id": "somebody", "context_id": "c"}))
		at := strings.Index(answer, cw.origin)
		b := cw.browser().open(answer[at : at+strings.IndexAny(answer[at:], `"\ `)]).follow()
		if fails == "" {
			b.salesforce(fakeorg.ServiceUser).shows(200, "now work as")
			cw.ask("login", http.MethodPost, "oauth/disconnect?user_id=somebody", "", "")
		}
	}
	b := cw.browser()
	for _, path := range []string{"/oauth/callback?state=", "/oauth/login?state=", "/oauth/callback?code=x&state=", "/w/people/oauth/connect?ticket=", "/w/people/oauth/disconnect?ticket="} {
		secret := rand.Text() // which nobody gave
		cw.add("guess", secret)
		b.open(cw.origin + path + url.QueryEscape(secret))
	}
	if cw.count["code_verifier"] == 0 || cw.count["code"] == 0 || cw.count["refresh_token"] == 0 || cw.count["ticket"] == 0 || cw.count["state"] == 0 || cw.count["cookie"] == 0 || cw.count["id_token"] == 0 && cw.count["access_token"] == 0 {
		cw.t.Errorf("marked %v", cw.count)
	}
}

// hosts tries to get in with what opens nothing.
func (cw *canaryWorld) hosts() {
	for _, kind := range []string{"Bearer", "Basic", "Digest", "Negotiate", ""} {
		for _, path := range []string{"/w/a/mcp", "/w/a/instructions/getLimits", "/w/none/mcp", "/w/a/oauth/status", "/readyz", "/healthz", "/.well-known/oauth-protected-resource/w/a/mcp", "/w/a/openapi.json"} {
			wrong := "wrong-" + rand.Text()
			cw.add("wrong token", wrong)
			r, err := http.NewRequest(http.MethodPost, cw.origin+path+"?token="+wrong+"&access_token="+wrong+"&"+url.QueryEscape(cw.tokens["a"]), strings.NewReader(`{"password":"`+wrong+`"`))
			if err != nil {
				cw.t.Fatal(err)
			}
			if strings.HasSuffix(path, "z") || strings.Contains(path, "well-known") || strings.HasSuffix(path, "json") || strings.HasSuffix(path, "status") {
				r.Method, r.Body = http.MethodGet, http.NoBody
			}
			r.Header.Set("Authorization", strings.TrimSpace(kind+" "+wrong))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Cookie", "salesforce-mcp="+wrong)
			for _, name := range []string{"X-Api-Key", "Mcp-Session-Id", "Last-Event-Id"} {
				r.Header.Set(name, wrong)
			}
			if resp, err := cw.client.Do(r); err == nil {
				_ = resp.Body.Close()
			}
		}
	}
}

// panicking has handlers panic with what they know.
func (cw *canaryWorld) panicking() {
	cw.panics.Store(true)
	defer cw.panics.Store(false)
	for _, workspace := range []string{"a", "people"} {
		cw.tool(workspace, "versions", map[string]any{"action": "getLimits"})
		cw.ask(workspace, http.MethodPost, "instructions/getLimits", "application/json", "{}")
		for _, path := range []string{"oauth/connect", "oauth/disconnect", "testAuth"} {
			cw.ask(workspace, http.MethodPost, path+"?user_id=ann", "", "")
		}
	}
	if !strings.Contains(cw.log.String(), "panic: ") {
		cw.t.Error("nothing has panicked")
	}
}

func (cw *canaryWorld) entriesOfAll() (all []audit.Entry) {
	for workspace := range cw.tokens {
		all = append(all, cw.entries(workspace)...)
	}
	return all
}
