package app

var workspacesRoutes []route

var workspacesFrench map[string]string
