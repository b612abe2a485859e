package audit

// tidy bounds the entry.
func (e *Entry) tidy() {}
