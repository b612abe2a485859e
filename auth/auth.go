// Package auth gets access tokens for connected orgs.
package auth

import (
	"context"

	"salesforce-mcp/salesforce"
)

// Source gets access tokens for one connected org.
type Source interface {
	Token(ctx context.Context) (salesforce.Token, error)
}
