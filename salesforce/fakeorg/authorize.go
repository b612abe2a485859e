package fakeorg

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// authorizePath is where a client sends the browser of a person.
const authorizePath = "/services/oauth2/authorize"

// authorization is what a client asks a person for, from the request for it until the person's decision.
type authorization struct {
	client      *Client
	redirectURI string // checked
	state       string
	stateless   bool // the request had no state
	scopes      []string
	challenge   string
	nonce       string
	prompts     []string
	immediate   bool // show no page
	hint        string
	user        *user      // who has logged in; nil until then
	asked       url.Values // the request, for "Not you?"
	issued      time.Time
}

// loginFault is the key of a [Fault] in the context of a request to authorize.
type loginFault struct{}

// authorize is GET and POST /services/oauth2/authorize. A request of a client that is not known, or with a redirect URI
// that is not registered, is answered with a page: nothing is sent where it says. All other errors go to the client.
func authorize(c *call) (*answer, error) {
	if err := c.ParseForm(); err != nil {
		return errorPage("invalid_request", "the parameters cannot be read"), nil
	}
	if c.PostForm.Has(loginField) {
		return c.submitForm()
	}
	a, refusal := c.authorization()
	if refusal != nil {
		return refusal, nil
	}
	if refusal := c.check(a); refusal != nil {
		return refusal, nil
	}
	if !slices.Contains(a.prompts, "login") && !slices.Contains(a.prompts, "select_account") {
		a.user = c.loggedIn()
	}
	if a.user == nil {
		return c.askLogin(a, "")
	}
	return c.askConsent(a)
}

// authorization reads a request as far as to know where errors may be sent.
func (c *call) authorization() (*authorization, *answer) {
	for _, name := range []string{"client_id", "redirect_uri", "response_type", "scope", "state", "code_challenge", "code_challenge_method", "prompt", "nonce"} {
		if len(c.Form[name]) > 1 { // RFC 6749 §3.1; what the platform says of it was not found in a source
			return nil, errorPage("invalid_request", "duplicate parameter "+name)
		}
	}
	client, uri := c.org.client(c.Form.Get("client_id")), c.Form.Get("redirect_uri")
	switch {
	case client == nil:
		return nil, errorPage(unknownClient.code, unknownClient.message)
	case uri == "":
		return nil, errorPage("redirect_uri_missing", "redirect_uri not provided")
	case !client.mayRedirectTo(uri):
		return nil, errorPage(redirectWrong.code, redirectWrong.message)
	}
	return &authorization{client: client, redirectURI: uri, state: c.Form.Get("state"), stateless: !c.Form.Has("state"), asked: c.Form}, nil
}

// check reads the rest of a request, and gives the answer to one that is wrong.
func (c *call) check(a *authorization) *answer {
	a.scopes = strings.Fields(c.Form.Get("scope"))
	if len(a.scopes) == 0 {
		a.scopes = a.client.scopes()
	}
	a.challenge, a.nonce, a.hint = c.Form.Get("code_challenge"), c.Form.Get("nonce"), c.Form.Get("login_hint")
	a.prompts = strings.Fields(c.Form.Get("prompt"))
	a.immediate = c.Form.Get("immediate") == "true" || slices.Contains(a.prompts, "none")
	method := c.Form.Get("code_challenge_method")
	if f, isFault := c.Context().Value(loginFault{}).(*Fault); isFault {
		return a.refuse(f.ErrorCode, f.Message)
	}
	switch {
	case c.Form.Get("response_type") != "code":
		return a.refuse("unsupported_response_type", "response type not supported")
	case slices.ContainsFunc(a.scopes, func(s string) bool { return !a.client.mayAsk(s) }):
		return a.refuse("invalid_scope", "the requested scope is not allowed")
	case a.challenge == "" && a.client.RequirePKCE:
		return a.refuse("invalid_request", "missing required code challenge")
	case a.challenge == "" && method != "":
		return a.refuse("invalid_request", "missing required code challenge")
	case a.challenge != "" && method != "" && method != "S256": // the only one; its text was not found in a source
		return a.refuse("invalid_request", "invalid code challenge method")
	case a.challenge != "" && !isS256(a.challenge):
		return a.refuse("invalid_request", "invalid code challenge")
	}
	return nil
}

// isS256 reports whether a challenge can be the SHA-256 of a verifier.
func isS256(challenge string) bool {
	sum, err := base64.RawURLEncoding.Strict().DecodeString(challenge)
	return err == nil && len(sum) == 32
}

