package app

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/connect"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
	"salesforce-mcp/salesforce"
)

var authenticationRoutes = []route{
	{"GET /workspaces/{workspace}/authentication", see, authenticationPage},
	{"POST /workspaces/{workspace}/authentication", administer, authenticationForm},
	{"POST /workspaces/{workspace}/authentication/test", administer, testForm},
	{"GET /workspaces/{workspace}/authentication/secret", administer, secretPage},
	{"POST /workspaces/{workspace}/authentication/secret", administer, secretForm},
	{"POST /workspaces/{workspace}/authentication/key", administer, keyForm},
	{"GET /workspaces/{workspace}/authentication/certificate", administer, certificateFile},
	{"POST /workspaces/{workspace}/authentication/connect", administer, connectForm},
	{"POST /workspaces/{workspace}/authentication/disconnect", administer, disconnectForm},
}

// A Connection is what a test of a workspace's credentials has found.
type Connection struct {
	Origin        string // of the org, or of the login host where people connect
	Username      string // whom the token is of; "" where it does not say so
	Left, Allowed int    // API calls of the day; Allowed is 0 where the org does not say
	People        bool   // people connect: there is no token yet
}

// people are connected with their own Salesforce users. *connect.People is one.
type people interface {
	Invite(ctx context.Context, caller allowlist.Caller) (link string, err error)
	Disconnect(ctx context.Context, caller allowlist.Caller) error
}

// author is the person, as who changes settings: not by the name that they choose.
func (r *request) author() settings.Author {
	return settings.Author{ID: r.person.Account, Name: r.person.Account}
}

// An authMode is one way to get tokens, as the page explains it.
type authMode struct {
	mode, name, preamble string
	fields               []string // of authFields, in order
	steps                []string // in Salesforce's Setup, in order; %s is the callback URL
}

// appStep begins the app of every mode but accessToken. Names are those of Salesforce
// Help, "Configure the External Client App OAuth Settings" and "Preauthorize User App
// Access".
var appStep = words("In Salesforce, open Setup, search External Client App Manager, and choose New External Client App. Give it a name and a contact, then open API (Enable OAuth Settings) and tick Enable OAuth.")

var (
	scopeStep = words("Under OAuth Scopes add Manage user data via APIs (api) and Perform requests at any time (refresh_token, offline_access).")
	keyStep   = words("Save the app. Under Settings, OAuth Settings, choose Consumer Key and Secret, and copy what the form below asks for. Login hosts know a new app after some minutes.")
)

var authModes = []authMode{
	{auth.ModeJWT, words("JWT bearer"), words("Agents work as one integration user. The server signs in with a private key, whose certificate the app has; nobody signs in by hand, and no secret is sent."),
		[]string{"loginURL", "clientID", "username", "audience"},
		[]string{appStep, words("As Callback URL any will do, such as https://localhost/; none is used."), scopeStep,
			words("Under Flow Enablement tick Enable JWT Bearer Flow, and upload the certificate: make the key below, then download it."), keyStep,
			words("Under Policies set Permitted Users to Admin approved users are pre-authorized, and select a permission set or profile that the integration user has.")}},
	{auth.ModeClientCredentials, words("Client credentials"), words("Agents work as the user that the app names in Run As. The server signs in with the app’s secret."),
		[]string{"loginURL", "clientID"},
		[]string{appStep, words("As Callback URL any will do, such as https://localhost/; none is used."), scopeStep,
			words("Under Flow Enablement tick Enable Client Credentials Flow."), keyStep,
			words("Under Policies tick Enable Client Credentials Flow there too, and name an integration user in Run As.")}},
	{auth.ModeOAuth, words("Each person’s own user"), words("Each person connects their own Salesforce user once, in a browser. Agents that work for them then have their rights, and no more."),
		[]string{"loginURL", "clientID", "scopes", "proof"},
		[]string{appStep, words("As Callback URL copy the one below, to the letter."), scopeStep,
			words("Under Security tick Require secret for Web Server Flow, Require secret for Refresh Token Flow, Require Proof Key for Code Exchange (PKCE) and Enable Refresh Token Rotation."), keyStep,
			words("Under Policies either let All users self-authorize, or pre-authorize the permission sets of those who may connect.")}},
	{auth.ModeAccessToken, words("Access token"), words("For a trial: a session id or access token that you already have. When Salesforce ends it, calls are refused until there is another."),
		[]string{"instanceURL"}, nil},
}

