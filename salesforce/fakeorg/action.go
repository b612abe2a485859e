package fakeorg

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// actionInputs are the values of one invocation by name.
type actionInputs map[string]any

// actionOutcome is what one invocation has given.
type actionOutcome struct {
	outputs object
	err     error
}

// invokeAction is POST …/{action}: one result for each of the inputs. The answer is 400 when one of them fails, and
// what the others did stays done; sfdx-mass-action-scheduler has a log of such an answer in its issue 69.
func invokeAction(c *call) (*answer, error) {
	i, err := c.namedAction()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(c.Body)
	if err != nil {
		return nil, err
	}
	var body struct{ Inputs []json.RawMessage }
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, unreadable(text, err)
	}
	if len(body.Inputs) == 0 {
		return nil, refuse(http.StatusBadRequest, "MISSING_ARGUMENT", "inputs is required")
	}
	invocations := make([]actionInputs, len(body.Inputs))
	for n, raw := range body.Inputs {
		r, err := decodeRecord(raw)
		if err != nil {
			return nil, err
		}
		invocations[n] = actionInputs{}
		for _, in := range r {
			invocations[n][in.name] = in.value
		}
	}
	outcomes, err := c.invoke(i, invocations)
	if err != nil {
		return nil, err
	}
	status, results := http.StatusOK, []object{}
	for _, o := range outcomes {
		if o.err != nil {
			status = http.StatusBadRequest
		}
		results = append(results, i.result(o))
	}
	return &answer{status: status, body: results}, nil
}

// result has the members of recorded results of v61.0 and later.
func (i *invocable) result(o actionOutcome) object {
	var failures, outputs any
	if o.err != nil {
		failures = errorsOf(o.err)
	} else if o.outputs != nil {
		outputs = o.outputs
	}
	return object{{"actionName", i.Name}, {"errors", failures}, {"invocationId", nil}, {"isSuccess", o.err == nil}, {"outcome", nil},
		{"outputValues", outputs}, {"sortOrder", -1}, {"version", 1}}
}

// invoke runs an action for each of the inputs. An Apex method gets them all at once, so that an exception undoes
// everything and is the error of all.
func (c *call) invoke(i *invocable, invocations []actionInputs) ([]actionOutcome, error) {
	outcomes := make([]actionOutcome, len(invocations))
	each := func(n int) error {
		return c.within(func() (err error) {
			outcomes[n].outputs, err = c.invokeOne(i, invocations[n])
			outcomes[n].err = err
			return err
		})
	}
	if i.Kind != "apex" {
		for n := range invocations {
			if err := each(n); err != nil && outcomes[n].err == nil {
				return nil, err
			}
		}
		return outcomes, nil
	}
	var failure error
	err := c.within(func() error {
		for n := range invocations {
			if err := each(n); err != nil {
				failure = firstError(outcomes[n].err, err)
				return failure
			}
		}
		return nil
	})
	if failure != nil {
		for n := range outcomes {
			outcomes[n] = actionOutcome{err: failure}
		}
		return outcomes, nil
	}
	return outcomes, err
}

func (c *call) invokeOne(i *invocable, given actionInputs) (object, error) {
	if err := i.check(given); err != nil {
		return nil, err
	}
	switch i.Kind {
	case "standard":
		return standardActions[i.Name](c, given)
	case "flow":
		outputs, err := c.perform(i, given)
		if err != nil {
			// The platform does not tell the cause: it mails it to the administrator.
			return nil, invalid("UNKNOWN_EXCEPTION", "An unhandled fault has occurred in this flow<br>An unhandled fault has occurred while processing the flow.  "+
				"Please contact your system administrator for more information.")
		}
		return append(object{{"Flow__InterviewGuid", strings.ReplaceAll(uuid.NewString(), "-", "")}, {"Flow__InterviewStatus", "Finished"}}, outputs...), nil
	}
	outputs, err := c.perform(i, given)
	if err != nil {
		return nil, invalid("UNKNOWN_EXCEPTION", "An Apex error occurred: "+asException(err))
	}
	return outputs, nil
}

// asException is how Apex tells an error of the platform; others are exceptions already.
func asException(err error) string {
	var f *fault
	if !errors.As(err, &f) {
		return err.Error()
	}
	return "System.DmlException: Update failed. First exception on row 0; first error: " + f.code + ", " + f.message + ": [" + strings.Join(f.fields, ", ") + "]"
}

// check refuses inputs that the action does not have, that are missing or of another type. The codes were not found
// in a source.
func (i *invocable) check(given actionInputs) error {
	for name, value := range given {
		p := i.input(name)
		if p == nil {
			return invalid("INVALID_API_INPUT", "The action "+i.Name+" has no input "+name)
		}
		if !p.takes(value) {
			return invalid("INVALID_API_INPUT", "The input "+name+" must be of type "+p.Type)
		}
	}
	for _, p := range i.Inputs {
		if p.Required && (given[p.Name] == nil || given[p.Name] == "") {
			return invalid("REQUIRED_FIELD_MISSING", "Missing required input parameter: "+p.Name, p.Name)
		}
	}
	return nil
}

// takes reports whether a JSON value fits the parameter.
func (p *actionParameter) takes(value any) bool {
	if value == nil {
		return true
	}
	items, isList := value.([]any)
	if isList != p.Many {
		return false
	}
	if !isList {
		items = []any{value}
	}
	for _, item := range items {
		kind := map[string]string{"BOOLEAN": "boolean", "NUMBER": "double"}[p.Type]
		if _, fits := (&Field{Type: kind}).column(item); !fits {
			return false
		}
		if text, isText := item.(string); isText && len(p.Values) > 0 && !slices.Contains(p.Values, text) {
			return false
		}
	}
	return true
}

// perform does the steps of a flow or an Apex method and works out its outputs.
func (c *call) perform(i *invocable, given actionInputs) (object, error) {
	o := c.org.schema.Object(i.Object)
	id, err := rowID(given.text(i.Record))
	if err != nil {
		return nil, err
	}
	if c.org.schema.ObjectOf(id) != o {
		return nil, invalid("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
	if err := c.mustExist(o, id); err != nil {
		return nil, err
	}
	r := c.automate(o, id)
	r.write = c.edit // flows and Apex do not change locked records, even in system mode
	for _, p := range i.Inputs {
		r.inputs[p.Name] = p.column(given[p.Name])
	}
	if err := r.steps(i.Steps); err != nil {
		return nil, err
	}
	expressions := make([]string, len(i.Outputs))
	for n, p := range i.Outputs {
		expressions[n] = p.Value
	}
	results, err := r.evaluate(expressions...)
	outputs := object{}
	for n, p := range i.Outputs {
		outputs = append(outputs, member{p.Name, shown(&Field{Type: strings.ToLower(p.Type)}, results[n])})
	}
	return outputs, err
}

// column is a JSON value as an expression sees it.
func (p *actionParameter) column(value any) any {
	if value == nil {
		return nil
	}
	kind := map[string]string{"BOOLEAN": "boolean", "NUMBER": "double"}[p.Type]
	column, _ := (&Field{Type: kind, Scale: 10}).column(value)
	return column
}

// text is an input that is a text, or "".
func (in actionInputs) text(name string) string {
	text, _ := in[name].(string)
	return text
}

// texts is an input that is a collection of texts.
func (in actionInputs) texts(name string) []string {
	items, _ := in[name].([]any)
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i], _ = item.(string)
	}
	return texts
}
