package vet

import (
	"encoding/json"
	"go/ast"
	"go/token"
	"go/types"
)

// An answer is a fact of the analyzer: what a function or a variable of another package knows about the server.
type answer struct {
	Results []guardFact   // of a function: a guard for each result, then one for returning at all
	Path    int           // 1 + the index of the parameter with the path that the results depend on; 0 for none
	Lacks   []guardFact   // the results if the server lacks the path; then Results are those if it has the path
	Tries   map[int]trial // the parameters whose errors the function compares with that of a missing command
	Exits   bool          // the function may panic or end the program
	Forward *forward      // the parameters that become a qmp.Raw
	Asks    bool          // the value depends on the server, and is not a bool
}

// guardFact is a guard that gob can encode.
type guardFact struct{ Yes, No, Maybe, MaybeNot state }

// AFact marks answer as a fact.
func (*answer) AFact() {}

// GobEncode encodes the fact. The same fact always gives the same bytes, as for Bindings.
func (a *answer) GobEncode() ([]byte, error) {
	type plain answer
	return json.Marshal((*plain)(a))
}

// GobDecode decodes the output of GobEncode.
func (a *answer) GobDecode(text []byte) error {
	type plain answer
	return json.Unmarshal(text, (*plain)(a))
}

func (g guardFact) guard() guard { return guard{g.Yes, g.No, g.Maybe, g.MaybeNot} }

func factOf(g guard) guardFact { return guardFact{g.yes, g.no, g.maybe, g.maybeNot} }

// fact returns the answer of an object of another package, nil if it has none.
func (c *checker) fact(obj types.Object) *answer {
	if f, ok := obj.(*types.Func); ok {
		obj = f.Origin()
	}
	if obj.Pkg() == nil || obj.Pkg() == c.pass.Pkg {
		return nil
	}
	if a, ok := c.facts[obj]; ok {
		return a
	}
	a := new(answer)
	if !c.pass.ImportObjectFact(obj, a) {
		a = nil
	}
	c.facts[obj] = a
	return a
}

// imported returns the guard of a variable or a field of another package.
func (c *checker) imported(v *types.Var) guard {
	if a := c.fact(v); a != nil && len(a.Results) > 0 {
		return a.Results[0].guard()
	}
	if len(c.defs[v]) > 0 && !c.visitingVar[v] {
		c.visitingVar[v] = true
		defer delete(c.visitingVar, v)
		return c.stored(v)
	}
	return c.nothing()
}

// answered returns the guard of a result of another package's function.
func (c *checker) answered(a *answer, call *ast.CallExpr, index int) guard {
	g := a.Results[index].guard()
	for i, t := range a.Tries {
		if i < len(call.Args) {
			if tried := c.try(call.Args[i], t); g.doubtful() && index == 0 && !c.isConstant(tried) {
				g = tried
			}
		}
	}
	if a.Path == 0 || a.Path > len(call.Args) {
		return g
	}
	path := c.text(call.Args[a.Path-1])
	if path == "" || len(call.Args) > c.callee(call).Signature().Params().Len() {
		return c.doubt()
	}
	has := c.hasPath(path)
	if has.doubtful() {
		return has
	}
	return g.within(has.yes).or(a.Lacks[index].guard().within(has.no))
}

// exports exports a fact for each function, variable and field that other packages can use.
func (c *checker) exports() {
	for _, f := range c.order {
		if f.obj == nil || !f.obj.Exported() {
			continue
		}
		a := &answer{Asks: c.asking[f.obj], Tries: f.tries, Exits: f.exits, Forward: f.forwards}
		asks := a.Asks || a.Exits && takesCondition(f.typ) || len(a.Tries) > 0 || a.Forward != nil
		doubtful := false
		for i := range f.results {
			g := f.result(i)
			a.Results = append(a.Results, factOf(g))
			asks, doubtful = asks || !c.isConstant(g), doubtful || g.doubtful()
		}
		if doubtful {
			c.probe(f, a)
		}
		if asks {
			c.pass.ExportObjectFact(f.obj, a)
		}
	}
	for v := range c.defs {
		if v.Pkg() != c.pass.Pkg || !v.Exported() || !v.IsField() && v.Parent() != c.pass.Pkg.Scope() {
			continue
		}
		g := c.nothing()
		if isBool(v.Type()) || isNilable(v.Type()) && !isErrorType(v.Type()) {
			g = c.stored(v)
		}
		if !c.isConstant(g) || c.asking[v] {
			c.pass.ExportObjectFact(v, &answer{Results: []guardFact{factOf(g)}, Asks: c.asking[v]})
		}
	}
}

// probe finds the parameter with a path that decides the results: it evaluates the function once for a server
// that has the path and once for a server that lacks it.
func (c *checker) probe(f *function, a *answer) {
	for i := range f.typ.Params().Len() {
		p := f.typ.Params().At(i)
		if b, ok := elem(p.Type()).Underlying().(*types.Basic); !ok || b.Kind() != types.String {
			continue // neither a path nor a list of paths
		}
		ask := func(s state) (out []guardFact, exact bool) {
			c.probing, c.probed = true, s
			exact = true
			for i, g := range c.evaluate(f, map[*types.Var]*def{p: {e: probeLiteral, of: 1}}) {
				returns := i == f.typ.Results().Len()
				out, exact = append(out, factOf(g)), exact && (g.yes|g.no == c.r.all || returns && !g.doubtful())
			}
			c.probing = false
			return out, exact
		}
		has, ok := ask(c.r.all)
		lacks, ok2 := ask(0)
		if ok && ok2 {
			a.Path, a.Results, a.Lacks = i+1, has, lacks
			return
		}
	}
}

// probePath stands for any path that a caller can give.
const probePath = "\x00"

// probeLiteral is the argument whose text is probePath.
var probeLiteral = &ast.BasicLit{Kind: token.STRING, Value: `"\x00"`}
