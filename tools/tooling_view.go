package tools

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"salesforce-mcp/salesforce"
)

// getTooling fetches a record, or the fields that are named.
func getTooling(ctx context.Context, org Org, op *Op, args Args) (*salesforce.Response, error) {
	req, err := op.Request(args)
	if err != nil {
		return nil, err
	}
	if names, ok := args[describedFields.Name]; ok {
		req.Query = url.Values{describedFields.Name: {text(names)}}
	}
	return org.Do(ctx, req)
}

// apexNote says where the log is.
func apexNote(Args, any) string {
	return `Its log: action query and then action getLog, q "SELECT Id, StartTime, Status FROM ApexLog ORDER BY StartTime DESC LIMIT 1". Apex is logged only while a TraceFlag of the user (TracedEntityId, DebugLevelId, ExpirationDate within a day) is there.`
}

// testRunNote names the query for the results of a run, whose ID is the answer.
func testRunNote(_ Args, v any) string {
	return fmt.Sprintf(`Results: action query, q "SELECT ApexClass.Name, MethodName, Outcome, Message FROM ApexTestResult WHERE AsyncApexJobId = '%s'"; while it runs: "SELECT ApexClass.Name, Status FROM ApexTestQueueItem WHERE ParentJobId = '%[1]s'".`, cell(v))
}

// completionsView shows the part of the completions that the filter names: a
// namespace's classes or, without one, how many each has; a class's methods and
// properties, whether or not its namespace is named. All of them are several
// megabytes.
func completionsView(args Args, v any) any {
	o, _ := v.(object)
	filter, _ := args[nameFilter.Name].(string)
	if tags, ok := o.get("completions").(object); ok {
		return visualforce(tags, filter)
	}
	namespaces, ok := o.get("publicDeclarations").(object)
	if !ok {
		return v
	}
	space, class, _ := strings.Cut(filter, ".")
	if filter == "" {
		rows := []any{}
		for _, m := range namespaces {
			classes, _ := m.value.(object)
			rows = append(rows, object{{"namespace", m.name}, {"classes", len(classes)}})
		}
		return object{{"namespaces", rows}}
	}
	classes, found := like(namespaces, space).(object)
	if found && class == "" {
		return object{{"namespace", space}, {"classes", names(classes)}}
	}
	declared, found := like(classes, class).(object)
	for i := 0; i < len(namespaces) && class == "" && !found; i++ { // a class without its namespace
		classes, _ = namespaces[i].value.(object)
		declared, found = like(classes, filter).(object)
	}
	if !found {
		return object{{"filter", filter}, {"found", false}}
	}
	out := object{{"class", filter}}
	for _, kind := range []string{"constructors", "methods", "properties"} {
		list, _ := declared.get(kind).([]any)
		out = append(out, member{kind, signatures(list)})
	}
	return out
}

// visualforce lists tags or, where the filter names one, its attributes.
func visualforce(tags object, filter string) any {
	tag, ok := like(tags, filter).(object)
	if !ok {
		all := slices.DeleteFunc(names(tags), func(n any) bool { return !strings.HasPrefix(n.(string), filter) })
		return object{{"tags", all}}
	}
	attributes, _ := tag.get("attribs").(object)
	rows := []any{}
	for _, m := range attributes {
		attribute, _ := m.value.(object)
		rows = append(rows, object{{"name", m.name}}.merge(attribute))
	}
	return object{{"tag", filter}, {"attributes", rows}}
}

// like is the member of that name in any case: Apex does not tell case apart.
func like(o object, name string) any {
	for _, m := range o {
		if strings.EqualFold(m.name, name) {
			return m.value
		}
	}
	return nil
}

func names(o object) []any {
	list := make([]any, len(o))
	for i, m := range o {
		list[i] = m.name
	}
	return list
}

// signatures writes methods as Apex does: "String valueOf(Object o)".
func signatures(list []any) []any {
	var out []any
	for _, e := range list {
		o, _ := e.(object)
		var params []string
		given, _ := o.get("parameters").([]any)
		for _, p := range given {
			param, _ := p.(object)
			params = append(params, strings.TrimSpace(cell(param.get("type"))+" "+cell(param.get("name"))))
		}
		text := cell(o.get("name"))
		if given != nil || o.get("returnType") != nil {
			text = strings.TrimSpace(cell(o.get("returnType")) + " " + text + "(" + strings.Join(params, ", ") + ")")
		}
		if o.get("isStatic") == true {
			text = "static " + text
		}
		out = append(out, text)
	}
	return out
}

// layoutFields lists the fields that a quick action's layout asks for.
func layoutFields(_ Args, v any) any {
	o, _ := v.(object)
	layout, ok := o.get("layout").(object)
	if !ok {
		return v
	}
	fields := []any{}
	rows, _ := layout.get("layoutRows").([]any)
	for _, r := range rows {
		row, _ := r.(object)
		items, _ := row.get("layoutItems").([]any)
		for _, i := range items {
			item, _ := i.(object)
			components, _ := item.get("layoutComponents").([]any)
			for _, c := range components {
				component, _ := c.(object)
				if component.get("type") == "Field" {
					field := object{{"name", component.get("value")}, {"label", item.get("label")}, {"required", item.get("required")}}
					details, _ := component.get("details").(object)
					if values, _ := details.get("picklistValues").([]any); len(values) > 0 {
						field = append(field, member{"values", flat(values, true)})
					}
					fields = append(fields, field)
				}
			}
		}
	}
	kept := object{}
	for _, name := range []string{"name", "label", "type", "targetSobjectType", "targetParentField", "defaultValues"} {
		if v := o.get(name); v != nil {
			kept = append(kept, member{name, v})
		}
	}
	return append(kept, member{"fields", fields})
}
