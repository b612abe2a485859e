package fakeorg

import (
	"maps"
	"sync"
	"time"
)

// Password is that of every user who has been seeded. It opens the login page for people, and nothing else.
const Password = "alder-ridge"

// loginCookie keeps who has logged in with a browser.
const loginCookie = "simulated_org_login"

// loginField is the form field with the secret that stands for an [authorization].
const loginField = "login"

// pageLife is how long a login or consent page may be sent.
const pageLife = 15 * time.Minute

// browsers are what people's browsers are in the middle of, and who has logged in with them.
type browsers struct {
	browsersMu sync.Mutex
	awaited    map[string]*authorization
	logins     map[string]*login
}

type login struct {
	user   *user
	issued time.Time
}

// await keeps an authorization until the person has sent the form with the secret that it returns. Each page has a
// secret of its own, so that nobody knows that of the consent page who has seen the login page only.
func (o *Org) await(a *authorization) string {
	text := secretText(24)
	o.browsersMu.Lock()
	defer o.browsersMu.Unlock()
	a.issued = o.options.Clock()
	if o.awaited == nil {
		o.awaited = map[string]*authorization{}
	}
	maps.DeleteFunc(o.awaited, func(_ string, old *authorization) bool { return !a.issued.Before(old.issued.Add(pageLife)) })
	o.awaited[text] = a
	return text
}

// takeAuthorization returns the authorization of a form, which can be sent once, or nil.
func (o *Org) takeAuthorization(text string) *authorization {
	o.browsersMu.Lock()
	defer o.browsersMu.Unlock()
	a := o.awaited[text]
	delete(o.awaited, text)
	if a == nil || !o.options.Clock().Before(a.issued.Add(pageLife)) {
		return nil
	}
	return a
}

// remember returns the value of a cookie that stands for a user.
func (o *Org) remember(u *user) string {
	text, now := secretText(24), o.options.Clock()
	o.browsersMu.Lock()
	defer o.browsersMu.Unlock()
	if o.logins == nil {
		o.logins = map[string]*login{}
	}
	maps.DeleteFunc(o.logins, func(_ string, l *login) bool { return !now.Before(l.issued.Add(o.options.TokenLife)) })
	o.logins[text] = &login{u, now}
	return text
}

// remembered is the user a cookie stands for, or nil.
func (o *Org) remembered(text string) *user {
	o.browsersMu.Lock()
	defer o.browsersMu.Unlock()
	l := o.logins[text]
	if l == nil || !o.options.Clock().Before(l.issued.Add(o.options.TokenLife)) {
		return nil
	}
	return l.user
}
