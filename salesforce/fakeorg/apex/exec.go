package apex

import (
	"errors"
	"strings"
)

// block runs statements with variables of their own.
func (in *Interpreter) block(f *frame, b *Block) (flow, error) {
	outer := f.vars
	f.vars = &scope{vars: map[string]*variableSlot{}, outer: outer}
	defer func() { f.vars = outer }()
	for _, s := range b.Stmts {
		if how, err := in.exec(f, s); err != nil || how != goOn {
			return how, err
		}
	}
	return goOn, nil
}

func (in *Interpreter) exec(f *frame, s Stmt) (flow, error) {
	if err := in.step(); err != nil {
		return goOn, err
	}
	if b, isBlock := s.(*Block); isBlock {
		return in.block(f, b)
	}
	in.at(f, s.at())
	switch s := s.(type) {
	case *local:
		return goOn, in.declare(f, s)
	case *exprStmt:
		_, err := in.eval(f, s.x)
		return goOn, err
	case *ifStmt:
		yes, err := in.truth(f, s.cond)
		switch {
		case err != nil:
			return goOn, err
		case yes:
			return in.exec(f, s.then)
		case s.els != nil:
			return in.exec(f, s.els)
		}
		return goOn, nil
	case *loop:
		return in.loop(f, s)
	case *forEach:
		return in.forEach(f, s)
	case *jump:
		if s.word == "break" {
			return breaks, nil
		}
		return continues, nil
	case *returnStmt:
		var err error
		if s.x != nil {
			f.result, err = in.eval(f, s.x)
		}
		return returns, err
	case *throwStmt:
		return goOn, in.throwStmt(f, s)
	case *tryStmt:
		return in.try(f, s)
	case *dmlStmt:
		return goOn, in.dmlStmt(f, s)
	case *runAs:
		if _, err := in.eval(f, s.user); err != nil { // permissions are not simulated: it runs as before
			return goOn, err
		}
		return in.block(f, s.body)
	case *switchStmt:
		return in.switchStmt(f, s)
	}
	return goOn, unknown(s.at(), "%T is not understood", s)
}

func (in *Interpreter) declare(f *frame, s *local) error {
	for _, v := range s.vars {
		if f.vars.find(v.name) != nil {
			return &Error{v.Pos, "Duplicate variable: " + v.name}
		}
		slot := &variableSlot{typ: s.typ}
		if v.init != nil {
			var err error
			if slot.value, err = in.evalAs(f, s.typ, v.init); err != nil {
				return err
			}
		}
		f.vars.vars[strings.ToLower(v.name)] = slot
	}
	return nil
}

// truth is a condition.
func (in *Interpreter) truth(f *frame, x Expr) (bool, error) {
	v, err := in.eval(f, x)
	if err != nil {
		return false, err
	}
	switch v := v.(type) {
	case bool:
		return v, nil
	case nil:
		return false, in.throw("NullPointerException", "Attempt to de-reference a null object")
	}
	return false, &Error{x.at(), "Condition expression must be of type Boolean: " + typeName(v)}
}

func (in *Interpreter) loop(f *frame, s *loop) (flow, error) {
	outer := f.vars
	f.vars = &scope{vars: map[string]*variableSlot{}, outer: outer}
	defer func() { f.vars = outer }()
	for _, init := range s.init {
		if _, err := in.exec(f, init); err != nil {
			return goOn, err
		}
	}
	for first := true; ; first = false {
		if s.cond != nil && (!first || !s.after) {
			if more, err := in.truth(f, s.cond); err != nil || !more {
				return goOn, err
			}
		}
		how, err := in.exec(f, s.body)
		if err != nil || how == returns {
			return how, err
		}
		if how == breaks {
			return goOn, nil
		}
		for _, update := range s.update {
			if _, err := in.eval(f, update); err != nil {
				return goOn, err
			}
		}
	}
}

func (in *Interpreter) forEach(f *frame, s *forEach) (flow, error) {
	over, err := in.eval(f, s.over)
	if err != nil {
		return goOn, err
	}
	var items []Value
	switch over := over.(type) {
	case *List:
		items = append(items, over.Items...)
	case *Set:
		items = over.keyList()
	case nil:
		return goOn, in.throw("NullPointerException", "Attempt to de-reference a null object")
	default:
		return goOn, &Error{s.over.at(), "Loop must iterate over a collection: " + typeName(over)}
	}
	if s.typ.is("List") && len(s.typ.Args) == 1 { // for (List<Account> chunk : [SELECT …])
		items = []Value{&List{Elem: s.typ.Args[0], Items: items}}
	}
	outer := f.vars
	defer func() { f.vars = outer }()
	for _, item := range items {
		f.vars = &scope{vars: map[string]*variableSlot{strings.ToLower(s.name): {s.typ, item}}, outer: outer}
		how, err := in.exec(f, s.body)
		if err != nil || how == returns {
			return how, err
		}
		if how == breaks {
			break
		}
	}
	return goOn, nil
}

func (in *Interpreter) throwStmt(f *frame, s *throwStmt) error {
	v, err := in.eval(f, s.x)
	if err != nil {
		return err
	}
	o, isObject := v.(*Object)
	if !isObject {
		return in.throw("NullPointerException", "Attempt to de-reference a null object")
	}
	if o.trace != "" { // thrown again
		return &thrown{o, false}
	}
	return in.thrown(o, false)
}

func (in *Interpreter) try(f *frame, s *tryStmt) (flow, error) {
	depth := len(in.stack)
	how, err := in.block(f, s.body)
	var t *thrown
	if errors.As(err, &t) && !t.fatal {
		in.stack = in.stack[:depth]
		for _, c := range s.catches {
			if !in.instanceOf(f.class, t.Object, c.typ) {
				continue
			}
			outer := f.vars
			f.vars = &scope{vars: map[string]*variableSlot{strings.ToLower(c.name): {c.typ, t.Object}}, outer: outer}
			how, err = in.block(f, c.body)
			f.vars = outer
			break
		}
	}
	if s.finally == nil || err != nil && !errors.As(err, &t) {
		return how, err
	}
	if t != nil && t.fatal {
		return how, err
	}
	if last, failed := in.block(f, s.finally); failed != nil || last != goOn {
		return last, failed
	}
	return how, err
}

func (in *Interpreter) switchStmt(f *frame, s *switchStmt) (flow, error) {
	on, err := in.eval(f, s.on)
	if err != nil {
		return goOn, err
	}
	for _, w := range s.whens {
		fits := len(w.values) == 0
		outer := f.vars
		for _, x := range w.values {
			if fits, err = in.fits(f, on, x); err != nil || fits {
				break
			}
		}
		if err != nil {
			return goOn, err
		}
		if fits {
			how, err := in.block(f, w.body)
			f.vars = outer
			return how, err
		}
	}
	return goOn, nil
}

// fits compares with a value of a when: a constant, an enum value by its name alone, or a type.
func (in *Interpreter) fits(f *frame, on Value, x Expr) (bool, error) {
	if of, isType := x.(*instanceOf); isType {
		if on == nil || !in.instanceOf(f.class, on, of.typ) {
			return false, nil
		}
		f.vars = &scope{vars: map[string]*variableSlot{strings.ToLower(of.x.(*name).name): {of.typ, on}}, outer: f.vars}
		return true, nil
	}
	if n, isName := x.(*name); isName {
		if e, isEnum := on.(enumValue); isEnum {
			return strings.EqualFold(e.name, n.name), nil
		}
	}
	v, err := in.eval(f, x)
	return err == nil && equal(on, v), err
}
