package app

import "slices"

// A right is what a route asks of a person.
type right int

const (
	anyone     right = iota // nobody has to be signed in
	signedIn                // whoever is
	see                     // a role in the workspace, whichever
	decide                  // approve and deny what waits: approvers and admins of the workspace
	administer              // change the workspace: its admins
	auditing                // read all of the workspace's trail: its auditors and admins
	platform                // look after workspaces and users: admins and owners of the platform
	owner                   // owners of the platform
)

// A route is one page or one form.
type route struct {
	pattern string               // of http.ServeMux, as in "GET /workspaces/{workspace}/agents"
	right   right                // who may
	serve   func(*request) error // an error is shown as a page
}

// routes is the table of all routes.
func routes() []route {
	return slices.Concat(baseRoutes, authenticationRoutes, endpointRoutes, historyRoutes, workspacesRoutes, agentsRoutes, rulesRoutes,
		approvalsRoutes, returnsRoutes, auditRoutes, healthRoutes, catalogRoutes)
}

// baseRoutes are of no area.
var baseRoutes = []route{
	{"GET /{$}", signedIn, overview},
	{"GET /signin", anyone, signInPage},
	{"POST /signin", anyone, signInForm},
	{"GET /signin/login", anyone, toProvider},
	{"GET /signin/callback", anyone, fromProvider},
	{"GET /setup", anyone, setupPage},
	{"POST /setup", anyone, setupForm},
	{"POST /signout", signedIn, signOut},
	{"GET /confirm", signedIn, confirmPage},
	{"POST /confirm", signedIn, confirmForm},
	{"POST /language", anyone, chooseLanguage},
	{"GET /account", signedIn, accountPage},
	{"POST /account", signedIn, accountForm},
	{"POST /account/password", signedIn, passwordForm},
	{"POST /account/signout", signedIn, signOutEverywhere},
	{"GET /platform/users", platform, usersPage},
	{"POST /platform/users", platform, addUserForm},
	{"GET /platform/users/{user}", platform, userPage},
	{"POST /platform/users/{user}", platform, userForm},
	{"POST /platform/users/{user}/link", platform, userLinkForm},
	{"POST /platform/users/{user}/signout", platform, userSignOutForm},
	{"POST /platform/users/{user}/delete", platform, deleteUserForm},
	{"GET /workspaces/{workspace}", see, workspaceOverview},
}

// rightOf is the right that the page of a pattern asks for; false if there is none.
func (a *App) rightOf(pattern string) (right, bool) {
	right, ok := a.rights[pattern]
	return right, ok
}
