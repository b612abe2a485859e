package fakeorg

import (
	"net/http"
	"slices"
)

// identity is GET /id/{organization}/{user}: who the token's user is, and where the APIs are.
func identity(c *call) (*answer, error) {
	if err := c.identify(); err != nil {
		return nil, err
	}
	if c.PathValue("organization") != organizationID || c.PathValue("user") != c.user.id {
		return nil, plainRefusal("Wrong Org")
	}
	p, err := c.person()
	if err != nil {
		return nil, err
	}
	urls, data := object{}, c.base()+"/services/data/v{version}/"
	for _, u := range []struct{ name, path string }{{"rest", ""}, {"sobjects", "sobjects/"}, {"search", "search/"}, {"query", "query/"}, {"recent", "recent/"}} {
		urls = append(urls, member{u.name, data + u.path})
	}
	urls = append(urls, member{"custom_domain", c.base()})
	return ok(object{{"id", c.identityURL(c.user)}, {"asserted_user", true}, {"user_id", c.user.id}, {"organization_id", organizationID},
		{"username", c.user.username}, {"nick_name", p.alias}, {"display_name", p.name}, {"email", p.email}, {"email_verified", true},
		{"first_name", p.first}, {"last_name", p.last}, {"timezone", p.zone}, {"photos", object{}}, {"active", true}, {"user_type", "STANDARD"},
		{"language", "en_US"}, {"locale", p.locale}, {"utcOffset", 3600000}, {"is_app_installed", true}, {"urls", urls}})
}

// identify finds out whom a request's token stands for. The identity services refuse one with a word of plain text
// where the data API answers with an error (jsforce src/http-api.ts). A token needs one of the scopes that open them.
func (c *call) identify() error {
	text := bearer(c.Request)
	s := c.org.useSession(text, true)
	switch {
	case text == "":
		return plainRefusal("Missing_OAuth_Token")
	case s == nil || !slices.ContainsFunc(s.scopes, func(scope string) bool { return slices.Contains(identityScopes, scope) }):
		return plainRefusal("Bad_OAuth_Token")
	}
	c.user = s.user
	if err := c.stillActive(); err != nil {
		return plainRefusal("Bad_OAuth_Token")
	}
	return nil
}

// identityScopes open the identity services.
var identityScopes = []string{"id", "openid", "profile", "email", "api", "full"}

func plainRefusal(word string) *fault {
	return &fault{status: http.StatusForbidden, code: word, body: []byte(word)}
}

// userinfo is GET /services/oauth2/userinfo: the same under the names of OpenID Connect.
func userinfo(c *call) (*answer, error) {
	if err := c.identify(); err != nil {
		return nil, err
	}
	p, err := c.person()
	if err != nil {
		return nil, err
	}
	return ok(object{{"sub", c.identityURL(c.user)}, {"user_id", c.user.id}, {"organization_id", organizationID},
		{"preferred_username", c.user.username}, {"nickname", p.alias}, {"name", p.name}, {"email", p.email}, {"email_verified", true},
		{"given_name", p.first}, {"family_name", p.last}, {"zoneinfo", p.zone}, {"locale", p.locale}, {"active", true}})
}

// person is what identity answers say of a user.
type person struct{ name, first, last, email, alias, zone, locale string }

func (c *call) person() (p person, err error) {
	err = c.db.QueryRowContext(c.Context(), `SELECT Name, coalesce(FirstName, ''), LastName, Email, Alias, TimeZoneSidKey, LocaleSidKey FROM User WHERE Id = ?`,
		c.user.id).Scan(&p.name, &p.first, &p.last, &p.email, &p.alias, &p.zone, &p.locale)
	return p, err
}
