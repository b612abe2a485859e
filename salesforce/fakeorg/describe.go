package fakeorg

import (
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"
	"time"
)

func describeRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/sobjects", handle: describeGlobal},
		{method: http.MethodGet, path: "/sobjects/{object}", handle: describeBasic},
		{method: http.MethodGet, path: "/sobjects/{object}/describe", handle: describeObject},
	}
}

// schemaTime is when the objects and fields every org starts with were last changed.
var schemaTime = time.Date(2026, 1, 12, 8, 0, 0, 0, time.UTC)

// version is that of every describe: in recorded ones, all objects had the same entity tag of eight hex digits.
func (s *Schema) version() version {
	return version{etag: fmt.Sprintf("%08x", crc32.ChecksumIEEE(fmt.Append(nil, s.changed, s.edition))), modified: s.changed}
}

// unchanged answers 304 when the client has already seen the schema.
func (c *call) unchanged() bool {
	status, err := c.schema().version().check(c.Request)
	return err == nil && status == http.StatusNotModified
}

// described answers with the version of the schema.
func (c *call) described(body any) (*answer, error) {
	return &answer{status: http.StatusOK, body: body, header: c.schema().version().header()}, nil
}

// describeGlobal is GET /sobjects.
func describeGlobal(c *call) (*answer, error) {
	if c.unchanged() {
		return &answer{status: http.StatusNotModified}, nil
	}
	all := []object{}
	for _, o := range c.schema().Objects {
		all = append(all, c.summary(o))
	}
	return c.described(object{{"encoding", "UTF-8"}, {"maxBatchSize", 200}, {"sobjects", all}})
}

// describeBasic is GET /sobjects/{object}.
func describeBasic(c *call) (*answer, error) {
	o, err := c.object()
	if err != nil {
		return nil, err
	}
	items, err := c.recentItems(o.Name, 200)
	if err != nil {
		return nil, err
	}
	return ok(object{{"objectDescribe", c.summary(o)}, {"recentItems", items}})
}

// describeObject is GET /sobjects/{object}/describe.
func describeObject(c *call) (*answer, error) {
	o, err := c.object()
	if err != nil {
		return nil, err
	}
	if c.unchanged() {
		return &answer{status: http.StatusNotModified}, nil
	}
	fields, children := []object{}, []object{}
	for _, f := range o.Fields {
		fields = append(fields, describeField(o, f))
	}
	for _, child := range o.Children {
		children = append(children, object{{"cascadeDelete", child.Field.OnDelete == "cascade"}, {"childSObject", child.Object.Name},
			{"deprecatedAndHidden", false}, {"field", child.Field.Name}, {"junctionIdListNames", []string{}}, {"junctionReferenceTo", []string{}},
			{"relationshipName", orNull(child.Name)}, {"restrictedDelete", child.Field.OnDelete == "restrict"}})
	}
	master := object{{"active", true}, {"available", true}, {"defaultRecordTypeMapping", true}, {"developerName", "Master"}, {"master", true},
		{"name", "Master"}, {"recordTypeId", "012000000000000AAA"}, {"urls", object{}}}
	body := append(object{{"actionOverrides", []any{}}, {"childRelationships", children}, {"compactLayoutable", true}, {"fields", fields},
		{"listviewable", nil}, {"lookupLayoutable", nil}, {"namedLayoutInfos", []any{}}, {"networkScopeFieldName", nil},
		{"recordTypeInfos", []object{master}}, {"sobjectDescribeOption", "FULL"}, {"supportedScopes", []any{}}}, c.summary(o)...)
	return c.described(body)
}

