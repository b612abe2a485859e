package fakeorg

import "net/http"

func (o *Org) routes() http.Handler { return http.NewServeMux() }
