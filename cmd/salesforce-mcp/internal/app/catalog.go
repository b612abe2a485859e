package app

var catalogRoutes []route

var catalogFrench map[string]string
