package gogen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// comment returns the package comment: the rules by which the schema became Go, each with an example from
// the package.
func (p *pkg) comment() comment {
	s := newSampler(p)
	c := example(fmt.Sprintf("Package %s has Go types for commands, events and types of %s", p.opts.Package, p.opts.schemas("QAPI schema")), s.dial())
	if s.secretRules() != nil {
		c = append(c, "The String methods hide secrets such as passwords, but JSON does not: see Secrets below.")
	}
	return slices.Concat(c, p.opts.Selection.comment(), s.commandRules(), s.optionalRules(), s.unionRules(),
		s.alternateRules(), s.eventRules(), s.versionRules(), s.featureRules(), s.jsonRules(), s.secretRules())
}

// dial returns the shortest program.
func (s *sampler) dial() string {
	c, ok := first(s.commands, commandWire, []string{"query-status", "guest-info", "query-version"}, s.isQuery)
	if !ok {
		c, ok = first(s.commands, commandWire, nil, func(c *command) bool { return s.request(c) != "" })
	}
	if !ok {
		return ""
	}
	dial := `qmp.Dial(ctx, "/run/qmp.sock", nil)`
	if s.guest() {
		dial = `qmp.DialGuest(ctx, "/run/qga.sock", nil)`
	}
	return code(checked("c", dial, "defer c.Close()"), "", s.execute(c, s.request(c)))
}

// guest reports whether all commands belong to the guest agent.
func (s *sampler) guest() bool {
	return !slices.ContainsFunc(s.commands, func(c *command) bool { return !strings.HasPrefix(c.wire, "guest-") })
}

func (s *sampler) commandRules() comment {
	if len(s.commands) == 0 {
		return nil
	}
	client := "qmp.Client"
	if s.guest() {
		client = "qmp.GuestClient"
	}
	c := comment{
		"# Commands",
		"A command is a struct: its fields are the arguments. Its method Do executes the command and returns the result. " +
			"[" + client + ".Execute] lists the errors of Do.",
		"The comment of each type has its name in the schema and, if it is known, the file of QEMU's source that defines it. QEMU's " +
			"reference describes commands, events and types under these names: https://www.qemu.org/docs/master/interop/index.html",
	}
	named := func(c *command) bool { return c.args == nil && !c.merged }
	if found, ok := first(s.commands, commandWire, []string{"blockdev-add"}, named); ok {
		c = append(c, fmt.Sprintf("Some commands send a type of the schema: [%s] has the fields of [%s]. Convert a value of the type to execute "+
			"the command: %s(v).Do(ctx, c).", found.name, found.argType, s.qualified(found.name)))
	}
	return append(c, "[qmp.Raw] executes a command that the package does not have.")
}

// optionalRules shows how to set an optional member of a request, and how to read one of a result.
func (s *sampler) optionalRules() comment {
	return slices.Concat(
		comment{"# Optional members"},
		example("An optional member is a pointer, which is nil if the member is absent. Set it with new(v), or with [qmp.NonZero] to "+
			"leave the member out if v is zero", s.sendOptional()),
		example("Read it with [qmp.Value] if absent and zero mean the same", s.readOptional()),
		comment{"An optional list is a slice: nil is absent, and an empty slice is sent as []."},
	)
}

// sendOptional returns the code of a command with optional arguments.
func (s *sampler) sendOptional() string {
	found, ok := first(s.commands, commandWire, []string{"block-stream", "guest-file-open"}, func(c *command) bool {
		return len(optional(s.arguments(c))) > 0 && s.request(c) != ""
	})
	if !ok {
		return ""
	}
	fields := optional(s.arguments(found))
	set := []string{s.set(fields[0])}
	if len(fields) == 1 {
		return code(s.execute(found, s.request(found, set...)))
	}
	v := "value"
	if slices.Contains([]string{"speed", "size", "mode"}, fields[1].wire) {
		v = fields[1].wire
	}
	set = append(set, fields[1].name+": qmp.NonZero("+v+")")
	return code("var "+v+" "+s.name(fields[1].typ)+" // zero: the server's default", s.execute(found, s.request(found, set...)))
}

