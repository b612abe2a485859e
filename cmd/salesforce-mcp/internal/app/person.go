package app

import "slices"

// A Role is what a person is for the platform or in a workspace.
type Role string

// The roles.
const (
	PlatformOwner  Role = "owner"    // may do everything, and makes owners
	PlatformAdmin  Role = "admin"    // looks after workspaces and users, and sees every workspace
	WorkspaceAdmin Role = "admin"    // sets a workspace up, and decides what waits in it
	Approver       Role = "approver" // decides what waits in a workspace
	Auditor        Role = "auditor"  // reads everything of a workspace, and changes nothing
)

// Person is somebody who is signed in.
type Person struct {
	ID       string
	Name     string // for people to read: as they are called, or their e-mail address
	Email    string
	Platform Role              // PlatformOwner, PlatformAdmin or ""
	Roles    map[string][]Role // by workspace
}

// May reports whether a person has a right; in a workspace, for those rights that are
// of one.
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
