package app

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/auth"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/connect"
	"salesforce-mcp/cmd/salesforce-mcp/internal/secrets"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
	"salesforce-mcp/salesforce"
	"salesforce-mcp/tools"
)

// secretLabels are what secrets are called on pages.
var secretLabels = map[string]string{
	"privateKey":   words("Private key"),
	"clientSecret": words("Consumer secret"),
	"accessToken":  words("Access token"),
}

// secretSection says that a secret is set, by whom and when, and never what it is.
func (r *request) secretSection(p *page, a *config.Auth) error {
	name := a.Secret().Name
	info, noted, err := r.app.Settings.SecretInfo(r.Context(), r.workspace, name)
	if err != nil {
		return err
	}
	_, _, err = r.app.Settings.Secrets.Get(r.Context(), r.workspace, name)
	there := err == nil
	p.Put(`<section><h2>{}</h2>`, r.t(secretLabels[name]))
	var unavailable *secrets.Unavailable
	switch {
	case errors.As(err, &unavailable):
		p.notice("error", r.t("The server’s secret store is not available; an operator finds the cause in its log."))
	case err != nil && !errors.Is(err, secrets.ErrNone):
		return err
	case there && noted:
		p.Put(`<p>{}</p>`, r.t("Set %s by %s. It is never shown again.", r.ago(info.At), info.By))
	case there:
		p.Put(`<p>{}</p>`, r.t("Set. It is never shown again."))
	case a.Mode == auth.ModeOAuth:
		p.Put(`<p>{}</p>`, r.t("Not set. An app may do without one, if it does not require it."))
	default:
		p.notice("warn", r.t("Not set: every call is refused until it is."))
	}
	if name == "privateKey" {
		p.Put(`<p>{}</p>`, r.t("The server can make the key: it stays here, and you upload its certificate to the app. With a new key, calls are refused until the app has its certificate."))
		label := r.t("Make a key")
		if there {
			label = r.t("Make a new key")
		}
		p.action(r.at("/authentication/key"), label)
		if there {
			p.Put(`<p><a class="button" href="{}" download>{}</a></p>`, r.at("/authentication/certificate"), r.t("Download the certificate"))
		}
		p.more(r.t("Use a key that you have"), r.at("/authentication/secret"))
	} else {
		label := r.t("Set it")
		if there {
			label = r.t("Replace it")
		}
		p.more(label, r.at("/authentication/secret"))
	}
	p.Put(`</section>`)
	return nil
}

// secretNeeded is the secret that the saved mode needs. Workspaces of the file have theirs
// elsewhere.
func (r *request) secretNeeded() (string, error) {
	w, err := r.current()
	if err != nil {
		return "", err
	}
	if w.Declared {
		return "", r.declared()
	}
	if w.Auth == nil {
		return "", r.problem(http.StatusConflict, "Choose a mode and save its settings first.")
	}
	return w.Auth.Secret().Name, nil
}

func secretPage(r *request) error {
	if err := r.confirmed(); err != nil {
		return err
	}
	return r.showSecret(http.StatusOK, "")
}

func (r *request) showSecret(status int, problem string) error {
	name, err := r.secretNeeded()
	if err != nil {
		return err
	}
	p := r.page(r.t(secretLabels[name]))
	f := field{name: "value", label: r.t(secretLabels[name]), problem: problem, required: true, autocomplete: "off", kind: "password", hint: r.t("It is stored sealed, and never shown again. The next call uses it.")}
	p.problems(f)
	p.Put(`<form method="post" action="{}">`, r.at("/authentication/secret"))
	if name == "privateKey" {
		f.hint, f.rows = r.t("An RSA key in PEM, without passphrase, from -----BEGIN PRIVATE KEY----- to -----END PRIVATE KEY-----. It is stored sealed, and never shown again."), 12
		p.textarea(f)
	} else {
		p.field(f)
	}
	p.button(r.t("Save"))
	p.Put(`</form>`)
	p.more(r.t("Back"), r.at("/authentication"))
	return p.send(status)
}

// secretForm stores the secret.
func secretForm(r *request) error {
	f, err := r.form()
	if err != nil {
		return err
	}
	if err := r.confirmed(); err != nil {
		return err
	}
	name, err := r.secretNeeded()
	if err != nil {
		return err
	}
	err = r.app.Settings.SetSecret(r.Context(), r.workspace, name, r.author(), salesforce.Secret(strings.TrimSpace(f.Get("value"))))
	var invalid *settings.Invalid
	if errors.As(err, &invalid) {
		return r.showSecret(http.StatusUnprocessableEntity, invalid.Problems[0].Text)
	}
	if err != nil {
		return r.settingsError(err)
	}
	return r.redirect(r.at("/authentication"), r.t("The %s is stored. Test the connection now.", r.t(secretLabels[name])))
}

// keyForm makes a key pair, whose private half stays in the secret store.
func keyForm(r *request) error {
	if _, err := r.form(); err != nil {
		return err
	}
	if err := r.confirmed(); err != nil {
		return err
	}
	name, err := r.secretNeeded()
	if err != nil {
		return err
	}
	if name != "privateKey" {
		return r.problem(http.StatusConflict, "This mode does not sign with a key.")
	}
	key, err := settings.NewKey()
	if err != nil {
		return err
	}
	if err := r.app.Settings.SetSecret(r.Context(), r.workspace, name, r.author(), key); err != nil {
		return r.settingsError(err)
	}
	return r.redirect(r.at("/authentication"), r.t("The key is made. Download its certificate, and upload it to the app in Salesforce."))
}

