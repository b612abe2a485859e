package fakeorg

import (
	"fmt"
	"net/http"
	"strings"
)

// remove deletes a record for a client.
func (c *call) remove(o *Object, id string) error {
	if o.whole != nil && o.NoDelete && !o.whole.NoDelete && !o.Event {
		return noAccess()
	}
	if o.ReadOnly || o.NoDelete || o.Event {
		return refuse(http.StatusBadRequest, "INVALID_TYPE_FOR_OPERATION", "entity type %s does not support delete", o.Name)
	}
	o = o.base()
	if err := c.notLocked(o, id); err != nil {
		return err
	}
	if own := metadataObjects[o.Name].remove; own != nil {
		return own(c, o, id)
	}
	return c.discard(o, id)
}

// discard puts a record into the recycle bin, with its details. References to it become empty; those that must not
// lose it keep it from being deleted.
func (c *call) discard(o *Object, id string) error {
	if err := c.mustExist(o, id); err != nil {
		return err
	}
	for _, child := range o.Children {
		if err := c.letGo(o, id, child); err != nil {
			return err
		}
	}
	now := c.now().Format(storedTime)
	_, err := c.db.ExecContext(c.Context(), fmt.Sprintf(`UPDATE %q SET IsDeleted = 1, LastModifiedDate = ?, LastModifiedById = ?, SystemModstamp = ? WHERE Id = ?`,
		o.Name), now, c.user.id, now, id)
	return err
}

// letGo prepares the rows of one child relationship for the deletion of their parent.
func (c *call) letGo(o *Object, id string, child Child) error {
	if child.Field.OnDelete == "" || child.Object.PerUser {
		return nil
	}
	if child.Field.OnDelete == "clear" {
		_, err := c.db.ExecContext(c.Context(), fmt.Sprintf(`UPDATE %q SET %q = NULL WHERE %[2]q = ?`, child.Object.Name, child.Field.Name), id)
		return err
	}
	ids, err := c.find(child.Object, child.Field, id)
	if err != nil || len(ids) == 0 {
		return err
	}
	if child.Field.OnDelete == "restrict" {
		return c.stillUsed(o, id, child, ids)
	}
	for _, childID := range ids {
		if err := c.discard(child.Object, childID); err != nil {
			return err
		}
	}
	return nil
}

// stillUsed is the error about a record that others need, by name.
func (c *call) stillUsed(o *Object, id string, child Child, ids []string) error {
	name, err := c.nameOf(o, id)
	if err != nil {
		return err
	}
	var users []string
	for _, childID := range ids {
		user, err := c.nameOf(child.Object, childID)
		if err != nil {
			return err
		}
		users = append(users, user)
	}
	return invalid("DELETE_FAILED", fmt.Sprintf("Your attempt to delete %s could not be completed because it is associated with the following %s.: %s\n",
		name, strings.ToLower(child.Object.Plural), strings.Join(users, ", ")))
}

func (c *call) nameOf(o *Object, id string) (name string, err error) {
	err = c.db.QueryRowContext(c.Context(), fmt.Sprintf(`SELECT coalesce(%q, '') FROM %q WHERE Id = ?`, o.NameField().Name, o.Name), id).Scan(&name)
	return name, err
}

// find returns the ids of the live records whose field has the value.
func (c *call) find(o *Object, f *Field, value string) ([]string, error) {
	return c.texts(fmt.Sprintf(`SELECT Id FROM %q WHERE %q = ? AND NOT IsDeleted ORDER BY Id`, o.Name, f.Name), value)
}

// texts gives the one column of a query.
func (c *call) texts(query string, args ...any) ([]string, error) {
	rows, err := c.db.QueryContext(c.Context(), query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var found []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		found = append(found, text)
	}
	return found, rows.Err()
}
