//go:build faults

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// A fleet is the servers of a run over one database, which are killed, and stopped for
// longer than their leases.
type fleet struct {
	t       *testing.T
	seed    uint64
	orders  orders // of all lives
	members []*member

	kills, stills int64 // that are still to come
	perLife       int64 // points that a server passes on average before it is killed

	mu       sync.Mutex
	befallen map[string]int // kills and stops, by where
	deaths   []death
	starts   []time.Duration // from start to ready
}

// A death is a kill of which it is known which run it hit.
type death struct {
	run   string
	at    time.Time
	ready time.Time // when the server was there again
}

// A member is one of the servers. It lives again and again.
type member struct {
	fleet *fleet
	file  string
	addr  string

	mu     sync.Mutex
	cmd    *exec.Cmd
	said   *bytes.Buffer
	died   chan struct{}
	frozen bool
	after  []*onWire // what befalls it at requests of this life
	count  int64     // requests of this life
}

// An onWire befalls a server when the org or the gateway gets its so-manieth request.
type onWire struct {
	number int64
	kill   bool
	where  string        // "sent", before the request has any effect; "answered", before the server has the answer; "under way", a while after it came
	delay  time.Duration // of the request, or of the kill
}

// newFleet writes the configuration of servers for the shops.
func newFleet(t *testing.T, seed uint64, servers int, database string, shops []*shop, o orders) *fleet {
	f := &fleet{t: t, seed: seed, orders: o, befallen: map[string]int{}}
	dir := t.TempDir()
	key := filepath.Join(dir, "master.key")
	if err := run(t.Context(), []string{"keys", "new", "--out", key}, os.Getenv, strings.NewReader(""), io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	state := "data: " + filepath.Join(dir, "data")
	if database != "" {
		state = fmt.Sprintf("database: %q", database)
	}
	for i := range servers {
		m := &member{fleet: f, file: filepath.Join(dir, fmt.Sprintf("config-%d.yaml", i)), addr: freeAddr(t)}
		var text strings.Builder
		fmt.Fprintf(&text, `
listen: %s
%s
allowLoopbackOrg: true
logLevel: error
secrets: {keyFile: %s}
audit: {checkpoints: %s}
admins: [{name: maria, tokens: [%s], workspaces: ["*"]}]
workspaces:
`, m.addr, state, key, filepath.Join(dir, "checkpoints"), allowlist.HashToken("token-maria"))
		for _, s := range shops {
			gateway := "gateway: " + s.gateway
			if s.gateway == config.GatewayStripe {
				gateway += fmt.Sprintf(", stripeKey: %s, stripeURL: %q", shopStripe, m.front(s, "the gateway", s.stripe))
			}
			fmt.Fprintf(&text, `
  - name: %s
    auth: {mode: clientCredentials, loginURL: %q, clientID: %q, clientSecret: %q}
    profiles: [{name: desk, tokens: [%s], agent: ["header:agent-id"]}]
    rules: [{agent: "*", preset: all}]
    returns:
      %s
      mapping:
        currency: {code: USD}
        order: {delivered: Delivered_On__c}
        lines: {finalSale: Product2.Final_Sale__c}
`, s.name, m.front(s, "the org", s.org.Handler()), shopClient, shopSecret, allowlist.HashToken("token-"+s.name), strings.ReplaceAll(gateway, ", ", "\n      "))
		}
		if err := os.WriteFile(m.file, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		f.members = append(f.members, m)
	}
	t.Cleanup(func() {
		for _, m := range f.members {
			m.kill()
		}
	})
	return f
}

// some is the origin of one of the servers.
func (f *fleet) some() string { return "http://" + f.members[rand.IntN(len(f.members))].addr }

// note counts what has befallen a server.
func (f *fleet) note(kill bool, where string) {
	word := "stopped "
	if kill {
		word = "killed "
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.befallen[word+where]++
	if kill {
		f.kills--
	} else {
		f.stills--
	}
}

// start starts a server and waits until it answers.
func (m *member) start(o orders) {
	f := m.fleet
	program, err := os.Executable()
	if err != nil {
		f.t.Fatal(err)
	}
	text, err := json.Marshal(o)
	if err != nil {
		f.t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", "--config", m.file)
	cmd.Args[0] = "salesforce-mcp" // see TestMain
	cmd.Env = append(os.Environ(), harnessEnv+"="+string(text))
	said, died := new(bytes.Buffer), make(chan struct{})
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		f.t.Fatal(err)
	}
	begun := time.Now()
	m.mu.Lock()
	m.cmd, m.said, m.died, m.frozen, m.count = cmd, said, died, false, 0
	m.mu.Unlock()
	go func() {
		defer close(died)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			m.told(cmd, lines.Text())
		}
		_ = cmd.Wait()
	}()
	for range 1500 {
		select {
		case <-died:
			return // live sees why
		default:
		}
		if resp, err := http.Get("http://" + m.addr + "/readyz"); err == nil {
			_ = resp.Body.Close()
			f.mu.Lock()
			f.starts = append(f.starts, time.Since(begun))
			f.mu.Unlock()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	f.t.Errorf("a server did not start: %s", said.String())
}

// told hears from a server that it dies or is still, and lets the latter go on.
func (m *member) told(cmd *exec.Cmd, line string) {
	word, rest, _ := strings.Cut(line, "\t")
	id, where, _ := strings.Cut(rest, "\t")
	switch word {
	case "kill":
		m.fleet.note(true, where)
		m.fleet.mu.Lock()
		m.fleet.deaths = append(m.fleet.deaths, death{run: id, at: time.Now()})
		m.fleet.mu.Unlock()
	case "still":
		m.fleet.note(false, where)
		time.Sleep(m.fleet.longer())
		_ = cmd.Process.Signal(syscall.SIGCONT)
	}
}

// longer is a time longer than the lease.
func (f *fleet) longer() time.Duration { return f.orders.Lease*6/5 + rand.N(f.orders.Lease) }

// kill kills the server as it lives now, and waits until it is dead.
func (m *member) kill() {
	m.mu.Lock()
	cmd, died := m.cmd, m.died
	m.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill()
	<-died
}

// freeze stops the server for longer than the lease, unless it is stopped already.
func (m *member) freeze() bool {
	m.mu.Lock()
	cmd, frozen := m.cmd, m.frozen
	m.frozen = true
	m.mu.Unlock()
	if frozen {
		return false
	}
	_ = cmd.Process.Signal(syscall.SIGSTOP)
	time.AfterFunc(m.fleet.longer(), func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.frozen = false
	})
	return true
}

// live lets the server live until ctx ends, and die as the dice say.
func (m *member) live(ctx context.Context, number int) {
	random := rand.New(rand.NewPCG(m.fleet.seed, uint64(1000+number)))
	for ctx.Err() == nil {
		m.start(m.fate(random))
		m.fleet.again()
		m.mu.Lock()
		died := m.died
		m.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-died:
		}
		status, _ := m.cmd.ProcessState.Sys().(syscall.WaitStatus)
		if status.Signal() != syscall.SIGKILL {
			m.fleet.t.Errorf("a server ended by itself: %v: %s", m.cmd.ProcessState, m.said.String())
			return
		}
	}
}

// again notes that the servers are there again.
func (f *fleet) again() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.deaths {
		if f.deaths[i].ready.IsZero() {
			f.deaths[i].ready = time.Now()
		}
	}
}

// fate throws the dice for one life.
func (m *member) fate(random *rand.Rand) orders {
	f, o := m.fleet, m.fleet.orders
	var wire []*onWire
	draw := func(kill bool, most int64) { // with the so-manieth point or request at most
		if random.IntN(2) == 0 {
			o.Points = append(o.Points, point{Number: 1 + random.Int64N(2*most), Kill: kill})
			return
		}
		w := &onWire{number: 1 + random.Int64N(most), kill: kill, where: []string{"sent", "answered", "under way"}[random.IntN(3)]}
		w.delay = time.Duration(random.Int64N(int64(40 * time.Millisecond)))
		if w.where == "sent" && random.IntN(2) == 0 {
			w.delay = f.orders.Lease + time.Duration(random.Int64N(int64(2*f.orders.Lease))) // it arrives when others have had the run
		}
		wire = append(wire, w)
	}
	f.mu.Lock()
	kills, stills := f.kills, f.stills
	f.mu.Unlock()
	if kills > 0 {
		draw(true, f.perLife)
	}
	for each := float64(stills) / float64(max(kills, 1)); each > 0 && len(wire)+len(o.Points) < 50; each-- {
		if random.Float64() < each {
			draw(false, f.perLife/2+1)
		}
	}
	m.mu.Lock()
	m.after = wire
	m.mu.Unlock()
	return o
}