func modeOf(name string) *authMode {
	i := slices.IndexFunc(authModes, func(m authMode) bool { return m.mode == name })
	if i < 0 {
		return &authModes[0]
	}
	return &authModes[i]
}

// An authField is a setting, and how the errors of package auth call it.
type authField struct {
	name, label, hint, called string
	required                  bool
	of                        func(*config.Auth) *string
}

var authFields = []authField{
	{"loginURL", words("Login URL"), words("The org’s My Domain, such as https://acme.my.salesforce.com. Where the mode takes it also https://login.salesforce.com, or https://test.salesforce.com for a sandbox."), "login URL", true, func(a *config.Auth) *string { return &a.LoginURL }},
	{"clientID", words("Consumer key"), words("The app’s, also called client id."), "client id", true, func(a *config.Auth) *string { return &a.ClientID }},
	{"username", words("Username"), words("Of the integration user that agents work as, such as agent@acme.example."), "username", true, func(a *config.Auth) *string { return &a.Username }},
	{"audience", words("Audience"), words("Of the JWT. It follows from the login URL; leave it empty unless Salesforce told you otherwise."), "audience", false, func(a *config.Auth) *string { return &a.Audience }},
	{"scopes", words("OAuth scopes"), words("What people are asked to grant, with blanks between. Empty means api refresh_token."), "scopes", false, func(a *config.Auth) *string { return &a.Scopes }},
	{"proof", words("Proof of who connects"), words("How the person in the browser is proven to be the user for whom the link was made. Without a proof somebody could have a colleague connect for them."), "proof", true, func(a *config.Auth) *string { return &a.Proof }},
	{"instanceURL", words("Instance URL"), words("The org that the token is for, such as https://acme.my.salesforce.com."), "login URL", true, func(a *config.Auth) *string { return &a.InstanceURL }},
}

func authFieldOf(name string) authField {
	return authFields[slices.IndexFunc(authFields, func(f authField) bool { return f.name == name })]
}

// proofs are those that a workspace may choose.
var proofs = []struct{ value, label string }{
	{string(connect.ByLogin), words("login: they sign in with the server’s OpenID provider")},
	{string(connect.ByBridge), words("bridge: the host gives the link to its own signed-in user only")},
	{string(connect.ByUsername), words("username: the host’s user ids are Salesforce usernames")},
	{string(connect.Unproven), words("none: nothing, on a server with a simulated org only")},
}

// current is the workspace of the path.
func (r *request) current() (settings.Workspace, error) {
	w, err := r.app.Settings.Workspace(r.Context(), r.workspace)
	if errors.Is(err, settings.ErrNone) {
		err = errNothing
	}
	return w, err
}

// state says above a page what keeps the workspace from being changed, or from working.
func (p *page) state(w settings.Workspace) {
	r := p.r
	switch {
	case w.Hidden:
		p.notice("warn", r.t("A workspace of this name stands in the configuration file and in the database. The file’s counts."))
	case w.Declared:
		p.notice("info", r.t("This workspace stands in the configuration file, and is changed there."))
	case w.Suspended:
		p.notice("warn", r.t("This workspace is suspended: it refuses every call."))
	}
	if w.Problem != "" {
		p.notice("error", r.t("This workspace is not in force: %s", w.Problem))
	}
}

func authenticationPage(r *request) error {
	return r.showAuthentication(http.StatusOK, nil, nil, func(*page) {})
}

