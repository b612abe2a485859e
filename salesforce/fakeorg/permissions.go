package fakeorg

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// minimalProfile is the profile whose users start with nothing: what they may do comes from permission sets alone. It
// is called as on the platform, where it also says that the API is all they may use. Users of every other profile of
// the simulated org see and change everything.
const minimalProfile = "Minimum Access - API Only Integrations"

// may is what may be done with the records of an object, or with a field: read and edit.
type may struct{ read, create, edit, delete bool }

// grants are what the permission sets of a user add up to.
type grants struct {
	objects map[string]may  // by the name of the object in lower case
	fields  map[string]may  // by Object.Field in lower case
	user    map[string]bool // user permissions, such as EditTask
}

// view is an org as one user sees it.
type view struct {
	*Schema
	grants  *grants
	base    *Schema
	edition int64
}

// views are the views that were made last, by user.
type views struct {
	viewsMu sync.Mutex
	views   map[string]*view
}

// permissionTables are those whose rows make up grants. The table PermissionEdition counts changes of them, in the
// transaction that makes them.
var permissionTables = []string{"PermissionSet", "PermissionSetAssignment", "ObjectPermissions", "FieldPermissions"}

// permissionTriggers are the statements that make the count.
func permissionTriggers() []string {
	statements := []string{`CREATE TABLE PermissionEdition (Edition INTEGER NOT NULL)`, `INSERT INTO PermissionEdition VALUES (1)`}
	for _, table := range permissionTables {
		for _, event := range []string{"INSERT", "UPDATE", "DELETE"} {
			statements = append(statements, fmt.Sprintf(`CREATE TRIGGER "%s_edition_%s" AFTER %[2]s ON %[1]q BEGIN UPDATE PermissionEdition SET Edition = Edition + 1; END`,
				table, event))
		}
	}
	return statements
}

// look finds out what the user of the call sees, given the id of the user's profile. Of the profiles that see everything
// there is nothing to find out.
func (c *call) look(profile string) error {
	if c.sight = nil; profile != c.org.minimal {
		return nil
	}
	var edition int64
	if err := c.db.QueryRowContext(c.Context(), `SELECT Edition FROM PermissionEdition`).Scan(&edition); err != nil {
		return err
	}
	c.org.viewsMu.Lock()
	known := c.org.views.views[c.user.id]
	c.org.viewsMu.Unlock()
	if known != nil && known.edition == edition && known.base == c.org.schema {
		c.sight = known
		return nil
	}
	g, err := c.grants()
	if err != nil {
		return err
	}
	s, err := c.org.schema.seenWith(g, edition)
	if err != nil {
		return err
	}
	c.sight = &view{s, g, c.org.schema, edition}
	c.org.viewsMu.Lock()
	defer c.org.viewsMu.Unlock()
	if c.org.views.views == nil {
		c.org.views.views = map[string]*view{}
	}
	c.org.views.views[c.user.id] = c.sight
	return nil
}

// lookAgain is look for work that was promised: the permissions count that the user has when it is done.
func (c *call) lookAgain() error {
	if c.user == nil {
		return nil
	}
	profile, err := c.firstText(`SELECT coalesce(ProfileId, '') FROM User WHERE Id = ?`, c.user.id)
	if err != nil {
		return err
	}
	return c.look(profile)
}

// grants adds up the permission sets that are assigned to the user.
func (c *call) grants() (*grants, error) {
	g := &grants{objects: map[string]may{}, fields: map[string]may{}, user: map[string]bool{}}
	const assigned = ` AS p JOIN PermissionSetAssignment AS a ON a.PermissionSetId = p.ParentId AND a.AssigneeId = ?1 AND NOT a.IsDeleted
		JOIN PermissionSet AS s ON s.Id = p.ParentId AND NOT s.IsDeleted WHERE NOT p.IsDeleted`
	for _, kind := range []struct {
		query string
		into  map[string]may
	}{
		{`SELECT SobjectType, PermissionsRead, PermissionsCreate, PermissionsEdit, PermissionsDelete FROM ObjectPermissions` + assigned, g.objects},
		{`SELECT Field, PermissionsRead, PermissionsEdit, PermissionsEdit, 0 FROM FieldPermissions` + assigned, g.fields},
	} {
		rows, err := c.rows(kind.query, []any{c.user.id})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			name := strings.ToLower(fmt.Sprint(row[0]))
			m := kind.into[name]
			kind.into[name] = may{m.read || row[1] == int64(1), m.create || row[2] == int64(1), m.edit || row[3] == int64(1), m.delete || row[4] == int64(1)}
		}
	}
	names := userPermissions(c.org.schema.Object("PermissionSet"))
	rows, err := c.rows(`SELECT s."`+userPermissionField+strings.Join(names, `", s."`+userPermissionField)+`" FROM PermissionSet AS s JOIN PermissionSetAssignment AS a
		ON a.PermissionSetId = s.Id AND a.AssigneeId = ?1 AND NOT a.IsDeleted WHERE NOT s.IsDeleted`, []any{c.user.id})
	for _, row := range rows {
		for i, name := range names {
			g.user[name] = g.user[name] || row[i] == int64(1)
		}
	}
	return g, err
}

