package app

var historyRoutes []route

var historyFrench map[string]string
