package fakeorg

import (
	"errors"
	"net/http"
	"testing"
	"time"
)

// TestSchemaOfFailedRequest: a request that fails gives back the schema it has made with its rows.
func TestSchemaOfFailedRequest(t *testing.T) {
	o := newOrg(t, time.Now())
	before := o.schema
	broken := errors.New("broken")
	err := o.write(t.Context(), func(db querier) error {
		c := &call{Request: new(http.Request), org: o, user: &user{id: makeID("005", 1)}, db: db}
		if err := c.addField(o.schema.Object("Account"), &Field{Name: "New__c", Type: "string"}); err != nil {
			t.Fatal(err)
		}
		if o.schema.Object("Account").Field("New__c") == nil {
			t.Error("the request does not see its own field")
		}
		return broken
	})
	if !errors.Is(err, broken) || o.schema != before {
		t.Errorf("%v, the schema is another: %t", err, o.schema != before)
	}
	if _, err := o.db.Exec(`SELECT New__c FROM Account`); err == nil {
		t.Error("the column is still there")
	}
}
