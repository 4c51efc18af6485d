package address

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrNoMonitor means that a process has no monitor to which another program can connect.
var ErrNoMonitor = errors.New("no monitor to connect to")

// Monitors returns the addresses of the QMP monitors in the command line of a QEMU or a storage daemon,
// in their order. It knows -qmp, and -mon or --monitor with -chardev, in QEMU's forms and as JSON.
//
// If a monitor has an inherited socket, Monitors asks the kernel for the socket's path. If there is no
// monitor to which the caller can connect, the error matches [ErrNoMonitor] and says why.
func Monitors(pid int) ([]string, error) {
	p := process{fmt.Sprintf("/proc/%d", pid)}
	text, err := os.ReadFile(filepath.Join(p.dir, "cmdline"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, &plainError{fmt.Sprintf("there is no process %d", pid), os.ErrProcessDone}
	} else if err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, errors.Unwrap(err))
	}
	args := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
	var addresses, reasons []string
	for _, m := range monitors(args) {
		address, reason := p.address(m)
		if reason != "" {
			reasons = append(reasons, reason)
		} else {
			addresses = append(addresses, address)
		}
	}
	if len(addresses) > 0 {
		return addresses, nil
	}
	reason := "its command line has no QMP monitor: start QEMU with -qmp unix:PATH,server=on,wait=off"
	if len(reasons) > 0 {
		reason = strings.Join(reasons, "; ")
	}
	return nil, fmt.Errorf("process %d (%s): %w: %s", pid, filepath.Base(args[0]), ErrNoMonitor, reason)
}

// options are the keys and values of an option of QEMU.
type options map[string]string

// monitors returns the options of the character devices of QMP monitors, in the order of the monitors.
func monitors(args []string) []options {
	var found []options
	chardevs := map[string]options{}
	type monitor struct {
		chardev string
		options options
	}
	var all []monitor
	for i := 1; i < len(args); i++ {
		name, value, inOne := strings.Cut(args[i], "=")
		if !strings.HasPrefix(name, "-") {
			continue
		}
		if !inOne || !strings.HasPrefix(name, "--") {
			if i+1 == len(args) {
				break
			}
			name, value = args[i], args[i+1]
		}
		switch strings.TrimLeft(name, "-") {
		case "chardev":
			o := parseOptions(value, "backend")
			chardevs[o["id"]] = o
		case "qmp", "qmp-pretty":
			if id, ok := strings.CutPrefix(value, "chardev:"); ok {
				all = append(all, monitor{chardev: id})
			} else {
				all = append(all, monitor{options: legacy(value)})
			}
		case "mon":
			if o := parseOptions(value, "chardev"); o["mode"] == "control" {
				all = append(all, monitor{chardev: o["chardev"]})
			}
		case "monitor":
			// QEMU's own -monitor is for people: it has no chardev=.
			if o := parseOptions(value, "backend"); o["chardev"] != "" && cmp.Or(o["mode"], "control") == "control" {
				all = append(all, monitor{chardev: o["chardev"]})
			}
		}
	}
	for _, m := range all {
		if m.chardev != "" {
			m.options = chardevs[m.chardev]
		}
		if m.options != nil {
			found = append(found, m.options)
		}
	}
	return found
}

// legacy reads the argument of -qmp: "unix:/run/qmp,server=on", "tcp::4444,server", "stdio".
func legacy(value string) options {
	kind, rest, _ := strings.Cut(value, ":")
	if kind != "unix" && kind != "tcp" {
		return options{"backend": value, "id": value}
	}
	where, more, _ := cutOption(rest)
	o := parseOptions(more, "")
	o["backend"], o["id"] = "socket", kind+":"+where
	if kind == "unix" {
		o["path"] = where
	} else if colon := strings.LastIndexByte(where, ':'); colon >= 0 {
		o["host"], o["port"] = strings.Trim(where[:colon], "[]"), where[colon+1:]
	}
	return o
}

