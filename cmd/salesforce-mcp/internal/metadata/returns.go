package metadata

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/tools/returns/records"
)

// The permission sets.
const (
	ReturnsSet  = "Salesforce_MCP_Returns"
	AuditLogSet = "Salesforce_MCP_Audit_Log"
)

// A Need is a permission and what it is for.
type Need struct {
	Object, Field      string // Field is empty for the object; both are for a user permission
	User               string
	Read, Create, Edit bool
	Why                string
}

// lineOf says whose permission counts for objects that have none of their own. A set
// that names them is deployed and the entry is dropped, as people have found for
// OrderItem; of the others it is a guess. To write lines is to edit what they are of.
var lineOf = map[string]string{"OrderItem": "Order", "PricebookEntry": "Pricebook2", "ReturnOrderLineItem": "ReturnOrder"}

// without are objects that no object permission is about. Files belong to who may see
// the record; tasks are a matter of user permissions.
var without = []string{"ContentVersion", "Task", "Activity", "User"}

// lookups says what the standard lookups that are written lead to: who writes one has
// to see the record, or is answered INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY.
var lookups = map[string]string{"AccountId": "Account", "ContactId": "Contact", "BillToContactId": "Contact", "WhoId": "Contact", "CaseId": "Case", "OrderId": "Order",
	"Pricebook2Id": "Pricebook2", "PricebookEntryId": "Pricebook2", "PaymentGroupId": "PaymentGroup", "PaymentId": "Payment", "RefundId": "Refund"}

// needsRead is which object has to be readable for another one to be: deploys say
// "Permission Read Contact depends on permission(s): Read Account".
var needsRead = map[string]string{"Contact": "Account", "Order": "Account", "Pricebook2": "Product2"}

// always are the fields of each object that everybody sees who sees the object: a set
// that names one is refused ("You cannot deploy to a required field"). They are those
// that the Object Reference does not call nillable.
var always = map[string][]string{
	"Account":             {"Name"},
	"Case":                {"CaseNumber", "Status", "IsClosed"},
	"Contact":             {"LastName", "Name"},
	"Order":               {"OrderNumber", "Status", "EffectiveDate"},
	"OrderItem":           {"OrderId", "OrderItemNumber", "PricebookEntryId", "Quantity"},
	"Payment":             {"Amount", "PaymentNumber", "ProcessingMode", "Status", "Type"},
	"PaymentGroup":        {"PaymentGroupNumber"},
	"Pricebook2":          {"Name"},
	"PricebookEntry":      {"Pricebook2Id", "Product2Id", "UnitPrice"},
	"Product2":            {"Name"},
	"Refund":              {"Amount", "ProcessingMode", "RefundNumber", "Status", "Type"},
	"PaymentGatewayLog":   {"PaymentGatewayLogNumber"},
	"RefundLinePayment":   {"Amount", "PaymentId", "RefundId", "Type"},
	"ReturnOrder":         {"ReturnOrderNumber"},
	"ReturnOrderLineItem": {"QuantityReturned", "ReturnOrderId", "ReturnOrderLineItemNumber"},
	"Task":                {"Priority", "Status"},
}

