package app

import (
	"slices"

	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

// A Role is what a person is for the platform or in a workspace.
type Role = users.Role

// The roles.
const (
	PlatformOwner  = users.Owner
	PlatformAdmin  = users.PlatformAdmin
	WorkspaceAdmin = users.Admin
	Approver       = users.Approver
	Auditor        = users.Auditor
)

// Person is somebody who is signed in.
type Person struct {
	ID       string
	Name     string            // what they are called
	Account  string            // what the audit trail calls them: their e-mail address, where there is one
	Platform Role              // PlatformOwner, PlatformAdmin or ""
	Roles    map[string][]Role // by workspace
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
	in := func(roles ...Role) bool {
		return p.Platform == PlatformOwner || slices.ContainsFunc(p.Roles[workspace], func(r Role) bool { return slices.Contains(roles, r) })
	}
	switch right {
	case anyone:
		return true
	case signedIn:
		return p.ID != ""
	case see:
		return p.Platform == PlatformAdmin || in(WorkspaceAdmin, Approver, Auditor)
	case decide:
		return in(WorkspaceAdmin, Approver)
	case administer:
		return in(WorkspaceAdmin)
	case auditing:
		return p.Platform == PlatformAdmin || in(WorkspaceAdmin, Auditor)
	case platform:
		return p.Platform == PlatformOwner || p.Platform == PlatformAdmin
	case owner:
		return p.Platform == PlatformOwner
	}
	return false
}
