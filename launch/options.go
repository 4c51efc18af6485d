package launch

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// typedJSON is the first tested version whose -device, -object and -netdev take JSON: 7.2. Older ones get the keyval form.
var typedJSON = qmp.Version{Major: 7, Minor: 2}

// JSON returns an option whose value is JSON. value is a value of a generated type, or [qmp.Args]:
//
//	launch.JSON("-compat", qemu.CompatPolicy{DeprecatedInput: new(qemu.CompatPolicyInputReject)}) // QEMU 7.2
func JSON(name string, value any) Option {
	return option(func(line *Line) error {
		text, err := textOf(value)
		if err == nil {
			line.Add(name, string(text))
		}
		return err
	})
}

// Keyval returns an option in the form "first,name=value,…", for options that take no JSON: "-machine", "-accel", "-smp",
// "-cpu", "-m". A comma in a value is doubled. first may be empty. A value is a string, a number or a bool ("on", "off");
// Args in Args make names with dots:
//
//	launch.Keyval("-machine", "q35", qmp.Args{"memory-backend": "mem0", "smp": qmp.Args{"cpus": 2}})
func Keyval(name, first string, members qmp.Args) Option {
	return option(func(line *Line) error {
		members, err := membersOf(members)
		if err != nil {
			return err
		}
		text, err := keyval("", members, dotted)
		if err != nil {
			return err
		}
		if first != "" && text != "" {
			first = escape(first) + ","
		} else {
			first = escape(first)
		}
		line.Add(name, first+text)
		return nil
	})
}

// Blockdev returns -blockdev: a block node.
func Blockdev(node qemu.BlockdevOptions) Option { return JSON("-blockdev", node) }

// Display returns -display: the window or the display server of the machine.
func Display(display qemu.DisplayOptions) Option { return JSON("-display", display) }

// Audiodev returns -audiodev: the host's side of a sound card.
func Audiodev(audio qemu.Audiodev) Option { return JSON("-audiodev", audio) }

// Device returns -device. Before QEMU 7.2, properties with lists or members are an error that matches
// [errors.ErrUnsupported].
func Device(device qemu.DeviceAdd) Option { return typed("-device", "driver", device, flat) }

// Object returns -object, for example memory or an I/O thread. Before QEMU 7.2, properties with members are an error that
// matches [errors.ErrUnsupported]. For a secret, see [Secret].
func Object(object qemu.ObjectOptions) Option { return typed("-object", "qom-type", object, repeated) }

// Netdev returns -netdev: the host's side of a NIC.
func Netdev(netdev qemu.Netdev) Option { return typed("-netdev", "type", netdev, repeated) }

// typed returns an option that takes JSON in newer QEMUs.
func typed(name, first string, value any, older form) Option {
	return option(func(line *Line) error {
		version, err := line.Version()
		if err != nil {
			return err
		}
		if version.Compare(typedJSON) >= 0 {
			return JSON(name, value).AppendTo(line)
		}
		text, err := textOf(value)
		if err != nil {
			return err
		}
		members, err := membersOf(qmp.RawJSON(text))
		if err != nil {
			return err
		}
		for _, value := range members { // a list of String, such as hostfwd
			list, _ := value.([]any)
			for i := range list {
				if object, ok := list[i].(qmp.Args); ok && len(object) == 1 && object["str"] != nil {
					list[i] = object["str"]
				}
			}
		}
		word, err := keyval(first, members, older)
		if err != nil {
			return err
		}
		line.Add(name)
		if bytes.Equal(qmp.Redact(text), text) {
			line.Add(word)
		} else {
			line.AddSecret(word)
		}
		return nil
	})
}

// Secret returns a secret object (-object secret) with this ID, for passwords and keys that other options name. QEMU reads
// the secret, at most 4096 bytes, from a pipe: the command line does not have it.
func Secret(id string, secret []byte) Option {
	return option(func(line *Line) error { return line.Secret(id, secret) })
}

