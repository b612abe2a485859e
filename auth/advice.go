package auth

import (
	"slices"
	"strings"
	"time"
)

// advice is what to mend when the platform answers with an OAuth error.
type advice struct {
	step  string // the mode, or the step of mode oauth; empty for all
	codes string // separated by blanks
	says  string // parts of the description in lower case, of which one is enough, separated by |; empty for any
	text  string // {login} and {callback} stand for the URLs
	fate
}

// fate is what becomes of a login that was refused.
type fate struct {
	passes bool          // the same login may succeed later
	wait   time.Duration // at least so long
	ends   bool          // the person's grant is over for good
}

var (
	stays  = fate{}
	passes = fate{passes: true}
	slowly = fate{passes: true, wait: time.Minute}
	ends   = fate{ends: true}
)

// adviceOn returns what to mend. The last of the advices fits every error.
func adviceOn(step, code, said string) advice {
	code, said = strings.ReplaceAll(code, "-", "_"), strings.ToLower(said) // Help also writes access-denied
	for _, a := range advices {
		if strings.HasPrefix(step, a.step) && slices.Contains(strings.Fields(a.codes), code) && a.isAbout(said) {
			return a
		}
	}
	return advice{text: general}
}

func (a advice) isAbout(said string) bool {
	for part := range strings.SplitSeq(a.says, "|") {
		if strings.Contains(said, part) {
			return true
		}
	}
	return false
}

// general is the advice on an error that is not known.
const general = "the login was refused ({login})"

// What several advices say. Settings are called as in an External Client App,
// and as in a Connected App where that has another name.
const (
	admit = "in the app's policies set Permitted Users to Admin approved users are pre-authorized, " +
		"and select a profile or permission set that the user has"
	unblock = "an administrator has blocked the app: unblock it in Setup, External Client Apps OAuth Usage (Connected Apps OAuth Usage)"
	install = "the app is not installed in this org: check that the login URL ({login}) is of the org the client id comes from; " +
		"an app of another org must be installed by an administrator, in Setup, External Client App Manager (Connected Apps OAuth Usage)"
	addScopes = "the app lacks a scope that is asked for: in its OAuth settings add Manage user data via APIs (api)"
	ranges    = "the user's profile does not admit this server's address: add it to the profile's Login IP Ranges"
	relax     = "or set IP Relaxation in the app's policies to Relax IP restrictions"
	hours     = "the user's profile does not admit logins at this hour (Login Hours)"
	enableJWT = "in the app's settings select Enable JWT Bearer Flow (Use digital signatures) and upload the certificate"
	enableCC  = "select Enable Client Credentials Flow in the app's settings and in its policies, and name a user in Run As"
	activate  = "the Salesforce user is inactive or frozen: activate it"
	again     = "connect again"
	orgLocked = "the org is inactive, closed or suspended: its administrator must ask Salesforce"
	rate      = "too many logins: Salesforce admits 3,600 per user and hour"
	twice     = "Salesforce is working on another login with the same token"
)

