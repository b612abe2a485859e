package config

import (
	"errors"
	"fmt"

	"salesforce-mcp/cmd/salesforce-mcp/internal/users"
)

// App says how people use the configuration app.
type App struct {
	// Off serves no configuration app.
	Off bool `yaml:"off"`
	// Roles are what people are by what the OpenID provider of Login says of them,
	// beside what they are given in the app. Default none.
	Roles []AppRole `yaml:"roles"`
}

// AppRole gives a role to whoever the OpenID provider says something of.
type AppRole struct {
	// Claim is the name of a claim of the ID token. A dot leads into an object, as in
	// realm_access.roles.
	Claim string `yaml:"claim"`
	// Value is what the claim is, or one of what it lists.
	Value string `yaml:"value"`
	// Platform is owner or admin. Instead, Workspace and Role are a role in a
	// workspace: admin, approver or auditor.
	Platform  string `yaml:"platform"`
	Workspace string `yaml:"workspace"`
	Role      string `yaml:"role"`
}

// Roles returns the role.
func (r AppRole) Roles() users.Roles {
	roles := users.Roles{Platform: users.Role(r.Platform)}
	if r.Workspace != "" {
		roles.Workspaces = map[string][]users.Role{r.Workspace: {users.Role(r.Role)}}
	}
	return roles
}

func (a App) validate(login bool) error {
	var problems []error
	if len(a.Roles) > 0 && !login {
		problems = append(problems, errors.New("app.roles: needs a login, whose OpenID provider says who people are"))
	}
	for i, r := range a.Roles {
		switch {
		case r.Claim == "" || r.Value == "":
			problems = append(problems, fmt.Errorf("app.roles[%d]: claim and value are needed, as in claim: groups and value: salesforce-admins", i))
		case (r.Platform == "") == (r.Workspace == ""), (r.Workspace == "") != (r.Role == ""):
			problems = append(problems, fmt.Errorf("app.roles[%d]: give platform, or workspace and role", i))
		default:
			if err := r.Roles().Validate(); err != nil {
				problems = append(problems, fmt.Errorf("app.roles[%d].%w", i, err))
			}
		}
	}
	return errors.Join(problems...)
}
