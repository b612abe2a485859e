package app

import (
	"cmp"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"salesforce-mcp/audit"
	"salesforce-mcp/cmd/salesforce-mcp/internal/store"
)

// A span is what charts go over: steps of so many hours, up to now.
type span struct {
	name  string // in the address
	label string
	hours int
	steps int
}

var spans = []span{
	{"day", words("24 hours"), 1, 24},
	{"week", words("7 days"), 6, 28},
	{"month", words("30 days"), 24, 30},
}

// from is the beginning of the first step, of which the last has now in it.
func (s span) from(now time.Time) time.Time {
	step := time.Duration(s.hours) * time.Hour
	return now.UTC().Truncate(step).Add(step - time.Duration(s.steps)*step)
}

// auditCharts draws what a workspace did.
func auditCharts(r *request) error {
	left, err := r.catchUp()
	if err != nil {
		return err
	}
	over := spans[max(0, slices.IndexFunc(spans, func(s span) bool { return s.name == r.FormValue("span") }))]
	tallies, err := r.app.Trail.Tallies(r.Context(), r.trail(), over.from(time.Now()), over.hours, over.steps)
	if err != nil {
		return err
	}
	p := r.page(r.t("Charts"))
	p.trailTabs("/charts")
	p.lagging(left)
	p.Put(`<nav class="tabs" aria-label="{}"><ul>`, r.t("Time"))
	for _, s := range spans {
		if s.name == over.name {
			p.Put(`<li><a href="{}" aria-current="true">{}</a></li>`, r.trailPath("/charts?span="+s.name), r.t(s.label))
		} else {
			p.Put(`<li><a href="{}">{}</a></li>`, r.trailPath("/charts?span="+s.name), r.t(s.label))
		}
	}
	p.Put(`</ul></nav>`)
	p.callsChart(over, tallies)
	p.refusalsChart(over, tallies)
	p.latencyChart(over, tallies)
	p.usageChart(over, tallies)
	return p.send(http.StatusOK)
}

// when is a step of a chart as its table names it.
func (r *request) when(over span, t store.Tally) string {
	layout := "2 Jan 2006, 15:04"
	switch {
	case r.language == french && over.hours == 24:
		layout = "02/01/2006"
	case r.language == french:
		layout = "02/01/2006 15:04"
	case over.hours == 24:
		layout = "2 Jan 2006"
	}
	return t.From.Format(layout)
}

// A chart is bars or lines over the steps of a span. Its numbers are in a table below it.
type chart struct {
	title   string
	summary string // in a sentence, for who does not see it
	columns []string
	rows    func(store.Tally) []string
	top     float64 // value at the upper edge
	topText string
	draw    func(c canvas)
	legend  []string // what is drawn plainly, and what is marked; nil where there is one thing
	lines   bool     // both are lines
}

// callsChart is how many calls ended, and in it those that failed.
func (p *page) callsChart(over span, tallies []store.Tally) {
	r := p.r
	var most, all, bad int64
	failed := func(t store.Tally) int64 { return t.Outcomes[audit.Failed] + t.Outcomes[audit.Unknown] }
	for _, t := range tallies {
		most, all, bad = max(most, t.Calls()), all+t.Calls(), bad+failed(t)
	}
	p.chart(over, tallies, chart{
		title:   r.t("Calls"),
		summary: r.t("Calls of agents that ended: %s, of them with an error or an unknown outcome: %s. The most in one step: %s.", r.number(all), r.number(bad), r.number(most)),
		columns: []string{r.t("done"), r.t("error"), r.t("unknown"), r.t("refused"), r.t("together")},
		rows: func(t store.Tally) []string {
			return []string{r.number(t.Outcomes[audit.OK]), r.number(t.Outcomes[audit.Failed]), r.number(t.Outcomes[audit.Unknown]), r.number(t.Outcomes[audit.Refused]), r.number(t.Calls())}
		},
		top: float64(most), topText: r.number(most),
		draw: func(c canvas) {
			c.bars(func(t store.Tally) float64 { return float64(t.Calls()) }, false)
			c.bars(func(t store.Tally) float64 { return float64(failed(t)) }, true)
		},
		legend: []string{r.t("calls"), r.t("of them with an error or an unknown outcome")},
	})
}

