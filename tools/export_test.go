package tools

// QuestionState is the state of the question that an error has, or "".
func QuestionState(err error) string {
	if q := questionIn(err); q != nil {
		return q.state
	}
	return ""
}
