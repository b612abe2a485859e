package fakeorg

// queryRoutes are the routes of queries and searches.
func (o *Org) queryRoutes() []route { return nil }

// cursors are the open query locators.
type cursors struct{}
