package talk

import (
	"bytes"
	"iter"
	"slices"
	"strings"
	"time"
)

// An Entry is a message with what belongs to it.
type Entry struct {
	*Message
	Request  *Entry        // of a reply or a refusal; nil if it is not known
	Reply    *Entry        // of a request, with the answer; Join sets it when the answer has come
	Duration time.Duration // of a reply or a refusal: since its request; 0 if that is not known
}

// Name returns the name of the command or of the event, "" if it is not known.
func (e *Entry) Name() string {
	switch {
	case e.Request != nil:
		return e.Request.Command
	case e.Kind == Event:
		return e.Event
	}
	return e.Command
}

// Join connects each reply with its request: by the id or, if it has none, as the oldest request without an id that has
// no reply. It stops at an error, which it yields.
func Join(messages iter.Seq2[*Message, error]) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		open := make(map[string][]*Entry) // requests without a reply, by conversation
		answered := make(map[string]bool)
		for m, err := range messages {
			if err != nil {
				yield(nil, err)
				return
			}
			e := &Entry{Message: m}
			switch m.Kind {
			case Greeting: // the first one may come after a request
				if answered[m.Conversation] {
					delete(open, m.Conversation)
				}
			case Request:
				open[m.Conversation] = append(open[m.Conversation], e)
			case Reply, Refusal:
				if answered[m.Conversation] = true; isForNone(m) {
					break
				}
				all := open[m.Conversation]
				i := slices.IndexFunc(all, func(r *Entry) bool { return bytes.Equal(r.ID, m.ID) })
				if i >= 0 {
					e.answer(all[i])
					open[m.Conversation] = slices.Delete(all, i, i+1)
				}
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// isForNone reports whether a refusal is an answer to text that was no request.
func isForNone(m *Message) bool {
	if m.Kind != Refusal || m.ID != nil {
		return false
	}
	for _, part := range []string{"JSON parse error", "QMP input must be a JSON object", "QMP input lacks"} {
		if strings.Contains(m.Desc, part) { // from QEMU 11.1 on after its place
			return true
		}
	}
	return false
}

// answer makes e the answer to a request.
func (e *Entry) answer(request *Entry) {
	e.Request, request.Reply = request, e
	if !e.Time.IsZero() && !request.Time.IsZero() {
		e.Duration = max(e.Time.Sub(request.Time), 0)
	}
}

// Collect reads all entries. With an error, it returns those before it.
func Collect(entries iter.Seq2[*Entry, error]) (all []*Entry, err error) {
	for e, err := range entries {
		if err != nil {
			return all, err
		}
		all = append(all, e)
	}
	return all, nil
}
