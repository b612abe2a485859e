package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/allowlist"
	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
)

// BenchmarkDownload downloads the results of a bulk query, 1 GB of CSV, and
// uploads as much as one job takes, through a server that is a process of its own, and reports the most memory that this
// process ever held (VmHWM). The org is a stand-in in the benchmark's process,
// which makes rows as fast as they are read. Run it once:
//
//	go test ./cmd/salesforce-mcp -run XXX -bench Download -benchtime 1x
func BenchmarkDownload(b *testing.B) {
	const size = 1 << 30
	if _, err := os.Stat("/proc/self/status"); err != nil {
		b.Skip("memory is read from /proc, which is not here")
	}
	org := httptest.NewServer(bigOrg(size))
	defer org.Close()
	server := startServer(b, org.URL)
	server.send(b, http.MethodPost, "/instructions/createQueryJob", "application/json", strings.NewReader(`{"operation":"query","query":"SELECT Id FROM Account"}`), io.Discard)
	var offer bytes.Buffer
	server.send(b, http.MethodPost, "/mcp", "application/json", strings.NewReader(
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bulkQuery","arguments":{"action":"getResults","jobId":"7505g00000QwErTAAV"}}}`), &offer)
	link := regexp.MustCompile(`results/[0-9a-f-]{36}`).FindString(offer.String())
	for _, tt := range []struct {
		name, method, path, contentType string
		body                            func() io.Reader
		up, down                        int64
	}{
		{"instruction", http.MethodPost, "/instructions/getQueryJobResults", "application/json", func() io.Reader { return strings.NewReader(`{"jobId":"7505g00000QwErTAAV"}`) }, 0, size},
		{"result", http.MethodGet, "/" + link, "", func() io.Reader { return nil }, 0, size},
		{"upload", http.MethodPost, "/instructions/uploadIngestData?jobId=7505g00000QwErTAAV", "text/csv", func() io.Reader { return io.LimitReader(rows{}, uploaded) }, uploaded, 0},
	} {
		b.Run(tt.name, func(b *testing.B) {
			b.SetBytes(tt.up + tt.down)
			for b.Loop() {
				if n := server.send(b, tt.method, tt.path, tt.contentType, tt.body(), io.Discard); n != tt.down {
					b.Fatalf("%d bytes came", n)
				}
			}
			b.ReportMetric(float64(server.peak(b))/(1<<20), "peak-MiB")
		})
	}
}

// uploaded is how many bytes the benchmark uploads: what one job takes.
const uploaded = config.MaxUpload

// rows is CSV without an end.
type rows struct{}

var row = bytes.Repeat([]byte("0035g00000LmNoPAAV,Dupont,jean.dupont@example.com,2027-03-01T09:15:00.000Z\n"), 400)

func (rows) Read(p []byte) (int, error) { return copy(p, row), nil }

// bigOrg gives tokens, takes uploads, and answers all else with size bytes of
// CSV.
func bigOrg(size int64) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /services/oauth2/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":"00D!bench","instance_url":"http://%s","token_type":"Bearer"}`, r.Host)
	})
	mux.HandleFunc("POST /services/data/v62.0/jobs/query", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"7505g00000QwErTAAV","state":"UploadComplete"}`)
	})
	mux.HandleFunc("GET /services/data/v62.0/jobs/ingest/{job}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"state":"Open"}`)
	})
	mux.HandleFunc("PUT /services/data/v62.0/jobs/ingest/{job}/batches", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		_, _ = io.CopyN(w, rows{}, size)
	})
	return mux
}

// aServer is a server that runs as a process of its own.
type aServer struct {
	url string // of the workspace
	pid int
}

// send sends a request and copies the answer.
func (s aServer) send(b *testing.B, method, path, contentType string, body io.Reader, to io.Writer) int64 {
	b.Helper()
	r, err := http.NewRequest(method, s.url+path, body)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer bench-token")
	r.Header.Set("Agent-Id", "bench")
	r.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	n, err := io.Copy(to, resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.StatusCode >= 300 {
		b.Fatalf("%s, %d bytes, %v", resp.Status, n, err)
	}
	return n
}

// startServer builds the program and runs it with one workspace, whose org is at
// a URL.
func startServer(b *testing.B, org string) aServer {
	b.Helper()
	dir := b.TempDir()
	binary := filepath.Join(dir, "salesforce-mcp")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v %s", err, out)
	}
	config := fmt.Sprintf(`
listen: 127.0.0.1:0
allowLoopbackOrg: true
workspaces:
  - name: bench
    auth: {mode: clientCredentials, loginURL: %s, clientID: id, clientSecret: secret}
    profiles: [{name: bench, tokens: [%s], agent: ["header:agent-id"]}]
    rules: [{agent: bench, preset: all}]
`, org, allowlist.HashToken("bench-token"))
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(binary, "serve", "--config", filepath.Join(dir, "config.yaml"))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if _, after, ok := strings.Cut(lines.Text(), `"listen":"`); ok {
			addr, _, _ := strings.Cut(after, `"`)
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return aServer{"http://" + addr + "/w/bench", cmd.Process.Pid}
		}
	}
	b.Fatal("the server did not start")
	return aServer{}
}

// peak is the most memory that the process ever held, in bytes.
func (s aServer) peak(b *testing.B) int64 {
	b.Helper()
	time.Sleep(100 * time.Millisecond) // its call has ended
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return kb << 10
		}
	}
	b.Fatal("no VmHWM")
	return 0
}
