package app

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"salesforce-mcp/audit"
)

var healthRoutes = []route{{"GET /platform/health", platform, healthPage}}

// Health is how the server is, as far as it can see.
type Health struct {
	Ready     error // why calls cannot be recorded; nil when they can
	Engine    string
	Database  string // where it is
	Replicas  int64  // processes of this database that are alive; 1 for SQLite
	Recovered int64  // calls closed as unknown in 30 days, since their server stopped
	Started   time.Time
	Secrets   string // where secrets are kept
	SecretsOK error  // why they cannot be read; nil when they can

	Sinks      []SinkHealth
	Signatures []SignatureHealth
	Orgs       []OrgHealth
	Workspaces []WorkspaceHealth
}

// SinkHealth is how far a place beside the database is.
type SinkHealth struct {
	Sink, Workspace  string
	Arrived, Waiting int64
	Oldest           time.Time // when the first entry that waits was recorded; zero when none does
}

// SignatureHealth is the newest checkpoint of a trail.
type SignatureHealth struct {
	Workspace      string
	Size, Unsigned int64
	Signed         time.Time // zero when that is not known
	Indexing       int64     // entries that are not in the index
}

// OrgHealth is an org that this process has been to.
type OrgHealth struct {
	Origin        string
	BreakerOpen   bool
	Used, Allowed int
}

// WorkspaceHealth is how a workspace's calls go.
type WorkspaceHealth struct {
	Name          string
	Mode          string    // how it authenticates; "" when it cannot
	Connections   int       // of this process, that were used in two hours
	Tokens        int       // those that have a token
	LoggedIn      time.Time // last login of this process
	LoginProblem  string    // of the last login, if it failed
	OK, Failed    time.Time // last call that went well, and that did not
	FailedCode    string
	Used, Allowed int64     // API calls in 24 hours, as the org has said last
	UsedAt        time.Time // in which hour
}

// healthPage shows how the server is.
func healthPage(r *request) error {
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()
	h, err := r.app.Health(ctx)
	if err != nil {
		return err
	}
	p := r.page(r.t("Health"))
	if h.Ready != nil {
		p.notice("error", r.t("Calls cannot be recorded, and are refused: %s", h.Ready))
	} else {
		p.Put(`<p><span class="badge good">{}</span> {}</p>`, r.t("ready"), r.t("Calls can be recorded."))
	}
	secrets := h.Secrets
	if h.SecretsOK != nil {
		p.notice("error", r.t("The secret store cannot be used: %s", h.SecretsOK))
	}
	p.facts(r.t("Version"), r.app.Version, r.t("This process runs since"), r.date(h.Started), r.t("Database"), h.Engine+", "+h.Database, r.t("Processes of it that are alive"), r.number(h.Replicas),
		r.t("Secrets"), secrets, r.t("Calls closed as unknown in 30 days"), r.t("%s, because the server that made them had stopped", r.number(h.Recovered)))
	p.workspacesHealth(h.Workspaces)
	p.orgsHealth(h.Orgs)
	p.trailHealth(h.Signatures)
	p.sinksHealth(h.Sinks)
	return p.send(http.StatusOK)
}

// since is how long ago something was, or that it never was.
func (r *request) since(at time.Time) string {
	if at.IsZero() {
		return r.t("never")
	}
	return r.ago(at)
}

