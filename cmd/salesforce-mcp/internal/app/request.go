package app

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// request is one request of a person, who has the right of its route. On a route for
// anyone the person may be nobody.
type request struct {
	*http.Request
	w         http.ResponseWriter
	app       *App
	person    Person
	workspace string // of the path; "" elsewhere
	language  string
}

// A Problem is an error that the person can do something about. Others are logged, and
// shown as "The server failed".
type Problem struct {
	Status int
	Text   string // in the reader's language
}

// Error implements error.
func (p *Problem) Error() string { return p.Text }

// errNothing is the error for a page that is not there, or that the person may not know
// to be there.
var errNothing = errors.New("there is no such page")

// problem is a [Problem] with a text as [request.t] takes it.
func (r *request) problem(status int, text string, args ...any) error {
	return &Problem{status, r.t(text, args...)}
}

// may reports whether the person has a right, in the workspace of the path for those
// that are of one.
func (r *request) may(right right) bool { return r.person.May(right, r.workspace) }

// serve serves a route to whoever has its right. Others learn nothing, not even whether
// the workspace exists.
func (a *App) serve(route route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		r := &request{Request: hr, w: w, app: a, workspace: hr.PathValue("workspace"), language: languageOf(hr)}
		if err := a.answer(route, r); err != nil {
			r.failed(err)
		}
	})
}

func (a *App) answer(route route, r *request) (err error) {
	if r.person, err = a.signedIn(r.Context()); err != nil {
		return err
	}
	if route.right != anyone && r.person.ID == "" {
		return r.toSignIn()
	}
	if r.workspace != "" {
		names, err := a.Names(r.Context())
		if err != nil {
			return err
		}
		if !slices.Contains(names, r.workspace) {
			return errNothing
		}
	}
	if !r.may(route.right) {
		return errNothing
	}
	return route.serve(r)
}

// failed shows an error.
func (r *request) failed(err error) {
	var problem *Problem
	var proof errProof
	switch {
	case errors.As(err, &proof):
		r.toConfirm()
		return
	case errors.As(err, &problem):
	case errors.Is(err, errNothing):
		r.workspace = "" // which may not be there
		problem = &Problem{http.StatusNotFound, r.t("There is no such page, or you may not see it.")}
	default:
		if !errors.Is(err, context.Canceled) {
			r.app.Log.Error().Err(err).Str("path", r.URL.Path).Msg("a page failed")
		}
		problem = &Problem{http.StatusInternalServerError, r.t("The server failed; its log has the cause.")}
	}
	p := r.page(http.StatusText(problem.Status))
	if title := statusTitle[problem.Status]; title != "" {
		p.title = r.t(title)
	}
	p.notice("error", problem.Text)
	if err := p.send(problem.Status); err != nil {
		r.app.Log.Debug().Err(err).Msg("a page could not be sent")
	}
}

// statusTitle has the titles of pages that show an error.
var statusTitle = map[int]string{
	http.StatusNotFound:            words("Not found"),
	http.StatusForbidden:           words("Not allowed"),
	http.StatusBadRequest:          words("This was not understood"),
	http.StatusConflict:            words("Somebody was faster"),
	http.StatusInternalServerError: words("The server failed"),
}

// partial reports whether htmx asked, for a part of the page.
func (r *request) partial() bool { return r.Header.Get("HX-Request") == "true" }

// toSignIn sends the browser to sign in, and back to the page that it wanted.
func (r *request) toSignIn() error {
	to := "/signin"
	if r.Method == http.MethodGet && r.URL.Path != "/" && !r.partial() {
		to += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	r.lead(to)
	return nil
}

// lead sends the browser to a page of this server; htmx leaves its page for it.
func (r *request) lead(path string) {
	if r.partial() {
		r.w.Header().Set("HX-Redirect", path)
		r.w.WriteHeader(http.StatusOK)
		return
	}
	http.Redirect(r.w, r.Request, path, http.StatusSeeOther)
}

// toConfirm sends the browser to prove again who this is, and back to the page that it
// was on.
func (r *request) toConfirm() {
	next := "/"
	if r.Method == http.MethodGet && !r.partial() {
		next = r.URL.RequestURI()
	} else if from, err := url.Parse(r.Referer()); err == nil && from.Host == r.Host {
		next = from.RequestURI()
	}
	r.lead("/confirm?next=" + url.QueryEscape(ownPath(next)))
}

// redirect sends the browser to a page of this server after a form was taken (Post,
// Redirect, Get). Flash is shown there once; "" for nothing.
func (r *request) redirect(path, flash string) error {
	if path != ownPath(path) {
		return fmt.Errorf("redirect to %q: it is no path of this server", path)
	}
	if flash != "" {
		r.app.sessions.Put(r.Context(), inFlash, flash)
	}
	r.lead(path)
	return nil
}

// ownPath returns the path, if it is one of this server, or else "/".
func ownPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") ||
		strings.ContainsAny(path, "\\") || strings.ContainsFunc(path, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return "/"
	}
	return path
}

// largestForm is how many bytes a form may have.
const largestForm = 1 << 20

// form returns the fields of a form that was sent. Their names and values are not
// checked.
func (r *request) form() (url.Values, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, r.problem(http.StatusUnsupportedMediaType, "Send the form of the page.")
	}
	r.Body = http.MaxBytesReader(r.w, r.Body, largestForm)
	if err := r.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, r.problem(http.StatusRequestEntityTooLarge, "The form is too large: it may have 1 MiB.")
		}
		return nil, r.problem(http.StatusBadRequest, "The form cannot be read.")
	}
	return r.PostForm, nil
}
