package fakeorg

type sessions struct{}

// user is who a token stands for.
type user struct{ id, username string }
