package fakeorg

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// batchVersion is the first of the resources that a batch knows.
const batchVersion = 34

// batchURL is the address of a subrequest of a batch, which starts with the version. Clients that write a slash or the
// whole path before it are answered too, as they report.
var batchURL = regexp.MustCompile(`^(?:/services/data/|/)?((v[0-9]+\.0)/.+)$`)

// compositeBatch is POST /composite/batch. Its subrequests do not know each other, and what one has written stays.
func compositeBatch(c *call) (*answer, error) {
	requests, haltOnError, err := c.readBatch()
	if err != nil {
		return nil, err
	}
	results, hasErrors, header := []object{}, false, http.Header{}
	for i, s := range requests {
		// The sentence was not found in a source.
		a := failure(refuse(http.StatusPreconditionFailed, "BATCH_PROCESSING_HALTED", "Batch processing halted per request"))
		if !haltOnError || !hasErrors {
			a = c.performBatched(s, i == 0, header)
		}
		hasErrors = hasErrors || a.status >= http.StatusBadRequest
		results = append(results, object{{"statusCode", a.status}, {"result", a.body}})
	}
	return &answer{status: http.StatusOK, header: header, body: object{{"hasErrors", hasErrors}, {"results", results}}}, nil
}

// performBatched performs a subrequest, which counts against the daily limit. The first one has been counted: as the
// request around it.
func (c *call) performBatched(s subrequest, counted bool, header http.Header) *answer {
	if !counted {
		usage, err := c.org.spendCall()
		header.Set(limitInfo, usage)
		if err != nil {
			return failure(err)
		}
	}
	return c.performSubrequest(s).answer
}

// readBatch reads the body of the request. An address or a method that cannot be is an error of the whole, and nothing
// is performed. The sentences about them were not found in a source.
func (c *call) readBatch() (requests []subrequest, haltOnError bool, err error) {
	var body struct {
		HaltOnError   bool `json:"haltOnError"`
		BatchRequests []struct {
			Method    string          `json:"method"`
			URL       string          `json:"url"`
			RichInput json.RawMessage `json:"richInput"`
		} `json:"batchRequests"`
	}
	if err := c.decode(&body); err != nil {
		return nil, false, err
	}
	switch {
	case body.BatchRequests == nil:
		return nil, false, required("batchRequests")
	case len(body.BatchRequests) > compositeLimit:
		return nil, false, refuse(http.StatusBadRequest, "LIMIT_EXCEEDED", "The request can’t contain more than %d operations.", compositeLimit)
	}
	for _, r := range body.BatchRequests {
		s := subrequest{Method: strings.ToUpper(r.Method), Body: r.RichInput} // unlike those of a composite request, methods come as "Get" too
		if s.URL, err = c.batchPath(r.URL); err != nil {
			return nil, false, err
		}
		switch {
		case r.Method == "":
			return nil, false, required("method")
		case !slices.Contains(subrequestMethods, s.Method):
			return nil, false, refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "Invalid method: %s. Valid methods are %s.",
				r.Method, strings.Join(subrequestMethods, ", "))
		}
		requests = append(requests, s)
	}
	return requests, body.HaltOnError, nil
}

// batchPath is the whole path of a subrequest's address. Its version is at most that of the batch.
func (c *call) batchPath(address string) (string, error) {
	if address == "" {
		return "", required("url")
	}
	parts := batchURL.FindStringSubmatch(address)
	if parts == nil {
		return "", refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "Invalid url: %s. It must start with the API version, such as %s/.", address, c.version)
	}
	if n := versionNumber(parts[2]); n < batchVersion || n > versionNumber(c.version) {
		return "", refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "Invalid url: %s. The version must be v%d.0 to %s.", address, batchVersion, c.version)
	}
	return "/services/data/" + parts[1], nil
}
