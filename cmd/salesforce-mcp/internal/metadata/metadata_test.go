package metadata

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/salesforce/fakeorg"
	"salesforce-mcp/tools/returns/records"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/returns-permissions.md, then read the diff")

// TestPage: the tables of docs/returns-permissions.md are what the package permits.
func TestPage(t *testing.T) {
	const file, from, to = "../../../../docs/returns-permissions.md", "<!-- made from the mapping: -->\n", "<!-- so far -->\n"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(page), from)
	_, after, found := strings.Cut(rest, to)
	if !found {
		t.Fatalf("%s has not %q and %q", file, from, to)
	}
	var tables bytes.Buffer
	if err := WriteNeeds(&tables, Needs(records.Default(), config.GatewaySalesforcePayments)); err != nil {
		t.Fatal(err)
	}
	want := before + from + tables.String() + to + after
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if want != string(page) {
		t.Errorf("%s is not up to date: go test ./cmd/salesforce-mcp/internal/metadata -update", file)
	}
}

// TestZip: the same package is the same bytes, in whatever order it was put together.
func TestZip(t *testing.T) {
	one, other := standard(t), standard(t)
	slices.Reverse(other.Objects)
	slices.Reverse(other.Sets)
	if !bytes.Equal(zipped(t, one), zipped(t, other)) {
		t.Error("two files of the same package differ")
	}
}

// TestNeeds: what is permitted follows the mapping and the gateway.
func TestNeeds(t *testing.T) {
	paying := records.Default()
	own := records.Default()
	own.Order.Refunded, own.Order.Object, own.Task.Key = "Refunded__c", "Sale__c", "Sent_Key__c"
	written := records.Default()
	written.Order.Refunded = "Refunded__c"
	for _, test := range []struct {
		name    string
		mapping records.Mapping
		gateway string
		want    []string
		never   []string
	}{
		{"Salesforce's payments make the refund", paying, config.GatewaySalesforcePayments, []string{"PaymentsAPIUser", "Refund re", "PaymentGatewayLog r", "Refund.Comments r"},
			[]string{"Refund rce", "ActivateOrder", "ContentVersion r", "Task r", "OrderItem rce", "Case.Status re"}},
		{"the record does", paying, config.GatewayRecord, []string{"Refund rce", "Refund.Refund_Key__c re", "Refund.AccountId re"}, []string{"PaymentsAPIUser", "PaymentGatewayLog r"}},
		{"custom objects", own, config.GatewayStripe, []string{"Sale__c rce", "Sale__c.Refunded__c re", "Activity.Sent_Key__c re"}, []string{"Order.Status re", "Order.Pricebook2Id re", "PaymentsAPIUser"}},
		{"activated orders are written", written, config.GatewayRecord, []string{"EditActivatedOrders", "ActivateOrder", "Order rce", "Order.Refunded__c re"}, nil},
	} {
		var got []string
		for _, n := range Needs(test.mapping, test.gateway) {
			name := n.Object
			if n.Field != "" {
				name += "." + n.Field
			}
			if n.User != "" {
				got = append(got, n.User)
				continue
			}
			rights := "r"
			if n.Create {
				rights += "c"
			}
			if n.Edit {
				rights += "e"
			}
			got = append(got, name+" "+rights)
		}
		for _, want := range test.want {
			if !slices.Contains(got, want) {
				t.Errorf("%s: there is no %q in %v", test.name, want, got)
			}
		}
		for _, never := range test.never {
			if slices.Contains(got, never) {
				t.Errorf("%s: there is %q", test.name, never)
			}
		}
	}
	if err := new(Package).Returns(paying, config.GatewayRecord, "Case.Nothing"); err == nil || !strings.Contains(err.Error(), `"Case.Nothing" is no field of the permission set`) {
		t.Error(err)
	}
	p := &Package{}
	if err := p.Returns(paying, config.GatewayRecord, "task.subject"); err != nil || slices.ContainsFunc(p.Sets[0].Fields, func(f FieldPermission) bool { return f.Field == "Task.Subject" }) {
		t.Error("Task.Subject is still in the set", err)
	}
}

// world is a simulated org behind a real server, whose time a test moves.
type world struct {
	t   *testing.T
	org *fakeorg.Org
	url string

	mu  sync.Mutex
	now time.Time
}

