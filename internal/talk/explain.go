package talk

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qapi/facts"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// Level says how much a remark matters.
type Level string

// The levels of remarks.
const (
	Note    Level = "note"
	Warning Level = "warning" // it works, but may not with another QEMU
	Fault   Level = "fault"   // the reason why a server refuses the request, or has refused it
)

// A Remark says something about a message.
type Remark struct {
	Level Level  `json:"level"`
	Path  string `json:"path,omitempty"` // of a part of the message, in the grammar of package introspect
	Text  string `json:"text"`
	Link  string `json:"link,omitempty"` // to QEMU's reference
}

// String returns the remark as a line.
func (r Remark) String() string {
	s := r.Text
	if r.Path != "" {
		s = r.Path + ": " + s
	}
	if r.Level != Note {
		s = string(r.Level) + ": " + s
	}
	return s
}

// An Explainer says what the messages of conversations are. Call Explain with all entries in order: the Explainer learns
// the version from a greeting, and the schema from the answer to query-qmp-schema. The zero Explainer is ready.
type Explainer struct {
	// Schema is the schema to check requests with, until a conversation has its own. nil means the schema that was
	// captured of the server's release, if any; see [Captured].
	Schema *introspect.Schema
	// Version is the version of the server, until a conversation has a greeting. The zero Version means unknown.
	Version qmp.Version

	conversations map[string]*known
}

// known is what is known about a conversation.
type known struct {
	version  qmp.Version
	schema   *introspect.Schema
	origin   string              // of the schema
	requests map[*Entry][]Remark // that have no answer yet
	synced   bool                // the last request synchronises with a guest agent
}

// Explain returns the remarks about a message. They say:
//   - of a request or an event: which QEMU added it; which of its members and values are newer, deprecated, removed
//     or missing in this version; why the schema refuses the request;
//   - of a refusal: the reason, as far as the request or the version shows it;
//   - of text that is not a message: what is wrong with it.
func (x *Explainer) Explain(e *Entry) []Remark {
	k := x.conversation(e.Conversation)
	switch e.Kind {
	case Greeting:
		if k.greeted(e.Version); e.Conversation == "" {
			x.Version = e.Version // a log of libvirt does not say which connection greets
		}
		return nil
	case Request:
		k.synced = strings.HasPrefix(e.Command, "guest-sync")
		remarks := k.request(e)
		k.requests[e] = remarks
		return remarks
	case Reply, Refusal:
		remarks := k.answer(e)
		delete(k.requests, e.Request)
		return remarks
	case Event:
		return k.event(e)
	}
	return []Remark{other(e)}
}

func (x *Explainer) conversation(name string) *known {
	k := x.conversations[name]
	if k == nil {
		if x.conversations == nil {
			x.conversations = make(map[string]*known)
		}
		k = &known{schema: x.Schema, origin: "given", requests: make(map[*Entry][]Remark)}
		k.greeted(x.Version)
		x.conversations[name] = k
	}
	return k
}

// greeted notes the version of the server.
func (k *known) greeted(v qmp.Version) {
	if k.version = v; k.schema == nil || k.origin == "captured" {
		k.schema, k.origin = Captured(v), "captured"
	}
}

// release returns the release of the server, "" if it is not known.
func (k *known) release() string {
	if k.version == (qmp.Version{}) {
		return ""
	}
	v := k.version
	return facts.Release(fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro))
}

// tables returns the facts of each kind of server.
func tables() []*facts.Table { return []*facts.Table{facts.QEMU(), facts.Storage(), facts.Guest()} }

// lookup returns the fact of a command or an event, nil if no server has it.
func lookup(name string) (*facts.Table, *facts.Fact) {
	if name == "" || strings.Contains(name, "/") {
		return nil, nil
	}
	for _, t := range tables() {
		if f, err := t.Fact(introspect.Component(name)); err == nil && f != nil {
			return t, f
		}
	}
	return nil, nil
}

func (k *known) request(e *Entry) []Remark {
	t, f := lookup(e.Command)
	if f == nil {
		return append([]Remark{{Level: Fault, Path: e.Command, Text: "no known QEMU, storage daemon or guest agent has this command"}}, k.check(e)...)
	}
	release := k.release()
	if t == facts.Guest() {
		release = "" // the greeting is another server's
	}
	remarks := []Remark{describe(t, f, "command")}
	remarks = append(remarks, judge(f, nil, release)...)
	if release != "" && !f.In(release) {
		return remarks
	}
	if v, err := decode(e.Arguments); err == nil && len(e.Arguments) > 0 {
		w := walker{table: t, release: release, open: takesAny(e.Command)}
		if object, ok := v.(map[string]any); ok {
			w.members(f.Path+"/arg-type", f, object)
		}
		remarks = append(remarks, w.remarks...)
	}
	return append(remarks, k.check(e)...)
}

