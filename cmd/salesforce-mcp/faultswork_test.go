//go:build faults

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// A verdict is what a caller knows of a write.
type verdict int

const (
	lost    verdict = iota // no answer that settles it: it is repeated
	done                   // it was done
	failed                 // it was not done, for good
	unknown                // nobody can say, for good
)

// An attempt is one write of an agent with its key, however often it is repeated.
type attempt struct {
	agent       int
	mark        string
	instruction string
	args        string
	records     int    // that there are when it is done
	victim      string // of a delete, the mark of what is deleted

	verdict verdict
	answer  string // the last one
}

// work does random operations for an agent until ctx ends.
func (h *harness) work(ctx context.Context, agent int) {
	random := rand.New(rand.NewPCG(h.seed, uint64(100+agent)))
	type lead struct{ id, mark string }
	var mine []lead // that are there
	for n := 0; ctx.Err() == nil; n++ {
		mark := name(agent, n)
		a := &attempt{agent: agent, mark: mark, records: 1}
		switch random.IntN(10) {
		case 0, 1, 2:
			a.instruction, a.args = "createRecord", `{"sObjectName":"Lead","body":{"LastName":"`+mark+`","Company":"c"}}`
		case 3:
			a.instruction, a.args = "upsertRecord", `{"sObjectName":"Account","externalIdField":"ExternalId__c","externalIdValue":"`+mark+`","body":{"Name":"`+mark+`"}}`
		case 4:
			row := `{"attributes":{"type":"Lead"},"LastName":"` + mark + `","Company":"c"}`
			a.instruction, a.args, a.records = "createRecords", `{"allOrNone":true,"records":[`+row+`,`+row+`,`+row+`]}`, 3
		case 5:
			a.instruction, a.records = "runComposite", 2
			a.args = `{"allOrNone":true,"compositeRequest":[{"method":"POST","url":"/services/data/v62.0/sobjects/Account","referenceId":"a","body":{"Name":"` + mark +
				`"}},{"method":"POST","url":"/services/data/v62.0/sobjects/Contact","referenceId":"c","body":{"LastName":"` + mark + `","AccountId":"@{a.id}"}}]}`
		case 6, 7:
			if len(mine) == 0 {
				continue
			}
			a.instruction, a.args, a.records = "updateRecord", `{"sObjectName":"Lead","recordId":"`+mine[random.IntN(len(mine))].id+`","body":{"Title":"`+mark+`"}}`, 0
		case 8:
			if len(mine) < 3 {
				continue
			}
			last := mine[len(mine)-1]
			mine = mine[:len(mine)-1]
			a.instruction, a.args, a.records = "deleteRecord", `{"sObjectName":"Lead","recordId":"`+last.id+`"}`, 0
			a.victim = last.mark
			h.mu.Lock()
			h.deleted[a.victim] = true
			h.mu.Unlock()
		default:
			_, _, _ = h.send(ctx, agent, "runQuery", "", `{"q":"SELECT Id, Name FROM Account LIMIT 20"}`)
			continue
		}
		v := h.try(ctx, a, 3*time.Second)
		h.mu.Lock()
		h.doubts = append(h.doubts, a)
		h.mu.Unlock()
		if a.instruction == "createRecord" && v == done {
			var made struct{ ID string }
			if err := json.Unmarshal([]byte(a.answer), &made); err == nil && made.ID != "" {
				mine = append(mine, lead{made.ID, mark})
			}
		}
	}
}

// try sends the write until an answer settles it or time is up. What settled it
// once says the same ever after.
func (h *harness) try(ctx context.Context, a *attempt, most time.Duration) verdict {
	for end := time.Now().Add(most); time.Now().Before(end); pause(ctx, 20*time.Millisecond) {
		status, body, err := h.send(ctx, a.agent, a.instruction, "key-"+a.mark, a.args)
		v := read(status, body, err)
		if v == lost {
			a.answer = fmt.Sprint(status, body, err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		if a.verdict != lost && (v != a.verdict || body != a.answer && v != unknown) {
			h.t.Errorf("%s %s was answered %q, and then %q", a.mark, a.instruction, a.answer, body)
		}
		a.verdict, a.answer = v, body
		break
	}
	return a.verdict
}

// send sends one call to some server.
func (h *harness) send(ctx context.Context, agent int, instruction, key, args string) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.cluster.some()+"/w/a/instructions/"+instruction, strings.NewReader(args))
	if err != nil {
		h.t.Error(err)
		return 0, "", err
	}
	for name, value := range map[string]string{"Authorization": "Bearer token-a", "Agent-Id": fmt.Sprint("agent-", agent), "Content-Type": "application/json", "Idempotency-Key": key} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	h.calls.Add(1)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// read is what an answer says of a write.
func read(status int, body string, err error) verdict {
	var failure struct{ Error struct{ Code string } }
	switch {
	case err != nil:
		return lost
	case status < 300:
		if strings.Contains(body, `"httpStatusCode":4`) || strings.Contains(body, `"success":false`) {
			return failed // of a composite request or a collection, all or none
		}
		if strings.Contains(body, `"httpStatusCode":5`) {
			return unknown
		}
		return done
	case json.Unmarshal([]byte(body), &failure) != nil:
		return lost
	}
	if strings.Contains(body, "it may have been done all the same") {
		return unknown
	}
	switch failure.Error.Code {
	case "outcome_unknown":
		return unknown
	case "FIELD_CUSTOM_VALIDATION_EXCEPTION", "ENTITY_IS_DELETED", "NOT_FOUND":
		return failed
	}
	return lost
}
