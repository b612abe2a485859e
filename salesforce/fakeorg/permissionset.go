package fakeorg

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// permissionSetMetadata is the Metadata of a permission set, or its file.
type permissionSetMetadata struct {
	Label, Description string
	ObjectPermissions  oneOrMore[objectPermission]
	FieldPermissions   oneOrMore[fieldPermission]
	UserPermissions    oneOrMore[userPermission]
}

type objectPermission struct {
	Object                                        string
	AllowRead, AllowCreate, AllowEdit             flexible
	AllowDelete, ViewAllRecords, ModifyAllRecords flexible
}

type fieldPermission struct {
	Field              string
	Readable, Editable flexible
}

type userPermission struct {
	Name    string
	Enabled flexible
}

// permissionSetElements are those a permission set may have (Metadata API, PermissionSet). The ones not read here are
// about what is not simulated.
var permissionSetElements = []string{"label", "description", "fullName", "objectPermissions", "fieldPermissions", "userPermissions", "hasActivationRequired",
	"license", "applicationVisibilities", "classAccesses", "customMetadataTypeAccesses", "customPermissions", "customSettingAccesses", "emailRoutingAddressAccesses",
	"externalCredentialPrincipalAccesses", "externalDataSourceAccesses", "flowAccesses", "pageAccesses", "recordTypeVisibilities", "tabSettings"}

// userPermissionNeeds are dependencies that people have been told of by deploys: each needs the others in the set.
var userPermissionNeeds = map[string][]string{"EditActivatedOrders": {"ActivateOrder"}}

// readNeeds is which object must be readable for another one to be, apart from the masters of details. Of contacts and
// opportunities it is known, of orders it is what the page for permission sets does by itself.
var readNeeds = map[string]string{"Contact": "Account", "Opportunity": "Account", "Order": "Account"}

// insertPermissionSet adds a permission set, with the rows of what it permits.
func insertPermissionSet(c *call, o *Object, r record) (string, error) {
	m, err := c.readPermissionSet(r)
	if err != nil {
		return "", err
	}
	id, err := c.insertRecord(o, r)
	if err != nil {
		return "", err
	}
	return id, c.writePermissions(id, m)
}

// updatePermissionSet replaces what a permission set permits, as a deploy does.
func updatePermissionSet(c *call, o *Object, id string, r record) error {
	m, err := c.readPermissionSet(r)
	if err != nil {
		return err
	}
	if err := c.updateRecord(o, id, r); err != nil {
		return err
	}
	return c.writePermissions(id, m)
}

// readPermissionSet reads the metadata of a permission set and refuses what cannot be permitted.
func (c *call) readPermissionSet(r record) (*permissionSetMetadata, error) {
	elements, _ := r.get("Metadata").(map[string]any)
	for name := range elements {
		if !slices.Contains(permissionSetElements, name) {
			return nil, refuse(http.StatusBadRequest, "INVALID_METADATA", "Error parsing file: Element %s invalid at this location in type PermissionSet", name)
		}
	}
	m := &permissionSetMetadata{}
	if err := decodeMetadata(elements, m); err != nil {
		return nil, err
	}
	switch {
	case m.Label == "":
		return nil, invalid("REQUIRED_FIELD_MISSING", "Required field is missing: label", "label")
	case len([]rune(m.Label)) > 80:
		return nil, invalid("STRING_TOO_LONG", "Label: data value too large: "+m.Label+" (max length=80)", "label")
	case len([]rune(m.Description)) > 255:
		return nil, invalid("STRING_TOO_LONG", "Description: data value too large: "+m.Description+" (max length=255)", "description")
	}
	for _, p := range m.ObjectPermissions {
		if err := m.checkObject(c.org.schema, p); err != nil {
			return nil, err
		}
	}
	for _, p := range m.FieldPermissions {
		if err := checkField(c.org.schema, p); err != nil {
			return nil, err
		}
	}
	return m, m.checkUser(userPermissions(c.org.schema.Object("PermissionSet")))
}

// dependsOn is the refusal of a permission without another one, in the words that deploys answer.
func dependsOn(permission, other string) error {
	return integrity("Permission %s depends on permission(s): %s", permission, other)
}

// object is the entry of an object, or one that permits nothing.
func (m *permissionSetMetadata) object(name string) objectPermission {
	for _, p := range m.ObjectPermissions {
		if strings.EqualFold(p.Object, name) {
			return p
		}
	}
	return objectPermission{}
}

func (m *permissionSetMetadata) checkObject(s *Schema, p objectPermission) error {
	o := s.Object(p.Object)
	if o == nil {
		return integrity("In field: field - no CustomObject named %s found", p.Object)
	}
	for _, need := range []struct {
		given        flexible
		what, other  string
		otherIsGiven flexible
	}{
		{p.AllowCreate, "Create", "Read", p.AllowRead}, {p.AllowEdit, "Edit", "Read", p.AllowRead}, {p.AllowDelete, "Delete", "Edit", p.AllowEdit},
		{p.ViewAllRecords, "View All", "Read", p.AllowRead}, {p.ModifyAllRecords, "Modify All", "Delete", p.AllowDelete},
	} {
		if need.given.bool() && !need.otherIsGiven.bool() {
			return dependsOn(need.what+" "+o.Name, need.other+" "+o.Name)
		}
	}
	if o.Event && (p.AllowEdit.bool() || p.AllowDelete.bool()) { // words not found in a source
		return integrity("Platform events can be read and created only: %s", o.Name)
	}
	if other := readNeeds[o.Name]; other != "" && p.AllowRead.bool() && !m.object(other).AllowRead.bool() {
		return dependsOn("Read "+o.Name, "Read "+other)
	}
	return nil
}

