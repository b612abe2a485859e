package salesforce

import (
	"strconv"
	"strings"
)

// parseUsage reads the header Sforce-Limit-Info, whose form is
// "api-usage=18/5000" and may go on with "; per-app-api-usage=…".
func parseUsage(header string) (used, allowed int, ok bool) {
	for part := range strings.SplitSeq(header, ";") {
		value, found := strings.CutPrefix(strings.TrimSpace(part), "api-usage=")
		if !found {
			continue
		}
		before, after, _ := strings.Cut(value, "/")
		used, err1 := strconv.Atoi(before)
		allowed, err2 := strconv.Atoi(after)
		if err1 == nil && err2 == nil && used >= 0 && allowed > 0 {
			return used, allowed, true
		}
	}
	return 0, 0, false
}
