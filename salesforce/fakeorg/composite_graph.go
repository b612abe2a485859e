package fakeorg

import (
	"net/http"
	"regexp"
	"strings"
)

// Limits of a request with graphs, from the page about them in the REST API guide.
const (
	graphVersion      = 50 // first version that knows graphs
	graphLimit        = 75
	graphNodeLimit    = 500 // in the whole request
	graphDepthLimit   = 15  // nodes that refer to each other in a row
	graphKindLimit    = 15  // different versions, methods and objects of nodes in the whole request
	graphFailureLimit = 14  // with more, the graphs left are not performed
)

// graph is a set of subrequests of which all are kept or none.
type graph struct {
	GraphID          string       `json:"graphId"`
	CompositeRequest []subrequest `json:"compositeRequest"`
}

// graphID is the form of a graph's id: at most 39 characters, the first a letter or a digit, no periods.
var graphID = regexp.MustCompile(`^[A-Za-z0-9][^.]{0,38}$`)

// compositeGraph is POST /composite/graph.
func compositeGraph(c *call) (*answer, error) {
	if versionNumber(c.version) < graphVersion {
		return nil, noResource()
	}
	graphs, err := c.readGraphs()
	if err != nil {
		return nil, err
	}
	if err := graphsTooLarge(graphs); err != nil {
		return ok(object{{"graphs", []object{answered(graph{GraphID: "_default"}, []object{subrequest{}.answered(failure(err))}, false)}}})
	}
	answers, failures, varied := []object{}, 0, kinds(graphs) > graphKindLimit
	for _, g := range graphs {
		nodes, failed, err := c.performGraph(g, varied, failures)
		if err != nil {
			return nil, err
		}
		if failed {
			failures++
		}
		answers = append(answers, answered(g, nodes, !failed))
	}
	return ok(object{{"graphs", answers}})
}

// performGraph performs the nodes of a graph, unless a limit forbids it. The sentence about types of operations is the
// platform's, those about the other limits follow it.
func (c *call) performGraph(g graph, varied bool, failures int) (nodes []object, failed bool, err error) {
	var refused *fault
	switch {
	case varied:
		refused = halted("Limit of number of types of operations in a Graph call reached.")
	case failures > graphFailureLimit:
		refused = halted("Limit of number of failed graphs in a Graph call reached.")
	case depth(g) > graphDepthLimit:
		refused = refuse(http.StatusBadRequest, "LIMIT_EXCEEDED", "Limit of %d reached for depth of the Graph", graphDepthLimit)
	default:
		return c.series(g.CompositeRequest, true)
	}
	for _, s := range g.CompositeRequest {
		nodes = append(nodes, s.answered(failure(refused)))
	}
	return nodes, true, nil
}

// answered is how the answers to the nodes of a graph are shown.
func answered(g graph, nodes []object, successful bool) object {
	return object{{"graphId", g.GraphID}, {"graphResponse", object{{"compositeResponse", nodes}}}, {"isSuccessful", successful}}
}

// readGraphs reads the body of the request. The sentences about ids were not found in a source.
func (c *call) readGraphs() ([]graph, error) {
	var body struct {
		Graphs []graph `json:"graphs"`
	}
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	if body.Graphs == nil {
		return nil, required("graphs")
	}
	known := map[string]bool{}
	for _, g := range body.Graphs {
		switch {
		case g.GraphID == "":
			return nil, required("graphId")
		case g.CompositeRequest == nil:
			return nil, required("compositeRequest")
		case !graphID.MatchString(g.GraphID):
			return nil, refuse(http.StatusBadRequest, "JSON_PARSER_ERROR",
				"Provided graphId ('%s') must start with a letter or a number, have less than 40 characters and no period.", g.GraphID)
		case known[g.GraphID]:
			return nil, refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "Duplicate graphId: %s.", g.GraphID)
		}
		known[g.GraphID] = true
		if err := c.checkSubrequests(g.CompositeRequest); err != nil {
			return nil, err
		}
		for i := range g.CompositeRequest {
			g.CompositeRequest[i].node = true
		}
	}
	return body.Graphs, nil
}

// graphsTooLarge refuses a request as a whole, which the platform answers with 200 and one graph that the client does not
// know. The sentence about nodes is the platform's, that about graphs follows it.
func graphsTooLarge(graphs []graph) error {
	nodes := 0
	for _, g := range graphs {
		nodes += len(g.CompositeRequest)
	}
	switch {
	case len(graphs) > graphLimit:
		return refuse(http.StatusBadRequest, "LIMIT_EXCEEDED", "Limit of %d reached for number of Graphs", graphLimit)
	case nodes > graphNodeLimit:
		return refuse(http.StatusBadRequest, "LIMIT_EXCEEDED", "Limit of %d reached for number of Nodes in the Graph", graphNodeLimit)
	}
	return nil
}

// nodeURL finds version and object in the address of a node.
var nodeURL = regexp.MustCompile(`^/services/data/([^/]+)/sobjects/([^/?]+)`)

// kinds counts the different kinds of nodes.
func kinds(graphs []graph) int {
	different := map[string]bool{}
	for _, g := range graphs {
		for _, s := range g.CompositeRequest {
			different[s.Method+" "+strings.ToLower(nodeURL.FindString(s.URL))] = true
		}
	}
	return len(different)
}

// depth is how many nodes refer to each other in a row at most.
func depth(g graph) int {
	deepest, depths := 0, map[string]int{}
	for _, s := range g.CompositeRequest {
		above := 0
		for _, mark := range referenceMark.FindAllStringSubmatch(s.URL+string(s.Body), -1) {
			id, _ := splitReference(mark[1])
			above = max(above, depths[id])
		}
		depths[s.ReferenceID] = above + 1
		deepest = max(deepest, above+1)
	}
	return deepest
}
