package tools

import (
	"encoding/json"
	"maps"
	"strconv"
)

// Why a call that changes something is made, as the agent says: for the audit
// trail, where people read it. They are taken out of the arguments before
// anything else sees them, so that they reach no request and decide nothing.
var (
	reasoning  = Param{Name: "reasoning", Type: "string", Doc: "why the call is made; kept in the audit trail"}
	confidence = Param{Name: "confidence", Type: "number", Doc: "of the agent that it is right, from 0 to 1; kept in the audit trail"}
)

// A motive is what an agent says of why it makes a call.
type motive struct {
	reasoning  string
	confidence *float64 // nil when it says nothing
}

// motive takes the motive of a call out of the arguments of a row that changes
// something. The error says what is wrong with it.
func (op *Op) motive(args map[string]any) (rest map[string]any, m motive, err error) {
	why, sure := args[reasoning.Name], args[confidence.Name]
	if op.Effect == Read || why == nil && sure == nil {
		return args, m, nil
	}
	rest = maps.Clone(args)
	delete(rest, reasoning.Name)
	delete(rest, confidence.Name)
	if why != nil {
		var ok bool
		if m.reasoning, ok = why.(string); !ok {
			err = reasoning.wrong("it must be text, not " + article(typeName(why)))
		}
	}
	if sure == nil || sure == "" {
		return rest, m, err
	}
	var unclear error
	m.confidence, unclear = confidenceOf(sure)
	if unclear != nil {
		err = unclear
	}
	return rest, m, err
}

// confidenceOf reads a confidence.
func confidenceOf(sure any) (*float64, error) {
	text, ok := sure.(string) // as command lines and queries of URLs have it
	if n, number := sure.(json.Number); number {
		text, ok = n.String(), true
	}
	f, invalid := strconv.ParseFloat(text, 64)
	if !ok || invalid != nil || !(f >= 0 && f <= 1) {
		return nil, confidence.wrong("it must be a number from 0 to 1")
	}
	return &f, nil
}