// system are such fields of every object.
var system = []string{"Id", "Name", "OwnerId", "IsDeleted", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp", "CurrencyIsoCode"}

// permissible reports whether a field permission can be about a field.
func permissible(object, field string) bool {
	if strings.HasSuffix(object, "__e") || object == "ContentVersion" && !strings.HasSuffix(field, "__c") {
		return false
	}
	if slices.Contains(always[object], field) {
		return false
	}
	return !slices.Contains(system, field)
}

// ofGateway is what the gateways read and write beside what the mapping names. What
// Salesforce's payments write, the platform writes by itself.
func ofGateway(gateway string) (access []records.Access) {
	add := func(object string, create bool, fields ...string) {
		for _, field := range append([]string{""}, fields...) {
			access = append(access, records.Access{Object: object, Field: field, Read: true, Create: create})
		}
	}
	switch gateway {
	case config.GatewaySalesforcePayments:
		add("Refund", false, "Comments", "GatewayRefNumber")
		add("PaymentGatewayLog", false, "ReferencedEntityId", "InteractionType", "InteractionStatus", "SfResultCode")
	case config.GatewayRecord:
		add("Refund", true, "AccountId")
		add("Refund", false, "GatewayRefNumber")
	}
	return access
}

// merged adds to access what a mapping does not name.
func merged(access, more []records.Access) []records.Access {
	for _, a := range more {
		at := slices.IndexFunc(access, func(b records.Access) bool { return a.Object == b.Object && a.Field == b.Field })
		if at < 0 {
			access = append(access, a)
			continue
		}
		access[at].Create = access[at].Create || a.Create
	}
	return access
}

// Needs lists what the user of the connection needs for returns.
func Needs(m records.Mapping, gateway string) []Need {
	access := m.Access()
	for i, a := range access {
		if gateway == config.GatewaySalesforcePayments && a.Object == m.Refund.Object { // which makes the records itself
			access[i].Create = false
		}
	}
	access = merged(access, ofGateway(gateway))
	objects := map[string]*Need{}
	var fields []Need
	object := func(name, why string) *Need {
		if slices.Contains(without, name) {
			return &Need{}
		}
		if objects[name] == nil {
			objects[name] = &Need{Object: name, Read: true, Why: why}
		}
		return objects[name]
	}
	tasks, activated := false, false
	for _, a := range access {
		name := a.Object
		tasks = tasks || name == "Task"
		activated = activated || a.Field == "" && a.Edit && (name == "Order" || name == "OrderItem")
		if ruler := lineOf[name]; ruler != "" && a.Field == "" {
			o := object(ruler, "whose lines are read")
			if a.Create || a.Edit {
				o.Edit, o.Why = true, cmp.Or(map[bool]string{true: "whose lines are written"}[!o.Create], o.Why)
			}
			continue
		}
		if a.Field == "" {
			o := object(name, "is read")
			o.Create, o.Edit = o.Create || a.Create, o.Edit || a.Edit
			o.Why = described(a)
			continue
		}
		if target := lookups[a.Field]; target != "" && (a.Create || a.Edit) {
			object(target, "is referred to by "+name+"."+a.Field)
		}
		if permissible(name, a.Field) {
			fields = append(fields, Need{Object: cmp.Or(map[bool]string{true: "Activity"}[name == "Task" && strings.HasSuffix(a.Field, "__c")], name), Field: a.Field, Read: true,
				Edit: a.Create || a.Edit, Why: described(a)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		for other := needsRead[name]; other != ""; other = needsRead[other] {
			object(other, "has to be readable where "+name+" is")
		}
	}
	var needs []Need
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		needs = append(needs, *objects[name])
	}
	slices.SortFunc(fields, func(a, b Need) int { return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.Field, b.Field)) })
	needs = append(needs, fields...)
	for _, u := range []struct {
		when      bool
		name, why string
	}{
		{activated, "ActivateOrder", "without which EditActivatedOrders cannot be given"}, {tasks, "ActivitiesAccess", "tasks are looked up"}, {true, "ApiEnabled", "all requests"},
		{activated, "EditActivatedOrders", "orders that are returned are activated, and written"}, {tasks, "EditTask", "a task is logged"},
		{gateway == config.GatewaySalesforcePayments, "PaymentsAPIUser", "refunds through Salesforce's payments; needs the Order Management licence"},
	} {
		if u.when {
			needs = append(needs, Need{User: u.name, Why: u.why})
		}
	}
	return needs
}

// described says what is done.
func described(a records.Access) string {
	switch {
	case a.Create && a.Edit:
		return "is read, created and changed"
	case a.Create:
		return "is read, and written when a record is made"
	case a.Edit:
		return "is read and changed"
	}
	return "is read"
}

// set makes a permission set of needs.
func set(name, label, description string, needs []Need) PermissionSet {
	s := PermissionSet{Name: name, Label: label, Description: description}
	for _, n := range needs {
		switch {
		case n.User != "":
			s.User = append(s.User, UserPermission{true, n.User})
		case n.Field != "":
			s.Fields = append(s.Fields, FieldPermission{Edit: n.Edit, Field: n.Object + "." + n.Field, Read: n.Read})
		default:
			s.Objects = append(s.Objects, ObjectPermission{Create: n.Create, Edit: n.Edit, Read: n.Read, Object: n.Object})
		}
	}
	return s
}

// Returns adds to a package what returns need: the permission set, the external ids
// of the mapping, and the platform event. Fields that are named in except have no
// permission in the set: those of which a deploy says that they are required.
func (p *Package) Returns(m records.Mapping, gateway string, except ...string) error {
	needs := Needs(m, gateway)
	for _, name := range except {
		at := slices.IndexFunc(needs, func(n Need) bool { return n.Field != "" && strings.EqualFold(n.Object+"."+n.Field, name) })
		if at < 0 {
			return fmt.Errorf("%q is no field of the permission set; write it as Case.Reason", name)
		}
		needs = slices.Delete(needs, at, at+1)
	}
	p.Sets = append(p.Sets, set(ReturnsSet, "Salesforce MCP Returns", "What the integration user of salesforce-mcp needs to process returns, and no more.", needs))
	for _, f := range []struct{ object, name string }{{m.Order.Object, m.Order.Key}, {m.Lines.Object, m.Lines.Key}, {m.ReturnOrder.Object, m.ReturnOrder.Key},
		{m.ReturnLines.Object, m.ReturnLines.Key}, {m.Refund.Object, m.Refund.Key}, {"Activity", m.Task.Key}} {
		if f.object != "" && strings.HasSuffix(f.name, "__c") {
			p.field(f.object, Field{Name: f.name, Label: inWords(f.name), Type: "Text", Length: 255, ExternalID: true, Unique: true, CaseSensitive: true,
				Description: "By which salesforce-mcp finds again what it has written for a return."})
		}
	}
	if strings.HasSuffix(m.Document.Key, "__c") {
		p.field("ContentVersion", Field{Name: m.Document.Key, Label: inWords(m.Document.Key), Type: "Text", Length: 255,
			Description: "By which salesforce-mcp finds again the documents of a return."})
	}
	if e := m.Event; strings.HasSuffix(e.Object, "__e") {
		cents := 2
		event := Object{Name: e.Object, Label: inWords(e.Object), Plural: inWords(e.Object), Deployment: "Deployed", EventType: "HighVolume", PublishBehavior: "PublishImmediately",
			Description: "Published by salesforce-mcp when a return has come to its end."}
		for _, f := range []Field{{Name: e.Case, Type: "Text", Length: 18, Required: true}, {Name: e.Outcome, Type: "Text", Length: 40},
			{Name: e.Amount, Type: "Number", Precision: 18, Scale: &cents}, {Name: e.Currency, Type: "Text", Length: 3}, {Name: e.Run, Type: "Text", Length: 64}} {
			if f.Name != "" {
				f.Label = inWords(f.Name)
				event.Fields = append(event.Fields, f)
			}
		}
		p.Objects = append(p.Objects, event)
	}
	return nil
}

// field adds a field to an object that is there.
func (p *Package) field(object string, f Field) {
	at := slices.IndexFunc(p.Objects, func(o Object) bool { return o.Name == object })
	if at < 0 {
		p.Objects = append(p.Objects, Object{Name: object})
		at = len(p.Objects) - 1
	}
	if !slices.ContainsFunc(p.Objects[at].Fields, func(known Field) bool { return known.Name == f.Name }) {
		p.Objects[at].Fields = append(p.Objects[at].Fields, f)
	}
}

// inWords makes a label of an API name: Return_Key__c is Return Key.
func inWords(name string) string {
	name, _, _ = strings.Cut(name, "__")
	return strings.ReplaceAll(name, "_", " ")
}
