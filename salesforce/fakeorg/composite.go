package fakeorg

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Limits of a composite request.
const (
	compositeLimit      = 25 // subrequests, of a batch too
	compositeQueryLimit = 5  // of them queries and collections
	referenceVersion    = 52 // first version that refuses reference ids of other characters
)

func compositeRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/composite", handle: compositeResources},
		{method: http.MethodPost, path: "/composite", alone: true, handle: composite},
		{method: http.MethodPost, path: "/composite/batch", alone: true, handle: compositeBatch},
		{method: http.MethodPost, path: "/composite/graph", alone: true, handle: compositeGraph},
		{method: http.MethodPost, path: "/composite/tree/{object}", alone: true, handle: createTree},
	}
}

// compositeResources is GET /composite.
func compositeResources(c *call) (*answer, error) {
	var all object
	for _, name := range []string{"tree", "batch", "sobjects", "graph"} {
		all = append(all, member{name, "/services/data/" + c.version + "/composite/" + name})
	}
	return ok(all)
}

// composite is POST /composite. The platform may put subrequests in another order when collateSubrequests is true and
// they do not refer to each other; here they are performed as they come.
//
// Which resources a subrequest may call is documented as those of sObjects, queries and collections. Here it may call
// all but those that say they stand alone, and none whose answer is binary.
func composite(c *call) (*answer, error) {
	var body struct {
		AllOrNone        bool         `json:"allOrNone"`
		CompositeRequest []subrequest `json:"compositeRequest"`
	}
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	if body.CompositeRequest == nil {
		return nil, required("compositeRequest")
	}
	if err := c.checkSubrequests(body.CompositeRequest); err != nil {
		return nil, err
	}
	if err := tooMany(body.CompositeRequest); err != nil {
		return ok(object{{"compositeResponse", []object{subrequest{}.answered(failure(err))}}})
	}
	answers, _, err := c.series(body.CompositeRequest, body.AllOrNone)
	if err != nil {
		return nil, err
	}
	return ok(object{{"compositeResponse", append([]object{}, answers...)}})
}

// decode reads the body of the request.
func (c *call) decode(into any) error {
	text, err := io.ReadAll(c.Body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return unreadable(text, err)
	}
	return nil
}

// required is the error about a member of the body that is not there.
func required(name string) *fault {
	return refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "'%s' is a required field.", name)
}

// referenceID is the form of the ids of subrequests.
var referenceID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_]*$`)

// subrequestMethods distinguish case.
var subrequestMethods = []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodGet, http.MethodDelete}

// checkSubrequests refuses the whole request for what one of its parts may not be. Of the sentences only those about a
// required field and the form of a reference id are the platform's; the others were not found in a source.
func (c *call) checkSubrequests(requests []subrequest) error {
	known := map[string]bool{}
	for _, s := range requests {
		for _, member := range []struct{ name, value string }{{"method", s.Method}, {"url", s.URL}, {"referenceId", s.ReferenceID}} {
			if member.value == "" {
				return required(member.name)
			}
		}
		switch {
		case !slices.Contains(subrequestMethods, s.Method):
			return refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "Invalid method: %s. Valid methods are %s.", s.Method, strings.Join(subrequestMethods, ", "))
		case !referenceID.MatchString(s.ReferenceID) && versionNumber(c.version) >= referenceVersion:
			return refuse(http.StatusBadRequest, "JSON_PARSER_ERROR",
				"Provided referenceId ('%s') must start with a letter or a number, and it can contain only letters, numbers and underscores ('_').", s.ReferenceID)
		case known[s.ReferenceID]:
			return refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "Duplicate referenceId: %s.", s.ReferenceID)
		}
		known[s.ReferenceID] = true
		for name := range s.HTTPHeaders {
			if slices.Contains(inherited, http.CanonicalHeaderKey(name)) {
				return refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "The header %s is not allowed in a subrequest.", name)
			}
		}
	}
	return nil
}

// tooMany refuses more subrequests than there may be. The platform answers that with 200 and one answer that belongs
// to no subrequest. The sentence about queries was not found in a source.
func tooMany(requests []subrequest) error {
	if len(requests) > compositeLimit {
		return refuse(http.StatusBadRequest, "LIMIT_EXCEEDED", "The request can’t contain more than %d operations.", compositeLimit)
	}
	queries := 0
	for _, s := range requests {
		if queryOrCollection.MatchString(s.URL) {
			queries++
		}
	}
	if queries > compositeQueryLimit {
		return refuse(http.StatusBadRequest, "LIMIT_EXCEEDED", "The request can’t contain more than %d query or sObject Collections operations.", compositeQueryLimit)
	}
	return nil
}

var queryOrCollection = regexp.MustCompile(`^/services/data/[^/]+/(query|queryAll|composite/sobjects)([/?]|$)`)