// userPermissionField starts the names of the fields of PermissionSet that are user permissions.
const userPermissionField = "Permissions"

// userPermissions are the user permissions that the simulated org knows, such as EditTask.
func userPermissions(permissionSet *Object) []string {
	var names []string
	for _, f := range permissionSet.Fields {
		if name, is := strings.CutPrefix(f.Name, userPermissionField); is {
			names = append(names, name)
		}
	}
	return names
}

// forEverybody are objects that no object permission is about: whoever may use the API sees them. Files are seen by who
// sees what they belong to on the platform; sharing is not simulated.
var forEverybody = map[string]may{
	"User": {read: true}, "Profile": {read: true}, "Organization": {read: true}, "RecentlyViewed": {read: true}, "LeadStatus": {read: true},
	"ProcessDefinition": {read: true}, "ProcessNode": {read: true}, "ProcessInstance": {read: true}, "ProcessInstanceNode": {read: true},
	"ProcessInstanceStep": {read: true}, "ProcessInstanceWorkitem": {read: true}, "ProcessInstanceHistory": {read: true},
	"ContentDocument": {true, true, true, true}, "ContentVersion": {true, true, true, true}, "ContentDocumentLink": {true, true, true, true},
}

// ruledBy is the object whose permission counts for an object. A detail has no permission of its own, neither have
// lines: a permission set that names them is deployed and the entry is dropped, so people have found for OrderItem. That
// the lines of a return order and the entries of a price book are like it is a guess.
func (o *Object) ruledBy() string {
	switch o.Name {
	case "OrderItem":
		return "Order"
	case "PricebookEntry":
		return "Pricebook2"
	case "ReturnOrderLineItem":
		return "ReturnOrder"
	}
	for _, f := range o.Fields {
		if custom(f.Name) && f.metadataType() == "MasterDetail" {
			return f.To[0]
		}
	}
	return o.Name
}

// neededUserPermissions are those without which nothing of an object is seen, where a user permission and not an object
// permission decides.
var neededUserPermissions = map[string]string{
	"Task": "ActivitiesAccess", "PermissionSet": "ViewSetup", "PermissionSetAssignment": "ViewSetup", "ObjectPermissions": "ViewSetup",
	"FieldPermissions": "ViewSetup", "Report": "RunReports", "Dashboard": "RunReports", "DashboardComponent": "RunReports", "Folder": "RunReports",
}

// on tells what the grants allow with an object. The parts of an org that have to do with neither (the feed, mail, code)
// are not shown to users who are subject to permissions: how the platform decides about them is not simulated.
func (g *grants) on(o *Object) may {
	if m, is := forEverybody[o.Name]; is {
		return m
	}
	if name, is := neededUserPermissions[o.Name]; is {
		writes := o.Name == "Task" && g.user["EditTask"]
		return may{g.user[name], writes, writes, writes}
	}
	if o.face || o.Durable || o.Name == "FeedItem" || o.Name == "EmailMessage" {
		return may{}
	}
	m := g.objects[strings.ToLower(o.ruledBy())]
	if ruler := o.ruledBy(); ruler != o.Name { // to write lines is to edit what they are lines of
		return may{m.read, m.edit, m.edit, m.edit}
	}
	m.read = m.read || g.user["ViewAllData"]
	return m
}