func (k *known) event(e *Entry) []Remark {
	t, f := lookup(e.Event)
	if f == nil {
		return []Remark{{Level: Warning, Path: e.Event, Text: "no known QEMU or storage daemon has this event"}}
	}
	remarks := append([]Remark{describe(t, f, "event")}, judge(f, nil, k.release())...)
	if v, err := decode(e.Data); err == nil && len(e.Data) > 0 {
		w := walker{table: t, release: k.release(), open: true}
		w.value(f.Path+"/arg-type", f, v)
		remarks = append(remarks, w.remarks...)
	}
	return remarks
}

// describe says what a command or an event is.
func describe(t *facts.Table, f *facts.Fact, kind string) Remark {
	s := kind
	switch module := t.Module(f.Path); {
	case t == facts.Guest():
		s += " of the guest agent"
	case t == facts.Storage():
		s += " of qemu-storage-daemon"
	case module != "":
		s += " of " + module
	}
	if f.Since.Release != "" {
		s += ", " + f.Since.Words("since", "new")
	}
	if f.If != "" {
		s += ", if the build has " + f.If
	}
	return Remark{Level: Note, Path: f.Path, Text: s, Link: t.Reference(f.Path)}
}

// judge compares a fact with the server's release, which may be "". owner is the fact of what has the part: judge says
// since when the part is there if it is newer.
func judge(f, owner *facts.Fact, release string) (remarks []Remark) {
	add := func(l Level, text string) { remarks = append(remarks, Remark{Level: l, Path: f.Path, Text: text}) }
	removed := f.Removed.Release != ""
	switch {
	case release != "" && !f.In(release):
		text := "QEMU " + release + " does not have it"
		switch {
		case removed && facts.Compare(f.Removed.Release, release) <= 0:
			text += ": " + f.Removed.Words("removed in", "removed")
		case f.Since.Release != "":
			text += ": " + f.Since.Words("since", "new")
		}
		add(Fault, text+instead(f))
		return remarks
	case owner != nil && f.Since.Release != "" && facts.Compare(f.Since.Release, owner.Since.Release) > 0:
		add(Note, f.Since.Words("since", "new"))
	}
	if d := f.Deprecated; d != nil && (release == "" || d.Release == "" || facts.Compare(d.Release, release) <= 0) {
		add(Warning, d.Words("deprecated since", "deprecated")+instead(f))
	}
	if removed && (release == "" || facts.Compare(f.Removed.Release, release) > 0) {
		add(Warning, f.Removed.Words("removed in", "removed")+instead(f))
	}
	if d := f.Unstable; d != nil && owner == nil && (release == "" || d.Release == "" || facts.Compare(d.Release, release) <= 0) {
		add(Warning, "unstable: it may change without notice")
	}
	return remarks
}

func instead(f *facts.Fact) string {
	if f.Use == "" {
		return ""
	}
	return "; use " + f.Use
}

// takesAny reports whether a command takes members that no schema has.
func takesAny(command string) bool {
	return slices.Contains([]string{"device_add", "object-add", "netdev_add"}, command)
}

// A walker compares a value with the facts of its parts.
type walker struct {
	table   *facts.Table
	release string
	open    bool // members that are not known are no remark
	remarks []Remark
	seen    map[string]bool
}

// fact returns the fact of a path, and adds its remarks once.
func (w *walker) fact(path string, owner *facts.Fact) *facts.Fact {
	f, err := w.table.Fact(path)
	if err != nil || f == nil {
		return nil
	}
	if !w.seen[f.Path] {
		if w.seen == nil {
			w.seen = make(map[string]bool)
		}
		w.seen[f.Path] = true
		w.remarks = append(w.remarks, judge(f, owner, w.release)...)
	}
	return f
}

// value handles a value of the type at path.
func (w *walker) value(path string, owner *facts.Fact, v any) {
	switch v := v.(type) {
	case string:
		if isComponent(v) && !w.wasText(path, v) {
			w.fact(path+"/^"+v, owner)
		}
	case []any:
		for _, element := range v {
			w.value(path, owner, element)
		}
	case map[string]any:
		if known, err := w.table.Components(path); err == nil && len(known) > 0 {
			w.members(path, owner, v)
		}
	}
}

// wasText reports whether the enum at path was a string before: the release in which a member changed its type did not
// add the values.
func (w *walker) wasText(path, value string) bool {
	since := func(path string) string {
		if f, err := w.table.Path(path); err == nil && f != nil {
			return f.Since.Release
		}
		return ""
	}
	first := since(path + "/^" + value)
	return first != "" && facts.Compare(since(path+"/!string"), first) < 0 &&
		!slices.ContainsFunc(w.components(path, "^"), func(v string) bool { return facts.Compare(since(path+"/^"+v), first) < 0 })
}

