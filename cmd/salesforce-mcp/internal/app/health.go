package app

var healthRoutes []route

var healthFrench map[string]string
