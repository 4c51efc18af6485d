package vet

import (
	"go/ast"
	"go/types"
	"regexp"
	"slices"
)

// result returns the guard of a result of a call.
func (c *checker) result(call *ast.CallExpr, index int) guard {
	if c.isHas(call) && len(call.Args) > 0 {
		switch path := c.text(call.Args[0]); {
		case index != 0:
			return c.noAnswer()
		case path == "":
			return c.doubt()
		default:
			return c.hasPath(path)
		}
	}
	if c.isCall(call, schemaPath, "Missing", "MissingIn") {
		if g, ok := c.missing(call); ok && index == 0 {
			return g.not()
		}
		return c.noAnswer()
	}
	if c.isCall(call, "errors", "AsType") && index == 1 {
		return c.matches(call, call.Args)
	}
	if c.isCall(call, schemaPath, "Query") && index == 1 {
		return c.noAnswer()
	}
	if cmd, server := c.commandOf(call); cmd != "" {
		if k := c.r.of(server, cmd); k != nil && (index > 0 || isErrorType(c.pass.TypesInfo.TypeOf(call))) {
			failed := c.r.all
			if c.tried[call] != 0 {
				failed = c.r.all &^ k.has
			}
			return guard{failed, k.has, c.r.all, k.has} // without an error the server has it
		}
		return c.nothing()
	}
	if c.isCall(call, "strings", "Contains", "HasPrefix", "HasSuffix", "EqualFold") && len(call.Args) == 2 {
		if notFound.MatchString(constantString(c.pass.TypesInfo, call.Args[1])) {
			if text, ok := ast.Unparen(call.Args[0]).(*ast.CallExpr); ok {
				if sel, ok := text.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Error" {
					return c.try(sel.X, requestTried)
				}
			} else if sel, ok := ast.Unparen(call.Args[0]).(*ast.SelectorExpr); ok && sel.Sel.Name == "Desc" {
				return c.try(sel.X, requestTried)
			}
		}
	}
	if fn := c.function(call); fn != nil {
		if index >= len(fn.results) {
			return c.nothing()
		}
		if fn.result(index).doubtful() || len(fn.tries) > 0 {
			if r := c.inline(fn, call); r != nil {
				return r[index]
			}
		}
		return fn.result(index)
	}
	if f := c.callee(call); f != nil {
		if a := c.fact(f); a != nil && index < len(a.Results) {
			return c.answered(a, call, index)
		}
	}
	if sig, ok := c.pass.TypesInfo.TypeOf(call.Fun).(*types.Signature); ok && index < sig.Results().Len() {
		t := sig.Results().At(index).Type()
		if isBool(t) && c.mentions(call) || isErrorType(t) && types.IsInterface(interfaceOf(c.callee(call))) && slices.ContainsFunc(call.Args, c.isKnownPath) {
			return c.doubt()
		}
	}
	return c.nothing()
}

// hasPath returns the guard of the condition that the server has a path.
func (c *checker) hasPath(path string) guard {
	if path == probePath && c.probing {
		return c.has(c.probed)
	}
	if _, k := c.find(path); k != nil {
		return c.has(k.has)
	}
	return c.doubt() // for instance, a distribution added it
}

var notFound = regexp.MustCompile(`(?i)not( been)? found|NotFound|unsupported|unknown command`)

// noAnswer is the guard of the condition that a question failed: then the program knows nothing.
func (c *checker) noAnswer() guard {
	return guard{no: c.r.all, maybe: c.r.all, maybeNot: c.r.all}
}

// inline returns the guards of a function's results for the arguments of a call. It returns nil if the arguments add
// nothing.
func (c *checker) inline(fn *function, call *ast.CallExpr) []guard {
	params := fn.typ.Params()
	if c.inlining > 3 || fn.inlined || fn.graph == nil || params.Len() != len(call.Args) {
		return nil
	}
	bound := map[*types.Var]*def{}
	for i, arg := range call.Args {
		p := params.At(i)
		d := &def{e: arg, of: 1}
		switch t := p.Type(); {
		case c.isVersionType(t):
		case isErrorType(t):
			d.calls = c.origins(arg)
		case isBool(t):
			g := c.cond(arg)
			if !g.asks() {
				continue
			}
			d.is = &g
		case isBasic(t), isList(t) && isBasic(elemOf(t)):
			texts, all := c.texts(arg, 0)
			_, isNumber := c.number(arg, "0.0", 0)
			switch {
			case all && len(texts) == 1 && texts[0].e != nil:
				d.e = texts[0].e
			case !isNumber:
				continue
			}
		default:
			continue
		}
		bound[p] = d
	}
	if len(bound) == 0 {
		return nil
	}
	return c.evaluate(fn, bound)
}

// evaluate returns the guards of a function's results if parameters have these values.
func (c *checker) evaluate(fn *function, bound map[*types.Var]*def) []guard {
	outer, asked, results, target := c.bound, c.asked, fn.results, c.target
	here := c.here
	c.bound = bound
	for p, d := range outer {
		if bound[p] == nil {
			bound[p] = d
		}
	}
	c.asked, c.target = nil, nil
	fn.results = make([]guard, len(results))
	fn.inlined = true
	c.inlining++
	c.quiet++
	c.run(fn, newFlow(c.r.all, c.r.all))
	c.quiet--
	c.inlining--
	fn.inlined = false
	found := fn.results
	c.bound, c.asked, fn.results, c.target = outer, asked, results, target
	c.here = here
	return found
}
