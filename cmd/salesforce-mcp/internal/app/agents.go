package app

var agentsRoutes []route

var agentsFrench map[string]string
