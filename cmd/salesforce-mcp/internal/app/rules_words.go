package app

import (
	"fmt"
	"strings"

	"salesforce-mcp/allowlist"
)

// Rules in words.

// effect is an effect as a word, with a colour beside it.
func (p *page) effect(effect string) {
	word := p.r.effectWord(effect)
	switch effect {
	case "read":
		p.Put(`<span class="effect reads">{}</span>`, word)
	case "add":
		p.Put(`<span class="effect adds">{}</span>`, word)
	case "set":
		p.Put(`<span class="effect sets">{}</span>`, word)
	case "remove":
		p.Put(`<span class="effect removes">{}</span>`, word)
	default:
		p.Put(`<span class="effect acts">{}</span>`, word)
	}
}

var effectWords = map[string]string{"read": words("reads"), "add": words("adds"), "set": words("changes"), "remove": words("removes"), "act": words("acts")}

func (r *request) effectWord(effect string) string { return r.t(effectWords[effect]) }

// effectDoc says what effects mean (package tools, Effect).
var effectDoc = map[string]string{
	"read":   words("Changes nothing."),
	"add":    words("Only adds; what is there stays as it is."),
	"set":    words("Overwrites what is there."),
	"remove": words("Takes away what is there."),
	"act":    words("Anything else: it may overwrite or remove, and a repetition does it again."),
}

// presets are the presets to choose from, with the effects that they let through.
func (r *request) presets(none bool) (options []option) {
	if none {
		options = append(options, option{"", r.t("no preset: only what is ticked")})
	}
	for _, preset := range allowlist.Presets() {
		var effects []string
		for _, e := range allowlist.Effects(preset) {
			effects = append(effects, r.effectWord(e))
		}
		options = append(options, option{preset, preset + ": " + strings.Join(effects, ", ")})
	}
	return options
}

// summary says in a few words what a rule lets its agent do.
func (r *request) summary(rule allowlist.Rule) string {
	if rule.Off {
		return r.t("refused; its rule is kept")
	}
	var parts []string
	switch {
	case rule.Preset == "" && len(rule.Actions) == 0:
		return r.t("may do nothing")
	case rule.Preset == "":
		parts = append(parts, r.t("may do what is ticked: %s", few(rule.Actions)))
	default:
		var effects []string
		for _, e := range allowlist.Effects(rule.Preset) {
			effects = append(effects, r.effectWord(e))
		}
		text := strings.Join(effects, ", ")
		if len(rule.Actions) > 0 {
			text = r.t("%s in %s", text, few(rule.Actions))
		}
		parts = append(parts, text)
	}
	if rule.Narrowed() {
		parts = append(parts, r.t("certain objects or fields only"))
	}
	if len(rule.Confirm) > 0 {
		parts = append(parts, r.t("a person approves %s", few(rule.Confirm)))
	}
	if rule.Limits != (allowlist.Limits{}) {
		parts = append(parts, r.t("limited"))
	}
	return strings.Join(parts, "; ")
}

// few are the first names of a list.
func few(names []string) string {
	const most = 4
	if n := len(names); n > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" + %d", n-most)
	}
	return strings.Join(names, ", ")
}