// refusalsChart is how many calls were refused, and why.
func (p *page) refusalsChart(over span, tallies []store.Tally) {
	r := p.r
	var most, all int64
	codes := map[string]int64{}
	for _, t := range tallies {
		n := t.Outcomes[audit.Refused]
		most, all = max(most, n), all+n
		for code, n := range t.Refusals {
			codes[code] += n
		}
	}
	p.chart(over, tallies, chart{
		title:   r.t("Refusals"),
		summary: r.t("Refused calls: %s. The most in one step: %s.", r.number(all), r.number(most)),
		columns: []string{r.t("refused"), r.t("most frequent code")},
		rows: func(t store.Tally) []string {
			return []string{r.number(t.Outcomes[audit.Refused]), shown(frequent(t.Refusals))}
		},
		top: float64(most), topText: r.number(most),
		draw: func(c canvas) {
			c.bars(func(t store.Tally) float64 { return float64(t.Outcomes[audit.Refused]) }, true)
		},
	})
	if len(codes) == 0 {
		return
	}
	sorted := slices.SortedFunc(maps.Keys(codes), func(a, b string) int { return cmp.Or(cmp.Compare(codes[b], codes[a]), cmp.Compare(a, b)) })
	sorted = sorted[:min(len(sorted), 10)]
	p.table(r.t("Why calls were refused"), []string{r.t("Code"), r.t("Calls")}, len(sorted), func(i int) {
		p.Put(`<tr><th scope="row"><a href="{}">{}</a></th><td class="number">{}</td></tr>`, r.trailPath("?outcome=refused&code="+sorted[i]), shown(cmp.Or(sorted[i], "–")), r.number(codes[sorted[i]]))
	})
}

// frequent is the name with the largest count, the first of them by the alphabet.
func frequent(counts map[string]int64) (name string) {
	for _, n := range slices.Sorted(maps.Keys(counts)) {
		if name == "" || counts[n] > counts[name] {
			name = n
		}
	}
	return name
}

// latencyChart is how long calls took.
func (p *page) latencyChart(over span, tallies []store.Tally) {
	r := p.r
	var most time.Duration
	for _, t := range tallies {
		most = max(most, t.P50, t.P95)
	}
	p.chart(over, tallies, chart{
		title:   r.t("Duration of calls"),
		summary: r.t("Half of the calls of a step took at most p50, and 95 %% of them at most p95. The largest p95: %s. Within 5 %%, with Salesforce's part.", cmp.Or(r.duration(most), "0")),
		columns: []string{"p50", "p95"},
		rows: func(t store.Tally) []string {
			return []string{cmp.Or(r.duration(t.P50), "–"), cmp.Or(r.duration(t.P95), "–")}
		},
		top: float64(most), topText: r.duration(most),
		draw: func(c canvas) {
			c.line(func(t store.Tally) float64 { return float64(t.P50) }, false)
			c.line(func(t store.Tally) float64 { return float64(t.P95) }, true)
		},
		legend: []string{"p50", "p95"}, lines: true,
	})
}

// usageChart is how many of the org's API calls were used.
func (p *page) usageChart(over span, tallies []store.Tally) {
	r := p.r
	var most, allowed, own int64
	for _, t := range tallies {
		most, allowed, own = max(most, t.Used), max(allowed, t.Allowed), own+t.Requests
	}
	summary := r.t("The org has not said how many API calls are used: there were no calls in this time, or its answers do not say.")
	if allowed > 0 {
		summary = r.t("At most %s of %s API calls were used in 24 hours, by everything that uses the org; this server made %s requests in the time shown.", r.number(most), r.number(allowed), r.number(own))
	}
	p.chart(over, tallies, chart{
		title:   r.t("Salesforce API usage"),
		summary: summary,
		columns: []string{r.t("used in 24 hours"), r.t("allowed"), r.t("part"), r.t("requests of this server")},
		rows: func(t store.Tally) []string {
			if t.Allowed == 0 {
				return []string{"–", "–", "–", r.number(t.Requests)}
			}
			return []string{r.number(t.Used), r.number(t.Allowed), r.decimal(100*float64(t.Used)/float64(t.Allowed), 1) + " %", r.number(t.Requests)}
		},
		top: float64(allowed), topText: r.number(allowed),
		draw: func(c canvas) {
			c.bars(func(t store.Tally) float64 { return float64(t.Used) }, false)
			c.line(func(t store.Tally) float64 { return float64(t.Allowed) }, true)
		},
		legend: []string{r.t("used"), r.t("limit")},
	})
}