// permissionable reports whether field permissions are about a field. They are not about required fields nor those that
// the system fills in: "assumed to always be readable", says the Object Reference about FieldPermissions, which names
// Id, the dates and users of creation and change, the owner, fields that are required for everybody, and references to
// a master. Formulas, auto numbers and other computed values are, and can be read at most; that a standard flag such as
// IsClosed, which has always a value, is not, is a guess.
func (o *Object) permissionable(f *Field) bool {
	if _, is := forEverybody[o.Name]; is && !custom(f.Name) || o.Event {
		return false
	}
	return !f.Required && !(f.Type == "boolean" && f.Access == "none" && !custom(f.Name))
}

// ruler is the field whose permission counts for a field: that of the whole address for a part of it. The parts of a
// name are like the name, which everybody sees.
func (o *Object) ruler(f *Field) *Field {
	if name, is := compound(o, f).(string); is {
		return o.Field(name)
	}
	return f
}

// onField tells what the grants allow with a field of an object.
func (g *grants) onField(o *Object, f *Field) may {
	ruler := o.ruler(f)
	if ruler == nil || !o.permissionable(ruler) {
		return may{read: true, edit: true}
	}
	return g.fields[strings.ToLower(o.Name+"."+ruler.Name)]
}

// base is an object as it is, for one that is seen with permissions.
func (o *Object) base() *Object { return cmp.Or(o.whole, o) }

// seenWith makes the schema that the grants show: without the objects and fields that may not be read, and with those
// that may not be written as such. The objects know which ones they are made of: what the platform does by itself
// (defaults, formulas, validation) it does with all fields. The edition makes describes of the schema known as changed.
func (s *Schema) seenWith(g *grants, edition int64) (*Schema, error) {
	var objects []*Object
	seen := map[string]bool{}
	for _, o := range s.Objects {
		m := g.on(o)
		if !m.read && !(o.Event && m.create) {
			continue
		}
		part := o.clone()
		part.whole, part.noEdit = o, o.ReadOnly || o.Event || !m.edit
		part.NoCreate, part.NoDelete = o.NoCreate || !m.create, o.NoDelete || !m.delete
		part.Fields = slices.DeleteFunc(part.Fields, func(f *Field) bool {
			m := g.onField(o, f)
			if !m.edit {
				f.Access = "none"
			}
			return !m.read
		})
		objects, seen[o.Name] = append(objects, part), true
	}
	for _, o := range objects {
		for _, f := range o.Fields {
			f.To = slices.DeleteFunc(slices.Clone(f.To), func(name string) bool { return !seen[name] })
		}
	}
	v, err := newSchema(objects)
	if err != nil {
		return nil, err
	}
	if v.tooling, err = newSchema(nil); err != nil {
		return nil, err
	}
	v.changed, v.edition = s.changed, edition
	return v, nil
}

// permits refuses a user without a user permission. The words are those of resources that say no more.
func (c *call) permits(permission string) error {
	if c.sight == nil || c.sight.grants.user[permission] {
		return nil
	}
	return refuse(http.StatusForbidden, "INSUFFICIENT_ACCESS", "insufficient access rights: the user needs the permission %s", permission)
}

// enter refuses a resource to users who are subject to permissions if it is not known to respect them.
func (c *call) enter(r route) error {
	if c.sight == nil || r.open || r.respects {
		return nil
	}
	return refuse(http.StatusForbidden, "INSUFFICIENT_ACCESS",
		"insufficient access rights: the simulated org opens this resource only to users who are not subject to permissions")
}

// respecting marks routes whose handlers ask the schema of the call, which is that of its user, or the call's
// permissions.
func respecting(routes []route) []route {
	for i := range routes {
		routes[i].respects = true
	}
	return routes
}

// Errors about what permissions do not allow. With these codes people have met them; the status of the first was 400,
// those of the others are told as 400 and as 403.

func noInsert(o *Object) error {
	return invalid("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "entity type cannot be inserted: "+o.Label)
}

func noAccess() error {
	return &fault{status: http.StatusForbidden, code: "INSUFFICIENT_ACCESS_OR_READONLY", message: "insufficient access rights on object id"}
}

func noReference(id string) error {
	return invalid("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "insufficient access rights on cross-reference id: "+id[:15])
}

// allObjects is the schema of the API the call came with, whoever asks.
func (c *call) allObjects() *Schema {
	if c.tooling {
		return c.org.schema.tooling
	}
	return c.org.schema
}
