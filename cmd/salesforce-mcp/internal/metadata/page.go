package metadata

import (
	"cmp"
	"fmt"
	"io"
)

// WriteNeeds writes needs as the tables of docs/returns-permissions.md.
func WriteNeeds(w io.Writer, needs []Need) error {
	yes := map[bool]string{true: "yes"}
	kind := ""
	for _, n := range needs {
		var head, line string
		switch {
		case n.User != "":
			head, line = "| user permission | for |\n| --- | --- |\n", fmt.Sprintf("| `%s` | %s |\n", n.User, n.Why)
		case n.Field != "":
			head, line = "| field | edit | it |\n| --- | --- | --- |\n", fmt.Sprintf("| `%s.%s` | %s | %s |\n", n.Object, n.Field, yes[n.Edit], n.Why)
		default:
			head = "| object | create | edit | it |\n| --- | --- | --- | --- |\n"
			line = fmt.Sprintf("| `%s` | %s | %s | %s |\n", n.Object, yes[n.Create], yes[n.Edit], cmp.Or(n.Why, "is read"))
		}
		if head == kind {
			head = ""
		} else {
			if kind != "" {
				head = "\n" + head
			}
			kind = map[bool]string{true: head[1:], false: head}[kind != ""]
		}
		if _, err := io.WriteString(w, head+line); err != nil {
			return err
		}
	}
	return nil
}
