package app

var auditRoutes []route

var auditFrench map[string]string