// certificateDays is how long a certificate is good for.
const certificateDays = 730

// certificateFile is the certificate of the private key that is stored.
func certificateFile(r *request) error {
	name, err := r.secretNeeded()
	if err != nil {
		return err
	}
	key, _, err := r.app.Settings.Secrets.Get(r.Context(), r.workspace, name)
	if errors.Is(err, secrets.ErrNone) || name != "privateKey" {
		return errNothing
	}
	if err != nil {
		return err
	}
	text, err := settings.Certificate(key, "salesforce-mcp "+r.workspace, certificateDays)
	if err != nil {
		return err
	}
	r.w.Header().Set("Content-Type", "application/x-pem-file")
	r.w.Header().Set("Content-Disposition", `attachment; filename="`+r.workspace+`-certificate.crt"`)
	_, _ = r.w.Write(text) // the browser may be gone
	return nil
}

// connectSection lets an admin connect a person of a host, or end their connection.
func (r *request) connectSection(p *page, w settings.Workspace, typed url.Values, problems map[string]string) {
	p.Put(`<section><h2>{}</h2>`, r.t("Connect a person"))
	if w.Auth.Proof == string(connect.ByBridge) {
		p.Put(`<p>{}</p>`, r.t("With the proof bridge people connect in the settings of their host: only it knows who opens a link."))
	} else {
		p.Put(`<p>{}</p>`, r.t("Try it with your own user. Whoever opens the link must prove to be the user that is named."))
	}
	host := field{name: "host", label: r.t("Host")}
	for _, profile := range w.Profiles {
		if len(profile.User) > 0 {
			host.options = append(host.options, option{profile.Name, profile.Name})
		}
	}
	if host.options == nil {
		p.notice("info", r.t("No host of this workspace names its users yet: add one on the page MCP endpoint."))
		p.Put(`</section>`)
		return
	}
	user := field{name: "user", label: r.t("User"), value: r.person.Account, problem: problems["user"], required: true, autocomplete: "off", hint: r.t("As the host calls the person.")}
	if typed.Has("user") {
		user.value, host.value = typed.Get("user"), typed.Get("host")
	}
	p.Put(`<form method="post" action="{}" class="narrow">`, r.at("/authentication/connect"))
	p.choice(host)
	p.field(user)
	if w.Auth.Proof != string(connect.ByBridge) {
		p.button(r.t("Connect"))
	}
	p.Put(` <button class="danger" formaction="{}">{}</button></form></section>`, r.at("/authentication/disconnect"), r.t("Disconnect"))
}

// connected reads whom a form of connectSection is about.
func (r *request) connected() (caller allowlist.Caller, err error) {
	f, err := r.form()
	if err != nil {
		return caller, err
	}
	w, err := r.current()
	if err != nil {
		return caller, err
	}
	caller = allowlist.Caller{Workspace: r.workspace, Host: f.Get("host"), User: f.Get("user")}
	known := slices.ContainsFunc(w.Profiles, func(p *allowlist.Profile) bool { return p.Name == caller.Host && len(p.User) > 0 })
	if !known || caller.User == "" || len(caller.User) > 200 || caller.User != strings.TrimSpace(caller.User) {
		return caller, r.problem(http.StatusUnprocessableEntity, "Name a host of the workspace, and a user as the host calls them.")
	}
	return caller, nil
}

func connectForm(r *request) error {
	caller, err := r.connected()
	if err != nil {
		return err
	}
	link := ""
	err = r.recordedOf("invite", "act", caller, func() (err error) {
		link, err = r.app.People.Invite(r.Context(), caller)
		return err
	})
	if errors.Is(err, connect.ErrUnprovable) {
		return r.problem(http.StatusConflict, "With the proof bridge people connect in the settings of their host: only it knows who opens a link.")
	}
	if err != nil {
		return r.connectError(err)
	}
	return r.showAuthentication(http.StatusOK, nil, nil, func(p *page) {
		p.notice("ok", r.t("Open this link to connect %s. It is good once, for ten minutes.", caller.User))
		p.Put(`<p><a class="button" href="{}">{}</a></p>`, link, r.t("Go on"))
	})
}

func disconnectForm(r *request) error {
	caller, err := r.connected()
	if err != nil {
		return err
	}
	if err := r.recordedOf("disconnect", "remove", caller, func() error { return r.app.People.Disconnect(r.Context(), caller) }); err != nil {
		return r.connectError(err)
	}
	return r.redirect(r.at("/authentication"), r.t("%s is not connected any more.", caller.User))
}

// recordedOf does something about the connection of another person, whom the audit trail
// names beside the one who does it.
func (r *request) recordedOf(action, effect string, of allowlist.Caller, work func() error) error {
	entry := audit.Entry{Workspace: r.workspace, User: r.person.Account, By: r.person.Account, Tool: "connection", Action: action, Effect: effect}
	return r.app.recorded(r.Context(), entry, map[string]any{"host": of.Host, "user": of.User}, work)
}

// connectError is an error of a connection for the person in front of it.
func (r *request) connectError(err error) error {
	if e := tools.AsError(err); e.Code != tools.Internal {
		return &Problem{http.StatusConflict, e.Message}
	}
	return err
}