func (w *walker) members(path string, owner *facts.Fact, object map[string]any) {
	paths := []string{path} // of the members, and those of the branches
	lost := w.open          // members that are not found may be of a branch that the server does not have
	for i := 0; i < len(paths); i++ {
		branch := w.branch(paths[i], object)
		if f, err := w.table.Path(branch); branch == "" || err != nil || f == nil {
			continue
		} else if w.release != "" && !f.In(w.release) {
			lost = true
			continue
		}
		paths = append(paths, branch)
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if !isComponent(name) {
			continue
		}
		var f *facts.Fact
		for _, p := range paths {
			if f = w.fact(p+"/"+introspect.Component(name), owner); f != nil {
				w.value(f.Path, f, object[name])
				break
			}
		}
		if f == nil && !lost {
			w.remarks = append(w.remarks, Remark{Level: Fault, Path: path + "/" + introspect.Component(name), Text: "no known version has this member"})
		}
	}
}

// branch returns the path of the branch that an object selects, "" if it selects none. The facts do not name the
// discriminator: it is the member whose values name all branches.
func (w *walker) branch(path string, object map[string]any) string {
	cases := w.components(path, "+")
	if len(cases) == 0 {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		value, ok := object[name].(string)
		if !ok || !slices.Contains(cases, value) || !isComponent(name) {
			continue
		}
		values := w.components(path+"/"+introspect.Component(name), "^")
		if !slices.ContainsFunc(cases, func(c string) bool { return !slices.Contains(values, c) }) {
			return path + "/+" + value
		}
	}
	return ""
}

// components returns the components after a path that begin with a sign, without the sign.
func (w *walker) components(path, sign string) (all []string) {
	components, err := w.table.Components(path)
	if err != nil {
		return nil
	}
	for _, c := range components {
		if c, ok := strings.CutPrefix(c, sign); ok {
			all = append(all, c)
		}
	}
	return all
}

// isComponent reports whether text can be a part of a path.
func isComponent(text string) bool { return text != "" && !strings.ContainsAny(text, "/\x00") }

// check checks a request with the schema.
func (k *known) check(e *Entry) []Remark {
	if k.schema == nil || strings.HasPrefix(e.Command, "guest-") {
		return nil
	}
	wrong := qmptest.Check(k.schema, k.version, e.Text)
	switch {
	case wrong == nil:
		return nil
	case hasHidden(e.Arguments):
		return []Remark{{Level: Note, Text: "the schema cannot check the request, because values are hidden"}}
	}
	return []Remark{{Level: Fault, Text: k.nameOfSchema() + " refuses it: " + wrong.Desc}}
}

// nameOfSchema says which schema checks the requests.
func (k *known) nameOfSchema() string {
	switch k.origin {
	case "captured":
		return "the schema of a QEMU " + k.release()
	case "answered":
		return "the server's schema"
	}
	return "the schema"
}

// answer explains a reply or a refusal.
func (k *known) answer(e *Entry) []Remark {
	switch {
	case isForNone(e.Message) && k.synced:
		return []Remark{{Level: Note, Text: "the agent has got the byte that makes it forget what came before"}}
	case e.Request == nil && e.Kind == Refusal && e.ID == nil:
		return []Remark{{Level: Fault, Text: "the server could not read what the client sent before"}}
	case e.Request == nil:
		return []Remark{{Level: Warning, Text: "the request is not in the log"}}
	case e.Kind == Reply:
		if e.Request.Command == "query-qmp-schema" {
			if schema, err := introspect.Read(e.Result); err == nil {
				k.schema, k.origin = schema, "answered"
			}
		}
		return nil
	}
	var remarks []Remark
	for _, r := range k.requests[e.Request] {
		if r.Level == Fault {
			remarks = append(remarks, r)
		}
	}
	switch {
	case len(remarks) > 0:
	case strings.Contains(e.Desc, "qmp_capabilities"):
		remarks = append(remarks, Remark{Level: Fault, Text: "the client must send qmp_capabilities first"})
	case e.Class == qmp.ErrCommandNotFound:
		remarks = append(remarks, Remark{Level: Fault, Text: "this server or its build lacks the command"})
	case k.schema != nil:
		remarks = append(remarks, Remark{Level: Note, Text: "the request fits the schema: the server refused it when it executed it"})
	}
	return remarks
}

// other says what is wrong with text that is not a message.
func other(e *Entry) Remark {
	var v any
	err := json.Unmarshal(e.Text, &v)
	switch {
	case string(e.Text) == hidden:
		return Remark{Level: Fault, Text: "this is not JSON; the text is hidden, because it may have secrets"}
	case err != nil:
		return Remark{Level: Fault, Text: "this is not JSON: " + err.Error()}
	}
	if object, ok := v.(map[string]any); ok {
		return Remark{Level: Fault, Text: "this is not a message of the protocol: its members are " +
			cmp.Or(strings.Join(slices.Sorted(maps.Keys(object)), ", "), "none")}
	}
	return Remark{Level: Fault, Text: "this is not a message of the protocol, but another value of JSON"}
}

// decode decodes a value of JSON, with numbers as text.
func decode(text []byte) (v any, err error) {
	if len(text) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}
