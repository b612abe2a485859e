package fakeorg

import (
	"database/sql"
	"errors"
)

// adminProfile is the profile whose users may edit locked records and decide other people's approval requests.
const adminProfile = "System Administrator"

// mayEdit refuses to change what a client cannot change.
func (c *call) mayEdit(o *Object, id string) error {
	if o.Name == "Lead" {
		return c.notConverted(id)
	}
	return c.notLocked(o, id)
}

// notLocked refuses a record that an approval process keeps from being changed: while it is pending, and after its
// approval if the process says so.
func (c *call) notLocked(o *Object, id string) error {
	if !c.org.auto.approves(o) {
		return nil
	}
	var status, definition string
	var actor bool
	err := c.db.QueryRowContext(c.Context(), `SELECT Status, ProcessDefinitionId,
		EXISTS (SELECT 1 FROM ProcessInstanceWorkitem WHERE ProcessInstanceId = ProcessInstance.Id AND ActorId = ?)
		FROM ProcessInstance WHERE TargetObjectId = ? AND NOT IsDeleted ORDER BY Id DESC LIMIT 1`, c.user.id, id).Scan(&status, &definition, &actor)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	p := c.org.auto.approval(definition)
	if status != "Pending" && !(status == "Approved" && p.LockApproved) || actor && p.Edit == "AdminOrCurrentApprover" {
		return nil
	}
	admin, err := c.isAdmin()
	if err != nil || admin {
		return err
	}
	return invalid("ENTITY_IS_LOCKED", "entity is locked for editing")
}

func (c *call) isAdmin() (admin bool, err error) {
	err = c.db.QueryRowContext(c.Context(), `SELECT EXISTS (SELECT 1 FROM User JOIN Profile ON Profile.Id = User.ProfileId
		WHERE User.Id = ? AND Profile.Name = ?)`, c.user.id, adminProfile).Scan(&admin)
	return admin, err
}

func (c *call) notConverted(lead string) error {
	var converted bool
	err := c.db.QueryRowContext(c.Context(), `SELECT IsConverted FROM Lead WHERE Id = ?`, lead).Scan(&converted)
	if err == nil && converted {
		return invalid("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
	}
	return err
}
