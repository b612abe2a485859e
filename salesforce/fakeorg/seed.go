package fakeorg

func (o *Org) seed() error { return nil }
