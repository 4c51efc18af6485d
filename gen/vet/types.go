package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"iter"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

func hasMethod(t *types.Named, name string) bool {
	for m := range t.Methods() {
		if m.Name() == name {
			return true
		}
	}
	return false
}

// hasDo reports whether an interface has the method Do, as requests do.
func hasDo(t types.Type) bool { return hasInterfaceMethod(t, "Do") }

func hasInterfaceMethod(t types.Type, name string) bool {
	i, ok := t.Underlying().(*types.Interface)
	if !ok {
		return false
	}
	for m := range i.Methods() {
		if m.Name() == name {
			return true
		}
	}
	return false
}

// elem returns the innermost element type of pointers, slices and maps.
func elem(t types.Type) types.Type {
	for {
		switch u := types.Unalias(t).(type) {
		case *types.Pointer:
			t = u.Elem()
		case *types.Slice:
			t = u.Elem()
		case *types.Map:
			t = u.Elem()
		default:
			return t
		}
	}
}

// elemOf returns the element type of a list or a map, nil for another type.
func elemOf(t types.Type) types.Type {
	switch u := t.Underlying().(type) {
	case *types.Slice:
		return u.Elem()
	case *types.Array:
		return u.Elem()
	case *types.Map:
		return u.Elem()
	}
	return nil
}

// namedOf returns the named type that t is or points to, nil if there is none.
func namedOf(t types.Type) *types.Named {
	if t == nil {
		return nil
	}
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	n, _ := types.Unalias(t).(*types.Named)
	return n
}

// isNamed reports whether a type is or points to one with such a name in a package.
func isNamed(t types.Type, pkg string, names ...string) bool {
	n := namedOf(t)
	return n != nil && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == pkg && slices.Contains(names, n.Obj().Name())
}

func isBool(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0
}

func isTruth(t types.Type) bool { return t != nil && isBool(t) }

func isBasic(t types.Type) bool {
	_, ok := t.Underlying().(*types.Basic)
	return ok
}

func isNilable(t types.Type) bool {
	switch t.Underlying().(type) {
	case *types.Pointer, *types.Slice, *types.Map, *types.Interface, *types.Signature, *types.Chan:
		return true
	}
	return false
}

func isErrorType(t types.Type) bool { return types.Identical(t, types.Universe.Lookup("error").Type()) }

func isList(t types.Type) bool {
	_, ok := t.Underlying().(*types.Slice)
	return ok
}

func isMap(t types.Type) bool {
	_, ok := t.Underlying().(*types.Map)
	return ok
}

func isFunc(t types.Type) bool {
	_, ok := t.Underlying().(*types.Signature)
	return ok
}

func isStruct(t types.Type) bool {
	_, ok := t.Underlying().(*types.Struct)
	return ok
}

// isScalar reports whether a value of the type can depend on the server as a whole. For a struct, its fields can.
func isScalar(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Basic, *types.Slice, *types.Map, *types.Signature:
		return true
	case *types.Pointer:
		_, ok := u.Elem().Underlying().(*types.Basic)
		return ok
	}
	return false
}

func recvType(f *types.Func) types.Type {
	if r := f.Signature().Recv(); r != nil {
		return r.Type()
	}
	return types.Typ[types.Invalid]
}

func interfaceOf(f *types.Func) types.Type {
	if f == nil {
		return types.Typ[types.Invalid]
	}
	return recvType(f)
}

// wireName returns the name of a field in JSON, "" if it has none.
func wireName(s *types.Struct, i int) string {
	name, _, _ := strings.Cut(reflect.StructTag(s.Tag(i)).Get("json"), ",")
	return name
}

// structOf returns the struct that a type is or points to, nil if it is another type.
func structOf(t types.Type) *types.Struct {
	if t == nil {
		return nil
	}
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	st, _ := t.Underlying().(*types.Struct)
	return st
}

// A setField is a field that a literal sets.
type setField struct {
	*types.Var
	index int
	pos   token.Pos
	value ast.Expr
}

// fieldsOf yields the fields that a literal of a struct sets.
func fieldsOf(lit *ast.CompositeLit, st *types.Struct) iter.Seq[setField] {
	return func(yield func(setField) bool) {
		for i, elt := range lit.Elts {
			value := elt
			if kv, ok := elt.(*ast.KeyValueExpr); ok {
				i, value = fieldIndex(st, kv.Key.(*ast.Ident).Name), kv.Value
			}
			if i >= 0 && !yield(setField{st.Field(i), i, elt.Pos(), value}) {
				return
			}
		}
	}
}

func fieldIndex(st *types.Struct, name string) int {
	for i := range st.NumFields() {
		if st.Field(i).Name() == name {
			return i
		}
	}
	return -1
}

// memberType returns the named type of a member, nil if it is unknown.
func memberType(t *types.Named, wire string) *types.Named {
	if t == nil {
		return nil
	}
	st, ok := t.Underlying().(*types.Struct)
	if !ok {
		return nil
	}
	for i := range st.NumFields() {
		if wireName(st, i) == wire {
			return namedOf(elem(st.Field(i).Type()))
		}
	}
	return nil
}

// parameter returns the type of the parameter that takes an argument.
func parameter(sig *types.Signature, i int, spread bool) types.Type {
	last := sig.Params().Len() - 1
	switch {
	case last < 0:
		return nil
	case sig.Variadic() && i >= last:
		t := sig.Params().At(last).Type()
		if sl, ok := t.(*types.Slice); ok && !spread {
			return sl.Elem()
		}
		return t
	case i <= last:
		return sig.Params().At(i).Type()
	}
	return nil
}

// goName returns a name with that of its package.
func goName(obj types.Object) string { return obj.Pkg().Name() + "." + obj.Name() }

func constantString(info *types.Info, e ast.Expr) string {
	if v := info.Types[e].Value; v != nil {
		if text, err := strconv.Unquote(v.ExactString()); err == nil {
			return text
		}
	}
	return ""
}