// optional returns the optional members of an object that are scalars, the best ones for an example first.
func optional(o *object) []*field {
	if o == nil {
		return nil
	}
	rank := []string{"job-id", "id", "node-name", "speed", "mode", "size"}
	var fields []*field
	for _, f := range o.fields {
		if _, ok := f.typ.(*scalar); ok && f.optional && !isSecretType(f.typ) && (o.union == nil || f != o.union.tag) {
			fields = append(fields, f)
		}
	}
	slices.SortStableFunc(fields, func(a, b *field) int {
		at := func(f *field) int {
			if i := slices.Index(rank, f.wire); i >= 0 {
				return i
			}
			return len(rank)
		}
		return cmp.Compare(at(a), at(b))
	})
	return fields
}

// set returns the code that sets an optional scalar member.
func (s *sampler) set(f *field) string {
	return f.name + ": " + s.pointer(f.typ, s.value(f.typ, f.wire, 0))
}

// readOptional returns the code of a query that reads an optional member of the result.
func (s *sampler) readOptional() string {
	var print string
	found, ok := first(s.commands, commandWire, []string{"query-jobs", "guest-get-osinfo"}, func(c *command) bool {
		elem := c.result
		a, isList := elem.(*arrayType)
		if isList {
			elem = a.elem
		}
		t, ok := elem.(*structType)
		if !ok || !s.isQuery(c) {
			return false
		}
		o, ok := s.types[t.name].(*object)
		if !ok {
			return false
		}
		f, ok := s.telling(o, true)
		if !ok {
			return false
		}
		print = "fmt.Println(qmp.Value(v." + f.name + "))"
		if isList {
			print = "for _, v := range all {\n" + print + "\n}"
		}
		return true
	})
	if !ok {
		return ""
	}
	return code(checked(resultVariable(found), s.request(found)+".Do(ctx, c)", print))
}

// union returns the union of the examples, or nil if there is none, and a value of it, or "" if no value is
// short.
func (s *sampler) union() (*object, string) {
	found, ok := first(s.objects, objectName, []string{"BlockdevOptions", "SocketAddress"}, func(o *object) bool {
		if o.union == nil {
			return false
		}
		_, v := s.branch(o.union, 1)
		return v != "" && s.object(o.name, o, 0) != ""
	})
	if !ok {
		found, _ = first(s.objects, objectName, nil, func(o *object) bool { return o.union != nil && len(o.union.branches) > 0 })
		return found, ""
	}
	var set []string
	if fields := optional(found); len(fields) > 0 {
		set = []string{s.set(fields[0])}
	}
	return found, s.object(found.name, found, 0, set...)
}

func (s *sampler) unionRules() comment {
	o, literal := s.union()
	if o == nil {
		return nil
	}
	b, value := s.branch(o.union, 1)
	if value == "" {
		b = o.union.branches[0]
	}
	variable := "v := " + literal
	if literal == "" {
		variable = "var v " + s.qualified(o.name) + " // of a server"
	}
	return comment{
		"# Unions",
		fmt.Sprintf("A union is a struct with the members that all its values have. One of these, the discriminator, selects the other members: "+
			"the field %s points to them.", o.union.field),
		code(variable, "switch b := v."+o.union.field+".(type) {", "case *"+s.qualified(b.typ)+":", s.print(&structType{name: b.typ}, "b"),
			"case *"+s.qualified(rawBranch)+": // the package does not know the discriminator", "fmt.Println(b.Members)", "}"),
		fmt.Sprintf("The comment of the interface, here [%s], lists the branches. You may leave the discriminator empty in a value to send: "+
			"encoding sets it if the type of the branch determines it. A branch holds its data directly, even if the protocol "+
			"puts the data into a member with the name data.", o.union.iface),
	}
}

func (s *sampler) alternateRules() comment {
	preferred := []string{"BlockdevRef", "StrOrNull"}
	a, ok := first(s.alternates, func(a *alternate) string { return a.name }, preferred, func(a *alternate) bool {
		return s.alternate(a, 0) != ""
	})
	if !ok {
		return nil
	}
	c := comment{
		"# Alternates",
		"An alternate is a value of one of several kinds, such as a string or an object. It is a struct with a field for each kind. " +
			"Exactly one of the fields is set:",
	}
	literal := s.alternate(a, 0)
	name, _, _ := strings.Cut(literal[strings.Index(literal, "{")+1:], ":")
	c = append(c, code("v := "+literal, "if v."+name+" != nil {", "fmt.Println(*v."+name+")", "}"))
	return append(c, "If a server sends a value of another kind, the field "+a.other+" holds it as JSON.")
}

