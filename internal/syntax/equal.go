package syntax

import "slices"

// Equal reports whether two files have the same meaning: the same objects with the same members
// in the same order, and documentation for the same names. It ignores positions, and the part of
// the documentation that [Print] leaves out.
func Equal(a, b *File) bool {
	return slices.EqualFunc(meaning(a), meaning(b), func(a, b Item) bool {
		switch a := a.(type) {
		case *Object:
			b, ok := b.(*Object)
			return ok && equalValues(a, b)
		case *Doc:
			b, ok := b.(*Doc)
			return ok && equalDocs(a, b)
		case *Error:
			b, ok := b.(*Error)
			return ok && a.Message == b.Message
		}
		return false
	})
}

// meaning returns the items that matter.
func meaning(f *File) []Item {
	return slices.DeleteFunc(slices.Clone(f.Items), func(item Item) bool {
		doc, ok := item.(*Doc)
		return ok && doc.Symbol == ""
	})
}

func equalValues(a, b Value) bool {
	switch a := a.(type) {
	case *String:
		b, ok := b.(*String)
		return ok && a.Text == b.Text
	case *Bool:
		b, ok := b.(*Bool)
		return ok && a.Value == b.Value
	case *Array:
		b, ok := b.(*Array)
		return ok && slices.EqualFunc(a.Elements, b.Elements, equalValues)
	case *Object:
		b, ok := b.(*Object)
		return ok && slices.EqualFunc(a.Members, b.Members, func(a, b Member) bool {
			return a.Key == b.Key && equalValues(a.Value, b.Value)
		})
	}
	return false
}

func equalDocs(a, b *Doc) bool {
	return a.Symbol == b.Symbol && a.since() == b.since() && slices.Equal(a.features(), b.features())
}

// features returns the names of the features that the comment describes.
func (d *Doc) features() []string {
	var names []string
	for _, s := range d.Sections {
		if s.Kind == FeatureText {
			names = append(names, s.Name)
		}
	}
	return names
}