// NUMA returns -numa: a node of the guest's memory, its CPUs, or a distance.
func NUMA(options qemu.NUMAOptions) Option {
	return option(func(line *Line) error {
		members, err := membersOf(options)
		if err != nil {
			return err
		}
		word, err := keyval("type", members, repeated)
		if err == nil {
			line.Add("-numa", word)
		}
		return err
	})
}

// incomingJSON is the first tested version whose -incoming takes JSON.
var incomingJSON = qmp.Version{Major: 10}

// Incoming returns -incoming: the machine waits for a migration from this address. Before QEMU 10.0, a channel that a URI
// cannot express is an error that matches [errors.ErrUnsupported]. To let the program choose the address later, use the
// words "-incoming", "defer".
func Incoming(channel qemu.MigrationChannel) Option {
	return option(func(line *Line) error {
		version, err := line.Version()
		if err != nil {
			return err
		}
		if version.Compare(incomingJSON) >= 0 {
			return JSON("-incoming", channel).AppendTo(line)
		}
		members, err := membersOf(channel)
		if err != nil {
			return err
		}
		address, _ := members["addr"].(qmp.Args)
		uri := uriOf(address)
		if uri == "" {
			return because(errors.ErrUnsupported, fmt.Sprintf("QEMU %s cannot wait for a migration there", version))
		}
		line.Add("-incoming", uri)
		return nil
	})
}

// uriOf returns the URI for an address of a migration, or "".
func uriOf(address qmp.Args) string {
	text := func(name string) string { value, _ := address[name].(string); return value }
	switch cmp.Or(text("transport")) + " " + text("type") {
	case "socket unix":
		return "unix:" + text("path")
	case "socket inet":
		host := text("host")
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return "tcp:" + host + ":" + text("port")
	case "socket fd":
		return "fd:" + text("str")
	case "socket vsock":
		return "vsock:" + text("cid") + ":" + text("port")
	}
	return ""
}

// Chardev returns -chardev: a character device with this ID. For a connection to this program, see [Socket]. A server
// does not wait for its first client, unless Wait says so.
func Chardev(id string, backend qemu.ChardevBackend) Option {
	return option(func(line *Line) error {
		members, err := membersOf(backend)
		if err != nil {
			return err
		}
		kind, _ := members["type"].(string)
		data, _ := members["data"].(qmp.Args)
		words, err := chardevMembers(kind, data)
		if err != nil {
			return err
		}
		words["backend"], words["id"] = kind, id
		word, err := keyval("backend", words, flat)
		if err == nil {
			line.Add("-chardev", word)
		}
		return err
	})
}

// chardevNames has the members whose names on the command line differ from those of the schema.
var chardevNames = map[string]string{
	"file.out": "path", "file.in": "input-path", "file.append": "append",
	"serial.device": "path", "parallel.device": "path", "pipe.device": "path",
	"spicevmc.type": "name", "spiceport.fqdn": "name",
}

// chardevMembers returns the members of a character device as the command line names them.
func chardevMembers(kind string, data qmp.Args) (qmp.Args, error) {
	words := qmp.Args{}
	for name, value := range data {
		if name != "addr" && name != "remote" && name != "local" {
			words[cmp.Or(chardevNames[kind+"."+name], name)] = value
			continue
		}
		address, _ := value.(qmp.Args)
		members, _ := address["data"].(qmp.Args)
		kind, _ := address["type"].(string)
		for member, value := range members {
			switch {
			case kind == "fd" && member == "str":
				words["fd"] = value
			case kind == "vsock":
				return nil, because(errors.ErrUnsupported, "the command line has no word for a vsock")
			case name == "local":
				words["local"+strings.Replace(member, "host", "addr", 1)] = value
			default:
				words[member] = value
			}
		}
	}
	if kind == "socket" {
		if _, given := words["server"]; !given { // the defaults of the command line differ
			words["server"] = true
		}
		if _, given := words["wait"]; !given && words["server"] == true {
			words["wait"] = false
		}
	}
	return words, nil
}
