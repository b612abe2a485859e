package fakeorg_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"salesforce-mcp/salesforce/fakeorg"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

func TestFaultErrors(t *testing.T) {
	s := start(t, fakeorg.Options{})
	id := s.create("Account", `{"Name": "A"}`)
	s.do("POST", "/_faults", `[{"method": "PATCH", "path": "/sobjects/Account/", "times": 2, "status": 400, "errorCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access"},
		{"path": "/limits", "status": 503, "html": "<html>Down for maintenance</html>"}, {"path": "/limits", "limitReached": true}]`).wants(t, 200, "UNABLE_TO_LOCK_ROW")
	lock := `[{"message":"unable to obtain exclusive access","errorCode":"UNABLE_TO_LOCK_ROW"}]`
	s.get("Account", id, "Name") // another method
	for range 2 {
		s.do("PATCH", "/sobjects/Account/"+id, `{"Name": "B"}`).want(t, 400, lock)
	}
	if got := s.get("Account", id, "Name"); got != "A" {
		t.Errorf("a fault has let the name become %v", got)
	}
	s.do("PATCH", "/sobjects/Account/"+id, `{"Name": "B"}`).want(t, 204, "")
	page := s.do("GET", "/limits", "")
	page.want(t, 503, "<html>Down for maintenance</html>")
	if got := page.header.Get("Content-Type"); !strings.HasPrefix(got, "text/html") {
		t.Errorf("a page with Content-Type %s", got)
	}
	s.do("GET", "/limits", "").wants(t, 403, "REQUEST_LIMIT_EXCEEDED")
	s.do("GET", "/limits", "").wants(t, 200, "Max")
	s.do("GET", "/_faults", "").want(t, 200, "[]")
	s.do("POST", "/_faults", `{"Pfad": "x"}`).wants(t, 400, "unknown field")
	s.do("POST", "/_faults", `{"path": "x", "times": -1, "status": 500}`)
	s.do("DELETE", "/_faults", "").want(t, 200, "[]")
}

func TestFaultOfTokenEndpoint(t *testing.T) {
	s := start(t, fakeorg.Options{})
	s.Inject(fakeorg.Fault{Path: "/oauth2/token", ErrorCode: "rate_limit_exceeded", Message: "too many logins"})
	s.post("/services/oauth2/token", url.Values{}).want(t, 400, `{"error":"rate_limit_exceeded","error_description":"too many logins"}`)
}

// TestCutConnection: before the work is done nothing is there, after it the record is, and the client cannot tell.
func TestCutConnection(t *testing.T) {
	s := start(t, fakeorg.Options{})
	for _, test := range []struct {
		cut   string
		count int
	}{{"before", 64}, {"after", 65}} {
		s.Inject(fakeorg.Fault{Method: "POST", Path: "/sobjects/Account", Cut: test.cut})
		if r, err := s.send("POST", "/sobjects/Account", `{"Name": "Unsure"}`); err == nil {
			t.Errorf("%s: there is an answer: %d %s", test.cut, r.status, r.body)
		}
		s.do("GET", "/limits/recordCount?sObjects=Account", "").want(t, 200, fmt.Sprintf(`{"sObjects":[{"count":%d,"name":"Account"}]}`, test.count))
	}
	if seen := s.Requests(); seen[0].Status != 0 || seen[0].Method != "POST" {
		t.Errorf("a cut request is noted as %+v", seen[0])
	}
}

func TestDelay(t *testing.T) {
	s := start(t, fakeorg.Options{})
	s.Inject(fakeorg.Fault{DelayMS: 80})
	begin := time.Now()
	s.do("GET", "/limits", "").wants(t, 200, "Max")
	if took := time.Since(begin); took < 80*time.Millisecond {
		t.Errorf("answered after %v", took)
	}
}

func TestExpireTokens(t *testing.T) {
	s := start(t, fakeorg.Options{})
	s.Inject(fakeorg.Fault{ExpireTokens: true})
	s.do("GET", "/limits", "").wants(t, 401, "INVALID_SESSION_ID")
	s.do("GET", "/limits", "").wants(t, 401, "INVALID_SESSION_ID")
	s.token = s.MintToken(fakeorg.IntegrationUser)
	s.do("GET", "/limits", "").wants(t, 200, "Max")
}

func TestRequestLog(t *testing.T) {
	s := start(t, fakeorg.Options{})
	s.do("GET", "/_requests", "").want(t, 200, "[]")
	s.do("GET", "/sobjects/Account/123/?fields=Name", "")
	s.do("GET", "/limits", "", "Authorization", "")
	s.do("GET", "/_requests", "").want(t, 200, `[{"method":"GET","path":"`+api+`/sobjects/Account/123/?fields=Name","status":404,"user":"`+fakeorg.IntegrationUser+`"},`+
		`{"method":"GET","path":"`+api+`/limits","status":401,"user":""}]`)
	s.do("DELETE", "/_requests", "").want(t, 200, "[]")
}

// TestSlowClient: a request that is long in coming keeps nobody waiting.
func TestSlowClient(t *testing.T) {
	s := start(t, fakeorg.Options{})
	body, slow := io.Pipe()
	request, err := http.NewRequest("POST", s.url+api+"/sobjects/Account", body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	done := make(chan error, 1)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		done <- err
	}()
	if _, err := slow.Write([]byte(`{"Name": `)); err != nil {
		t.Fatal(err)
	}
	s.create("Account", `{"Name": "Quick"}`)
	s.do("GET", "/limits/recordCount?sObjects=Account", "").wants(t, 200, `"count":65`)
	if _, err := slow.Write([]byte(`"Slow"}`)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(slow.Close(), <-done); err != nil {
		t.Fatal(err)
	}
	s.do("GET", "/limits/recordCount?sObjects=Account", "").wants(t, 200, `"count":66`)
}

// TestConcurrency: writers and readers at once lose nothing and see nothing half done.
func TestConcurrency(t *testing.T) {
	s := start(t, fakeorg.Options{})
	account := s.create("Account", `{"Name": "Shared"}`)
	const writers, rounds = 6, 12
	var work sync.WaitGroup
	for w := range writers {
		work.Go(func() {
			for i := range rounds {
				pair := fmt.Sprintf(`{"allOrNone": true, "records": [{"attributes": {"type": "Contact"}, "AccountId": %q, "LastName": "L%d-%d"},
					{"attributes": {"type": "Contact"}, "AccountId": %[1]q, "LastName": "R%[2]d-%[3]d"}]}`, account, w, i)
				if r, err := s.send("POST", "/composite/sobjects", pair); err != nil || strings.Count(r.body, `"success":true`) != 2 {
					t.Errorf("%v %d %s", err, r.status, r.body)
				}
			}
		})
		work.Go(func() {
			for range rounds {
				r, err := s.send("GET", "/query?q="+url.QueryEscape("SELECT LastName FROM Contact WHERE AccountId = '"+account+"'"), "")
				if err != nil || r.status != 200 || strings.Count(r.body, `"LastName":"L`) != strings.Count(r.body, `"LastName":"R`) {
					t.Errorf("a reader saw half a pair: %v %d %s", err, r.status, r.body)
				}
			}
		})
	}
	work.Wait()
	s.do("GET", "/sobjects/Account/"+account+"/Contacts", "").wants(t, 200, fmt.Sprintf(`{"totalSize":%d,`, writers*rounds*2))
}
