package fakeorg

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

//go:embed pages/*.html
var pageFiles embed.FS

// The pages people see.
var (
	loginPage   = pageTemplate("login.html")
	consentPage = pageTemplate("consent.html")
	problemPage = pageTemplate("problem.html")
)

func pageTemplate(name string) *template.Template {
	return template.Must(template.ParseFS(pageFiles, "pages/layout.html", "pages/"+name))
}

// loginForm is what the login page shows.
type loginForm struct {
	Login, App, Problem, Username, Password string
	People                                  []loginPerson
}

// loginPerson is a user who can log in.
type loginPerson struct{ Username, Name, Title string }

// consent is what the consent page shows. Other is where somebody else logs in.
type consent struct {
	Login, App, Username string
	Scopes               []string
	Other                string
}

// problem is an error that is told to the person only. Code is as the platform writes it on its page.
type problem struct{ Text, Code string }

// htmlPage is a page. It runs no script, and no other site may show it in a frame.
func htmlPage(status int, t *template.Template, content any) (*answer, error) {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout.html", content); err != nil {
		return nil, err
	}
	header := pageHeader()
	header.Set("Content-Type", "text/html; charset=utf-8")
	return &answer{status: status, header: header, body: b.Bytes()}, nil
}

func pageHeader() http.Header {
	return http.Header{
		"Cache-Control":           {"no-store"},
		"Content-Security-Policy": {"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"},
		"Referrer-Policy":         {"same-origin"},
		"X-Content-Type-Options":  {"nosniff"},
		"X-Frame-Options":         {"DENY"},
	}
}

// errorPage is the answer to a request for an authorization that nobody else may be told of. The platform writes the
// error as a query.
func errorPage(code, description string) *answer {
	text := "error=" + url.QueryEscape(code) + "&error_description=" + strings.ReplaceAll(url.QueryEscape(description), "+", "%20")
	a, err := htmlPage(http.StatusBadRequest, problemPage, problem{Text: "The application has sent you here with a request that this org refuses. " +
		"Its administrator compares the consumer key and the callback URL with those of the app.", Code: text})
	if err != nil {
		return failure(err)
	}
	return a
}

// people are the users who can log in.
func (c *call) people() ([]loginPerson, error) {
	rows, err := c.db.QueryContext(c.Context(), `SELECT Username, Name, coalesce(Title, '') FROM User WHERE IsActive AND NOT IsDeleted ORDER BY Id`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err tells what matters
	var people []loginPerson
	for rows.Next() {
		var p loginPerson
		if err := rows.Scan(&p.Username, &p.Name, &p.Title); err != nil {
			return nil, err
		}
		people = append(people, p)
	}
	return people, rows.Err()
}

// scopeLabels are what Setup calls scopes.
func scopeLabels(scopes []string) []string {
	labels := make([]string, 0, len(scopes))
	for _, s := range scopes {
		if label := labelOfScope[s]; label != "" {
			s = label + " (" + s + ")"
		}
		labels = append(labels, s)
	}
	return labels
}

var labelOfScope = map[string]string{
	"api":            "Manage user data via APIs",
	"chatbot_api":    "Access chatbot services",
	"email":          "Access the email address",
	"full":           "Full access",
	"id":             "Access the identity URL service",
	"offline_access": "Perform requests at any time",
	"openid":         "Access unique user identifiers",
	"profile":        "Access profile information",
	"refresh_token":  "Perform requests at any time",
	"sfap_api":       "Access the Salesforce API Platform",
	"web":            "Manage user data via Web browsers",
}
