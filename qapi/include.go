package qapi

import "github.com/qmpkit/qmpkit/internal/syntax"

// expression is an object in a schema file that is to define something.
type expression struct {
	module *Module
	object *syntax.Object
	doc    *syntax.Doc // nil: none
}

// reader reads a schema's files, in the order of their include directives: the first phase.
type reader struct {
	*loader
	main    string // identity of the main file
	modules map[string]*Module
	chain   []string // identities of the files being read
}

func (l *loader) parse(path string, data []byte) {
	r := &reader{loader: l, main: l.files.identity(path), modules: map[string]*Module{}}
	r.readModule(path, r.main, data)
}

// readModule reads one file and those that it includes.
func (r *reader) readModule(path, identity string, data []byte) {
	m := &Module{Name: moduleName(r.main, identity), Path: path}
	r.schema.Modules = append(r.schema.Modules, m)
	r.modules[identity] = m
	r.chain = append(r.chain, identity)

	var doc *syntax.Doc // the one before the item
	for _, item := range r.opts.Dialect.Parse(data).Items {
		if r.full() {
			break
		}
		switch item := item.(type) {
		case *syntax.Error:
			r.report(&Diagnostic{m.at(item.Pos), item.Message})
			doc = nil
		case *syntax.Doc:
			r.rejectDoc(m, doc)
			doc = item
		case *syntax.Object:
			r.readObject(m, item, doc)
			doc = nil
		}
	}
	r.rejectDoc(m, doc)
	r.chain = r.chain[:len(r.chain)-1]
}

// rejectDoc complains about the documentation of a definition that does not follow.
func (r *reader) rejectDoc(m *Module, doc *syntax.Doc) {
	if doc != nil && doc.Symbol != "" {
		r.reportLine(m, doc.Pos, fail("documentation for '", doc.Symbol, "' is not followed by the definition"))
	}
}

func (r *reader) readObject(m *Module, o *syntax.Object, doc *syntax.Doc) {
	if o.Get("include") != nil {
		r.rejectDoc(m, doc)
		r.reportLine(m, o.Pos, r.include(m, o))
		return
	}
	if o.Get("pragma") != nil {
		r.rejectDoc(m, doc)
		r.reportLine(m, o.Pos, r.setPragma(o))
		return
	}
	if doc != nil && doc.Symbol == "" {
		r.reportLine(m, doc.Pos, fail("definition documentation required"))
	}
	r.expressions = append(r.expressions, &expression{m, o, doc})
}

// include reads the file that a directive names, unless it was read before.
func (r *reader) include(m *Module, o *syntax.Object) *Diagnostic {
	if len(o.Members) != 1 {
		return fail("invalid 'include' directive")
	}
	name, ok := o.Members[0].Value.(*syntax.String)
	if !ok {
		return fail("value of 'include' must be a string")
	}
	path := included(m.Path, name.Text)
	identity := r.files.identity(path)
	for _, including := range r.chain {
		if including == identity {
			return fail("inclusion loop for ", name.Text)
		}
	}
	if r.modules[identity] != nil {
		return nil
	}
	if len(r.schema.Modules) == r.opts.MaxFiles {
		return fail("can't include '", path, "': too many files")
	}
	data, err := readFile(r.files, path, r.opts.MaxFileSize)
	if err != nil {
		return fail("can't read include file '", path, "': ", err.Error())
	}
	r.readModule(path, identity, data)
	return nil
}

func (r *reader) setPragma(o *syntax.Object) *Diagnostic {
	if len(o.Members) != 1 {
		return fail("invalid 'pragma' directive")
	}
	settings, ok := o.Members[0].Value.(*syntax.Object)
	if !ok {
		return fail("value of 'pragma' must be an object")
	}
	for _, m := range settings.Members {
		if d := r.pragma.set(m.Key, m.Value, r.rules.pragmas); d != nil {
			return d
		}
	}
	return nil
}

// reportLine reports d, if there is one, at a line of a file.
func (l *loader) reportLine(m *Module, pos syntax.Pos, d *Diagnostic) {
	if d != nil {
		d.Pos = m.at(syntax.Pos{Line: pos.Line})
		l.report(d)
	}
}