// showAuthentication shows the settings, or what was typed and what is wrong with it.
// What has happened is said first.
func (r *request) showAuthentication(status int, typed url.Values, problems map[string]string, said func(*page)) error {
	w, err := r.current()
	if err != nil {
		return err
	}
	a := config.Auth{Mode: auth.ModeJWT, LoginURL: "https://login.salesforce.com"}
	if w.Auth != nil {
		a = *w.Auth
	}
	chosen := modeOf(firstOf(typed.Get("mode"), r.FormValue("mode"), a.Mode))
	p := r.page(r.t("Authentication"))
	p.state(w)
	said(p)
	change := !w.Declared && r.may(administer)
	saved := w.Auth != nil && modeOf(a.Mode) == chosen
	if w.Auth == nil {
		p.notice("info", r.t("Salesforce is not configured for this workspace yet: every call is refused."))
	}
	if !change {
		r.authFacts(p, w, chosen, &a)
		return p.send(status)
	}
	p.Put(`<form method="get" class="narrow">`)
	choice := field{name: "mode", label: r.t("Mode"), value: chosen.mode}
	for _, m := range authModes {
		choice.options = append(choice.options, option{m.mode, r.t(m.name)})
	}
	p.choice(choice)
	p.Put(`<button class="second">{}</button></form><section><h2>{}</h2><p>{}</p>`, r.t("Show this mode"), r.t(chosen.name), r.t(chosen.preamble))
	r.walkThrough(p, chosen)
	p.Put(`</section><section><h2>{}</h2>`, r.t("Settings"))
	var fields []field
	for _, name := range chosen.fields {
		fields = append(fields, r.authField(authFieldOf(name), &a, typed, problems[name], saved))
	}
	version := field{name: "apiVersion", label: r.t("API version"), hint: r.t("Of the REST API, such as v62.0."), value: w.APIVersion, problem: problems["apiVersion"], autocomplete: "off", required: true}
	if typed != nil {
		version.value = typed.Get("apiVersion")
	}
	fields = append(fields, version)
	p.problems(fields...)
	if other := problems[""]; other != "" {
		p.notice("error", other)
	}
	p.Put(`<form method="post" action="{}"><input type="hidden" name="mode" value="{}">`, r.at("/authentication"), chosen.mode)
	for _, f := range fields {
		if f.options != nil {
			p.choice(f)
		} else {
			p.field(f)
		}
	}
	p.button(r.t("Save"))
	p.Put(`</form></section>`)
	if !saved {
		return p.send(status)
	}
	if err := r.secretSection(p, &a); err != nil {
		return err
	}
	p.Put(`<section><h2>{}</h2><p>{}</p>`, r.t("Test connection"), r.t("Gets a token with these settings, makes one request, and reads the org’s limits."))
	p.action(r.at("/authentication/test"), r.t("Test connection"))
	p.Put(`</section>`)
	if chosen.mode == auth.ModeOAuth {
		r.connectSection(p, w, typed, problems)
	}
	return p.send(status)
}

// at is a path below that of the workspace.
func (r *request) at(path string) string { return "/workspaces/" + r.workspace + path }

func firstOf(all ...string) string {
	for _, text := range all {
		if text != "" {
			return text
		}
	}
	return ""
}

// authField is a setting as a field of the form.
func (r *request) authField(f authField, a *config.Auth, typed url.Values, problem string, saved bool) field {
	made := field{name: f.name, label: r.t(f.label), hint: r.t(f.hint), problem: problem, required: f.required, autocomplete: "off"}
	if saved || f.name == "loginURL" {
		made.value = *f.of(a)
	}
	if typed != nil {
		made.value = typed.Get(f.name)
	}
	if f.name != "proof" {
		return made
	}
	for _, o := range proofs {
		offered := o.value != string(connect.Unproven) && (o.value != string(connect.ByLogin) || r.app.Login != nil)
		if offered || made.value == o.value {
			made.options = append(made.options, option{o.value, r.t(o.label)})
		}
	}
	return made
}

// authFacts shows the settings to whoever does not change them.
func (r *request) authFacts(p *page, w settings.Workspace, m *authMode, a *config.Auth) {
	if w.Auth == nil {
		return
	}
	facts := []string{r.t("Mode"), r.t(m.name)}
	for _, name := range m.fields {
		f := authFieldOf(name)
		if value := *f.of(a); value != "" {
			facts = append(facts, r.t(f.label), value)
		}
	}
	p.Put(`<p>{}</p>`, r.t(m.preamble))
	p.facts(append(facts, r.t("API version"), w.APIVersion)...)
	if r.may(administer) && w.Problem == "" {
		p.action(r.at("/authentication/test"), r.t("Test connection"))
	}
}

// walkThrough lists the clicks in Salesforce's Setup.
func (r *request) walkThrough(p *page, m *authMode) {
	if m.steps == nil {
		return
	}
	p.Put(`<details><summary>{}</summary><ol>`, r.t("Make the External Client App, click by click"))
	for _, step := range m.steps {
		p.Put(`<li>{}</li>`, r.t(step))
	}
	p.Put(`</ol></details>`)
	if m.mode == auth.ModeOAuth {
		p.Put(`<h3>{}</h3>`, r.t("Callback URL"))
		p.code(r.t("Callback URL"), r.app.Origin+"/oauth/callback")
	}
}

