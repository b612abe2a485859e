package app

import (
	"net/http"
	"strconv"

	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
)

var historyRoutes = []route{
	{"GET /workspaces/{workspace}/history", auditing, historyPage},
	{"GET /workspaces/{workspace}/history/{revision}", auditing, revisionPage},
	{"POST /workspaces/{workspace}/history/{revision}/restore", administer, restoreForm},
}

// historyPage lists the revisions of the settings.
func historyPage(r *request) error {
	w, err := r.current()
	if err != nil {
		return err
	}
	p := r.page(r.t("History"))
	p.state(w)
	if w.Declared {
		p.notice("info", r.t("The server keeps no history of the configuration file."))
		return p.send(http.StatusOK)
	}
	all, err := r.app.Settings.History(r.Context(), r.workspace)
	if err != nil {
		return r.settingsError(err)
	}
	p.Put(`<p>{}</p>`, r.t("Each change of the settings is a revision. Secrets are no part of them."))
	p.table(r.t("Revisions"), []string{r.t("Revision"), r.t("When"), r.t("Who"), r.t("What")}, len(all), func(i int) {
		v := all[i]
		number := strconv.FormatInt(v.Number, 10)
		p.Put(`<tr><th scope="row"><a href="{}">{}</a>`, r.at("/history/"+number), number)
		if v.Number == w.Revision {
			p.Put(` <span class="badge good">{}</span>`, r.t("in force"))
		}
		p.Put(`</th><td><time datetime="{}">{}</time></td><td>{}</td><td>{}</td></tr>`, v.At.Format("2006-01-02T15:04:05Z"), r.date(v.At), v.By.Name, v.What)
	})
	return p.send(http.StatusOK)
}

// numbered is the number of the path's revision.
func (r *request) numbered() (int64, error) {
	number, err := strconv.ParseInt(r.PathValue("revision"), 10, 64)
	if err != nil || number < 1 {
		return 0, errNothing
	}
	return number, nil
}

// revisionPage shows what a revision has changed, and in what it differs from the
// present one.
func revisionPage(r *request) error {
	number, err := r.numbered()
	if err != nil {
		return err
	}
	w, err := r.current()
	if err != nil {
		return err
	}
	v, err := r.app.Settings.Revision(r.Context(), r.workspace, number)
	if err != nil {
		return r.settingsError(err)
	}
	before := ""
	if number > 1 {
		earlier, err := r.app.Settings.Revision(r.Context(), r.workspace, number-1)
		if err != nil {
			return r.settingsError(err)
		}
		before = string(earlier.Document)
	}
	p := r.page(r.t("Revision %d", number))
	p.facts(r.t("When"), r.date(v.At), r.t("Who"), v.By.Name, r.t("What"), v.What)
	p.Put(`<section><h2>{}</h2>`, r.t("What it changed"))
	p.diff(r.t("What it changed"), settings.Diff(before, string(v.Document)))
	p.Put(`</section>`)
	if number == w.Revision {
		p.notice("info", r.t("This revision is in force."))
		p.more(r.t("All revisions"), r.at("/history"))
		return p.send(http.StatusOK)
	}
	now, err := r.app.Settings.Revision(r.Context(), r.workspace, w.Revision)
	if err != nil {
		return r.settingsError(err)
	}
	p.Put(`<section><h2>{}</h2>`, r.t("What restoring it would change"))
	p.diff(r.t("What restoring it would change"), settings.Diff(string(now.Document), string(v.Document)))
	if r.may(administer) {
		p.notice("warn", r.t("What was taken away since then comes back too, tokens of hosts and rules of agents among it."))
		p.action(r.at("/history/"+strconv.FormatInt(number, 10)+"/restore"), r.t("Restore revision %d", number))
	}
	p.Put(`</section>`)
	p.more(r.t("All revisions"), r.at("/history"))
	return p.send(http.StatusOK)
}

// around is how many lines that are the same are shown around those that are not.
const around = 3

// diff is a difference, with the lines around what has changed. Those that read it out
// say what was added and what was removed.
func (p *page) diff(label string, lines []settings.Line) {
	near := make([]bool, len(lines))
	changed := false
	for i, l := range lines {
		if l.Sign == settings.Same {
			continue
		}
		changed = true
		for j := max(0, i-around); j <= min(len(lines)-1, i+around); j++ {
			near[j] = true
		}
	}
	if !changed {
		p.Put(`<p>{}</p>`, p.r.t("Nothing."))
		return
	}
	p.Put(`<pre class="difference" tabindex="0" aria-label="{}">`, label)
	for i, l := range lines {
		switch {
		case !near[i] && (i == 0 || near[i-1]):
			p.Put("<span>…\n</span>")
		case !near[i]:
		case l.Sign == settings.Added:
			p.Put("<ins>+ {}\n</ins>", l.Text)
		case l.Sign == settings.Removed:
			p.Put("<del>- {}\n</del>", l.Text)
		default:
			p.Put("<span>  {}\n</span>", l.Text)
		}
	}
	p.Put(`</pre>`)
}

// restoreForm makes an earlier revision the present one.
func restoreForm(r *request) error {
	if _, err := r.form(); err != nil {
		return err
	}
	if err := r.confirmed(); err != nil {
		return err
	}
	number, err := r.numbered()
	if err != nil {
		return err
	}
	if err := r.app.Settings.Restore(r.Context(), r.workspace, r.author(), number); err != nil {
		return r.settingsError(err)
	}
	return r.redirect(r.at("/history"), r.t("Revision %d is restored. It holds from the next call on.", number))
}
