package syntax

import (
	"slices"
	"strings"
)

// MaxDepth is the deepest nesting of values.
const MaxDepth = 256

// Parse reads a schema file in [DialectAny]. The items of the file include the errors. After an
// error Parse continues at the next line that looks like the start of an item.
func Parse(src []byte) *File { return DialectAny.Parse(src) }

// Parse is like the function [Parse], but with the rules of d.
func (d Dialect) Parse(src []byte) *File {
	text, err := newSource(src)
	if err != nil {
		return &File{Items: []Item{err}}
	}
	p := &parser{scanner: newScanner(text), dialect: d}
	p.parseFile()
	return &p.file
}

// Errors returns the errors among the file's items.
func (f *File) Errors() []*Error {
	var errs []*Error
	for _, item := range f.Items {
		if err, ok := item.(*Error); ok {
			errs = append(errs, err)
		}
	}
	return errs
}

// parser builds the tree. It is always one token ahead.
type parser struct {
	*scanner
	dialect Dialect
	file    File
	depth   int

	// Scratch space: the parts that were read of the present documentation comment, and of the
	// values that are not complete yet.
	doc      docLines
	members  []Member
	elements []Value
}

func (p *parser) parseFile() {
	err := p.accept()
	for err != nil || p.tok != endOfFile {
		if err != nil {
			p.add(err)
			err = p.recover()
			continue
		}
		err = p.parseItem()
	}
}

func (p *parser) add(item Item) { p.file.Items = append(p.file.Items, item) }

func (p *parser) accept() *Error { return p.next(false) }

// recover skips the rest of an item after an error in it: up to the next line that begins
// with a brace. Documentation before it is skipped too, since where a comment begins and
// where it ends look the same.
func (p *parser) recover() *Error {
	p.depth = 0
	rest := p.src[p.off:]
	end := strings.Index(rest, "\n{")
	if end < 0 {
		p.off = len(p.src) - 1
		return p.accept()
	}
	p.off += end + 1
	p.line += strings.Count(rest[:end+1], "\n")
	p.newColumn()
	return p.accept()
}

// parseItem reads an object or a documentation comment. A comment with an error in it is an
// item nevertheless: where it begins ends what is before it.
func (p *parser) parseItem() *Error {
	if p.tok == '#' {
		d, err := p.parseDoc()
		p.add(d)
		if err == nil {
			p.addEmptySections(d)
		}
		return err
	}
	if p.dialect == QEMU5_2 && p.tok != '{' {
		return p.fail("expected '{'")
	}
	pos := p.pos
	v, err := p.parseValue()
	if err != nil {
		return err
	}
	if object, ok := v.(*Object); ok {
		p.add(object)
	} else {
		p.add(&Error{Pos{Line: pos.Line}, "top-level expression must be an object"})
	}
	return nil
}

func (p *parser) parseValue() (Value, *Error) {
	pos := p.pos
	switch p.tok {
	case '{':
		return p.parseObject()
	case '[':
		return p.parseArray()
	case '\'':
		v := &String{pos, p.text}
		return v, p.accept()
	case 't', 'f':
		v := &Bool{pos, p.tok == 't'}
		return v, p.accept()
	}
	return nil, p.fail("expected '{', '[', string, or boolean")
}

// enter notes that a value holds others.
func (p *parser) enter() *Error {
	if p.depth++; p.depth > MaxDepth {
		return p.fail("nested too deeply")
	}
	return p.accept()
}

// leave notes that a value's last token was reached.
func (p *parser) leave() *Error {
	p.depth--
	return p.accept()
}

func (p *parser) parseObject() (Value, *Error) {
	o := &Object{Pos: p.pos}
	if err := p.enter(); err != nil {
		return nil, err
	}
	if p.tok == '}' {
		return o, p.leave()
	}
	if p.tok != '\'' {
		return nil, p.fail("expected string or '}'")
	}
	var keys keySet
	base := len(p.members)
	defer func() { p.members = p.members[:base] }()
	for {
		m := Member{Key: p.text, Pos: p.pos}
		if err := p.accept(); err != nil {
			return nil, err
		}
		if p.tok != ':' {
			return nil, p.fail("expected ':'")
		}
		if err := p.accept(); err != nil {
			return nil, err
		}
		if keys.has(p.members[base:], m.Key) {
			return nil, p.fail("duplicate key '" + m.Key + "'")
		}
		var err *Error
		if m.Value, err = p.parseValue(); err != nil {
			return nil, err
		}
		p.members = append(p.members, m)
		if p.tok == '}' {
			o.Members = slices.Clone(p.members[base:])
			return o, p.leave()
		}
		if p.tok != ',' {
			return nil, p.fail("expected ',' or '}'")
		}
		if err := p.accept(); err != nil {
			return nil, err
		}
		if p.tok != '\'' {
			return nil, p.fail("expected string")
		}
	}
}

func (p *parser) parseArray() (Value, *Error) {
	a := &Array{Pos: p.pos}
	if err := p.enter(); err != nil {
		return nil, err
	}
	if p.tok == ']' {
		return a, p.leave()
	}
	if !strings.ContainsRune("{['tf", rune(p.tok)) {
		return nil, p.fail("expected '{', '[', ']', string, or boolean")
	}
	base := len(p.elements)
	defer func() { p.elements = p.elements[:base] }()
	for {
		v, err := p.parseValue()
		if err != nil {
			return nil, err
		}
		p.elements = append(p.elements, v)
		if p.tok == ']' {
			a.Elements = slices.Clone(p.elements[base:])
			return a, p.leave()
		}
		if p.tok != ',' {
			return nil, p.fail("expected ',' or ']'")
		}
		if err := p.accept(); err != nil {
			return nil, err
		}
	}
}

// keySet finds repeated keys without making a map for each of a schema's small objects.
type keySet map[string]struct{}

// has reports whether a key is among the members so far. It is asked before each is added.
func (k *keySet) has(members []Member, key string) bool {
	const few = 16
	if len(members) < few {
		return slices.ContainsFunc(members, func(m Member) bool { return m.Key == key })
	}
	if *k == nil {
		*k = keySet{}
		for _, m := range members {
			(*k)[m.Key] = struct{}{}
		}
	}
	if _, ok := (*k)[key]; ok {
		return true
	}
	(*k)[key] = struct{}{}
	return false
}