// askConsent goes on when it is known who sits in front of the browser: with the page that asks them, or with a code
// when they have approved before or need not.
func (c *call) askConsent(a *authorization) (*answer, error) {
	switch {
	case a.client.Blocked:
		return a.refuse("OAUTH_APP_BLOCKED", "this app is blocked by admin"), nil // n8n-io/n8n #21589
	case a.client.admits(a.user) != nil:
		return a.refuse("OAUTH_APP_ACCESS_DENIED", "user is not admin approved to access this app"), nil
	case a.client.PermittedUsers == AdminApproved,
		!slices.Contains(a.prompts, "consent") && c.org.approved(a.user, a.client, a.scopes):
		return c.giveCode(a), nil
	case a.immediate:
		return a.refuse("immediate_unsuccessful", "immediate unsuccessful"), nil
	}
	asked := url.Values{}
	for name, values := range a.asked {
		asked[name] = values
	}
	asked.Set("prompt", "login")
	return htmlPage(http.StatusOK, consent{Login: c.org.await(a), App: a.client.name(), Username: a.user.username,
		Scopes: scopeLabels(a.scopes), Other: authorizePath + "?" + asked.Encode()}), nil
}

// askLogin is the login page, or the error for a client that wants no page.
func (c *call) askLogin(a *authorization, problem string) (*answer, error) {
	if a.immediate {
		return a.refuse("immediate_unsuccessful", "immediate unsuccessful"), nil
	}
	people, err := c.people()
	if err != nil {
		return nil, err
	}
	return htmlPage(http.StatusOK, loginForm{Login: c.org.await(a), App: a.client.name(), Problem: problem, Username: a.hint, Password: Password, People: people}), nil
}

// submitForm takes what a person has sent from the login page or the consent page.
func (c *call) submitForm() (*answer, error) {
	if err := http.NewCrossOriginProtection().Check(c.Request); err != nil {
		return htmlPage(http.StatusForbidden, problem{Text: "This form was sent from another site."}), nil
	}
	a := c.org.takeAuthorization(c.PostForm.Get(loginField))
	if a == nil {
		return htmlPage(http.StatusBadRequest, problem{Text: "This page has expired or was sent before. Go back to the application and begin again."}), nil
	}
	if f, isFault := c.Context().Value(loginFault{}).(*Fault); isFault {
		return a.refuse(f.ErrorCode, f.Message), nil
	}
	if a.user == nil {
		return c.logIn(a)
	}
	switch c.PostForm.Get("decision") {
	case "allow":
		if _, err := c.org.findUser(c.Context(), c.db, a.user.username); err != nil {
			a.user = nil
			return c.askLogin(a, loginFailed)
		}
		return c.giveCode(a), nil
	case "deny":
		return a.refuse("access_denied", "end-user denied authorization"), nil
	}
	return c.askConsent(a)
}

// loginFailed is what the login page says of a wrong password and of a wrong or inactive username alike.
const loginFailed = "Please check your username and password. If you still can't log in, contact your Salesforce administrator."

// logIn checks username and password, and remembers in the browser who has logged in.
func (c *call) logIn(a *authorization) (*answer, error) {
	a.hint = c.PostForm.Get("username")
	u, err := c.org.findUser(c.Context(), c.db, strings.TrimSpace(a.hint))
	if err != nil || c.PostForm.Get("password") != Password {
		return c.askLogin(a, loginFailed)
	}
	a.user = u
	answer, err := c.askConsent(a)
	if err != nil {
		return nil, err
	}
	//nolint:gosec // G124: without TLS browsers would not keep a secure one
	cookie := http.Cookie{Name: loginCookie, Value: c.org.remember(u), Path: authorizePath, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: c.TLS != nil}
	answer.header.Add("Set-Cookie", cookie.String())
	return answer, nil
}

// loggedIn is who has logged in with this browser before, or nil.
func (c *call) loggedIn() *user {
	cookie, err := c.Cookie(loginCookie)
	if err != nil {
		return nil
	}
	u := c.org.remembered(cookie.Value)
	if u == nil {
		return nil
	}
	if u, err = c.org.findUser(c.Context(), c.db, u.username); err != nil {
		return nil
	}
	return u
}

// giveCode sends the browser back with a code.
func (c *call) giveCode(a *authorization) *answer {
	return a.redirect(url.Values{"code": {c.org.issueCode(&code{user: a.user, client: a.client.Key, scopes: a.scopes, redirectURI: a.redirectURI,
		challenge: a.challenge, nonce: a.nonce})}})
}

// refuse sends the browser back with an error.
func (a *authorization) refuse(code, description string) *answer {
	query := url.Values{"error": {code}}
	if description != "" {
		query.Set("error_description", description)
	}
	return a.redirect(query)
}

// redirect sends the browser back to the client.
func (a *authorization) redirect(query url.Values) *answer {
	if !a.stateless {
		query.Set("state", a.state)
	}
	separator := "?"
	if strings.Contains(a.redirectURI, "?") {
		separator = "&"
	}
	header := pageHeader()
	header.Set("Location", a.redirectURI+separator+query.Encode())
	return &answer{status: http.StatusFound, header: header}
}
