package fakeorg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	_ "modernc.org/sqlite" // the driver named "sqlite"
)

// Options says how an org differs from the usual one. The zero value is a usable org that nobody can log in to,
// except with a token of [Org.MintToken].
type Options struct {
	// Clock tells the time; default time.Now.
	Clock func() time.Time
	// BaseURL is the address clients are told to use (instance_url); default http:// and the Host of the request.
	BaseURL string
	// Clients may ask for tokens, and people for them. [Org.SetClient] changes them.
	Clients []Client
	// TokenLife is how long a token works after its last use; default two hours, as on the platform.
	TokenLife time.Duration
	// Pace is how long one step of what takes time takes: of a job, a deploy, a test run, a report. Default 200 ms.
	Pace time.Duration
	// DailyCalls is the daily limit of API calls; default 15,000, that of a Developer Edition.
	DailyCalls int
	// AgentLimits bound the use of agents; default those of the Agent API's usage page.
	AgentLimits AgentLimits
	// HourlyEvents is how many platform events may be published in an hour; default 50,000.
	HourlyEvents int
	// Statement is told every SQL statement that a request runs for its answer, before it runs; default nobody. The
	// request is the one that was served: what is inside a composite request counts as that, and what a request has
	// promised for later (the rows of a job) comes with an empty URL. Package sqltrace tells which columns a statement
	// reads.
	Statement func(request *http.Request, sql string)
}

// Org is a simulated org. It is safe for concurrent use: requests that write take turns, those that read run together.
type Org struct {
	options Options
	schema  *Schema // replaced when it changes, by a request that writes
	defined *Schema // what the rows of EntityDefinition and FieldDefinition tell of; guarded by turn
	auto    *automation
	db      *sql.DB
	source  string           // the name of the database
	turn    sync.RWMutex     // held for writing by one request that writes, for reading by those that read
	numbers map[string]int64 // last number given, by key prefix or auto number field; guarded by turn
	minimal string           // the id of the profile whose users see what permission sets let them
	jobs    []*bulkJob       // of the Bulk API, the oldest first; guarded by turn
	handler http.Handler
	mux     *http.ServeMux // knows the routes, for requests and for those inside others
	registry
	tokens
	browsers
	identityProvider
	faults
	journal
	cursors
	schedule
	analytics
	processor
	gzipWriters
	views
	agents
}

// New makes an org with its own data. Close gives its memory back.
func New(options Options) (*Org, error) {
	if options.Clock == nil {
		options.Clock = time.Now
	}
	if options.TokenLife == 0 {
		options.TokenLife = 2 * time.Hour
	}
	if options.Pace == 0 {
		options.Pace = 200 * time.Millisecond
	}
	if options.DailyCalls == 0 {
		options.DailyCalls = 15000
	}
	if options.HourlyEvents == 0 {
		options.HourlyEvents = hourlyEvents
	}
	schema, err := loadSchemas()
	if err != nil {
		return nil, err
	}
	auto, err := loadAutomation(automationFile, schema)
	if err != nil {
		return nil, err
	}
	o := &Org{options: options, schema: schema, auto: auto, numbers: map[string]int64{}}
	for _, c := range options.Clients {
		if err := o.SetClient(c); err != nil {
			return nil, fmt.Errorf("simulated org: %w", err)
		}
	}
	if err := o.openDatabase(); err != nil {
		return nil, errors.Join(fmt.Errorf("simulated org: %w", err), o.Close())
	}
	o.handler = o.routes()
	return o, nil
}

// openDatabase makes the tables and fills them. Each org has a database of its own name, which lives as long as the
// pool keeps a connection to it.
func (o *Org) openDatabase() error {
	o.source = "file:/fakeorg-" + uuid.NewString() + "?vfs=memdb"
	db, err := sql.Open("sqlite", o.source)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(4)
	o.db = db
	return errors.Join(o.execute(slices.Concat(tables(o.schema.stored()), internalTables, permissionTriggers())), o.seed(), o.execute(indexes(o.schema.stored())))
}

func (o *Org) execute(statements []string) error {
	return o.write(context.Background(), func(db querier) error {
		for _, statement := range statements {
			if _, err := db.ExecContext(context.Background(), statement); err != nil {
				return fmt.Errorf("%w in %s", err, statement)
			}
		}
		return nil
	})
}

// Handler answers HTTP requests.
func (o *Org) Handler() http.Handler { return o.handler }

// DataSource is the name of the org's database, which other connections of this process to SQLite can open while the
// org is open.
func (o *Org) DataSource() string { return o.source }

// Close gives up the data.
func (o *Org) Close() error { return o.db.Close() }

// now is the org's time, in UTC and without fractions of a second, as the platform stores it.
func (o *Org) now() time.Time { return o.options.Clock().UTC().Truncate(time.Second) }