// A canvas is what a chart is drawn on: SVG of the width and height below, which the
// style sheet stretches. No text is in it.
type canvas struct {
	p       *page
	tallies []store.Tally
	top     float64
}

const canvasWidth, canvasHeight = 600.0, 100.0

// y is where a value stands, from the upper edge.
func (c canvas) y(value float64) float64 {
	return canvasHeight - canvasHeight*min(value/max(c.top, 1), 1)
}

// coordinate is a number as SVG reads it.
func coordinate(n float64) string { return strconv.FormatFloat(math.Round(n*100)/100, 'f', -1, 64) }

// bars draws a bar for each step; marked ones look otherwise, in shape too.
func (c canvas) bars(value func(store.Tally) float64, marked bool) {
	width := canvasWidth / float64(len(c.tallies))
	for i, t := range c.tallies {
		v := value(t)
		if v <= 0 {
			continue
		}
		x, y, w := coordinate((float64(i)+.1)*width), c.y(v), coordinate(.8*width)
		if marked {
			c.p.Put(`<rect class="marked" x="{}" y="{}" width="{}" height="{}"></rect>`, x, coordinate(y), w, coordinate(canvasHeight-y))
		} else {
			c.p.Put(`<rect x="{}" y="{}" width="{}" height="{}"></rect>`, x, coordinate(y), w, coordinate(canvasHeight-y))
		}
	}
}

// line draws a line through the steps that have a value, and a dot where one stands
// alone; a marked one is dashed.
func (c canvas) line(value func(store.Tally) float64, marked bool) {
	width := canvasWidth / float64(len(c.tallies))
	var b strings.Builder
	pen := false
	for i, t := range c.tallies {
		v := value(t)
		if v <= 0 {
			pen = false
			continue
		}
		x, y := (float64(i)+.1)*width, coordinate(c.y(v))
		if pen {
			b.WriteString(" L")
		} else {
			b.WriteString(" M")
		}
		b.WriteString(coordinate(x) + " " + y + " L" + coordinate(x+.8*width) + " " + y)
		pen = true
	}
	if b.Len() == 0 {
		return
	}
	if marked {
		c.p.Put(`<path class="marked" d="{}"></path>`, strings.TrimSpace(b.String()))
	} else {
		c.p.Put(`<path d="{}"></path>`, strings.TrimSpace(b.String()))
	}
}

// chart draws a chart, and its numbers as a table.
func (p *page) chart(over span, tallies []store.Tally, c chart) {
	r := p.r
	p.Put(`<section class="chart"><h2>{}</h2><p>{}</p>`, c.title, c.summary)
	if c.top > 0 {
		first, last := tallies[0], tallies[len(tallies)-1]
		p.Put(`<figure><p class="axis" aria-hidden="true"><span>{}</span></p><svg class="plot" viewbox="0 0 600 100" preserveaspectratio="none" role="img" aria-label="{}" focusable="false">`, c.topText, c.title+": "+c.summary)
		c.draw(canvas{p, tallies, c.top})
		p.Put(`</svg><p class="axis" aria-hidden="true"><span>{}</span> <span>{}</span></p>`, r.when(over, first), r.when(over, last))
		switch {
		case c.lines:
			p.Put(`<p class="legend lines" aria-hidden="true"><span class="key plain"></span> {} <span class="key marked"></span> {}</p>`, c.legend[0], c.legend[1])
		case c.legend != nil:
			p.Put(`<p class="legend" aria-hidden="true"><span class="key plain"></span> {} <span class="key marked"></span> {}</p>`, c.legend[0], c.legend[1])
		}
		p.Put(`</figure>`)
	}
	p.Put(`<details><summary>{}</summary>`, r.t("%s, in numbers", c.title))
	step := r.t("From (UTC)")
	shownTallies := slices.Clone(tallies)
	slices.Reverse(shownTallies)
	p.table(c.title, append([]string{step}, c.columns...), len(shownTallies), func(i int) {
		t := shownTallies[i]
		p.Put(`<tr><th scope="row">{}</th>`, r.when(over, t))
		for _, cell := range c.rows(t) {
			p.Put(`<td class="number">{}</td>`, cell)
		}
		p.Put(`</tr>`)
	})
	p.Put(`</details></section>`)
}
