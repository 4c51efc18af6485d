package facts

import (
	"slices"
	"strings"
)

// Reference returns the address of a command, an event or a type in QEMU's online reference, or "" if the
// reference does not have it. The reference describes the newest QEMU and has no removed things. Reference
// also returns "" if only the answer of a server has the thing: the name of its type or module is then made up.
func (t *Table) Reference(name string) string {
	n := t.nodes[name]
	if n == nil || n.module == "" || strings.HasPrefix(name, "q_") || !t.inDocumentation(n) || slices.Contains(renamed, name) {
		return ""
	}
	if spans := t.nodeSpans(n); len(spans) == 0 || spans[len(spans)-1].removed.Release != "" {
		return ""
	}
	file, space := "qemu-qmp-ref", "QMP"
	switch {
	case t.nodes["guest-sync"] != nil:
		file, space = "qemu-ga-ref", "QGA"
	case t.nodes["device_add"] == nil:
		file, space = "qemu-storage-daemon-qmp-ref", "QSD"
	}
	kind, module := n.kind, n.module
	if kind == "struct" || kind == "union" {
		kind = "object"
	}
	if module == "block" {
		module = "block-core" // which block includes: the reference has both under this name
	}
	return "https://www.qemu.org/docs/master/interop/" + file + ".html#" + kind + "-" + space + "-" + module + "." + name
}

// renamed are the types of QEMU 10.2 that the reference of 11.1 lacks or has under other names. The answer of a server
// of 11.1 does not show that, because it has no names of types.
var renamed = []string{
	"BlockdevCreateOptionsGluster", "BlockdevOptionsGluster", "MigrateSetParameters", "MigrationStats",
	"MigrationThreadInfo", "NetDevPasstOptions", "String",
}

// inDocumentation reports whether QEMU's own schema of a version has a node.
func (t *Table) inDocumentation(n *node) bool {
	for i, s := range t.sources {
		if !s.answer && n.seen.has(i) {
			return true
		}
	}
	return false
}
