package tools

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// The limits that the REST API guide gives for composite resources.
const (
	mostSubrequests = 25
	mostGraphs      = 75
	mostNodes       = 500
	mostTreeRecords = 200
	mostTreeLevels  = 5
)

// mostReturnLines is how many lines a return may have.
const mostReturnLines = 500

var (
	subrequestURL = regexp.MustCompile(`^/services/data/v\d{2,3}\.0/`)
	batchURL      = regexp.MustCompile(`^(/services/data)?/?v\d{2,3}\.0/`)
	referenceRE   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_]*$`)
	methodNames   = []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete, http.MethodHead}
	approvalKinds = []string{"Submit", "Approve", "Reject", "Removed"}
)

// requests checks an argument that holds several requests. What is wrong with
// one of them is said by its place.
func (p Param) requests(list []any) error {
	switch p.Form {
	case Subrequests:
		return p.subrequests("", list, mostSubrequests)
	case BatchRequests:
		return p.each("", list, mostSubrequests, func(at string, o map[string]any) error { return p.target(at, o, batchURL, "v62.0/sobjects/Account") })
	case Graphs:
		return p.graphs(list)
	case TreeRecords:
		return p.tree(list, map[string]bool{}, 1)
	case ApprovalRequests:
		return p.each("", list, mostTreeRecords, func(at string, o map[string]any) error {
			if kind, _ := o["actionType"].(string); !slices.Contains(approvalKinds, kind) {
				return p.wrong(fmt.Sprintf("%s needs an actionType: one of %s", at, strings.Join(approvalKinds, ", ")))
			}
			return nil
		})
	case ReturnLines:
		return p.each("", list, mostReturnLines, func(at string, o map[string]any) error { return p.returnLine(at, o) })
	}
	return nil
}

// each visits the objects of a list. Within says where the list is, when it is
// not the argument itself.
func (p Param) each(within string, list []any, most int, check func(at string, o map[string]any) error) error {
	if len(list) == 0 || len(list) > most {
		return p.wrong(fmt.Sprintf("%s%d elements: give 1 to %d", within, len(list), most))
	}
	for i, e := range list {
		at := fmt.Sprintf("%selement %d", within, i)
		o, ok := e.(map[string]any)
		if !ok {
			return p.wrong(at + " is no object")
		}
		if err := check(at, o); err != nil {
			return err
		}
	}
	return nil
}

func (p Param) subrequests(within string, list []any, most int) error {
	seen := map[string]bool{}
	return p.each(within, list, most, func(at string, o map[string]any) error {
		if err := p.target(at, o, subrequestURL, "/services/data/v62.0/sobjects/Account"); err != nil {
			return err
		}
		reference, _ := o["referenceId"].(string)
		if !referenceRE.MatchString(reference) {
			return p.wrong(at + " needs a referenceId: letters, digits and _, as in newAccount")
		}
		if seen[reference] {
			return p.wrong(fmt.Sprintf("%s has the referenceId %q of another; each has its own", at, clip(reference)))
		}
		seen[reference] = true
		return p.headers(at, o["httpHeaders"])
	})
}

// target checks method and URL of a request inside a request. The URL is a path
// of this org's REST API, so that no request leads elsewhere.
func (p Param) target(at string, o map[string]any, form *regexp.Regexp, as string) error {
	method, _ := o["method"].(string)
	if !slices.Contains(methodNames, method) {
		return p.wrong(fmt.Sprintf("%s needs a method: one of %s", at, strings.Join(methodNames, ", ")))
	}
	target, _ := o["url"].(string)
	path, _, _ := strings.Cut(target, "?")
	if !form.MatchString(target) || climbs(path) || strings.ContainsFunc(target, control) {
		return p.wrong(fmt.Sprintf("%s has the url %q; it must be a path, as in %s", at, clip(target), as))
	}
	return nil
}

// climbs reports whether some server could read an escaped path as one that
// leads out of its place: dots may be escaped, or have parameters, and a
// backslash may count as a slash.
func climbs(path string) bool {
	plain, err := url.PathUnescape(path)
	segments := strings.FieldsFunc(plain, func(r rune) bool { return r == '/' || r == '\\' })
	return err != nil || slices.ContainsFunc(segments, func(segment string) bool {
		segment, _, _ = strings.Cut(segment, ";")
		return segment == "." || segment == ".."
	})
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// headers checks the headers of a request inside a request.
func (p Param) headers(at string, v any) error {
	if v == nil {
		return nil
	}
	headers, ok := v.(map[string]any)
	if !ok {
		return p.wrong(at + ": httpHeaders must be an object of strings")
	}
	for name, value := range headers {
		text, ok := value.(string)
		if !ok || strings.ContainsFunc(name+text, control) {
			return p.wrong(fmt.Sprintf("%s: the header %q is no text of one line", at, clip(name)))
		}
	}
	return nil
}

func (p Param) graphs(list []any) error {
	nodes := 0
	return p.each("", list, mostGraphs, func(at string, o map[string]any) error {
		if id, _ := o["graphId"].(string); id == "" {
			return p.wrong(at + " needs a graphId")
		}
		requests, ok := o["compositeRequest"].([]any)
		if !ok {
			return p.wrong(at + " needs a compositeRequest: a list of requests")
		}
		if nodes += len(requests); nodes > mostNodes {
			return p.wrong(fmt.Sprintf("more than %d requests in all graphs", mostNodes))
		}
		return p.subrequests(at+": ", requests, mostNodes)
	})
}

// tree checks records and, below the names of child relationships, their
// children.
func (p Param) tree(list []any, seen map[string]bool, level int) error {
	if level > mostTreeLevels {
		return p.wrong(fmt.Sprintf("it has more than %d levels", mostTreeLevels))
	}
	within := ""
	if level > 1 {
		within = fmt.Sprintf("level %d, ", level)
	}
	return p.each(within, list, mostTreeRecords, func(at string, o map[string]any) error {
		attributes, _ := o["attributes"].(map[string]any)
		kind, _ := attributes["type"].(string)
		reference, _ := attributes["referenceId"].(string)
		if !nameRE.MatchString(kind) || reference == "" {
			return p.wrong(at + ` needs "attributes": {"type": "Account", "referenceId": "ref1"}`)
		}
		if seen[reference] {
			return p.wrong(fmt.Sprintf("%s has the referenceId %q of another; each has its own", at, clip(reference)))
		}
		if seen[reference] = true; len(seen) > mostTreeRecords {
			return p.wrong(fmt.Sprintf("it has more than %d records", mostTreeRecords))
		}
		for name, v := range o {
			children, _ := v.(map[string]any)
			records, ok := children["records"].([]any)
			if name == "attributes" || !ok {
				continue
			}
			if err := p.tree(records, seen, level+1); err != nil {
				return err
			}
		}
		return nil
	})
}
