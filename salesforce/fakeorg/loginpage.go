package fakeorg

import (
	"net/http"
	"net/url"
	"strings"

	"salesforce-mcp/markup"
)

// content is what stands on a page that people see.
type content interface {
	title() string
	write(*markup.Page)
}

const pageStyle = `
body { font: 16px/1.5 system-ui, sans-serif; color: #16325c; background: #f4f6f9; margin: 0 }
main { max-width: 30em; margin: 2em auto; padding: 1.5em; background: #fff; border: 1px solid #d8dde6; border-radius: 6px }
header { background: #ffb75d; color: #3e2a00; padding: .5em 1em; text-align: center }
label { display: block; margin: 1em 0 .2em }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .4em }
button { font: inherit; margin-top: 1.2em; padding: .5em 1.5em; border-radius: 4px; border: 1px solid #0070d2; background: #fff; color: #0070d2 }
button.go { background: #0070d2; color: #fff }
table { width: 100%; border-collapse: collapse; font-size: .85em; margin-top: 1.5em }
td, th { text-align: left; padding: .3em .4em; border-top: 1px solid #d8dde6; overflow-wrap: anywhere }
pre { white-space: pre-wrap; overflow-wrap: anywhere }
.problem { color: #c23934 }
`

// pageOf returns a page.
func pageOf(c content) string {
	var p markup.Page
	p.Put(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{} | Simulated org</title>
<style>`+pageStyle+`</style>
</head>
<body>
<header>This is a simulated org for development and tests. It is not Salesforce, and nothing here is real.</header>
<main>
`, c.title())
	c.write(&p)
	p.Put(`
</main>
</body>
</html>
`)
	return p.String()
}

// loginForm is what the login page shows.
type loginForm struct {
	Login, App, Problem, Username, Password string
	People                                  []loginPerson
}

func (f loginForm) title() string { return "Log in" }

func (f loginForm) write(p *markup.Page) {
	p.Put(`<h1>Log in</h1>
<p>to go on to {}</p>
`, f.App)
	if f.Problem != "" {
		p.Put(`<p class="problem" role="alert">{}</p>
`, f.Problem)
	}
	p.Put(`<form method="post" action="/services/oauth2/authorize">
<input type="hidden" name="login" value="{}">
<label for="username">Username</label>
<input id="username" name="username" value="{}" list="people" autocomplete="username" autocapitalize="none" spellcheck="false" required>
<datalist id="people">`, f.Login, f.Username)
	for _, person := range f.People {
		p.Put(`<option value="{}">{}</option>`, person.Username, person.Name)
	}
	p.Put(`</datalist>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button class="go">Log In</button>
</form>
<table>
<caption>People of this org. The password of each is <code>{}</code></caption>
<thead><tr><th scope="col">Username</th><th scope="col">Name</th><th scope="col">Title</th></tr></thead>
<tbody>`, f.Password)
	for _, person := range f.People {
		p.Put(`
<tr><td>{}</td><td>{}</td><td>{}</td></tr>`, person.Username, person.Name, person.Title)
	}
	p.Put(`
</tbody>
</table>`)
}

// loginPerson is a user who can log in.
type loginPerson struct{ Username, Name, Title string }

// consent is what the consent page shows. Other is where somebody else logs in.
type consent struct {
	Login, App, Username string
	Scopes               []string
	Other                string
}

func (c consent) title() string { return "Allow access?" }

func (c consent) write(p *markup.Page) {
	p.Put(`<h1>Allow Access?</h1>
<p>{} is asking to:</p>
<ul>`, c.App)
	for _, scope := range c.Scopes {
		p.Put(`
<li>{}</li>`, scope)
	}
	p.Put(`
</ul>
<p>Do you want to allow access for <strong>{}</strong>? (<a href="{}">Not you?</a>)</p>
<form method="post" action="/services/oauth2/authorize">
<input type="hidden" name="login" value="{}">
<button name="decision" value="deny">Deny</button>
<button class="go" name="decision" value="allow">Allow</button>
</form>`, c.Username, c.Other, c.Login)
}

// problem is an error that is told to the person only. Code is as the platform writes it on its page.
type problem struct{ Text, Code string }

func (x problem) title() string { return "Not possible" }

func (x problem) write(p *markup.Page) {
	p.Put(`<h1>This is not possible</h1>
<p class="problem" role="alert">{}</p>
`, x.Text)
	if x.Code != "" {
		p.Put(`<pre>{}</pre>
`, x.Code)
	}
}

// htmlPage is a page. It runs no script, and no other site may show it in a frame.
func htmlPage(status int, c content) *answer {
	header := pageHeader()
	header.Set("Content-Type", "text/html; charset=utf-8")
	return &answer{status: status, header: header, body: []byte(pageOf(c))}
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
	return htmlPage(http.StatusBadRequest, problem{Text: "The application has sent you here with a request that this org refuses. " +
		"Its administrator compares the consumer key and the callback URL with those of the app.", Code: text})
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
