package fakeorg

import (
	"net/http"
	"strings"
)

// quickAction makes a record that belongs to another, or changes one. The name of an action of an object starts with
// the object: Account.NewContact.
type quickAction struct {
	Name, Label, Type string
	Target            string // the object of the record it makes or changes
	Parent            string // the field of that record that gets the context record
	Fields            []string
	Defaults          fieldValues

	id string
	of string // the object whose action it is; empty for a global one
}

// layoutItem is a field of the form of an action.
type layoutItem struct {
	name     string
	required bool
}

func (q *quickAction) items() []layoutItem {
	var items []layoutItem
	for _, field := range q.Fields {
		name, required := strings.CutSuffix(field, "*")
		items = append(items, layoutItem{name, required})
	}
	return items
}

func quickActionRoutes() []route {
	var routes []route
	for _, base := range []string{"", "/sobjects/{object}"} {
		one := base + "/quickActions/{action}"
		routes = append(routes,
			route{method: http.MethodGet, path: base + "/quickActions", handle: listQuickActions},
			route{method: http.MethodGet, path: one, handle: getQuickAction},
			route{method: http.MethodPost, path: one, handle: performQuickAction},
			route{method: http.MethodGet, path: one + "/describe", handle: describeQuickAction},
			route{method: http.MethodGet, path: one + "/defaultValues", handle: quickActionDefaults},
			route{method: http.MethodGet, path: one + "/defaultValues/{id}", handle: quickActionDefaults})
	}
	return routes
}

// listQuickActions is GET /quickActions, the global ones, and GET /sobjects/{object}/quickActions, those of the object
// and the global ones.
func listQuickActions(c *call) (*answer, error) {
	of := ""
	if c.PathValue("object") != "" {
		o, err := c.object()
		if err != nil {
			return nil, err
		}
		of = o.Name
	}
	actions := []object{}
	for _, q := range c.org.auto.QuickActions {
		if q.of == "" || q.of == of {
			actions = append(actions, c.quickActionItem(q))
		}
	}
	return ok(actions)
}

// quickActionItem is what lists say of an action.
func (c *call) quickActionItem(q *quickAction) object {
	path := "/services/data/" + c.version
	if q.of != "" {
		path += "/sobjects/" + q.of
	}
	path += "/quickActions/" + strings.TrimPrefix(q.Name, q.of+".")
	urls := object{{"defaultValues", path + "/defaultValues"}, {"defaultValuesTemplate", path + "/defaultValues/{ID}"}, {"describe", path + "/describe"},
		{"quickAction", path}}
	return object{{"actionEnumOrId", q.id}, {"label", q.Label}, {"name", q.Name}, {"type", q.Type}, {"urls", urls}}
}

// namedQuickAction finds the action that the path names. Below an object its name may stand without the object's.
func (c *call) namedQuickAction() (*quickAction, error) {
	of := ""
	if c.PathValue("object") != "" {
		o, err := c.object()
		if err != nil {
			return nil, err
		}
		of = o.Name
	}
	name := strings.TrimPrefix(c.PathValue("action"), "Global.") // clients may write so from v46.0 on
	for _, q := range c.org.auto.QuickActions {
		if of == "" && strings.EqualFold(q.Name, name) {
			return q, nil
		}
		if of != "" && q.of == of && (strings.EqualFold(q.Name, name) || strings.EqualFold(q.Name, of+"."+name)) {
			return q, nil
		}
	}
	for _, q := range c.org.auto.QuickActions {
		if q.of == "" && strings.EqualFold(q.Name, name) {
			return q, nil // a global one, below an object
		}
	}
	return nil, noResource()
}

// getQuickAction is GET …/quickActions/{action}.
func getQuickAction(c *call) (*answer, error) {
	q, err := c.namedQuickAction()
	if err != nil {
		return nil, err
	}
	return ok(c.quickActionItem(q))
}

// describeQuickAction is GET …/quickActions/{action}/describe, with the members that the library jsforce declares.
func describeQuickAction(c *call) (*answer, error) {
	q, err := c.namedQuickAction()
	if err != nil {
		return nil, err
	}
	var of, parent, defaults any
	if q.of != "" {
		of = q.of
	}
	if q.Parent != "" {
		parent = q.Parent
	}
	if len(q.Defaults) > 0 {
		set, err := c.automate(nil, "").defaultsOf(q, c.org.schema.Object(q.Target))
		if err != nil {
			return nil, err
		}
		items := []object{}
		for _, ch := range set {
			items = append(items, object{{"defaultValue", shown(ch.field, ch.value)}, {"field", ch.field.Name}})
		}
		defaults = items
	}
	item := c.quickActionItem(q)
	return ok(object{item[0], {"canvasApplicationId", nil}, {"canvasApplicationName", nil}, {"colors", []any{}}, {"contextSobjectType", of},
		{"defaultValues", defaults}, {"flowDevName", nil}, {"flowRecordIdVar", nil}, {"height", nil}, {"iconName", nil}, {"iconUrl", nil}, {"icons", []any{}},
		item[1], {"layout", q.layout(c.org.schema.Object(q.Target))}, {"lightningComponentBundleId", nil}, {"lightningComponentBundleName", nil},
		{"lightningComponentQualifiedName", nil}, {"lightningWebComponentBundleId", nil}, {"lightningWebComponentBundleName", nil},
		{"lightningWebComponentQualifiedName", nil}, {"miniIconUrl", nil}, {"mobileExtensionId", nil}, item[2], {"showQuickActionLcHeader", false},
		{"showQuickActionVfHeader", false}, {"targetParentField", parent}, {"targetRecordTypeId", nil}, {"targetSobjectType", q.Target}, item[3], item[4],
		{"visualforcePageName", nil}, {"visualforcePageUrl", nil}, {"width", nil}})
}

// layout is the form of an action: one field a row.
func (q *quickAction) layout(target *Object) object {
	rows := []object{}
	for i, item := range q.items() {
		f := target.Field(item.name)
		component := object{{"details", describeField(target, f)}, {"displayLines", 1}, {"tabOrder", i + 1}, {"type", "Field"}, {"value", f.Name}}
		rows = append(rows, object{{"layoutItems", []object{{{"editableForNew", q.Type != "Update"}, {"editableForUpdate", q.Type == "Update"}, {"label", f.Label},
			{"layoutComponents", []object{component}}, {"placeholder", false}, {"required", item.required}}}}, {"numItems", 1}})
	}
	return object{{"collapsed", false}, {"columns", 1}, {"heading", nil}, {"layoutRows", rows}, {"layoutSectionId", nil}, {"parentLayoutId", nil},
		{"rows", len(rows)}, {"tabOrder", "LeftToRight"}, {"useCollapsibleSection", false}, {"useHeading", false}}
}
