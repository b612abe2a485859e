package host

import (
	"context"
	"strings"
)

// Me is who the platform takes a token's owner for.
type Me struct {
	ID    string
	Email string // may be empty
	Org   Org
}

// Org is the organisation in which a person is active: that of their token.
type Org struct {
	Slug, Name string // one of them may be empty
	Role       string // slug of the person's role in it, such as org:owner
}

// publishers are the roles that may write the catalog of their organisation.
var publishers = map[string]bool{"org:owner": true, "org:admin": true}

// MayPublish reports whether the person may write the catalog of their
// organisation. Whose role is not known may not.
func (m Me) MayPublish() bool { return publishers[m.Org.Role] }

// Me asks the platform who the session's person is.
func (s Session) Me(ctx context.Context) (Me, error) {
	var said struct {
		ID    string `json:"id"`
		Other string `json:"_id"`
		Email string `json:"email"`
		Org   struct {
			Slug string `json:"slug"`
			Name string `json:"name"`
			Role struct {
				Slug string `json:"slug"`
			} `json:"role"`
		} `json:"org"`
	}
	if err := s.get(ctx, "/me", nil, &said); err != nil {
		return Me{}, err
	}
	if said.ID == "" {
		said.ID = said.Other
	}
	if strings.TrimSpace(said.ID) == "" {
		return Me{}, &Error{Unreadable, 0, "the host does not say who you are", 0}
	}
	return Me{ID: said.ID, Email: said.Email, Org: Org{Slug: said.Org.Slug, Name: said.Org.Name, Role: said.Org.Role.Slug}}, nil
}

// forbiddenToPublish is the documented sentence for who may not write the catalog.
const forbiddenToPublish = "Forbidden — you need catalog write rights in this org."

// ErrMayNotPublish is the error for who may not write the catalog.
var ErrMayNotPublish error = &Error{Forbidden, 0, forbiddenToPublish, 0}

// publisher asks the platform whether the session's person may write the catalog.
// The platform is not known to check that itself (its own connectors only hide the
// button), so nothing is written without this.
func (s Session) publisher(ctx context.Context) (Me, error) {
	me, err := s.Me(ctx)
	if err != nil {
		return me, err
	}
	if !me.MayPublish() {
		return me, ErrMayNotPublish
	}
	return me, nil
}
