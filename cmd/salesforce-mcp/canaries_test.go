package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// canaries are the secrets of a test, planted or seen on the wire, in every form in
// which a program may write one: as it is, escaped for a URL or in JSON, in base64 at
// any offset, in hex; and of each form the first, the middle and the last
// canaryPart characters, so that parts of secrets are found too.
type canaries struct {
	mu    sync.Mutex
	parts map[string]string // what each is of
	count map[string]int    // of secrets, by kind
}

const canaryPart = 12

// add marks a secret. What comes before the last "!" is the id of an org.
func (c *canaries) add(kind, secret string) {
	secret = secret[strings.LastIndex(secret, "!")+1:]
	if len(secret) < canaryPart {
		return
	}
	if signed := strings.Split(secret, "."); len(signed) == 3 && strings.HasPrefix(secret, "eyJ") {
		secret = signed[2] // of a JWT the rest is public
	}
	quoted, _ := json.Marshal(secret)
	forms := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), string(quoted[1 : len(quoted)-1]), hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret)))}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for offset, skip := range []int{0, 2, 3} {
			text := encoding.EncodeToString(append(make([]byte, offset), secret...))
			forms = append(forms, text[skip:len(text)-2])
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.parts == nil {
		c.parts, c.count = map[string]string{}, map[string]int{}
	}
	known := len(c.parts)
	for _, form := range forms {
		for _, at := range []int{0, (len(form) - canaryPart) / 2, len(form) - canaryPart} {
			if part := form[max(at, 0):min(max(at, 0)+canaryPart, len(form))]; len(part) == canaryPart {
				c.parts[part] = kind
			}
		}
	}
	if len(c.parts) > known {
		c.count[kind]++
	}
}

// addPEM marks each line of a private key.
func (c *canaries) addPEM(kind, text string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") {
			c.add(kind, line)
		}
	}
}

// find returns the secrets in a text, as lines that say what they are and what stands
// before them. Allowed kinds may be there.
func (c *canaries) find(text []byte, allowed ...string) (found []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := 0; i+canaryPart <= len(text); i++ {
		if kind, ok := c.parts[string(text[i:i+canaryPart])]; ok && !slices.Contains(allowed, kind) {
			found = append(found, fmt.Sprintf("%s after %q", kind, text[max(0, i-80):i+4]))
			i += canaryPart
		}
	}
	return found
}

// A canarySink is all that one place was given.
type canarySink struct {
	name    string
	text    bytes.Buffer
	allowed []string
}

// sinks keep what a program writes, by place.
type sinks struct {
	mu  sync.Mutex
	all map[string]*canarySink
}

func (s *sinks) write(name, text string, allowed ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]*canarySink{}
	}
	if s.all[name] == nil {
		s.all[name] = &canarySink{name: name, allowed: allowed}
	}
	s.all[name].text.WriteString(text + "\n")
}

// folder keeps all files of a folder but those named.
func (s *sinks) folder(t *testing.T, dir string, but ...string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || slices.Contains(but, d.Name()) {
			return err
		}
		text, err := os.ReadFile(path)
		s.write("file "+d.Name(), string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// check reports every place that has a secret.
func (s *sinks) check(t *testing.T, c *canaries) {
	t.Helper()
	shown := 0
	for _, name := range slices.Sorted(maps.Keys(s.all)) {
		sink := s.all[name]
		found := c.find(sink.text.Bytes(), sink.allowed...)
		if len(found) == 0 {
			continue
		}
		if shown++; shown > 20 {
			t.Error("and more")
			return
		}
		t.Errorf("%s: %d secrets: %s", sink.name, len(found), strings.Join(found[:min(3, len(found))], "\n"))
	}
}

// The secrets of requests to an authorization server and an org, and of their answers.
var (
	inForm = regexp.MustCompile(`(?:^|&)(client_secret|assertion|code|code_verifier|refresh_token|token|password|secret_id|login)=([^&]+)`)
	inJSON = regexp.MustCompile(`"(access_token|refresh_token|id_token|client_token|secret_id|jwt)"\s*:\s*"([^"]+)"`)
	inXML  = regexp.MustCompile(`<(sessionId)>([^<]+)<`)
)

// learn marks the secrets of a request that a server other than ours has got.
func (c *canaries) learn(r *http.Request, body string) {
	for _, m := range inForm.FindAllStringSubmatch(body, -1) {
		if text, err := url.QueryUnescape(m[2]); err == nil {
			c.add(m[1], text)
		}
	}
	c.learnAnswer(body)
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme == "Basic" {
		_, token, _ = r.BasicAuth()
	}
	c.add("authorization", token)
	c.add("vault token", r.Header.Get("X-Vault-Token"))
}

func (c *canaries) learnAnswer(body string) {
	for _, pattern := range []*regexp.Regexp{inJSON, inXML} {
		for _, m := range pattern.FindAllStringSubmatch(body, -1) {
			c.add(m[1], m[2])
		}
	}
}

// watch passes requests on to a server that is not ours, and marks the secrets of both
// ways. Before may answer instead: it returns false to pass the request on.
func (c *canaries) watch(next http.Handler, before func(w http.ResponseWriter, r *http.Request, body string) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		c.learn(r, string(text))
		if before(w, r, string(text)) {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(text))
		got := httptest.NewRecorder()
		next.ServeHTTP(got, r)
		c.learnAnswer(got.Body.String())
		for name, values := range got.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(got.Code)
		_, _ = w.Write(got.Body.Bytes())
	})
}

// overheard passes requests on to our server, keeps its answers, and marks what it hands
// to browsers.
type overheard struct {
	c      *canaries
	s      *sinks
	origin string
}

func (o overheard) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.String(), o.origin) {
		if strings.HasPrefix(r.URL.Path, "/oauth/") {
			o.c.add("code", r.URL.Query().Get("code"))
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || !strings.HasPrefix(r.URL.String(), o.origin) {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	for _, m := range regexp.MustCompile(`[?]ticket=(\w+)`).FindAllSubmatch(body, -1) {
		o.c.add("ticket", string(m[1]))
	}
	for _, cookie := range resp.Cookies() {
		o.c.add("cookie", cookie.Value)
	}
	if to, err := resp.Location(); err == nil {
		o.c.add("state", to.Query().Get("state"))
		o.s.write("header Location", to.String(), "state")
	}
	for name, values := range resp.Header {
		switch name {
		case "Set-Cookie":
			o.s.write("header Set-Cookie", strings.Join(values, "\n"), "cookie")
		case "Location":
		default:
			o.s.write("header "+name, strings.Join(values, "\n"))
		}
	}
	switch path := r.URL.Path; {
	case resp.StatusCode/100 == 3: // the body has the address once more
		o.s.write("body of a redirect", string(body), "state")
	// Where a link is given, and on its own page.
	case strings.HasSuffix(path, "/mcp"), strings.HasSuffix(path, "/testAuth"), strings.HasSuffix(path, "/oauth/connect"), strings.Contains(path, "/instructions/"):
		o.s.write("answer "+path[strings.LastIndex(path, "/")+1:], string(body), "ticket")
	default:
		o.s.write("answer "+path, string(body))
	}
	return resp, err
}
