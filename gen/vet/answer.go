package vet

import (
	"encoding/json"
	"go/ast"
	"go/token"
	"go/types"
)

// An answer is the part of a server's answer that a function or a variable of another package has: a fact
// of the analyzer.
type answer struct {
	Results []guardFact   // of a function: each result that is true or false, nil or not nil, and the returns
	Path    int           // 1 + the parameter with the path that the results are about, 0 for none
	Lacks   []guardFact   // the results if the server lacks the path; Results are those if it has it
	Tries   map[int]trial // parameters whose errors the function compares with those of commands that are missing
	Exits   bool          // the function may end the program or panic
	Forward *forward      // parameters that become a qmp.Raw
	Asks    bool          // an answer that is not true or false
}

// guardFact is a guard that gob can encode.
type guardFact struct{ Yes, No, Maybe, MaybeNot state }

// AFact makes answer a fact.
func (*answer) AFact() {}

// GobEncode encodes the fact so that the same one always has the same bytes, as Bindings does.
func (a *answer) GobEncode() ([]byte, error) {
	type plain answer
	return json.Marshal((*plain)(a))
}

// GobDecode decodes what GobEncode made.
func (a *answer) GobDecode(text []byte) error {
	type plain answer
	return json.Unmarshal(text, (*plain)(a))
}

func (g guardFact) guard() guard { return guard{g.Yes, g.No, g.Maybe, g.MaybeNot} }

func factOf(g guard) guardFact { return guardFact{g.yes, g.no, g.maybe, g.maybeNot} }

// fact returns what is known of an object of another package.
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

// imported is what a variable or a field of another package says as a condition.
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

// answered is what the fact of another package's function says.
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

// exports makes facts of what other packages can use.
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

// probe finds out whether the results of a function say that the server has the path that a parameter is.
func (c *checker) probe(f *function, a *answer) {
	for i := range f.typ.Params().Len() {
		p := f.typ.Params().At(i)
		if b, ok := elem(p.Type()).Underlying().(*types.Basic); !ok || b.Kind() != types.String {
			continue // a path, or a list that has one
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

// probePath stands for the path that a parameter has.
const probePath = "\x00"

// probeLiteral is the value of a parameter that stands for any path.
var probeLiteral = &ast.BasicLit{Kind: token.STRING, Value: `"\x00"`}