// summary is what describe global says of an object. Full describe says it too.
func (c *call) summary(o *Object) object {
	writable := !o.ReadOnly
	path := c.root() + "/sobjects/" + o.Name
	urls := object{{"rowTemplate", path + "/{ID}"}, {"describe", path + "/describe"}, {"sobject", path}}
	var prefix any
	if o.Prefix != "" {
		prefix = o.Prefix
	}
	return object{{"activateable", false}, {"associateEntityType", nil}, {"associateParentEntity", nil}, {"createable", writable && !o.NoCreate},
		{"custom", custom(o.Name)}, {"customSetting", false}, {"deepCloneable", false}, {"defaultImplementation", nil},
		{"deletable", writable && !o.NoDelete && !o.Event},
		{"deprecatedAndHidden", false}, {"extendedBy", nil}, {"extendsInterfaces", nil}, {"feedEnabled", false}, {"hasSubtypes", false},
		{"implementedBy", nil}, {"implementsInterfaces", nil}, {"isInterface", false}, {"isSubtype", false},
		{"keyPrefix", prefix}, {"label", o.Label}, {"labelPlural", o.Plural}, {"layoutable", !o.Event}, {"mergeable", false}, {"mruEnabled", !o.Event},
		{"name", o.Name}, {"queryable", !o.Event}, {"replicateable", !o.Event && o.Prefix != ""}, {"retrieveable", !o.Event},
		{"searchLayoutable", searchable(o)}, {"searchable", searchable(o)}, {"triggerable", true}, {"undeletable", writable && !o.NoDelete && !o.Event},
		{"updateable", writable && !o.Event && !o.noEdit}, {"urls", urls}}
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// describeField has the keys of a recorded describe (cci-121), in its order.
func describeField(o *Object, f *Field) object {
	length, digits, precision := f.Length, 0, 0
	switch f.Type {
	case "int":
		digits = 8
	case "double", "currency", "percent":
		precision = f.Precision
	}
	values := []object{}
	for _, v := range f.Values {
		values = append(values, object{{"active", true}, {"defaultValue", v == f.Default}, {"label", v}, {"validFor", nil}, {"value", v}})
	}
	textual := f.Text() || f.Type == "id" || f.Type == "reference"
	byteLength := 0
	if textual {
		byteLength = 3 * length
		if !f.Text() {
			byteLength = length
		}
	}
	sortable := f.Type != "base64" && f.Type != "address" && f.Type != "complexvalue" && !(f.Type == "textarea" && f.Length > 255) && f.Type != "multipicklist"
	return object{{"aggregatable", sortable && !o.Durable && f.Type != "boolean"}, {"aiPredictionField", false}, {"autoNumber", f.Auto != ""}, {"byteLength", byteLength},
		{"calculated", f.Computed() && custom(f.Name)}, {"calculatedFormula", nil}, {"cascadeDelete", f.OnDelete == "cascade"}, {"caseSensitive", f.CaseSensitive},
		{"compoundFieldName", compound(o, f)}, {"controllerName", nil}, {"createable", f.Createable() && !o.ReadOnly}, {"custom", custom(f.Name)},
		{"defaultValue", defaultValue(f)}, {"defaultValueFormula", nil}, {"defaultedOnCreate", f.defaulted()}, {"dependentPicklist", false},
		{"deprecatedAndHidden", false}, {"digits", digits}, {"displayLocationInDecimal", false}, {"encrypted", false}, {"externalId", f.ExternalID},
		{"extraTypeInfo", nil}, {"filterable", f.Type != "base64" && f.Type != "address" && f.Type != "complexvalue" && (!longText(f) || f.Filtered)},
		{"filteredLookupInfo", nil}, {"formulaTreatNullNumberAsZero", false},
		{"groupable", sortable && !o.Durable && precision == 0 && f.Type != "datetime"}, {"highScaleNumber", false}, {"htmlFormatted", false}, {"idLookup", f.IDLookup},
		{"inlineHelpText", nil}, {"label", f.Label}, {"length", length}, {"mask", nil}, {"maskType", nil}, {"name", f.Name}, {"nameField", f.NameField},
		{"namePointing", len(f.To) > 1}, {"nillable", !f.Required && f.Type != "boolean"}, {"permissionable", o.base().permissionable(o.base().Field(f.Name))},
		{"picklistValues", values}, {"polymorphicForeignKey", len(f.To) > 1}, {"precision", precision}, {"queryByDistance", false},
		{"referenceTargetField", nil}, {"referenceTo", append([]string{}, f.To...)}, {"relationshipName", orNull(f.Relationship)}, {"relationshipOrder", nil},
		{"restrictedDelete", f.OnDelete == "restrict"}, {"restrictedPicklist", f.Restricted}, {"scale", f.Scale}, {"searchPrefilterable", false},
		{"soapType", soapType(f)}, {"sortable", sortable}, {"type", f.Type}, {"unique", f.Unique}, {"updateable", f.Updateable() && !o.ReadOnly},
		{"writeRequiresMasterRead", false}}
}

// defaulted reports whether a create may leave a required field out.
func (f *Field) defaulted() bool {
	return f.Default != "" || f.Initial != "" || f.Type == "boolean" || f.Access == "none" && f.Required
}

func defaultValue(f *Field) any {
	if f.Type == "boolean" {
		return f.Default == "true"
	}
	return nil
}

// compound names the address or person name a field is a part of.
func compound(o *Object, f *Field) any {
	if f.Name == "FirstName" || f.Name == "LastName" || f.Name == "Salutation" {
		return "Name"
	}
	for _, address := range o.Fields {
		if address.Type != "address" {
			continue
		}
		for _, part := range []string{"Street", "City", "State", "PostalCode", "Country"} {
			if strings.EqualFold(f.Name, address.Parts+part) {
				return address.Name
			}
		}
	}
	return nil
}

func soapType(f *Field) string {
	switch f.Type {
	case "id", "reference":
		return "tns:ID"
	case "boolean", "int", "double", "date":
		return "xsd:" + f.Type
	case "currency", "percent":
		return "xsd:double"
	case "datetime":
		return "xsd:dateTime"
	case "base64":
		return "xsd:base64Binary"
	case "address":
		return "urn:address"
	case "complexvalue":
		return "urn:" + f.Name
	}
	return "xsd:string"
}
