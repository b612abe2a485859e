package store

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestPendingIsTakenOnce(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		ctx, s := t.Context(), d.open(t)
		if err := s.AddPending(ctx, "ticket", "secret-1", time.Minute, []byte(`{"user":"ada"}`)); err != nil {
			t.Fatal(err)
		}
		if err := s.AddPending(ctx, "ticket", "late", -time.Second, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		for _, not := range [][2]string{{"state", "secret-1"}, {"ticket", "secret-2"}, {"ticket", "late"}, {"ticket", ""}} {
			if _, ok, err := s.Pending(ctx, not[0], not[1]); ok || err != nil {
				t.Errorf("%v: %v %v", not, ok, err)
			}
			if _, ok, err := s.TakePending(ctx, not[0], not[1]); ok || err != nil {
				t.Errorf("%v: %v %v", not, ok, err)
			}
		}
		if content, ok, err := s.Pending(ctx, "ticket", "secret-1"); string(content) != `{"user":"ada"}` || !ok || err != nil {
			t.Errorf("%s %v %v", content, ok, err)
		}
		rows, err := s.reader.QueryContext(ctx, `SELECT hash, kind, content FROM pending`)
		if err != nil {
			t.Fatal(err)
		}
		all := ""
		for rows.Next() {
			var hash, kind string
			var content []byte
			if err := rows.Scan(&hash, &kind, &content); err != nil {
				t.Fatal(err)
			}
			all += hash + kind + string(content)
		}
		if err := rows.Err(); err != nil || all == "" || strings.Contains(all, "secret-1") || strings.Contains(all, "ada") {
			t.Errorf("the database can be read: %q, %v", all, err)
		}
		if err := s.AddPending(ctx, "ticket", "changed", time.Minute, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.writer.ExecContext(ctx, `UPDATE pending SET content = (SELECT content FROM pending WHERE hash = ?) WHERE hash = ?`, hashOf("ticket", "secret-1"), hashOf("ticket", "changed")); err != nil {
			t.Fatal(err)
		}
		if content, ok, err := s.TakePending(ctx, "ticket", "changed"); ok || err == nil {
			t.Errorf("another secret's content: %s", content)
		}
		var taken atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, ok, err := s.TakePending(ctx, "ticket", "secret-1"); err != nil {
					t.Error(err)
				} else if ok {
					taken.Add(1)
				}
			})
		}
		wg.Wait()
		if taken.Load() != 1 {
			t.Errorf("it was taken %d times", taken.Load())
		}
		var left int
		if err := s.reader.QueryRowContext(ctx, `SELECT count(*) FROM pending WHERE expires < ?`, time.Now().UnixMilli()).Scan(&left); err != nil || left != 0 {
			t.Errorf("%d that have expired, %v", left, err)
		}
	})
}

func TestLeases(t *testing.T) {
	engines(t, func(t *testing.T, d database) {
		ctx, s := t.Context(), d.open(t)
		take := func(owner string, life time.Duration) bool {
			t.Helper()
			ok, err := s.Lease(ctx, "ada", owner, life)
			if err != nil {
				t.Fatal(err)
			}
			return ok
		}
		if !take("a", time.Minute) || take("b", time.Minute) || !take("a", time.Minute) {
			t.Error("a lease has one owner, who may take it again")
		}
		if err := s.Release(ctx, "ada", "b"); err != nil || take("b", time.Minute) {
			t.Errorf("it was given up by somebody else, %v", err)
		}
		if err := s.Release(ctx, "ada", "a"); err != nil || !take("b", -time.Second) {
			t.Errorf("it was not given up, %v", err)
		}
		if !take("c", time.Minute) {
			t.Error("a lease that has expired is held")
		}
		var holders atomic.Int64
		var wg sync.WaitGroup
		for n := range 20 {
			wg.Go(func() {
				if ok, err := s.Lease(ctx, "race", fmt.Sprint(n), time.Minute); err != nil {
					t.Error(err)
				} else if ok {
					holders.Add(1)
				}
			})
		}
		wg.Wait()
		if holders.Load() != 1 {
			t.Errorf("%d owners hold it", holders.Load())
		}
	})
}
