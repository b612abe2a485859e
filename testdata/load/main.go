// Command load measures what the server costs: it starts a simulated org and the
// server, asks the org for some records straight and through the server, at a
// steady rate and from many callers at once, and prints what each took.
//
//	go build -o /tmp/salesforce-mcp ./cmd/salesforce-mcp
//	go run ./testdata/load --bin /tmp/salesforce-mcp --rate 500 --seconds 10
//
// At a rate, a call's time counts from when it was due: one that had to wait for
// others was slow for its caller. Everything is on one machine, this program too,
// which all figures include.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	token = "load-host-token"
	soql  = "SELECT Id, Name, Industry, Phone, BillingCity, AnnualRevenue FROM Account LIMIT 50"
)

func main() {
	bin := flag.String("bin", "", "the program to measure")
	rate := flag.Int("rate", 500, "calls a second, at a steady rate; 0 leaves that out")
	callers := flag.String("callers", "1,64", "how many callers call one after the other, each as fast as it can")
	seconds := flag.Int("seconds", 10, "how long each measurement takes")
	write := flag.Bool("write", false, "create records instead of reading some")
	flag.Parse()
	if err := run(*bin, *rate, *callers, time.Duration(*seconds)*time.Second, *write); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// target is one way to the records.
type target struct {
	name    string
	request func() *http.Request
	want    string // part of a right answer
}

func run(bin string, rate int, callers string, d time.Duration, write bool) error {
	if bin == "" {
		return errors.New("--bin is needed: go build -o /tmp/salesforce-mcp ./cmd/salesforce-mcp")
	}
	dir, err := os.MkdirTemp("", "load-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var org struct{ Org, OrgToken, ClientID, ClientSecret string }
	orgProcess, err := startOrg(bin, &org.Org, &org.OrgToken, &org.ClientID, &org.ClientSecret)
	if err != nil {
		return err
	}
	defer stop(orgProcess)
	server, address, took, err := startServer(bin, dir, org.Org, org.ClientID, org.ClientSecret)
	if err != nil {
		return err
	}
	defer stop(server)
	info, err := os.Stat(bin)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "%d processors, %s; binary %.1f MB; ready after %d ms; idle RSS %s\n\n", runtime.NumCPU(), runtime.Version(), float64(info.Size())/1e6, took.Milliseconds(), rss(server.Process.Pid))

	targets := reads(org.Org, org.OrgToken, address)
	if write {
		targets = writes(org.Org, org.OrgToken, address)
	}
	fmt.Fprintf(os.Stdout, "%-34s %8s %9s %9s %9s %9s %12s\n", "", "calls/s", "p50 ms", "p95 ms", "p99 ms", "max ms", "CPU ms/call")
	if rate > 0 {
		for _, t := range targets {
			if err := report(fmt.Sprintf("%s, %d a second", t.name, rate), d, server.Process.Pid, func() ([]time.Duration, error) { return steady(t, rate, d) }); err != nil {
				return err
			}
		}
	}
	for n := range strings.SplitSeq(callers, ",") {
		var count int
		if _, err := fmt.Sscan(n, &count); err != nil || count < 1 {
			continue
		}
		for _, t := range targets {
			if err := report(fmt.Sprintf("%s, %d callers", t.name, count), d, server.Process.Pid, func() ([]time.Duration, error) { return flatOut(t, count, d) }); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(os.Stdout, "\nRSS afterwards %s\n", rss(server.Process.Pid))
	return nil
}

func reads(org, orgToken, address string) []target {
	path := "/services/data/v62.0/query?q=" + url.QueryEscape(soql)
	return []target{
		{"straight", func() *http.Request { return request("GET", org+path, orgToken, "") }, `"totalSize":50`},
		{"through MCP", func() *http.Request {
			return request("POST", address+"/w/load/mcp", token, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":{"action":"soql","q":"`+soql+`"}}}`)
		}, "totalSize: 50"},
		{"through an instruction", func() *http.Request {
			return request("POST", address+"/w/load/instructions/runQuery", token, `{"q":"`+soql+`"}`)
		}, `"totalSize":50`},
	}
}

func writes(org, orgToken, address string) []target {
	return []target{
		{"straight", func() *http.Request {
			return request("POST", org+"/services/data/v62.0/sobjects/Task", orgToken, `{"Subject":"Load"}`)
		}, `"success":true`},
		{"through MCP", func() *http.Request {
			return request("POST", address+"/w/load/mcp", token, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"records","arguments":{"action":"create","sObjectName":"Task","body":{"Subject":"Load"}}}}`)
		}, "success: true"},
	}
}

func request(method, address, bearer, body string) *http.Request {
	r, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header.Set("Agent-Id", "load")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	return r
}

// client keeps a connection for each caller.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}, Timeout: time.Minute}

func (t target) call() error {
	resp, err := client.Do(t.request())
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err == nil && !bytes.Contains(body, []byte(t.want)) {
		err = fmt.Errorf("%s: %d %.300s", t.name, resp.StatusCode, body)
	}
	return err
}

// steady makes calls at a rate, however long they take.
func steady(t target, rate int, d time.Duration) ([]time.Duration, error) {
	n := int(d.Seconds() * float64(rate))
	times, failures := make([]time.Duration, n), make([]error, n)
	var group sync.WaitGroup
	began := time.Now()
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		group.Go(func() {
			failures[i] = t.call()
			times[i] = time.Since(due)
		})
	}
	group.Wait()
	return times, errors.Join(failures...)
}

// flatOut makes calls from several callers, each as soon as its last has ended.
func flatOut(t target, callers int, d time.Duration) ([]time.Duration, error) {
	times, failures := make([][]time.Duration, callers), make([]error, callers)
	var group sync.WaitGroup
	end := time.Now().Add(d)
	for c := range callers {
		group.Go(func() {
			for time.Now().Before(end) && failures[c] == nil {
				began := time.Now()
				failures[c] = t.call()
				times[c] = append(times[c], time.Since(began))
			}
		})
	}
	group.Wait()
	return slices.Concat(times...), errors.Join(failures...)
}

// report measures and prints a line. The processor time is that of the server
// alone, and the same however busy the machine is.
func report(name string, d time.Duration, server int, measure func() ([]time.Duration, error)) error {
	began, worked := time.Now(), cpu(server)
	times, err := measure()
	if err != nil {
		return err
	}
	took := max(d, time.Since(began))
	worked = cpu(server) - worked
	slices.Sort(times)
	at := func(part float64) float64 {
		return float64(times[int(float64(len(times)-1)*part)].Microseconds()) / 1000
	}
	fmt.Fprintf(os.Stdout, "%-34s %8.0f %9.2f %9.2f %9.2f %9.2f %12.2f\n", name, float64(len(times))/took.Seconds(), at(.5), at(.95), at(.99), at(1),
		float64(worked.Microseconds())/1000/float64(len(times)))
	return nil
}

// cpu is the processor time that a process has had, on Linux.
func cpu(pid int) time.Duration {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := bytes.Cut(text, []byte(") "))
	fields := strings.Fields(string(after))
	if len(fields) < 13 {
		return 0
	}
	var user, system int64
	_, _ = fmt.Sscan(fields[11]+" "+fields[12], &user, &system) // proc(5): utime and stime, in ticks of 10 ms
	return time.Duration(user+system) * 10 * time.Millisecond
}

func startOrg(bin string, org, orgToken, clientID, secret *string) (*exec.Cmd, error) {
	cmd := exec.Command(bin, "fakeorg", "--listen", "127.0.0.1:0", "--json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var ready map[string]string
	if err := json.NewDecoder(out).Decode(&ready); err != nil {
		return nil, fmt.Errorf("the simulated org: %w", err)
	}
	*org, *orgToken, *clientID, *secret = ready["org"], ready["org_token"], ready["client_id"], ready["client_secret"]
	return cmd, nil
}

// startServer starts the server and waits until it is ready.
func startServer(bin, dir, org, clientID, secret string) (cmd *exec.Cmd, address string, took time.Duration, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // a free port, which nobody takes meanwhile
	if err != nil {
		return nil, "", 0, err
	}
	listen := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, "", 0, err
	}
	config := fmt.Sprintf(`listen: %s
data: data
secrets: {keyFile: master.key}
logLevel: warn
allowLoopbackOrg: true
workspaces:
  - name: load
    auth: {mode: clientCredentials, loginURL: %s, clientID: %s, clientSecret: %s}
    profiles: [{name: load, tokens: ["%x"], agent: ["header:agent-id"]}]
    rules: [{agent: load, preset: all}]
`, listen, org, clientID, secret, sha256.Sum256([]byte(token)))
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, "", 0, err
	}
	cmd = exec.Command(bin, "serve", "--config", file)
	cmd.Stderr = os.Stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, "", 0, err
	}
	for {
		resp, err := client.Get("http://" + listen + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			return cmd, "http://" + listen, time.Since(began), nil
		}
		if time.Since(began) > 30*time.Second {
			stop(cmd)
			return nil, "", 0, err
		}
		time.Sleep(time.Millisecond)
	}
}

func stop(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
}

// rss is how much memory a process has, on Linux.
func rss(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if size, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			var kB float64
			_, _ = fmt.Sscan(size, &kB)
			return fmt.Sprintf("%.1f MB", kB*1024/1e6)
		}
	}
	return "unknown"
}