func (p *page) workspacesHealth(all []WorkspaceHealth) {
	r := p.r
	p.Put(`<h2>{}</h2>`, r.t("Workspaces"))
	if len(all) == 0 {
		p.Put(`<p>{}</p>`, r.t("There is no workspace yet."))
		return
	}
	p.table(r.t("How the calls of each workspace go"), []string{r.t("Workspace"), r.t("Token"), r.t("Last success"), r.t("Last failure"), r.t("API calls in 24 hours")}, len(all), func(i int) {
		w := all[i]
		p.Put(`<tr><th scope="row"><a href="{}">{}</a></th><td>`, "/workspaces/"+url.PathEscape(w.Name)+"/audit", w.Name)
		switch {
		case w.Mode == "":
			p.Put(`<span class="badge warn">{}</span>`, r.t("not set up"))
		case w.LoginProblem != "":
			p.Put(`<span class="badge bad">{}</span> {}`, r.t("login failed"), shown(w.LoginProblem))
		case w.Tokens > 0:
			p.Put(`<span class="badge good">{}</span> {}`, r.count(w.Tokens, "%d token", "%d tokens"), w.Mode+", "+r.since(w.LoggedIn))
		default:
			p.Put(`<span class="badge">{}</span> {}`, r.t("none now"), w.Mode)
		}
		failed := r.since(w.Failed)
		if w.FailedCode != "" {
			failed += ": " + w.FailedCode
		}
		p.Put(`</td><td>{}</td><td>{}</td><td>`, r.since(w.OK), shown(failed))
		if w.Allowed > 0 {
			p.Put(`<meter min="0" max="{}" value="{}" high="{}" low="0" optimum="0">{}</meter> {}`, strconv.FormatInt(w.Allowed, 10), strconv.FormatInt(w.Used, 10), strconv.FormatInt(w.Allowed*9/10, 10), r.number(w.Used),
				r.t("%s of %s, in the hour of %s", r.number(w.Used), r.number(w.Allowed), r.date(w.UsedAt)))
		} else {
			p.Put(`{}`, r.t("not known"))
		}
		p.Put(`</td></tr>`)
	})
	p.Put(`<p class="hint">{}</p>`, r.t("Tokens are those of this process; every process has its own. Success and failure are of calls of agents that were not refused."))
}

func (p *page) orgsHealth(all []OrgHealth) {
	r := p.r
	p.Put(`<h2>{}</h2>`, r.t("Orgs"))
	if len(all) == 0 {
		p.Put(`<p>{}</p>`, r.t("This process has been to none yet."))
		return
	}
	p.table(r.t("Orgs that this process has been to"), []string{r.t("Org"), r.t("Circuit breaker"), r.t("API calls in 24 hours")}, len(all), func(i int) {
		o := all[i]
		p.Put(`<tr><th scope="row">{}</th><td>`, o.Origin)
		if o.BreakerOpen {
			p.Put(`<span class="badge bad">{}</span> {}`, r.t("open"), r.t("left alone for some seconds, since calls failed one after the other"))
		} else {
			p.Put(`<span class="badge good">{}</span>`, r.t("closed"))
		}
		usage := r.t("not known")
		if o.Allowed > 0 {
			usage = r.t("%s of %s", r.number(int64(o.Used)), r.number(int64(o.Allowed)))
		}
		p.Put(`</td><td>{}</td></tr>`, usage)
	})
}

func (p *page) trailHealth(all []SignatureHealth) {
	r := p.r
	p.Put(`<h2>{}</h2>`, r.t("Audit trail"))
	if len(all) == 0 {
		p.Put(`<p>{}</p>`, r.t("It has no entries yet."))
		return
	}
	p.table(r.t("Checkpoints"), []string{r.t("Trail"), r.t("Signed entries"), r.t("Not signed yet"), r.t("Signed"), r.t("Not indexed yet")}, len(all), func(i int) {
		s := all[i]
		path := "/workspaces/" + url.PathEscape(s.Workspace) + "/audit/proof"
		if s.Workspace == audit.WholeServer {
			path = "/platform/audit/proof"
		}
		p.Put(`<tr><th scope="row"><a href="{}">{}</a></th><td class="number">{}</td><td class="number">{}</td><td>`, path, s.Workspace, r.number(s.Size), r.number(s.Unsigned))
		switch {
		case s.Signed.IsZero():
			p.Put(`{}`, r.t("not known"))
		default:
			p.Put(`{}`, r.ago(s.Signed))
		}
		p.Put(`</td><td class="number">{}</td></tr>`, r.number(s.Indexing))
	})
}

func (p *page) sinksHealth(all []SinkHealth) {
	r := p.r
	p.Put(`<h2>{}</h2>`, r.t("Places beside the database"))
	if len(all) == 0 {
		p.Put(`<p>{}</p>`, r.t("None gets the audit entries: the configuration names no file, syslog, webhook or object of an org."))
		return
	}
	p.table(r.t("How far each place is"), []string{r.t("Place"), r.t("Trail"), r.t("Arrived"), r.t("Waiting"), r.t("The first that waits is of")}, len(all), func(i int) {
		s := all[i]
		oldest := "–"
		if !s.Oldest.IsZero() {
			oldest = r.ago(s.Oldest)
		}
		p.Put(`<tr><th scope="row">{}</th><td>{}</td><td class="number">{}</td><td class="number">{}</td><td>{}</td></tr>`, s.Sink, cmp.Or(s.Workspace, "–"), r.number(s.Arrived), r.number(s.Waiting), oldest)
	})
}