func start(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)}
	var err error
	if w.org, err = fakeorg.New(fakeorg.Options{Clock: w.time, DailyCalls: 1_000_000}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.org.Handler())
	w.url = server.URL
	t.Cleanup(func() {
		server.Close()
		if err := w.org.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// do sends a request with a token; kind is that of the body.
func (w *world) do(token, method, path, kind, body string) (status int, answer string) {
	w.t.Helper()
	r, err := http.NewRequest(method, w.url+"/services/data/v62.0"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", kind)
	answered, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answered.Body.Close() }()
	text, err := io.ReadAll(answered.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answered.StatusCode, string(text)
}

// admin sends a request that has to be answered well, as an administrator.
func (w *world) admin(method, path, body string) string {
	w.t.Helper()
	status, answer := w.do(w.org.MintToken(fakeorg.AdminUser), method, path, "application/json", body)
	if status > 299 {
		w.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return answer
}

// id is the ID of the first row of a query.
func (w *world) id(q string) string {
	w.t.Helper()
	var found struct{ Records []struct{ ID string } }
	if err := json.Unmarshal([]byte(w.admin("GET", "/query?q="+url.QueryEscape(q), "")), &found); err != nil || len(found.Records) == 0 {
		w.t.Fatal("nothing: ", q)
	}
	return found.Records[0].ID
}

// deploy deploys a zip and returns what failed.
func (w *world) deploy(zip []byte) string {
	w.t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for _, p := range []struct {
		disposition, kind string
		content           []byte
	}{{`form-data; name="json"`, "application/json", []byte(`{"deployOptions": {"singlePackage": true, "rollbackOnError": true}}`)},
		{`form-data; name="file"; filename="deploy.zip"`, "application/zip", zip}} {
		part, err := form.CreatePart(textproto.MIMEHeader{"Content-Disposition": {p.disposition}, "Content-Type": {p.kind}})
		if err != nil {
			w.t.Fatal(err)
		}
		_, _ = part.Write(p.content)
	}
	_ = form.Close()
	status, answer := w.do(w.org.MintToken(fakeorg.AdminUser), "POST", "/metadata/deployRequest", form.FormDataContentType(), b.String())
	var state struct {
		ID           string
		DeployResult struct {
			Done, Success bool
			Details       struct {
				ComponentFailures []struct{ FullName, Problem string }
			}
		}
	}
	if err := json.Unmarshal([]byte(answer), &state); err != nil || status != 201 {
		w.t.Fatalf("%d %s", status, answer)
	}
	for range 5 {
		w.mu.Lock()
		w.now = w.now.Add(time.Second)
		w.mu.Unlock()
		answer = w.admin("GET", "/metadata/deployRequest/"+state.ID+"?includeDetails=true", "")
		if err := json.Unmarshal([]byte(answer), &state); err != nil {
			w.t.Fatal(answer)
		}
		if state.DeployResult.Done {
			break
		}
	}
	var problems []string
	for _, f := range state.DeployResult.Details.ComponentFailures {
		problems = append(problems, f.FullName+": "+f.Problem)
	}
	if !state.DeployResult.Success && problems == nil {
		problems = []string{answer}
	}
	return strings.Join(problems, "; ")
}

// standard is the package of the standard objects.
func standard(t *testing.T) *Package {
	t.Helper()
	p := &Package{Version: "v62.0"}
	if err := p.Returns(records.Default(), config.GatewaySalesforcePayments); err != nil {
		t.Fatal(err)
	}
	p.AuditLog("Audit_Log__c", nil)
	return p
}

func zipped(t *testing.T, p *Package) []byte {
	t.Helper()
	text, err := p.Zip()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// removal is a package that takes away what a package brings, where an org has it.
func removal(t *testing.T, p *Package) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	gone := manifest{Version: "62.0"}
	for _, o := range p.Objects {
		if strings.HasSuffix(o.Name, "__e") {
			gone.Types = append(gone.Types, manifestTypes{[]string{o.Name}, "CustomObject"})
		}
		if o.Label == "" {
			for _, f := range o.Fields {
				gone.Types = append(gone.Types, manifestTypes{[]string{strings.Replace(o.Name, "Activity", "Task", 1) + "." + f.Name}, "CustomField"})
			}
		}
	}
	for name, content := range map[string]any{"package.xml": manifest{Version: "62.0"}, "destructiveChanges.xml": gone} {
		if err := add(z, name, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// assign gives a set to the user who starts with nothing.
func (w *world) assign(set string) {
	w.t.Helper()
	w.admin("POST", "/sobjects/PermissionSetAssignment", fmt.Sprintf(`{"PermissionSetId": %q, "AssigneeId": %q}`,
		w.id("SELECT Id FROM PermissionSet WHERE Name = '"+set+"'"), w.id("SELECT Id FROM User WHERE Username = '"+fakeorg.ReturnsUser+"'")))
}

// TestPackageIsDeployed: to an org that has none of it, and again to one that has. The
// user whom the sets are given sees all that the mapping names.
func TestPackageIsDeployed(t *testing.T) {
	w, p := start(t), standard(t)
	if problems := w.deploy(removal(t, p)); problems != "" {
		t.Fatal("removed: ", problems)
	}
	if status, _ := w.do(w.org.MintToken(fakeorg.AdminUser), "GET", "/query?q=SELECT+Return_Key__c+FROM+Task", "", ""); status != 400 {
		t.Fatalf("the field was not removed: %d", status)
	}
	for range 2 {
		if problems := w.deploy(zipped(t, p)); problems != "" {
			t.Fatal(problems)
		}
	}
	w.assign(ReturnsSet)
	w.assign(AuditLogSet)
	token := w.org.MintToken(fakeorg.ReturnsUser)
	described := map[string]string{}
	for _, a := range records.Default().Access() {
		if described[a.Object] == "" {
			_, described[a.Object] = w.do(token, "GET", "/sobjects/"+a.Object+"/describe", "", "")
		}
		if a.Field != "" && !strings.Contains(described[a.Object], `"name":"`+a.Field+`"`) {
			t.Errorf("%s.%s is not described", a.Object, a.Field)
		}
	}
	for object, want := range map[string]string{"Task": `"externalId":true,`, "Audit_Log__c": `"name":"EntryId__c"`, "Return_Completed__e": `"name":"Refund_Amount__c"`} {
		if _, text := w.do(token, "GET", "/sobjects/"+object+"/describe", "", ""); !strings.Contains(text, want) {
			t.Errorf("%s: %s is not described", object, want)
		}
	}
	for _, object := range []string{"Opportunity", "Lead", "Warranty_Claim__c"} {
		if status, _ := w.do(token, "GET", "/sobjects/"+object+"/describe", "", ""); status != 404 {
			t.Errorf("%s is described: %d", object, status)
		}
	}
}

// TestNothingMoreIsPermitted: without each permission of the set, what it is for is
// refused.
func TestNothingMoreIsPermitted(t *testing.T) {
	w, p := start(t), standard(t)
	if problems := w.deploy(zipped(t, p)); problems != "" {
		t.Fatal(problems)
	}
	w.assign(ReturnsSet)
	token, whole := w.org.MintToken(fakeorg.ReturnsUser), p.Sets[0]
	row := "/tooling/sobjects/PermissionSet/" + w.id("SELECT Id FROM PermissionSet WHERE Name = '"+ReturnsSet+"'")
	// without makes the set another one; refused is what is wrong with that.
	without := func(set PermissionSet) (refused string) {
		status, answer := w.do(w.org.MintToken(fakeorg.AdminUser), "PATCH", row, "application/json", asJSON(t, set))
		if status > 299 {
			return answer
		}
		return ""
	}
	// try makes a request without the permission, and with it.
	try := func(what string, set PermissionSet, method, path, body, want string) {
		t.Helper()
		if refused := without(set); refused != "" {
			if !strings.Contains(refused, "depends on permission(s)") {
				t.Errorf("%s: %s", what, refused)
			}
			return
		}
		if status, answer := w.do(token, method, path, "application/json", body); status < 400 || !strings.Contains(answer, want) {
			t.Errorf("without %s: %s %s: %d %s", what, method, path, status, answer)
		}
		if refused := without(whole); refused != "" {
			t.Fatal(refused)
		}
		if status, answer := w.do(token, method, path, "application/json", body); strings.Contains(answer, want) {
			t.Errorf("with %s: %s %s: %d %s", what, method, path, status, answer)
		}
	}
	soql := func(q string) string { return "/query?q=" + url.QueryEscape(q) }
	for i, f := range whole.Fields {
		object, field, _ := strings.Cut(f.Field, ".")
		object = strings.Replace(object, "Activity", "Task", 1)
		s := whole
		s.Fields = append(append([]FieldPermission{}, whole.Fields[:i]...), whole.Fields[i+1:]...)
		try("reading "+f.Field, s, "GET", soql("SELECT "+field+" FROM "+object+" LIMIT 1"), "", "No such column")
		if f.Edit {
			s.Fields = append([]FieldPermission{{Field: f.Field, Read: true}}, s.Fields...)
			method, path := "POST", "/sobjects/"+object
			if slices.ContainsFunc(whole.Objects, func(o ObjectPermission) bool { return o.Object == object && !o.Create && o.Edit }) {
				method, path = "PATCH", path+"/"+w.id("SELECT Id FROM "+object+" LIMIT 1")
			}
			try("writing "+f.Field, s, method, path, `{"`+field+`": null}`, "INVALID_FIELD_FOR_INSERT_UPDATE")
		}
	}
	for i, o := range whole.Objects {
		s := whole
		s.Objects = append(append([]ObjectPermission{}, whole.Objects[:i]...), whole.Objects[i+1:]...)
		others := s.Objects
		if strings.HasSuffix(o.Object, "__e") {
			try("publishing "+o.Object, s, "POST", "/sobjects/"+o.Object, `{}`, "NOT_FOUND")
			continue
		}
		try("reading "+o.Object, s, "GET", soql("SELECT Id FROM "+o.Object+" LIMIT 1"), "", "INVALID_TYPE")
		if o.Create {
			less := o
			less.Create = false
			s.Objects = append([]ObjectPermission{less}, others...)
			try("making "+o.Object, s, "POST", "/sobjects/"+o.Object, `{}`, "entity type cannot be inserted")
		}
		if o.Edit {
			less := o
			less.Edit = false
			s.Objects = append([]ObjectPermission{less}, others...)
			try("changing "+o.Object, s, "PATCH", "/sobjects/"+o.Object+"/"+w.id("SELECT Id FROM "+o.Object+" LIMIT 1"), `{}`, "INSUFFICIENT_ACCESS_OR_READONLY")
		}
	}
	for i, u := range whole.User {
		s := whole
		s.User = append(append([]UserPermission{}, whole.User[:i]...), whole.User[i+1:]...)
		switch u.Name {
		case "ActivitiesAccess":
			try(u.Name, s, "GET", soql("SELECT Id FROM Task LIMIT 1"), "", "INVALID_TYPE")
		case "EditTask":
			try(u.Name, s, "POST", "/sobjects/Task", `{}`, "entity type cannot be inserted")
		case "PaymentsAPIUser":
			try(u.Name, s, "POST", "/commerce/payments/payments/"+w.id("SELECT Id FROM Payment LIMIT 1")+"/refunds", `{"amount": 0}`, "PaymentsAPIUser")
		case "ApiEnabled": // the profile of the user has it as well
		default:
			t.Errorf("nothing is tried without %s", u.Name)
		}
	}
}

// asJSON is a permission set as the Tooling API takes it.
func asJSON(t *testing.T, s PermissionSet) string {
	t.Helper()
	text, err := xml.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string][]map[string]string{}
	d := xml.NewDecoder(bytes.NewReader(text))
	var list, name string
	for {
		token, err := d.Token()
		if err != nil {
			break
		}
		switch e := token.(type) {
		case xml.StartElement:
			if strings.HasSuffix(e.Name.Local, "Permissions") {
				list = e.Name.Local
				entries[list] = append(entries[list], map[string]string{})
			}
			name = e.Name.Local
		case xml.CharData:
			if list != "" {
				entries[list][len(entries[list])-1][name] = string(e)
			}
		case xml.EndElement:
			if e.Name.Local == list {
				list = ""
			}
		}
	}
	metadata := map[string]any{"label": s.Label, "description": s.Description}
	for list, rows := range entries {
		metadata[list] = rows
	}
	body, err := json.Marshal(map[string]any{"Metadata": metadata})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
