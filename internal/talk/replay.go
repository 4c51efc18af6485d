package talk

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/qmpkit/qmpkit/qmp"
)

// Outcome says what became of a request that was to be sent again.
type Outcome string

// The outcomes.
const (
	Same      Outcome = "same"      // the answer is the recorded one
	Different Outcome = "different" // the answer is another one
	Skipped   Outcome = "skipped"   // the request was not sent
)

// A Result is the outcome of one request.
type Result struct {
	Request     *Entry
	Outcome     Outcome
	Reason      string       // why the request was skipped
	Differences []Difference // of the answers
	Duration    time.Duration
}

// A Difference is a part in which the answers differ. A part that is missing is nil.
type Difference struct {
	Path     string          `json:"path"` // "return[0].inserted.file", "error.desc"
	Recorded json.RawMessage `json:"recorded,omitempty"`
	Now      json.RawMessage `json:"now,omitempty"`
}

// String returns the difference as a line.
func (d Difference) String() string {
	text := func(v json.RawMessage) string {
		if v == nil {
			return "(missing)"
		}
		return printable(string(v))
	}
	return d.Path + ": " + text(d.Recorded) + " is now " + text(d.Now)
}

// JSON returns the result as a line of JSON.
func (r *Result) JSON() []byte {
	return marshal(struct {
		Command     string          `json:"command"`
		Arguments   json.RawMessage `json:"arguments,omitempty"`
		Outcome     Outcome         `json:"outcome"`
		Reason      string          `json:"reason,omitempty"`
		Differences []Difference    `json:"differences,omitempty"`
		Seconds     float64         `json:"seconds,omitempty"`
	}{r.Request.Command, r.Request.Arguments, r.Outcome, r.Reason, r.Differences, r.Duration.Seconds()})
}

// Replay sends the recorded requests to a server, one after the other in the recorded order, and compares the answers.
// It sends a command that can change something only if ask returns true; a nil ask is one that returns false. It does
// not send requests of the session (qmp_capabilities, guest-sync), requests for the schema, which clients send by
// themselves, requests with descriptors, and requests with a hidden secret.
//
// Replay stops at the first error of ask or of the connection, and yields it. An answer that is missing in the recording
// counts as different. Answers are compared without their secrets.
func Replay(ctx context.Context, x qmp.Executor, entries []*Entry, ask func(request *Entry) (bool, error)) iter.Seq2[*Result, error] {
	return func(yield func(*Result, error) bool) {
		for _, e := range entries {
			if e.Kind != Request || isOfSession(e.Command) {
				continue
			}
			r, err := again(ctx, x, e, ask)
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// isOfSession reports whether a client sends a command by itself.
func isOfSession(command string) bool {
	return slices.Contains([]string{"qmp_capabilities", "guest-sync", "guest-sync-delimited"}, command)
}

// again sends a request again.
func again(ctx context.Context, x qmp.Executor, e *Entry, ask func(*Entry) (bool, error)) (*Result, error) {
	r := &Result{Request: e, Outcome: Skipped}
	var args map[string]qmp.RawJSON
	switch {
	case e.Command == "query-qmp-schema":
		r.Reason = "schemas are compared by qapigen diff"
	case e.Files > 0:
		r.Reason = "its descriptors are not in the recording"
	case hasHidden(e.Text):
		r.Reason = "a secret is hidden in the recording"
	case len(e.Arguments) > 0 && json.Unmarshal(e.Arguments, &args) != nil:
		r.Reason = "its arguments are not an object"
	case modifies(e.Command):
		yes := false
		if ask != nil {
			var err error
			if yes, err = ask(e); err != nil {
				return r, err
			}
		}
		if !yes {
			r.Reason = "it can change something"
		}
	}
	if r.Reason != "" {
		return r, nil
	}
	raw := qmp.Raw{Command: e.Command, Args: make(qmp.Args, len(args))}
	for name, value := range args {
		raw.Args[name] = value
	}
	begun := time.Now()
	result, err := raw.Do(ctx, x)
	r.Duration = time.Since(begun)
	var refused *qmp.Error
	if err != nil && !errors.As(err, &refused) {
		r.Reason = err.Error()
		return r, err
	}
	r.Differences = differences("", answerOf(e.Reply), qmp.Redact(answerText(result, refused)))
	if r.Outcome = Same; len(r.Differences) > 0 {
		r.Outcome = Different
	}
	return r, nil
}

// answerText returns an answer as JSON.
func answerText(result []byte, refused *qmp.Error) []byte {
	if refused == nil {
		return marshal(map[string]json.RawMessage{"return": result})
	}
	return marshal(map[string]any{"error": map[string]any{"class": refused.Class, "desc": refused.Desc}})
}

// answerOf returns the recorded answer in the same form, nil if there is none.
func answerOf(reply *Entry) []byte {
	switch {
	case reply == nil:
		return nil
	case reply.Kind == Reply:
		return answerText(reply.Result, nil)
	}
	return answerText(nil, &qmp.Error{Class: reply.Class, Desc: reply.Desc})
}

// differences compares two values of JSON.
func differences(path string, recorded, now []byte) []Difference {
	a, errA := decode(recorded)
	b, errB := decode(now)
	switch {
	case recorded == nil || errA != nil || errB != nil:
		return []Difference{{"answer", recorded, now}}
	case reflect.DeepEqual(a, b):
		return nil
	}
	var all []Difference
	compare(path, a, b, func(path string, a, b any) {
		all = append(all, Difference{path, raw(a), raw(b)})
	})
	return all
}

// absent stands for a part that is missing.
type absent struct{}

func raw(v any) json.RawMessage {
	if _, missing := v.(absent); missing {
		return nil
	}
	b := marshal(v)
	return b[:len(b)-1]
}

// compare calls differ for each part in which a and b differ.
func compare(path string, a, b any, differ func(path string, a, b any)) {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok {
			break
		}
		all := maps.Clone(x)
		maps.Copy(all, y)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			place := name
			if path != "" {
				place = path + "." + name
			}
			compare(place, part(x, name), part(y, name), differ)
		}
		return
	case []any:
		y, ok := b.([]any)
		if !ok {
			break
		}
		for i := range max(len(x), len(y)) {
			compare(path+"["+strconv.Itoa(i)+"]", element(x, i), element(y, i), differ)
		}
		return
	}
	if !reflect.DeepEqual(a, b) {
		differ(path, a, b)
	}
}

func part(object map[string]any, name string) any {
	if v, ok := object[name]; ok {
		return v
	}
	return absent{}
}

func element(array []any, i int) any {
	if i < len(array) {
		return array[i]
	}
	return absent{}
}
