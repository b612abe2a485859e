package app

var authenticationRoutes []route

var authenticationFrench map[string]string
