package app

import (
	"slices"

	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

// Person is somebody who is signed in.
type Person struct {
	ID       string
	Name     string                  // what they are called
	Account  string                  // what the audit trail calls them: their e-mail address, where there is one
	Platform users.Role              // users.Owner, users.PlatformAdmin or ""
	Roles    map[string][]users.Role // by workspace
}

// personOf is the person that a user is.
func personOf(u users.User) Person {
	roles := u.Roles()
	p := Person{ID: u.ID, Name: u.Name, Account: u.Shown(), Platform: roles.Platform, Roles: roles.Workspaces}
	if p.Name == "" {
		p.Name = p.Account
	}
	return p
}

// May reports whether a person has a right; in a workspace, for those rights that are
// of one. An owner has all of them. An admin of the platform reads every workspace, and
// changes and decides nothing there without a role in it.
func (p Person) May(right right, workspace string) bool {
	in := func(roles ...users.Role) bool {
		return p.Platform == users.Owner || slices.ContainsFunc(p.Roles[workspace], func(r users.Role) bool { return slices.Contains(roles, r) })
	}
	switch right {
	case anyone:
		return true
	case signedIn:
		return p.ID != ""
	case see:
		return p.Platform == users.PlatformAdmin || in(users.Admin, users.Approver, users.Auditor)
	case decide:
		return in(users.Admin, users.Approver)
	case administer:
		return in(users.Admin)
	case auditing:
		return p.Platform == users.PlatformAdmin || in(users.Admin, users.Auditor)
	case platform:
		return p.Platform == users.Owner || p.Platform == users.PlatformAdmin
	case owner:
		return p.Platform == users.Owner
	}
	return false
}
