package app

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
)

// SetupLink returns the link of the first start, with which somebody becomes the owner.
func (a *App) SetupLink(origin string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ticket == "" {
		a.ticket = rand.Text()
	}
	return origin + "/setup?ticket=" + a.ticket
}

func (a *App) ticketIs(ticket string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ticket != "" && subtle.ConstantTimeCompare([]byte(ticket), []byte(a.ticket)) == 1
}

func setupPage(r *request) error {
	ticket := r.URL.Query().Get("ticket")
	if !r.app.ticketIs(ticket) {
		return r.problem(http.StatusNotFound, "This link is not good any more.")
	}
	p := r.page(r.t("Set up salesforce-mcp"))
	p.aside = true
	p.Put(`<form method="post" class="narrow"><input type="hidden" name="ticket" value="{}">`, ticket)
	p.field(field{name: "name", label: r.t("Your name"), autocomplete: "name", required: true})
	p.button(r.t("Begin"))
	p.Put(`</form>`)
	return p.send(http.StatusOK)
}

func setupForm(r *request) error {
	f, err := r.form()
	if err != nil {
		return err
	}
	if !r.app.ticketIs(f.Get("ticket")) || f.Get("name") == "" {
		return r.problem(http.StatusNotFound, "This link is not good any more.")
	}
	if err := r.app.sessions.RenewToken(r.Context()); err != nil {
		return err
	}
	r.app.sessions.Put(r.Context(), "person", f.Get("name"))
	return r.redirect("/", "")
}

func signInPage(r *request) error {
	p := r.page(r.t("Sign in"))
	p.aside = true
	p.notice("info", r.t("Open the link that the server printed when it started."))
	return p.send(http.StatusOK)
}

func signInForm(r *request) error { return signInPage(r) }

func signOut(r *request) error {
	if err := r.app.sessions.Destroy(r.Context()); err != nil {
		return err
	}
	http.Redirect(r.w, r.Request, "/signin", http.StatusSeeOther)
	return nil
}
