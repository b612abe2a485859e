package fakeorg

type faults struct{}

type journal struct{}