// advices are looked through from the top. Codes and descriptions are those of
// Salesforce Help, "OAuth 2.0 Authorization Errors", unless a source is named.
//
// A person's grant is over only where the description says so. All others of
// invalid_grant leave it, the unknown ones too: a grant that is kept in vain
// costs a refused login with each call until the person connects again, which
// they can at any time; one that is given up in vain cannot be had back, and one
// passing refusal, such as a login rate, would disconnect everybody.
var advices = []advice{
	// The user may not log in now. The JWT bearer flow enforces Login IP Ranges whatever IP Relaxation says (Help,
	// "Connected App IP Relaxation and Continuous IP Enforcement").
	{ModeJWT, "invalid_grant", "ip restricted or invalid login hours", hours + ", or " + ranges + "; for JWT the app's IP Relaxation does not count", stays},
	{"", "invalid_grant", "ip restricted or invalid login hours", hours + ", or " + ranges + ", " + relax, stays},
	{ModeJWT, "invalid_grant", "ip restrict", ranges + "; for JWT the app's IP Relaxation does not count", stays},
	{"", "invalid_grant", "ip restrict", ranges + ", " + relax, stays},
	{"", "invalid_grant", "login hours", hours, slowly},
	{"", "invalid_grant", "login rate", rate, slowly}, // restforce/restforce #412
	{"", "rate_limit_exceeded", "", rate, slowly},
	{"", "invalid_grant", "already being processed", twice, passes},     // forcedotcom/sfdx-core #1342
	{stepRefresh, "invalid_grant", "authorization code", twice, passes}, // what it said before (segmentio/action-destinations #2300)
	{stepRefresh, "invalid_grant", "inactive user|user is inactive", activate + ", then " + again, ends},
	{"", "invalid_grant", "inactive org", orgLocked, stays}, // calcom/cal.diy #11508
	{"", "invalid_grant", "inactive", activate + " or choose another user", stays},
	{stepRefresh, "inactive_user", "", activate + ", then " + again, ends},
	{"", "inactive_user", "", activate + " or choose another user", stays},
	{"", "inactive_org", "", orgLocked, stays},

	// The user may not use the app.
	{"", "OAUTH_APP_BLOCKED", "", unblock, stays},
	{"", "invalid_app_access", "blocked", unblock, stays},
	{stepRefresh, "invalid_app_access", "", "the app does not admit the user any more: " + admit + "; the connection is kept until then", stays},
	{"", "invalid_app_access OAUTH_APP_ACCESS_DENIED", "", "the app does not admit the user: " + admit, stays},
	{"", "OAUTH_APPROVAL_ERROR_GENERIC", "", "the org does not let this user approve the app: an administrator installs it in Setup, " +
		"External Client App Manager (Connected Apps OAuth Usage), or gives the user the permission Approve Uninstalled Connected Apps", stays},
	{"", "OAUTH_EC_APP_NOT_FOUND app_not_found", "", install, stays},
	{"", "invalid_client invalid_grant", "app must be installed|not installed in this org", install, stays}, // forcedotcom/cli #3482
	{"", "access_denied", "", "the access was not granted: say yes to it or, if you were not asked, an administrator has to admit you to the app", stays},
	{"", "immediate_unsuccessful", "", "Salesforce has to ask the user, which the link did not allow: " + again + ", and sign in when asked", stays},

	// The app is set up in another way than this server.
	{"", "redirect_uri_mismatch redirect_uri_missing", "", "the callback URL is not one of the app's: add {callback} to its Callback URL, " +
		"to the letter, and check that the login URL ({login}) is of the app's org", stays},
	{"", "invalid_client_id", "", "no app with this client id is known at {login}: copy its Consumer Key again, and check the login URL, " +
		"which is https://test.salesforce.com or the My Domain for a sandbox; a new app takes ten minutes to become known", stays},
	{ModeOAuth, "invalid_client", "", "the client secret is missing or not the app's: copy Consumer Key and Consumer Secret again, " +
		"or clear Require secret for Web Server Flow and for Refresh Token Flow in the app's settings", stays},
	{"", "invalid_client", "", "the client secret does not belong to the client id: copy Consumer Key and Consumer Secret again", stays},
	{ModeOAuth, "invalid_scope", "", addScopes + " and Perform requests at any time (refresh_token, offline_access), and whatever the setting scopes names", stays},
	{"", "invalid_scope", "", addScopes, stays},
	{ModeOAuth, "invalid_request", "code challenge", "the app requires PKCE (Require Proof Key for Code Exchange), " +
		"and the link came without it: it was cut on the way; " + again + ", and open the link whole", stays},
	{"", "invalid_request", "", "the login host did not understand the login: check the login URL ({login})", stays},
	{"", "unsupported_response_type", "", "the login host does not offer the authorization code flow: check the login URL ({login}), " +
		"and that OAuth is enabled in the app's settings", stays},
	{ModeJWT, "unsupported_grant_type", "", "the app does not take JWTs: " + enableJWT, stays},
	{ModeClientCredentials, "unsupported_grant_type", "", "the app does not offer client credentials: " + enableCC, stays},
	{"", "unsupported_grant_type", "", "the login host does not offer this mode: check the login URL ({login}) and the mode", stays},

	// What was presented is not good.
	// It says so of a username that does not exist too, so that nobody can try names out.
	{ModeJWT, "invalid_grant", "approved", "the username does not exist at {login}, or the user is not pre-authorised for the app: " +
		"check the username first; then, " + admit, stays},
	{ModeJWT, "invalid_grant", "audience", "the audience does not fit the org: set the login URL to https://login.salesforce.com, " +
		"or https://test.salesforce.com for a sandbox, or set the audience", stays},
	{ModeJWT, "invalid_grant", "expired", "the assertion's time was refused: set this machine's clock right", stays},
	{ModeJWT, "invalid_grant", "", "the user is not pre-authorised for the app, the private key does not belong to the uploaded certificate, " +
		"the username does not exist at {login}, or the app does not take JWTs: check these four; " + admit + "; " + enableJWT, stays},
	{ModeClientCredentials, "invalid_grant", "domain", "the login URL must be the org's My Domain, such as https://acme.my.salesforce.com", stays},
	{ModeClientCredentials, "invalid_grant", "user", "the app has no user to run as: " + enableCC, stays},
	{ModeClientCredentials, "invalid_grant", "", "the app refused: " + enableCC, stays},
	{stepExchange, "invalid_grant", "verifier", "the code belongs to another login: start connecting again", stays},
	{stepExchange, "invalid_grant", "code", "the code is not good any more: start connecting again", stays},
	// The last of these is said by the platform when a Refresh Token Policy has ended the token (jsforce users; guessed).
	{stepRefresh, "invalid_grant", "expired access/refresh token|invalid refresh token|expired refresh token|revoked|token validity expired",
		"the connection has ended: it expired by the app's Refresh Token Policy, was revoked, or a sixth one took its place; " + again, ends},
	{stepRefresh, "invalid_grant", "", "Salesforce did not renew the connection; it is kept, and if it stays so the user must " + again, stays},
	{ModeOAuth, "invalid_grant", "", "Salesforce did not accept the user's login: start connecting again, and if it stays so an administrator finds the reason in the user's Login History", stays},

	// The login host.
	{"", "temporarily_unavailable", "", "the login host is busy", passes},
	{"", "unknown_error server_error", "", "the login host failed", passes},
}
