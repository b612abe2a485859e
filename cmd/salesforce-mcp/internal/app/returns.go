package app

var returnsRoutes []route

var returnsFrench map[string]string
