package apex

import "strings"

// modifiers reads annotations and keywords before a declaration.
func (p *parser) modifiers() Modifiers {
	var m Modifiers
	for p.err == nil {
		t := p.tok()
		switch {
		case t.is("@"):
			p.annotation(&m)
			continue
		case t.oneOf("public", "private", "protected", "global", "webservice"):
			m.Access = strings.ToLower(t.text)
		case t.is("static"):
			m.Static = true
		case t.is("testmethod"):
			m.Test = true
		case t.is("abstract"):
			m.Abstract = true
		case t.is("virtual"):
			m.Virtual = true
		case t.oneOf("final", "override", "transient"):
		case t.oneOf("with", "without", "inherited") && p.ahead(1).is("sharing"):
			p.advance()
		default:
			return m
		}
		p.advance()
	}
	return m
}

// annotation reads @Name and @Name(key=value …).
func (p *parser) annotation(m *Modifiers) {
	p.advance()
	switch word := p.word(); {
	case strings.EqualFold(word, "IsTest"):
		m.Test = true
	case strings.EqualFold(word, "TestSetup"):
		m.Setup = true
	}
	if !p.take("(") {
		return
	}
	for p.err == nil && !p.take(")") {
		key := p.tok()
		if p.advance(); p.take("=") {
			if key.is("SeeAllData") {
				m.SeeAllData = p.tok().is("true")
			}
			p.advance()
		}
		p.take(",")
		if p.tok().kind == endToken {
			p.need(")")
		}
	}
}

// declaration reads a class, interface or enum from its keyword on.
func (p *parser) declaration(m Modifiers, outer *Class) *Class {
	c := &Class{Modifiers: m, Kind: strings.ToLower(p.advance().text), Outer: outer, Pos: p.tok().at}
	c.Name = p.name()
	around := p.class
	p.class = c
	p.nest(func() {
		switch c.Kind {
		case "enum":
			p.need("{")
			c.Values = commaList(p, "}", p.name)
			return
		case "interface":
			if p.take("extends") {
				c.Interfaces = p.typeList()
			}
		default:
			if p.take("extends") {
				super := p.typ()
				c.Super = &super
			}
			if p.take("implements") {
				c.Interfaces = p.typeList()
			}
		}
		p.need("{")
		for p.err == nil && !p.take("}") {
			p.classMember(c)
		}
	})
	p.class = around
	return c
}

func (p *parser) typeList() []Type {
	types := []Type{p.typ()}
	for p.take(",") {
		types = append(types, p.typ())
	}
	return types
}

// classMember reads a field, property, method, constructor, initializer or inner class.
func (p *parser) classMember(c *Class) {
	if p.take(";") {
		return
	}
	at := p.tok().at
	m := p.modifiers()
	switch {
	case p.tok().kind == endToken:
		p.need("}")
	case p.tok().oneOf("class", "interface", "enum"):
		c.Inner = append(c.Inner, p.declaration(m, c))
	case p.tok().is("{"):
		c.Initializers = append(c.Initializers, &Method{Pos: at, Modifiers: m, Name: "<init>", Return: Type{Name: "void"}, Body: p.block(), Class: c})
	case p.tok().is(c.Name) && p.ahead(1).is("("):
		p.advance()
		constructor := &Method{Pos: at, Modifiers: m, Name: "<init>", Return: Type{Name: "void"}, Params: p.params(), Class: c}
		constructor.Body = p.block()
		c.Constructors = append(c.Constructors, constructor)
	default:
		t := p.typ()
		place := p.tok().at
		if p.tok().is("(") && p.err == nil {
			p.refuse(place, "Invalid constructor name: %s", t.Name)
		}
		if p.ahead(1).is("(") { // a method may have a name that a variable may not
			p.method(c, m, t, p.word())
			return
		}
		p.fields(c, m, t)
	}
}

// method reads a method from its parameters on.
func (p *parser) method(c *Class, m Modifiers, t Type, name string) {
	method := &Method{Pos: t.Pos, Modifiers: m, Name: name, Return: t, Params: p.params(), Class: c}
	if c.Test && m.Test {
		method.Static = m.Static
	}
	if !p.take(";") {
		method.Body = p.block()
	} else if c.Kind != "interface" && !m.Abstract {
		p.refuse(method.Pos, "Method must have a body or be declared abstract: %s", name)
	}
	c.Methods = append(c.Methods, method)
}

func (p *parser) params() []Param {
	p.need("(")
	return commaList(p, ")", func() Param {
		p.take("final")
		t := p.typ()
		return Param{Type: t, Name: p.name()}
	})
}

// fields reads variables, or one property.
func (p *parser) fields(c *Class, m Modifiers, t Type) {
	for p.err == nil {
		f := &Field{Pos: p.tok().at, Modifiers: m, Type: t, Name: p.name()}
		if c.field(f.Name) != nil {
			p.refuse(f.Pos, "Duplicate field: %s", f.Name)
		}
		c.Fields = append(c.Fields, f)
		if p.take("{") {
			p.accessors(f)
			return
		}
		if p.tok().is("=") {
			p.lines[f.Line] = true
			p.advance()
			f.Init = p.expr()
		}
		if !p.take(",") {
			p.need(";")
			return
		}
	}
}

// accessors reads { get; set; } with or without bodies.
func (p *parser) accessors(f *Field) {
	f.Property = true
	for p.err == nil && !p.take("}") {
		p.modifiers()
		into := &f.Get
		if !p.tok().oneOf("get", "set") {
			p.unexpected()
			return
		}
		if p.advance().is("set") {
			into = &f.Set
		}
		if !p.take(";") {
			*into = p.block()
		}
	}
}
