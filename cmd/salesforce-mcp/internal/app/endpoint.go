package app

var endpointRoutes []route

var endpointFrench map[string]string
