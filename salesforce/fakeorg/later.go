package fakeorg

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// schedule is the work the org has promised to do later: the rows of a job, a deploy, a report that runs. It is done
// when its time has come and somebody asks the org for something, so that a test with a clock of its own decides when.
type schedule struct {
	running sync.Mutex // held while due work is done: whoever asks meanwhile waits for it
	dueMu   sync.Mutex
	due     []task // earliest first
}

// task is one piece of work.
type task struct {
	at      time.Time
	user    *user
	version string
	do      func(*call) error
}

// promises is the work that a transaction puts on the schedule when it is kept.
type promises struct{ tasks []task }

func (p *promises) count() int {
	if p == nil {
		return 0
	}
	return len(p.tasks)
}

// forget takes back what was promised after the first n.
func (p *promises) forget(n int) {
	if p != nil {
		p.tasks = p.tasks[:n]
	}
}

// later does some work as the user of this call, in a transaction of its own, so many steps of [Options.Pace] from
// now, unless what the call has written is undone. An error undoes the work and is the answer to whoever asks next:
// what can fail in the simulated world is no error here, but a state that the work writes down. Work may promise more
// work.
func (c *call) later(steps int, do func(*call) error) {
	o := c.org
	t := task{at: c.instant().Add(time.Duration(steps) * o.options.Pace), user: c.user, version: c.version, do: do}
	if c.promised != nil {
		c.promised.tasks = append(c.promised.tasks, t)
		return
	}
	o.promise(t)
}

// promise puts work on the schedule.
func (o *Org) promise(t task) {
	o.dueMu.Lock()
	defer o.dueMu.Unlock()
	at, _ := slices.BinarySearchFunc(o.due, t, func(known, new task) int {
		return cmp.Or(known.at.Compare(new.at), -1) // behind those of the same time
	})
	o.due = slices.Insert(o.due, at, t)
}

// nextDue takes the earliest work whose time has come.
func (o *Org) nextDue() (t task, found bool) {
	o.dueMu.Lock()
	defer o.dueMu.Unlock()
	if len(o.due) == 0 || o.due[0].at.After(o.options.Clock()) {
		return task{}, false
	}
	t = o.due[0]
	o.due = o.due[1:]
	return t, true
}

// catchUp does all work whose time has come. Records it writes are of that time.
func (o *Org) catchUp() error {
	o.running.Lock()
	defer o.running.Unlock()
	for {
		t, found := o.nextDue()
		if !found {
			return nil
		}
		c := &call{Request: &http.Request{URL: new(url.URL)}, org: o, user: t.user, version: t.version, at: t.at}
		err := o.transact(c, func(c *call) error {
			if err := c.lookAgain(); err != nil {
				return err
			}
			c.tell()
			return t.do(c)
		})
		if err != nil {
			return fmt.Errorf("work promised for %s: %w", t.at.Format(time.RFC3339), err)
		}
	}
}
