// Package users knows who may use the configuration app: people with their roles, the
// passwords of those who have one, and how often somebody may fail to prove who they
// are.
package users

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strings"
	"time"
)

// A Role is what a person is for the platform or in a workspace.
type Role string

// The roles of the platform.
const (
	Owner         Role = "owner" // may do everything, and makes owners
	PlatformAdmin Role = "admin" // looks after workspaces and users, and reads every workspace
)

// The roles in a workspace.
const (
	Admin    Role = "admin"    // sets it up, and decides what waits in it
	Approver Role = "approver" // decides what waits in it
	Auditor  Role = "auditor"  // reads everything of it, and changes nothing
)

// PlatformRoles and WorkspaceRoles are all there are.
var (
	PlatformRoles  = []Role{Owner, PlatformAdmin}
	WorkspaceRoles = []Role{Admin, Approver, Auditor}
)

// Roles are what a person is: for the platform one of PlatformRoles or "", and by
// workspace those of WorkspaceRoles.
type Roles struct {
	Platform   Role              `json:"platform,omitempty"`
	Workspaces map[string][]Role `json:"workspaces,omitempty"`
}

// Plus returns what both together are.
func (r Roles) Plus(other Roles) Roles {
	both := Roles{Platform: r.Platform, Workspaces: map[string][]Role{}}
	if r.Platform == "" || other.Platform == Owner {
		both.Platform = other.Platform
	}
	for _, some := range []map[string][]Role{r.Workspaces, other.Workspaces} {
		for name, roles := range some {
			all := append(slices.Clone(both.Workspaces[name]), roles...)
			slices.Sort(all)
			both.Workspaces[name] = slices.Compact(all)
		}
	}
	return both
}

// Equal reports whether both are the same.
func (r Roles) Equal(other Roles) bool {
	return r.Platform == other.Platform && maps.EqualFunc(r.Plus(Roles{}).Workspaces, other.Plus(Roles{}).Workspaces, slices.Equal)
}

// Validate returns what is wrong with roles, or nil.
func (r Roles) Validate() error {
	if r.Platform != "" && !slices.Contains(PlatformRoles, r.Platform) {
		return fmt.Errorf("platform: %q is none of owner, admin", r.Platform)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Workspaces)) {
		for _, role := range r.Workspaces[name] {
			if !slices.Contains(WorkspaceRoles, role) {
				return fmt.Errorf("workspace %s: %q is none of admin, approver, auditor", name, role)
			}
		}
	}
	return nil
}

// A User is somebody who may come in.
type User struct {
	ID    string // UUID version 7
	Email string // in lower case; no two have one, and it is "" where only a Subject is known
	Name  string
	// Issuer and Subject are whom the OpenID provider knows; "" until they have come in
	// through it.
	Issuer, Subject string
	Given           Roles  // by a person
	Claimed         Roles  // by what the OpenID provider said when they came in last
	Password        string // its hash, of [Hash]; "" for none
	// Generation is one more when all sessions of before end.
	Generation int64
	Suspended  bool
	Created    time.Time
	CreatedBy  string
	SignedIn   time.Time // last; zero for never
}

// Roles are all roles of the user.
func (u User) Roles() Roles { return u.Given.Plus(u.Claimed) }

// Shown is what the user is called on pages and in the audit trail: never the name that
// they choose themselves, which could be somebody else's.
func (u User) Shown() string {
	for _, name := range []string{u.Email, u.Subject} {
		if name != "" {
			return name
		}
	}
	return u.ID
}

// Rows keep users. *store.Store is one.
type Rows interface {
	// Users returns all users, by e-mail address.
	Users(ctx context.Context) ([]User, error)
	// UserByID, UserByEmail and UserBySubject find one; ok is false if there is none.
	UserByID(ctx context.Context, id string) (u User, ok bool, err error)
	UserByEmail(ctx context.Context, email string) (u User, ok bool, err error)
	UserBySubject(ctx context.Context, issuer, subject string) (u User, ok bool, err error)
	// ChangeUsers gives change all users, one caller at a time in all processes, and
	// keeps those that it returns, added or changed, and removes those whose ids it
	// returns. When it returns an error nothing is changed, and that is the error.
	ChangeUsers(ctx context.Context, change func(all []User) (changed []User, removed []string, err error)) error
}

// Errors of changes of users.
var (
	ErrTaken     = errors.New("somebody has this e-mail address already")
	ErrLastOwner = errors.New("nobody would be left who is an owner and may come in")
	ErrNoUser    = errors.New("there is no such user any more")
)

// Add adds a user.
func Add(ctx context.Context, rows Rows, u User) error {
	return rows.ChangeUsers(ctx, func(all []User) ([]User, []string, error) {
		if u.Email != "" && slices.ContainsFunc(all, func(other User) bool { return other.Email == u.Email }) {
			return nil, nil, ErrTaken
		}
		if u.Subject != "" && slices.ContainsFunc(all, func(other User) bool { return other.Issuer == u.Issuer && other.Subject == u.Subject }) {
			return nil, nil, ErrTaken
		}
		return []User{u}, nil, nil
	})
}

// AddFirst adds the first user, who is its owner; false says that there are some
// already.
func AddFirst(ctx context.Context, rows Rows, u User) (bool, error) {
	first := false
	err := rows.ChangeUsers(ctx, func(all []User) ([]User, []string, error) {
		if first = len(all) == 0; !first {
			return nil, nil, nil
		}
		u.Given.Platform = Owner
		return []User{u}, nil, nil
	})
	return first, err
}

// Change changes the user of an id. The last owner who may come in stays one.
func Change(ctx context.Context, rows Rows, id string, change func(*User) error) error {
	return rows.ChangeUsers(ctx, func(all []User) ([]User, []string, error) {
		i := slices.IndexFunc(all, func(u User) bool { return u.ID == id })
		if i < 0 {
			return nil, nil, ErrNoUser
		}
		u := all[i]
		if err := change(&u); err != nil {
			return nil, nil, err
		}
		if ownersBeside(all, id) == 0 && isOwner(all[i]) && !isOwner(u) {
			return nil, nil, ErrLastOwner
		}
		if u.Email != all[i].Email && u.Email != "" && slices.ContainsFunc(all, func(other User) bool { return other.Email == u.Email }) {
			return nil, nil, ErrTaken
		}
		return []User{u}, nil, nil
	})
}

// Remove removes the user of an id, unless nobody is left who is an owner.
func Remove(ctx context.Context, rows Rows, id string) error {
	return rows.ChangeUsers(ctx, func(all []User) ([]User, []string, error) {
		i := slices.IndexFunc(all, func(u User) bool { return u.ID == id })
		if i < 0 {
			return nil, nil, ErrNoUser
		}
		if isOwner(all[i]) && ownersBeside(all, id) == 0 {
			return nil, nil, ErrLastOwner
		}
		return nil, []string{id}, nil
	})
}

// isOwner reports whether a user is an owner by a person's hand, and may come in. What
// an OpenID provider says of people can change without anybody here.
func isOwner(u User) bool { return u.Given.Platform == Owner && !u.Suspended }

func ownersBeside(all []User, id string) (n int) {
	for _, u := range all {
		if u.ID != id && isOwner(u) {
			n++
		}
	}
	return n
}

// Email returns an e-mail address as it is kept, in lower case, or an error that says
// what is wrong with it.
func Email(text string) (string, error) {
	text = strings.TrimSpace(text)
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address != text || len(text) > 254 || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", errors.New("this is no e-mail address, as in ada@example.com")
	}
	return strings.ToLower(text), nil
}