func checkField(s *Schema, p fieldPermission) error {
	object, name, _ := strings.Cut(p.Field, ".")
	o := s.metadataObject(object)
	if o == nil || o.Field(name) == nil {
		return integrity("In field: field - no CustomField named %s found", p.Field)
	}
	f := o.Field(name)
	switch {
	case o.ruler(f) != f:
		return integrity("Invalid field permission field name: %s", p.Field)
	case !o.permissionable(f):
		return integrity("You cannot deploy to a required field: %s.%s", o.Name, f.Name)
	case p.Editable.bool() && !p.Readable.bool(): // words not found in a source
		return dependsOn("Edit "+p.Field, "Read "+p.Field)
	case p.Editable.bool() && f.Access == "none" && f.Type != "address": // words not found in a source
		return integrity("Field %s.%s is read only: it cannot be editable", o.Name, f.Name)
	}
	return nil
}

func (m *permissionSetMetadata) checkUser(known []string) error {
	enabled := map[string]bool{}
	for _, p := range m.UserPermissions {
		if !slices.Contains(known, p.Name) {
			return integrity("Unknown user permission: %s", p.Name)
		}
		enabled[p.Name] = p.Enabled.bool()
	}
	order := m.object("Order")
	if enabled["ActivateOrder"] && (!order.AllowRead.bool() || !order.AllowEdit.bool()) {
		return dependsOn("ActivateOrder", "Edit Order, Read Order")
	}
	for name, others := range userPermissionNeeds {
		for _, other := range others {
			if enabled[name] && !enabled[other] {
				return dependsOn(name, other)
			}
		}
	}
	return nil
}

// writePermissions makes the rows of what a permission set permits. Objects whose permission is that of another one are
// left out, see [Object.ruledBy].
func (c *call) writePermissions(set string, m *permissionSetMetadata) error {
	user := values{}
	for _, name := range userPermissions(c.org.schema.Object("PermissionSet")) {
		user[userPermissionField+name] = false
	}
	for _, p := range m.UserPermissions {
		user[userPermissionField+p.Name] = p.Enabled.bool()
	}
	if err := c.setRow(c.org.schema.tooling.Object("PermissionSet"), set, user, false); err != nil {
		return err
	}
	objects, fields := c.org.schema.Object("ObjectPermissions"), c.org.schema.Object("FieldPermissions")
	for _, table := range []*Object{objects, fields} {
		if _, err := c.db.ExecContext(c.Context(), fmt.Sprintf(`DELETE FROM %q WHERE ParentId = ?`, table.Name), set); err != nil {
			return err
		}
	}
	for _, p := range m.ObjectPermissions {
		o := c.org.schema.Object(p.Object)
		if o.ruledBy() != o.Name || !p.AllowRead.bool() {
			continue
		}
		row := values{"ParentId": set, "SobjectType": o.Name, "PermissionsRead": p.AllowRead.bool(), "PermissionsCreate": p.AllowCreate.bool(),
			"PermissionsEdit": p.AllowEdit.bool(), "PermissionsDelete": p.AllowDelete.bool(), "PermissionsViewAllRecords": p.ViewAllRecords.bool(),
			"PermissionsModifyAllRecords": p.ModifyAllRecords.bool()}
		if err := c.setRow(objects, c.org.newID(objects), row, true); err != nil {
			return err
		}
	}
	for _, p := range m.FieldPermissions {
		object, name, _ := strings.Cut(p.Field, ".")
		if !p.Readable.bool() {
			continue
		}
		o := c.org.schema.metadataObject(object)
		row := values{"ParentId": set, "SobjectType": o.Name, "Field": o.Name + "." + o.Field(name).Name, "PermissionsRead": true, "PermissionsEdit": p.Editable.bool()}
		if err := c.setRow(fields, c.org.newID(fields), row, true); err != nil {
			return err
		}
	}
	return nil
}

// insertAssignment gives a user a permission set, once.
func insertAssignment(c *call, o *Object, r record) (string, error) {
	text := func(name string) string {
		given, _ := r.get(name).(string)
		id, _ := parseID(given)
		return id
	}
	set, user := text("PermissionSetId"), text("AssigneeId")
	known, err := c.firstText(`SELECT Id FROM PermissionSetAssignment WHERE PermissionSetId = ? AND AssigneeId = ? AND NOT IsDeleted`, set, user)
	if err != nil {
		return "", err
	}
	if known != "" {
		return "", invalid("DUPLICATE_VALUE", fmt.Sprintf("Duplicate PermissionSetAssignment. Assignee: %s; Permission Set: %s", user[:15], set[:15]))
	}
	return c.insertRecord(o, r)
}