func (s *sampler) eventRules() comment {
	if len(s.pkg.events) == 0 {
		return nil
	}
	byName := "[qmp.Client.Events] subscribes to events by name. The names are constants such as [" + s.pkg.events[0].constant + "]. [DecodeEvent] " +
		"decodes an event of any name."
	if text := s.await(); text != "" {
		return comment{"# Events", "An event is a struct with the event's data. [qmp.AwaitEvent] executes a command and waits for an event that " +
			"follows:", text, "[qmp.Subscribe] subscribes to all events of a type. " + byName}
	}
	return comment{"# Events", "An event is a struct with the event's data. [qmp.Subscribe] subscribes to all events of a type:", s.subscribe(), byName}
}

// await returns the code that waits for an event that follows a command.
func (s *sampler) await() string {
	var awaited *event
	c, ok := first(s.commands, commandWire, []string{"device_del", "block-export-del", "system_powerdown"}, func(c *command) bool {
		if c.result != nil || s.request(c) == "" {
			return false
		}
		for _, f := range eventsAfter(c.wire) {
			i := slices.IndexFunc(s.pkg.events, func(e *event) bool { return e.wire == f.event })
			if i >= 0 {
				awaited = s.pkg.events[i]
				return true
			}
		}
		return false
	})
	if !ok {
		return ""
	}
	call := "qmp.AwaitEvent[" + s.qualified(awaited.name) + "](ctx, c, nil, " + s.request(c) + ")"
	if match := s.match(c, awaited); match != "" {
		call = "qmp.AwaitEvent(ctx, c, func(e " + s.qualified(awaited.name) + ") bool {\nreturn " + match + "\n}, " + s.request(c) + ")"
	}
	return code(checked("e", call, s.printObject(s.data(awaited), "e")))
}

// data returns the object with the fields of an event's data.
func (s *sampler) data(e *event) *object {
	if e.data != nil {
		return e.data
	}
	return s.types[e.dataType].(*object)
}

// match returns the condition that an event is about the same thing as the command, or "" if the event does
// not say.
func (s *sampler) match(c *command, e *event) string {
	args := s.arguments(c)
	for _, f := range s.data(e).fields {
		for _, arg := range args.fields {
			same := f.wire == arg.wire || f.wire == "device" && arg.wire == "id"
			if !same || arg.optional || f.typ != goType(stringType) || arg.typ != goType(stringType) {
				continue
			}
			read := "e." + f.name
			if f.optional {
				read = "qmp.Value(" + read + ")"
			}
			return read + " == " + text(arg.wire)
		}
	}
	return ""
}

// subscribe returns the code that reads the events of a type.
func (s *sampler) subscribe() string {
	e := s.pkg.events[0]
	return code("s := qmp.Subscribe["+s.qualified(e.name)+"](c)", "defer s.Close()",
		"for e, err := range s.All(ctx) {", "if err != nil {", "return err", "}", s.printObject(s.data(e), "e.Data"), "}")
}

// versionRules says what happens if the server has another version than the schema.
func (s *sampler) versionRules() comment {
	c := comment{"# Servers of other versions"}
	if f := s.pkg.opts.Facts; f != nil {
		c = append(c, "Comments say which QEMU added, deprecated or removed a thing. A member or a value without a version is as old as its type "+
			"or command. A type, a command or an event without a version is in QEMU "+f.Versions()[0]+"; a type may have another name there. "+
			"Builds of one version differ: package [github.com/qmpkit/qmpkit/qmp/qmpschema] asks a server for its schema.")
	}
	c = append(c, s.pkg.mandatory(), "Decoding accepts things that the package does not know:")
	rows := []string{"It ignores unknown members."}
	name := func(e *enum) string { return e.name }
	if e, ok := first(s.enums, name, []string{"RunState", "JobStatus"}, func(e *enum) bool { return len(e.values) > 0 }); ok {
		rows = append(rows, "It keeps an unknown value of an enum. An enum is a string type with constants such as ["+e.values[0].name+"].")
	}
	if s.pkg.unions {
		rows = append(rows, "It keeps an unknown branch of a union as a ["+rawBranch+"], which has the members as [qmp.Args]. It also does so if the server "+
			"does not send the discriminator.")
	}
	if len(s.pkg.events) > 0 {
		rows = append(rows, "[qmp.Client.Events] returns events of any name, and [DecodeEvent] returns [qmp.ErrUnknownEvent] for a name that the package "+
			"does not have.")
	}
	for i, row := range rows {
		rows[i] = bullet("  - ", row)
	}
	return append(c, strings.Join(rows, "\n"))
}

