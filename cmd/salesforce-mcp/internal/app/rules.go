package app

var rulesRoutes []route

var rulesFrench map[string]string