// authenticationForm saves a mode with its settings.
func authenticationForm(r *request) error {
	f, err := r.form()
	if err != nil {
		return err
	}
	mode := modeOf(f.Get("mode"))
	if mode.mode != f.Get("mode") {
		return r.problem(http.StatusBadRequest, "There is no such mode.")
	}
	err = r.app.Settings.Change(r.Context(), r.workspace, r.author(), func(w *config.Workspace) error {
		w.Auth = &config.Auth{Mode: mode.mode}
		for _, name := range mode.fields {
			*authFieldOf(name).of(w.Auth) = strings.TrimSpace(f.Get(name))
		}
		w.APIVersion = strings.TrimSpace(f.Get("apiVersion"))
		return nil
	})
	var invalid *settings.Invalid
	if errors.As(err, &invalid) {
		return r.showAuthentication(http.StatusUnprocessableEntity, f, r.authProblems(invalid, mode), func(*page) {})
	}
	if err != nil {
		return r.settingsError(err)
	}
	return r.redirect(r.at("/authentication"), r.t("Saved. It holds from the next call on."))
}

// settingsError is an error of a change for the person who made it.
func (r *request) settingsError(err error) error {
	var invalid *settings.Invalid
	switch {
	case errors.Is(err, settings.ErrDeclared):
		return r.declared()
	case errors.Is(err, settings.ErrNone):
		return errNothing
	case errors.As(err, &invalid):
		return &Problem{http.StatusUnprocessableEntity, invalid.Error()}
	}
	return err
}

// authProblems are problems of settings by the field that has them; "" has the others.
func (r *request) authProblems(e *settings.Invalid, m *authMode) map[string]string {
	found := map[string]string{}
	for _, problem := range e.Problems {
		at := ""
		name := strings.TrimPrefix(problem.Field, "auth.")
		if slices.Contains(m.fields, name) || name == "apiVersion" {
			at = name
		}
		for _, own := range m.fields {
			if problem.Field == "auth" && at == "" && strings.Contains(problem.Text, "the "+authFieldOf(own).called+" is ") {
				at = own
			}
		}
		text := problem.Text
		if at == "" {
			text = strings.TrimPrefix(problem.Field+": "+text, ": ")
		}
		found[at] = strings.TrimSpace(found[at] + " " + text)
	}
	return found
}

// testForm tests what is saved, and says what to mend.
func testForm(r *request) error {
	if _, err := r.form(); err != nil {
		return err
	}
	began := time.Now()
	at, err := r.app.Try(r.Context(), r.workspace)
	return r.showAuthentication(http.StatusOK, nil, nil, func(p *page) {
		var unavailable *secrets.Unavailable
		switch {
		case errors.As(err, &unavailable):
			r.app.Log.Error().Err(err).Str("workspace", r.workspace).Msg("the test of a connection found no secret store")
			p.notice("error", r.t("The server’s secret store is not available; an operator finds the cause in its log."))
		case err != nil:
			p.notice("error", r.t("The test failed: %s", explained(err)))
		case at.People:
			p.notice("ok", r.t("%s knows the app, its secret and the callback URL. People can connect.", at.Origin))
		default:
			p.notice("ok", r.t("%s gave a token, in %d ms.", at.Origin, time.Since(began).Milliseconds()))
			facts := []string{r.t("Org"), at.Origin}
			if at.Username != "" {
				facts = append(facts, r.t("Agents work as"), at.Username)
			}
			if at.Allowed > 0 {
				facts = append(facts, r.t("API calls left today"), r.t("%s of %s", r.number(int64(at.Left)), r.number(int64(at.Allowed))))
			}
			p.facts(facts...)
		}
	})
}

// explained is what a person reads of a failed test: the errors of packages auth and
// salesforce are written for whoever set the connection up, and hold no secret.
func explained(err error) string {
	var e *auth.Error
	if errors.As(err, &e) {
		return e.Message
	}
	var s *salesforce.Error
	if errors.As(err, &s) {
		return s.Error()
	}
	return err.Error()
}