// mandatory says which servers always send a mandatory member.
func (p *pkg) mandatory() string {
	of := "the schema"
	if p.opts.Version != "" {
		of = "QEMU " + p.opts.Version
	}
	if others := slices.Concat(p.opts.Merged, p.opts.Also); len(others) > 0 {
		servers := enumerate(slices.Concat([]string{of}, others), "and")
		return "A member is mandatory if " + servers + " always send it. If a server of another version does not send it, its " +
			"field is zero, as if the server had sent zero."
	}
	return "A member is mandatory if it is so in " + of + ". If a server of another version does not send it, its field is " +
		"zero, as if the server had sent zero. qapigen generate -also makes such members optional."
}

func (s *sampler) featureRules() comment {
	if len(s.pkg.features) == 0 {
		return nil
	}
	return comment{
		"# Features",
		"A feature says that QEMU can do something that the rest of the schema does not show. Each feature has a constant. Package " +
			"[github.com/qmpkit/qmpkit/qmp/qmpschema] asks a server for it:",
		code(checked("schema", "qmpschema.Query(ctx, c)",
			checked("has", "schema.Has("+s.qualified(s.pkg.features[0].name)+")", "fmt.Println(has)"))),
	}
}

func (s *sampler) jsonRules() comment {
	return append(append(comment{"# JSON"},
		example("[encoding/json.Marshal] and [encoding/json.Unmarshal] convert a value of any type to JSON and back. The JSON is that of the "+
			"protocol", s.roundTrip())...),
		"Marshal writes a mandatory list as [] if it is nil, and sets an empty discriminator as a command does. Its error wraps a [*qmp.EncodeError] if "+
			"the value cannot be sent, for example because a discriminator and its branch disagree. The methods UnmarshalJSON are as "+
			"strict as the client: they refuse null instead of an object, and a member that occurs twice. For types without "+
			"UnmarshalJSON, encoding/json is as lenient as usual.",
		"After Marshal and Unmarshal, a union whose branch was nil has an empty branch if its discriminator selects one. "+
			"Do not embed a union in your own struct: the struct would have the methods of the union, and encoding/json would "+
			"ignore its other fields. Give the union a field with a name instead.")
}

// roundTrip returns the code that converts a value to JSON and back.
func (s *sampler) roundTrip() string {
	o, literal := s.union()
	if literal == "" {
		ok := false
		o, ok = first(s.objects, objectName, []string{"StatusInfo"}, func(o *object) bool {
			return strings.Contains(s.structure(o.name, 0), ":")
		})
		if !ok {
			return ""
		}
		literal = s.structure(o.name, 0)
	}
	return code("v := "+literal, checked("data", "json.Marshal(v)", "var again "+s.qualified(o.name)),
		"if err := json.Unmarshal(data, &again); err != nil {", "return err", "}")
}

func (s *sampler) secretRules() comment {
	hasSecret := func(o *object) bool {
		return o != nil && slices.ContainsFunc(o.fields, func(f *field) bool { return isSecretType(f.typ) })
	}
	found, ok := first(s.commands, commandWire, []string{"change-vnc-password", "guest-set-user-password"}, func(c *command) bool {
		return hasSecret(s.arguments(c)) && s.request(c) != ""
	})
	if !ok && !slices.ContainsFunc(s.objects, hasSecret) {
		return nil
	}
	c := comment{
		"# Secrets",
		"The method String of a type with a secret, such as a password, shows *** in its place. JSON does not hide secrets: " +
			"[encoding/json.Marshal] writes them. The comment of a field says whether it is a secret. Types without String print " +
			"everything, and so do verbs of fmt that do not call String.",
	}
	text := ""
	if ok {
		text = code("v := "+s.request(found), "fmt.Println(v)", `slog.Info("sending", "request", qmp.Redacted(v))`)
	}
	c = append(c, example("[qmp.Redacted] prints and marshals a value of any type without secrets, as JSON, also for package slog", text)...)
	return append(c, "The client's log and trace hide secrets in the same way.")
}
