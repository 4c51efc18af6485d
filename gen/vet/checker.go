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
	servers  []string                         // the servers of the generated packages
	derived  map[*types.TypeName]*types.Named // the generated types of which the program makes its own
	facts    map[types.Object]*answer         // the answers of other packages

	// What the package has. The walks do not change it.
	order    []*function
	funcs    map[types.Object]*function // by function, or by the variable that has a literal
	lits     map[*ast.FuncLit]*function
	defs     map[*types.Var][]*def
	defAt    map[ast.Expr]*def   // by the left side
	shared   map[*types.Var]bool // variables whose value the control flow does not show
	pointed  map[*types.Var]bool // bool variables to which a pointer points
	indexed  []indexed
	switches map[*ast.CaseClause]*ast.SwitchStmt
	cases    map[ast.Expr]*ast.BinaryExpr // tag == value, by the value of the case
	implicit map[types.Object]bool        // the variables of type switches
	aliases  map[*types.Var]*types.Var    // for errors.As(err, &qe): err, by qe
	cleared  map[clearing]state
	needs    map[*types.Var][]*ast.IfStmt      // the conditions that ask with a field
	argsOf   map[types.Object]map[rawPath]bool // the commands that take a map as arguments

	// What the walks find.
	asking      map[types.Object]bool // the variables and functions whose value depends on the server
	askingNames map[string]bool       // the names of such methods
	tried       map[ast.Node]trial
	raws        map[*ast.CompositeLit]rawPath
	found       map[string]finding
	changed     bool

	// Where the walk is.
	current     *function
	cur         *flow
	here        state // the releases that reach the current place
	bound       map[*types.Var]*def
	probing     bool
	probed      state
	inlining    int
	numbering   *function    // the function whose numbers the walk collects
	settling    bool         // the walk finds the loops that ask
	target      types.Object // the variable to which the program assigns targetLit
	targetLit   *ast.CompositeLit
	visiting    map[ast.Expr]bool
	visitingVar map[*types.Var]bool
	asked       *asked
	reading     bool // the use is of a member that a server sends
	quiet       int  // >0: do not report, because the program tries a request or because another round follows
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

// collect collects the functions of the package, the assignments, and what asks the server.
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

// types collects the types that the program makes of generated ones, and the switches.
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

// solve walks all functions until it knows which releases reach each. It then walks them once more and reports.
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
			f.numbers = nil // they depend on functions that the round before may have changed
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

// grow adds releases to a set, and notes whether the set has changed.
func (c *checker) grow(s *state, more state) {
	if more&^*s != 0 {
		*s |= more
		c.changed = c.changed || c.learns()
	}
}

// learns reports whether the walk may change what is known of functions and variables. Two walks
// may not: the walk for the arguments of a single call, and the walk that finds the loops that ask.
func (c *checker) learns() bool { return c.inlining == 0 && !c.settling }
