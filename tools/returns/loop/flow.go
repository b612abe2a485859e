package loop

import "salesforce-mcp/tools/returns"

// Flow returns the steps of a return.
func (l *Loop) Flow() returns.Flow { return returns.Flow{Kind: Kind} }
