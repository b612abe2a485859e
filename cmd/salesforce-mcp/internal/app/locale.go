package app

import (
	"fmt"
	"net/http"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// The languages of the pages.
const (
	english = "en"
	french  = "fr"
)

var languages = language.NewMatcher([]language.Tag{language.English, language.French})

// languageCookie holds the language that a person has chosen.
const languageCookie = "salesforce-mcp-language"

// languageOf is the language of who reads: what they have chosen, or what their browser
// asks for.
func languageOf(r *http.Request) string {
	if c, err := r.Cookie(languageCookie); err == nil && (c.Value == english || c.Value == french) {
		return c.Value
	}
	if _, i := language.MatchStrings(languages, r.Header.Get("Accept-Language")); i == 1 {
		return french
	}
	return english
}

// words marks a text that [request.t] is given as a variable, so that the tests find
// its French.
func words(text string) string { return text }

// t is a text in the reader's language. The English text, with the verbs of package fmt,
// is the key. French may number its arguments: %[2]s.
func (r *request) t(text string, args ...any) string {
	if r.language == french {
		if translated, ok := inFrench[text]; ok {
			text = translated
		}
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// count is a text for a number of things, as in "%d agent" and "%d agents". French has
// the singular for 0 too.
func (r *request) count(n int, one, many string) string {
	if n == 1 || n == 0 && r.language == french {
		return r.t(one, n)
	}
	return r.t(many, n)
}

var printers = map[string]*message.Printer{english: message.NewPrinter(language.English), french: message.NewPrinter(language.French)}

// number is a number with its thousands apart.
func (r *request) number(n int64) string { return printers[r.language].Sprint(n) }

var frenchMonths = [...]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}

// date is a time to the minute, in UTC.
func (r *request) date(t time.Time) string {
	t = t.UTC()
	if r.language == french {
		return fmt.Sprintf("%d %s %d à %s UTC", t.Day(), frenchMonths[t.Month()-1], t.Year(), t.Format("15:04"))
	}
	return t.Format("2 January 2006, 15:04 UTC")
}

// ago is how long ago a time was, roughly.
func (r *request) ago(t time.Time) string {
	d := time.Since(t)
	switch {
	case d < time.Minute:
		return r.t("just now")
	case d < time.Hour:
		return r.count(int(d.Minutes()), "%d minute ago", "%d minutes ago")
	case d < 24*time.Hour:
		return r.count(int(d.Hours()), "%d hour ago", "%d hours ago")
	case d < 60*24*time.Hour:
		return r.count(int(d.Hours()/24), "%d day ago", "%d days ago")
	}
	return r.date(t)
}

// chooseLanguage keeps the language that a person chooses.
func chooseLanguage(r *request) error {
	f, err := r.form()
	if err != nil {
		return err
	}
	choice := f.Get("language")
	if choice != english && choice != french {
		return r.problem(http.StatusBadRequest, "There is no such language.")
	}
	http.SetCookie(r.w, &http.Cookie{Name: languageCookie, Value: choice, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, Secure: r.app.secure(), SameSite: http.SameSiteLaxMode}) //nolint:gosec // Secure wherever browsers take it
	return r.redirect(ownPath(f.Get("next")), "")
}
