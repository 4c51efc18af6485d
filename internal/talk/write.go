package talk

import (
	"io"
	"path"
	"slices"
	"strings"
)

// Options configures Write. The zero Options write all entries for people.
type Options struct {
	Width   int        // the longest line, in runes; 0 means no limit
	JSON    bool       // a line of JSON for each entry; see [Entry.JSON]
	Explain *Explainer // adds remarks; nil means none
	// Names are the commands and events to write, as patterns of [path.Match]: "block*", "query-status". A reply
	// belongs to its command. nil means all.
	Names []string
}

// Write writes entries: what was said, line by line. The error is that of w, or that of a malformed pattern.
func Write(w io.Writer, entries []*Entry, o Options) error {
	for _, pattern := range o.Names {
		if _, err := path.Match(pattern, ""); err != nil {
			return err
		}
	}
	p := Printer{W: w, Width: o.Width, Conversations: several(entries)}
	for _, e := range entries {
		var remarks []Remark
		if o.Explain != nil {
			remarks = o.Explain.Explain(e)
		}
		if !o.wants(e) {
			continue
		}
		var err error
		if o.JSON {
			_, err = w.Write(e.JSON(remarks))
		} else if err = p.Print(e); err == nil {
			err = p.Remarks(remarks)
		}
		if err != nil {
			return err
		}
	}
	if o.JSON {
		return nil
	}
	return p.Finish()
}

// several reports whether there is more than one conversation.
func several(entries []*Entry) bool {
	return slices.ContainsFunc(entries, func(e *Entry) bool { return e.Conversation != entries[0].Conversation })
}

func (o *Options) wants(e *Entry) bool {
	return o.Names == nil || slices.ContainsFunc(o.Names, func(pattern string) bool {
		match, _ := path.Match(strings.ToLower(pattern), strings.ToLower(e.Name()))
		return match
	})
}
