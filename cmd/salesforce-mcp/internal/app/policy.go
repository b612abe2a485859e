package app

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"

	"salesforce-mcp/cmd/salesforce-mcp/internal/config"
	"salesforce-mcp/cmd/salesforce-mcp/internal/settings"
	returnpolicy "salesforce-mcp/tools/returns/policy"
)

// A policyDraft is a text of a policy in the editor, and what is to be done with it.
type policyDraft struct {
	text       string
	base       string // digest of the text that the editor began with
	present    string // the text that is in force
	changeable bool   // here, by the reader
	declared   bool   // the workspace stands in the configuration file
	returns    *config.Returns

	caseID, outcome, confidence field // of a try
}

// policyText is the text of the policy of a workspace.
func policyText(r *config.Returns) (string, error) {
	switch {
	case r.PolicyText != "":
		return r.PolicyText, nil
	case r.Policy == "":
		return string(returnpolicy.Default()), nil
	}
	text, err := os.ReadFile(r.Policy) // whose place the operator has written into the configuration
	return string(text), err
}

// tidyPolicy is a text as it is kept, whatever a browser has made of it.
func tidyPolicy(text string) string {
	text = strings.TrimLeft(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	return strings.TrimRight(text, " \n") + "\n"
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// draft is the policy of the workspace of the path, as it is now.
func (r *request) draft() (d policyDraft, err error) {
	w, changeable, err := r.ruled()
	if err != nil {
		return d, err
	}
	if d.returns = w.Returns; d.returns == nil {
		return d, r.problem(http.StatusNotFound, "This workspace does no returns: its settings have no section for them.")
	}
	d.declared, d.changeable = !changeable, changeable && r.may(administer)
	d.present, err = policyText(d.returns)
	d.text, d.base = d.present, digestOf(d.present)
	return d, err
}

// sent is the draft that the form of the editor holds.
func (r *request) sentDraft() (d policyDraft, err error) {
	if d, err = r.draft(); err != nil {
		return d, err
	}
	f, err := r.form()
	if err != nil {
		return d, err
	}
	d.text, d.base = tidyPolicy(f.Get("policy")), f.Get("base")
	d.caseID.value, d.outcome.value, d.confidence.value = strings.TrimSpace(f.Get("case")), f.Get("outcome"), strings.TrimSpace(f.Get("confidence"))
	return d, nil
}

// policyPage shows the policy, and the editor to whoever may change it.
func policyPage(r *request) error {
	d, err := r.draft()
	if err != nil {
		return err
	}
	return r.showPolicy(d, http.StatusOK, nil)
}

// showPolicy sends the editor. Below stands between it and the facts; nil is nothing.
func (r *request) showPolicy(d policyDraft, status int, below func(*page)) error {
	p := r.page(r.t("Policy of returns"))
	path := "/workspaces/" + r.workspace + "/policy"
	if d.declared {
		p.notice("info", r.t("This workspace stands in the configuration file, and is changed there. You can try a text here all the same."))
	} else {
		p.more(r.t("Versions"), path+"/versions")
	}
	if below != nil {
		below(p)
	}
	if !r.may(administer) {
		p.readPolicy(d.text)
		return p.send(status)
	}
	p.Put(`<form method="post" action="{}">
<input type="hidden" name="base" value="{}">`, path, d.base)
	p.policyLabel()
	p.Put(`<textarea id="policy" name="policy" rows="28" spellcheck="false" aria-describedby="policy-hint checks" hx-post="{}" hx-trigger="input changed delay:600ms" hx-target="#checks" hx-sync="this:replace">
{}</textarea></div>`, path+"/check", d.text)
	p.Put(`<div id="checks" role="status">`)
	p.checks(d.text)
	p.Put(`</div><p><button formaction="{}" class="second">{}</button> `, path+"/check", r.t("Check"))
	if d.changeable {
		p.Put(`<button>{}</button>`, r.t("Save as a new version"))
	}
	p.Put(`</p><fieldset><legend>{}</legend><p class="hint">{}</p>`, r.t("Try this text on real cases"), r.t("It only reads, and changes nothing."))
	p.tryFields(d)
	p.Put(`<button formaction="{}" class="second">{}</button></fieldset></form>`, path+"/try", r.t("Try"))
	p.vocabulary()
	return p.send(status)
}

// readPolicy is the policy for those who may not change it.
func (p *page) readPolicy(text string) {
	p.policyLabel()
	p.Put(`<textarea id="policy" rows="28" spellcheck="false" aria-describedby="policy-hint" readonly>
{}</textarea></div>`, text)
	p.checks(text)
	p.vocabulary()
}

// policyLabel begins the field of the policy.
func (p *page) policyLabel() {
	p.Put(`<div class="field"><label for="policy">{}</label><p class="hint" id="policy-hint">{}</p>`, p.r.t("Rules"), p.r.t("All rules are tried: a denial beats a review, and a review an approval. Money is in minor units, such as cents."))
}

// vocabulary are the facts that rules can read.
func (p *page) vocabulary() {
	r, words := p.r, returnpolicy.Vocabulary()
	p.Put(`<details><summary>{}</summary>`, r.t("The facts that rules can read"))
	p.table(r.t("Facts"), []string{r.t("Fact"), r.t("Type"), r.t("What it is")}, len(words), func(i int) {
		p.Put(`<tr><th scope="row"><code>{}</code></th><td>{}</td><td lang="en">{}</td></tr>`, words[i].Name, typeName(words[i].Type), words[i].Doc)
	})
	p.Put(`</details>`)
}

// typeName is a type of CEL in few words.
func typeName(name string) string {
	switch name {
	case "google.protobuf.Timestamp":
		return "timestamp"
	case "list(policy.Line)":
		return "list of lines"
	}
	return name
}

// A policyProblem is one thing that is wrong with a policy.
type policyProblem struct {
	line int // from 1; 0 when it is on none
	text string
	fits []returnpolicy.Word // the facts that its line reads, of which it may be about
}

var onLine = regexp.MustCompile(`line (\d+)`)

// policyProblems are what the compiler says is wrong with a policy.
func policyProblems(text string) (problems []policyProblem) {
	_, err := returnpolicy.Parse([]byte(text))
	if err == nil {
		return nil
	}
	lines := strings.Split(text, "\n")
	for said := range strings.SplitSeq(err.Error(), "\n") {
		problem := policyProblem{text: strings.TrimPrefix(said, "policy: ")}
		if m := onLine.FindStringSubmatch(said); m != nil {
			problem.line, _ = strconv.Atoi(m[1]) // digits
		}
		if problem.line > 0 && problem.line <= len(lines) {
			for _, word := range returnpolicy.Vocabulary() {
				if strings.Contains(lines[problem.line-1], word.Name) {
					problem.fits = append(problem.fits, word)
				}
			}
		}
		problems = append(problems, problem)
	}
	return problems
}

// checks says what the compiler has to say about a text.
func (p *page) checks(text string) {
	r := p.r
	problems := policyProblems(text)
	if len(problems) == 0 {
		p.Put(`<p class="notice ok"><strong>{}</strong></p>`, r.t("This policy can be used."))
		return
	}
	p.Put(`<div class="notice error"><strong>{}</strong><ul>`, r.count(len(problems), "%d problem: this policy cannot be used.", "%d problems: this policy cannot be used."))
	lines := strings.Split(text, "\n")
	for _, problem := range problems {
		p.Put(`<li lang="en">{}`, problem.text)
		if problem.line > 0 && problem.line <= len(lines) {
			p.Put(`<pre>{}</pre>`, fmt.Sprintf("%d  %s", problem.line, lines[problem.line-1]))
		}
		for _, word := range problem.fits {
			p.Put(`<p class="hint"><code>{}</code>: {}, {}</p>`, word.Name, typeName(word.Type), word.Doc)
		}
		p.Put(`</li>`)
	}
	p.Put(`</ul></div>`)
}

// checkPolicy checks a text as it is typed, or with a button.
func checkPolicy(r *request) error {
	d, err := r.sentDraft()
	if err != nil {
		return err
	}
	if r.partial() {
		p := r.page("")
		p.checks(d.text)
		return p.send(http.StatusOK)
	}
	return r.showPolicy(d, http.StatusOK, nil)
}

// savePolicy keeps a text as the policy of the workspace: returns are decided by it at
// once, and those that wait for a person are looked at anew when that person decides. It
// asks for a fresh proof, as approving money does: what was typed stays meanwhile.
func savePolicy(r *request) error {
	d, err := r.sentDraft()
	if err != nil {
		return err
	}
	switch {
	case d.declared:
		return r.declared()
	case policyProblems(d.text) != nil:
		return r.showPolicy(d, http.StatusUnprocessableEntity, func(p *page) {
			p.notice("error", r.t("Nothing was saved: the policy has problems, which stand below it."))
		})
	case r.confirmed() != nil:
		return r.showPolicy(d, http.StatusForbidden, func(p *page) {
			p.notice("error", r.t("Nothing was saved: what decides about money is saved with a proof of who you are that is not older than ten minutes. Open the link below in another tab, prove it there, and save again here."))
			p.more(r.t("Prove who you are"), "/confirm?next="+url.QueryEscape("/workspaces/"+r.workspace+"/policy"))
		})
	}
	if err := r.keepPolicy(d.text, cmp.Or(d.base, "none")); errors.Is(err, errChangedMeanwhile) {
		now, err := r.draft()
		if err != nil {
			return err
		}
		d.present = now.present
		return r.showPolicy(d.rebased(), http.StatusConflict, r.changedMeanwhile(d))
	} else if err != nil {
		return err
	}
	return r.redirect("/workspaces/"+r.workspace+"/policy", r.t("The policy is saved, and in force."))
}

// rebased is a draft that may be saved over what is in force now.
func (d policyDraft) rebased() policyDraft {
	d.base = digestOf(d.present)
	return d
}

// changedMeanwhile says that somebody else has changed the policy, and how this text
// differs from theirs.
func (r *request) changedMeanwhile(d policyDraft) func(*page) {
	return func(p *page) {
		p.notice("error", r.t("Nothing was saved: somebody has changed the policy meanwhile. Below is how your text differs from theirs. Saving again puts yours in its place."))
		p.difference(d.present, d.text)
	}
}

var errChangedMeanwhile = errors.New("the policy has changed meanwhile")

// keepPolicy saves a text in the place of the one with that digest; "" is of any.
func (r *request) keepPolicy(text, base string) error {
	return r.changeRules(func(w *config.Workspace) error {
		if w.Returns == nil {
			return r.problem(http.StatusConflict, "This workspace does no returns: its settings have no section for them.")
		}
		present, err := policyText(w.Returns)
		if err != nil {
			return err
		}
		if base != "" && base != digestOf(present) {
			return errChangedMeanwhile
		}
		w.Returns.Policy, w.Returns.PolicyText = "", text
		return nil
	})
}

// difference is one of two texts, line by line.
func (p *page) difference(before, after string) {
	p.Put(`<pre class="difference" tabindex="0" aria-label="{}">`, p.r.t("Difference"))
	for _, line := range settings.Diff(before, after) {
		switch line.Sign {
		case settings.Added:
			p.Put(`<ins>+ {}</ins>
`, line.Text)
		case settings.Removed:
			p.Put(`<del>- {}</del>
`, line.Text)
		default:
			p.Put(`  {}
`, line.Text)
		}
	}
	p.Put(`</pre>`)
}
