package vet

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/ctrlflow"
)

// A checker analyzes a package.
type checker struct {
	pass     *analysis.Pass
	r        *releases
	files    []*ast.File
	bindings map[*types.Package]*Bindings
	servers  []string                         // of the packages that are known
	derived  map[*types.TypeName]*types.Named // types that are made of generated ones
	facts    map[types.Object]*answer         // of other packages' objects

	// What the package has, which does not change.
	order    []*function
	funcs    map[types.Object]*function // functions, and variables that have a literal
	lits     map[*ast.FuncLit]*function
	defs     map[*types.Var][]*def
	defAt    map[ast.Expr]*def   // by the expression that is assigned to
	shared   map[*types.Var]bool // variables whose value the control flow does not say
	pointed  map[*types.Var]bool // bool variables to which pointers lead
	indexed  []indexed
	switches map[*ast.CaseClause]*ast.SwitchStmt
	cases    map[ast.Expr]*ast.BinaryExpr // tag == value, by the value
	implicit map[types.Object]bool        // variables of type switches
	aliases  map[*types.Var]*types.Var    // of qe, err: errors.As(err, &qe)
	cleared  map[clearing]state
	needs    map[*types.Var][]*ast.IfStmt      // fields with which conditions ask
	argsOf   map[types.Object]map[rawPath]bool // the commands that have a map as arguments

	// What the walks find out.
	asking      map[types.Object]bool // variables and functions that have what the server says
	askingNames map[string]bool       // of methods that do
	tried       map[ast.Node]trial
	raws        map[*ast.CompositeLit]rawPath
	found       map[string]finding
	changed     bool

	// The place of a walk.
	current     *function
	cur         *flow
	here        state // the releases that come to what is walked
	bound       map[*types.Var]*def
	probing     bool
	probed      state
	inlining    int
	numbering   *function    // the function whose numbers are wanted
	settling    bool         // the walk finds out which loops ask
	target      types.Object // the variable that targetLit becomes
	targetLit   *ast.CompositeLit
	visiting    map[ast.Expr]bool
	visitingVar map[*types.Var]bool
	asked       *asked
	reading     bool // a member that a server sends, which no request asks for
	quiet       int  // >0: a request is tried, or a round is not the last one
}

func newChecker(pass *analysis.Pass) *checker {
	return &checker{
		pass: pass, bindings: map[*types.Package]*Bindings{}, derived: map[*types.TypeName]*types.Named{}, facts: map[types.Object]*answer{},
		funcs: map[types.Object]*function{}, lits: map[*ast.FuncLit]*function{}, defs: map[*types.Var][]*def{}, defAt: map[ast.Expr]*def{},
		shared: map[*types.Var]bool{}, pointed: map[*types.Var]bool{}, switches: map[*ast.CaseClause]*ast.SwitchStmt{}, cases: map[ast.Expr]*ast.BinaryExpr{},
		implicit: map[types.Object]bool{}, aliases: map[*types.Var]*types.Var{}, cleared: map[clearing]state{}, needs: map[*types.Var][]*ast.IfStmt{},
		argsOf: map[types.Object]map[rawPath]bool{}, asking: map[types.Object]bool{}, askingNames: map[string]bool{},
		tried: map[ast.Node]trial{}, raws: map[*ast.CompositeLit]rawPath{}, found: map[string]finding{},
		visiting: map[ast.Expr]bool{}, visitingVar: map[*types.Var]bool{},
	}
}

