package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/trail"
	"salesforce-mcp/salesforce"
)

// auditLogZip is a package for the Metadata API with the object of audit entries.
func auditLogZip(t *testing.T) string {
	var object bytes.Buffer
	object.WriteString(`<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata"><label>Audit Log</label><pluralLabel>Audit Logs</pluralLabel>
		<nameField><label>Number</label><type>AutoNumber</type><displayFormat>AL-{00000000}</displayFormat></nameField><deploymentStatus>Deployed</deploymentStatus><sharingModel>Private</sharingModel>`)
	for i, f := range trail.AuditLogFields {
		fmt.Fprintf(&object, `<fields><fullName>%s</fullName><label>%s</label><type>%s</type>`, f.Name, f.From, f.Type)
		switch f.Type {
		case "Text":
			fmt.Fprintf(&object, `<length>%d</length>`, f.Length)
		case "LongTextArea":
			fmt.Fprintf(&object, `<length>%d</length><visibleLines>5</visibleLines>`, f.Length)
		case "Number":
			fmt.Fprintf(&object, `<precision>%d</precision><scale>%d</scale>`, f.Length, f.Scale)
		}
		if i == 0 {
			object.WriteString(`<externalId>true</externalId><unique>true</unique>`)
		}
		object.WriteString(`</fields>`)
	}
	object.WriteString(`</CustomObject>`)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{"objects/Audit_Log__c.object": object.String(),
		"package.xml": `<Package xmlns="http://soap.sforce.com/2006/04/metadata"><types><members>Audit_Log__c</members><name>CustomObject</name></types><version>62.0</version></Package>`} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, text)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// ask asks the org itself, past the server, and returns the records' values.
func (w *world) ask(q string) (records []map[string]any) {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.org.ready.Org+"/services/data/v62.0/query?q="+url.QueryEscape(q), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.org.ready.OrgToken)
	_, body := w.do(r)
	var answer struct{ Records []map[string]any }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		w.t.Logf("%s: %s", q, body)
	}
	return answer.Records
}

// syslogCollector is a collector of syslog messages that reads when it is let.
func syslogCollector(t *testing.T, read <-chan struct{}) (address string, entered <-chan struct{}, lines func() int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	in := make(chan struct{}, 1000)
	var mu sync.Mutex
	ids := map[string]bool{}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			in <- struct{}{}
			<-read
			reader := bufio.NewReader(conn)
			for {
				size, err := reader.ReadString(' ')
				if err != nil {
					break
				}
				n, _ := strconv.Atoi(strings.TrimSpace(size))
				text := make([]byte, n)
				if _, err := io.ReadFull(reader, text); err != nil {
					break
				}
				_, line, _ := strings.Cut(string(text), "] ")
				var e audit.Entry
				if json.Unmarshal([]byte(line), &e) == nil {
					mu.Lock()
					ids[e.ID] = true
					mu.Unlock()
				}
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close() })
	return "tcp://" + l.Addr().String(), in, func() int { mu.Lock(); defer mu.Unlock(); return len(ids) }
}