// parseOptions reads "word,key=value,flag" or a JSON object. The first word without a value is the value of the
// key implied; later ones are on. The members of objects get the name of the innermost one.
func parseOptions(text, implied string) options {
	o := options{}
	if strings.HasPrefix(text, "{") {
		var object map[string]any
		if json.Unmarshal([]byte(text), &object) == nil {
			o.flatten(object)
		}
		return o
	}
	for first := true; text != ""; first = false {
		var part string
		part, text, _ = cutOption(text)
		key, value, ok := strings.Cut(part, "=")
		switch {
		case ok:
			o[key] = value
		case first && implied != "":
			o[implied] = part
		case part != "":
			o[part] = "on"
		}
	}
	return o
}

// flatten adds the members of a JSON object. The types of -chardev's backend and of its address become their
// names in the other form of the option.
func (o options) flatten(object map[string]any) {
	for key, value := range object {
		switch value := value.(type) {
		case map[string]any:
			if kind, ok := value["type"].(string); ok && key == "backend" {
				o["backend"] = kind
			}
			o.flatten(value)
		case bool:
			o[key] = map[bool]string{true: "on", false: "off"}[value]
		case string:
			if key == "str" { // of a descriptor
				key = "fd"
			}
			o[key] = value
		}
	}
}

// cutOption cuts the text at the first comma. Two commas stand for one in a value.
func cutOption(text string) (part, rest string, more bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == ',' {
			if i+1 == len(text) || text[i+1] != ',' {
				return b.String(), text[i+1:], true
			}
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String(), "", false
}

func (o options) on(key string) bool {
	switch o[key] {
	case "on", "yes", "true", "y":
		return true
	}
	return false
}

// A process is the folder of a process in /proc.
type process struct{ dir string }

// address returns the address of a monitor, or the reason why nobody can connect to it.
func (p process) address(o options) (address, reason string) {
	name := "monitor " + o["id"]
	switch {
	case o["backend"] != "socket":
		return "", name + " is not a socket"
	case o["fd"] != "":
		path := p.inherited(o["fd"])
		if path == "" {
			return "", name + " is inherited (descriptor " + o["fd"] + "): only the program that started QEMU can use it"
		}
		return p.unix(path), ""
	case !o.on("server") && (o["server"] != "" || o["type"] == ""): // JSON has types, and listens by default
		return "", name + " does not listen: QEMU connects to another program there"
	case o.on("telnet"), o.on("websocket"), o["tls-creds"] != "":
		return "", name + " uses telnet, websockets or TLS"
	case o["path"] != "" && o.on("abstract"):
		return "@" + o["path"], ""
	case o["path"] != "":
		return p.unix(o["path"]), ""
	case o["port"] != "":
		return "tcp:" + net.JoinHostPort(cmp.Or(o["host"], "127.0.0.1"), o["port"]), ""
	}
	return "", name + " has no address"
}

// unix returns the address of a socket whose path the process sees.
func (p process) unix(path string) string {
	if strings.HasPrefix(path, "@") {
		return path
	}
	if !filepath.IsAbs(path) {
		cwd, err := os.Readlink(filepath.Join(p.dir, "cwd"))
		if err != nil {
			return "unix:" + path
		}
		path = filepath.Join(cwd, path)
	}
	if root, err := os.Readlink(filepath.Join(p.dir, "root")); err == nil && root != "/" {
		return "unix:" + filepath.Join(p.dir, "root", path)
	}
	if _, err := os.Stat(path); err != nil { // another mount namespace
		if seen := filepath.Join(p.dir, "root", path); exists(seen) {
			return "unix:" + seen
		}
	}
	return "unix:" + path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// inherited returns the path on which a descriptor of the process listens, or "".
func (p process) inherited(fd string) string {
	if _, err := strconv.Atoi(fd); err != nil {
		return "" // the name of a descriptor that a monitor got
	}
	link, err := os.Readlink(filepath.Join(p.dir, "fd", fd))
	inode, ok := strings.CutPrefix(link, "socket:[")
	if err != nil || !ok {
		return ""
	}
	table, err := os.ReadFile(filepath.Join(p.dir, "net", "unix"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(table)) {
		// Num RefCount Protocol Flags Type St Inode Path; the flag is that of a socket that listens.
		f := strings.Fields(line)
		if len(f) == 8 && f[6] == strings.TrimSuffix(inode, "]") && f[3] == "00010000" {
			return f[7]
		}
	}
	return ""
}
