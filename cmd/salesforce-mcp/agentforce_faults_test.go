//go:build faults

package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"salesforce-mcp/cmd/salesforce-mcp/internal/pgtest"
	"salesforce-mcp/salesforce/fakeorg"
)

// TestAgentforceReplicaKilled: of two servers the one that waits for a reply is killed.
// Who goes on at the other one waits until the first is taken for dead, and then has
// the next sequence id.
//
//	go test -tags faults ./cmd/salesforce-mcp -run TestAgentforceReplicaKilled -v
func TestAgentforceReplicaKilled(t *testing.T) {
	org := talkingOrg(t)
	database, dir := pgtest.URL(t), t.TempDir()
	first, end := startChild(t, agentConfig(t, org, dir, database))
	second, _ := startChild(t, agentConfig(t, org, dir, database))
	at := func(address string) *talker {
		return newTalker(t, "http://"+address+"/w/a/mcp", "token-a", "desk", "ann")
	}
	a, b := at(first), at(second)
	session := a.begin()
	b.do("sendMessage", spoke(session, "What is in order SO-71000?"))
	org.org.Inject(fakeorg.Fault{Agent: "slow", DelayMS: 60_000})
	lost := make(chan string)
	go func() {
		_, problem := a.try("sendMessage", spoke(session, "Was it delivered?"), true)
		lost <- problem
	}()
	org.taken(t)
	end(os.Kill)
	if problem := <-lost; problem == "" {
		t.Error("the call that was under way succeeded")
	}
	began := time.Now()
	got := b.do("sendMessage", spoke(session, "And my refund?"))
	if got.SequenceID != 3 || !strings.Contains(got.Text, "of order SO-71000 is") {
		t.Errorf("%+v, want sequence id 3", got)
	}
	t.Logf("the other server went on after %v, with sequence id %d", time.Since(began).Round(100*time.Millisecond), got.SequenceID)
}