// TestSinks: calls do not wait for places that hang; what works goes on; all
// entries arrive everywhere in the end, in the org once, and are not themselves
// the cause of more.
func TestSinks(t *testing.T) {
	read := make(chan struct{})
	syslog, syslogEntered, syslogLines := syslogCollector(t, read)
	var mu sync.Mutex
	posted := map[string]bool{}
	hookEntered := make(chan struct{}, 1000)
	fails := 1
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hookEntered <- struct{}{}
		<-read
		var entries []audit.Entry
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if fails--; fails >= 0 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if err := json.Unmarshal(body, &entries); err != nil {
			t.Error(err)
		}
		for _, e := range entries {
			posted[e.ID] = true
		}
	}))
	t.Cleanup(hook.Close)
	reserve := 20
	w := newWorld(t, func(c *config.Config) {
		c.Audit.Syslog = &config.Syslog{Address: syslog, Facility: "audit", AppName: "x", ElementID: trail.SyslogElementID, MaxDatagramBytes: 2048}
		c.Audit.Webhook = &config.Webhook{URL: hook.URL, Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
		c.Workspaces[0].AuditLog = &config.AuditLog{Object: "Audit_Log__c", CallsPerHour: 1_000_000, CallsPerDay: 1_000_000, Reserve: &reserve}
	})
	free := sync.OnceFunc(func() { close(read) })
	defer free()
	if _, answer := w.post(call(1, "metadata", map[string]any{"action": "deploy", "file": auditLogZip(t), "deployOptions": map[string]any{"singlePackage": true}})); strings.Contains(answer, `"isError":true`) {
		t.Fatal(answer)
	}
	<-hookEntered
	<-syslogEntered
	// Both have a batch now and hang.
	for i := range 20 {
		if _, answer := w.post(query(i, 1)); strings.Contains(answer, `"isError":true`) {
			t.Fatal(answer)
		}
	}
	entries := w.entries("a")
	if len(entries) != 42 || len(posted) != 0 || syslogLines() != 0 {
		t.Fatalf("%d entries, %d posted, %d sent to syslog", len(entries), len(posted), syslogLines())
	}
	written := func() int { return len(w.ask("SELECT EntryId__c FROM Audit_Log__c")) }
	eventually(t, "all entries in the org", func() bool { return written() == len(entries) })
	row := w.ask("SELECT EntryId__c, Workspace__c, Agent__c, Tool__c, Outcome__c, Leaf__c, Entry__c FROM Audit_Log__c WHERE Leaf__c = 41")[0]
	if last := entries[41]; row["EntryId__c"] != last.ID || row["Workspace__c"] != "a" || row["Agent__c"] != demoAgent || row["Tool__c"] != "query" || row["Outcome__c"] != "ok" || row["Entry__c"] != string(last.Line()) {
		t.Errorf("record %v", row)
	}
	free()
	eventually(t, "all entries at the webhook", func() bool { mu.Lock(); defer mu.Unlock(); return len(posted) == len(entries) })
	eventually(t, "all entries at syslog", func() bool { return syslogLines() == len(entries) })

	// The progress that a crash lost is made again, and the org has each entry once.
	if err := w.app.store.SetExported(t.Context(), "org", "a", 3); err != nil {
		t.Fatal(err)
	}
	waiting := func() (n int64) {
		all, err := places(w.app.config, nil, w.app.log)
		if err != nil {
			t.Fatal(err)
		}
		lags, err := trail.Lags(t.Context(), w.app.store, sinksOf(all))
		if err != nil || len(lags) != 3 {
			t.Fatal(lags, err)
		}
		for _, l := range lags {
			n += l.Waiting
		}
		return n
	}
	eventually(t, "an end of what waits", func() bool { return waiting() == 0 })
	if n := written(); n != len(entries) {
		t.Errorf("%d records of %d entries", n, len(entries))
	}
	if n := len(w.entries("a")); n != len(entries) {
		t.Errorf("%d entries, after %d: what the sinks do made some", n, len(entries))
	}
	log := w.log.String()
	for _, want := range []string{`"message":"wrote audit entries into the org"`, "cannot post the audit trail to the webhook", "can post the audit trail to the webhook again"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	if strings.Contains(log, "MfKQ9r8G") {
		t.Error("the log has the webhook's secret")
	}
}

// TestWebhookAddress (attack 25): a webhook connects to public addresses and to
// those that the configuration names, whatever its name resolves to.
func TestWebhookAddress(t *testing.T) {
	reached := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	for address, networks := range map[string]allowlist.Networks{
		server.URL:                   {"10.0.0.0/8"},
		"http://localhost:" + port:   nil,
		"https://169.254.169.254/":   nil,
		"https://[::ffff:127.0.0.1]": nil,
		"http://0.0.0.0:" + port:     nil,
	} {
		c := &config.Config{Audit: config.Audit{Networks: networks}}
		hook, err := webhookOf(c, &config.Webhook{URL: address})
		if err != nil {
			t.Fatal(err)
		}
		if err := hook.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "not a public one") {
			t.Errorf("%s: %v", address, err)
		}
	}
	if reached != 0 {
		t.Errorf("%d requests arrived", reached)
	}
	hook, err := webhookOf(&config.Config{Audit: config.Audit{Networks: allowlist.Networks{"127.0.0.1"}}}, &config.Webhook{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if err := hook.Check(t.Context()); err != nil || reached != 1 {
		t.Errorf("an address that is named: %v", err)
	}
}

// TestWebhookSecretFile: a secret in a file is read again, so that it can be
// replaced.
func TestWebhookSecretFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	hook, err := webhookOf(&config.Config{}, &config.Webhook{URL: "https://x.example", SecretFile: file})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []salesforce.Secret{"one", "two"} {
		if err := os.WriteFile(file, []byte(want.Reveal()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := hook.Secrets(); err != nil || got != want {
			t.Errorf("%q, %v", got.Reveal(), err)
		}
	}
}
