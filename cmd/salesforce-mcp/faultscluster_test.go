//go:build faults

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/audit"
	"salesforce-mcp/salesforce/fakeorg"
)

// cluster is the servers of a run, each a process of its own.
type cluster struct {
	t       *testing.T
	files   []string // configuration of each
	members []*exec.Cmd
	addrs   []string
	kills   int
}

func newCluster(t *testing.T, org string, servers int, database string) *cluster {
	c := &cluster{t: t, members: make([]*exec.Cmd, servers)}
	dir := t.TempDir()
	key := filepath.Join(dir, "master.key")
	if err := run(t.Context(), []string{"keys", "new", "--out", key}, os.Getenv, strings.NewReader(""), io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	for i := range c.members {
		addr, file := freeAddr(t), filepath.Join(dir, fmt.Sprintf("config-%d.yaml", i))
		state := "data: " + filepath.Join(dir, "data")
		if database != "" {
			state = fmt.Sprintf("database: %q", database)
		}
		text := fmt.Sprintf(`
listen: %s
%s
allowLoopbackOrg: true
logLevel: error
secrets: {keyFile: %s}
audit: {checkpoints: %s}
workspaces:
  - name: a
    auth: {mode: clientCredentials, loginURL: %q, clientID: %q, clientSecret: %q}
    profiles: [{name: desk, tokens: [%s], agent: ["header:agent-id"]}]
    rules: [{agent: "*", preset: all}]
`, addr, state, key, filepath.Join(dir, "checkpoints"), org, harnessClient, harnessSecret, allowlist.HashToken("token-a"))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c.files, c.addrs = append(c.files, file), append(c.addrs, addr)
		c.start(i)
	}
	t.Cleanup(func() {
		for i := range c.members {
			c.stop(i)
		}
	})
	return c
}

func freeAddr(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// some is the origin of one of the servers.
func (c *cluster) some() string { return "http://" + c.addrs[rand.IntN(len(c.addrs))] }

// start starts a server and waits until it answers.
func (c *cluster) start(i int) {
	program, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", "--config", c.files[i])
	cmd.Args[0] = "salesforce-mcp" // see TestMain
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.members[i] = cmd
	for range 1000 {
		if resp, err := http.Get("http://" + c.addrs[i] + "/readyz"); err == nil {
			_ = resp.Body.Close()
			return
		}
		pause(c.t.Context(), 10e6)
	}
	_ = cmd.Process.Kill()
	c.t.Errorf("a server did not start: %v: %s", cmd.Wait(), said.String())
}

// stop kills a server.
func (c *cluster) stop(i int) {
	_ = c.members[i].Process.Kill()
	_ = c.members[i].Wait()
}

func (c *cluster) restart(i int) {
	c.stop(i)
	c.kills++
	c.start(i)
}

// trail ends the servers in order, starts one more to close what is open, verifies
// the trail against the second place, and returns its entries.
func (c *cluster) trail(t *testing.T) []audit.Entry {
	for i := range c.members {
		c.stop(i)
	}
	c.start(0)
	if len(c.members) > 1 {
		pause(t.Context(), 15*time.Second) // the others are taken for dead by then
	}
	_ = c.members[0].Process.Signal(os.Interrupt) // which signs what is left
	_ = c.members[0].Wait()
	return exported(t, c.files[0], "a")
}

// exported verifies the audit trail of servers that have stopped, and returns its
// entries.
func exported(t *testing.T, file string, workspaces ...string) (entries []audit.Entry) {
	commands := [][]string{{"verify"}}
	for _, w := range workspaces {
		commands = append(commands, []string{"export", "--workspace", w})
	}
	for _, args := range commands {
		var out, said bytes.Buffer
		err := run(t.Context(), append(append([]string{"audit"}, args...), "--config", file), func(string) string { return "" }, strings.NewReader(""), &out, &said)
		if err != nil {
			t.Fatalf("audit %v: %v\n%s%s", args, err, out.String(), said.String())
		}
		if args[0] == "verify" {
			t.Log(strings.TrimSpace(out.String()))
			continue
		}
		lines := bufio.NewReader(&out)
		for {
			line, err := lines.ReadBytes('\n')
			var l struct{ Entry json.RawMessage }
			if len(line) > 0 && json.Unmarshal(line, &l) == nil && l.Entry != nil {
				var e audit.Entry
				if err := json.Unmarshal(l.Entry, &e); err != nil {
					t.Fatal(err)
				}
				entries = append(entries, e)
			}
			if err == io.EOF {
				break
			}
		}
	}
	return entries
}

// values are those of a field of all records of a type.
func (h *harness) values(field, sObject string) (values []string) {
	t := h.t
	token := h.org.MintToken(fakeorg.AdminUser)
	next := "/services/data/v62.0/query?q=" + url.QueryEscape("SELECT "+field+" FROM "+sObject)
	for next != "" {
		r, err := http.NewRequest(http.MethodGet, h.url+next, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			NextRecordsURL string
			Records        []map[string]any
		}
		if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		for _, record := range page.Records {
			value, _ := record[field].(string)
			values = append(values, value)
		}
		next = page.NextRecordsURL
	}
	return values
}