// collect finds the functions of the package and the assignments.
func (c *checker) collect() {
	graphs := c.pass.ResultOf[ctrlflow.Analyzer].(*ctrlflow.CFGs)
	for _, f := range c.files {
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Body != nil {
				obj := c.pass.TypesInfo.Defs[d.Name].(*types.Func)
				fn := &function{obj: obj, body: d.Body, typ: obj.Signature(), graph: newGraph(graphs.FuncDecl(d))}
				switch name := d.Name.Name; {
				case d.Recv == nil && (name == "main" || name == "init"), name == "_", d.Name.IsExported() && (d.Recv != nil || c.pass.Pkg.Name() != "main"):
					fn.free = true
				}
				c.add(fn)
				c.funcs[obj] = fn
				c.order = append(c.order, fn)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.FuncLit); ok {
				fn := &function{body: lit.Body, typ: c.pass.TypesInfo.TypeOf(lit).(*types.Signature), graph: newGraph(graphs.FuncLit(lit))}
				c.add(fn)
				c.lits[lit] = fn
			}
			return true
		})
	}
	for _, f := range c.files {
		c.types(f)
		c.assignments(f)
	}
	for v, defs := range c.defs {
		if !v.IsField() && len(defs) == 1 && defs[0].e != nil && v.Parent() != c.pass.Pkg.Scope() {
			if lit, ok := ast.Unparen(defs[0].e).(*ast.FuncLit); ok {
				c.funcs[v] = c.lits[lit]
				c.order = append(c.order, c.lits[lit])
			}
		}
	}
	for _, f := range c.files {
		c.parameters(f)
		c.uses(f)
	}
	c.roots()
	c.findAnswers()
	for _, f := range c.files {
		c.findNeeds(f)
	}
	for _, f := range c.order {
		c.findProbes(f.body)
	}
}

// types finds the types that are made of generated ones, and the variables of type switches.
func (c *checker) types(f *ast.File) {
	info := c.pass.TypesInfo
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.TypeSpec:
			if name, ok := info.Defs[n.Name].(*types.TypeName); ok && !name.IsAlias() {
				if of, ok := types.Unalias(info.TypeOf(n.Type)).(*types.Named); ok && of.Obj().Pkg() != nil && c.bindings[of.Obj().Pkg()] != nil {
					c.derived[name] = of
				}
			}
		case *ast.CaseClause:
			if obj := info.Implicits[n]; obj != nil {
				c.implicit[obj] = true
			}
		case *ast.SwitchStmt:
			for _, clause := range n.Body.List {
				c.switches[clause.(*ast.CaseClause)] = n
			}
		}
		return true
	})
}

// solve walks all functions until it knows which releases can come to each. It then walks them once more and
// reports.
func (c *checker) solve() {
	for _, f := range c.order {
		if f.free || f.calls == 0 {
			f.entry, f.mayEntry = c.r.all, c.r.all
		}
	}
	c.quiet++
	for round := 0; round < 30; round++ {
		c.changed = false
		for _, f := range c.order {
			f.numbers = nil // what it calls may say more now
		}
		c.walkAll()
		if !c.changed {
			break
		}
	}
	c.quiet--
	c.walkAll()
}

func (c *checker) walkAll() {
	for _, f := range c.files {
		for _, d := range f.Decls {
			if d, ok := d.(*ast.GenDecl); ok && d.Tok == token.VAR {
				for _, spec := range d.Specs {
					c.here, c.cur = c.r.all, newFlow(c.r.all, c.r.all)
					c.declare(spec.(*ast.ValueSpec), c.r.all)
				}
			}
		}
	}
	for _, f := range c.order {
		if f.mayEntry == 0 || f.obj == nil && (f.free || f.calls == 0) {
			continue
		}
		tried := f.calls > 0 && f.tried >= f.calls && !f.free
		if tried {
			c.quiet++
		}
		c.run(f, newFlow(f.entry, f.mayEntry))
		if tried {
			c.quiet--
		}
	}
	c.cur = nil
}

// grow adds releases to what is known of a function.
func (c *checker) grow(s *state, more state) {
	if more&^*s != 0 {
		*s |= more
		c.changed = c.changed || c.learns()
	}
}

// learns reports whether what a walk finds out of functions and variables counts: it is not one for the arguments of
// a call, nor one that finds out which loops ask.
func (c *checker) learns() bool { return c.inlining == 0 && !c.settling }
