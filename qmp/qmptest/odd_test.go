package qmptest_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/introspect"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

// oddValues are given in place of what a command wants; "" leaves the member out.
var oddValues = []string{"null", "7", "1.5", "true", "false", `""`, `"x"`, `"1x"`, "[]", `["x"]`, "{}", `{"a":1}`, ""}

// oddRequests are commands with a value, for %s, that can be any of the odd ones. No QEMU executes one.
var oddRequests = []struct{ command, args string }{
	{"device_add", `{"driver":%s}`},
	{"device_add", `{"driver":%s,"id":7}`},
	{"device_add", `{"driver":%s,"id":""}`},
	{"device_add", `{"driver":"nope","id":%s}`},
	{"device_add", `{"driver":"virtio-rng-pci","id":%s,"bus":"nope"}`},
	{"device_add", `{"driver":"virtio-rng-pci","bus":%s,"nope":1}`},
	{"device_add", `{"id":%s}`},
	{"object-add", `{"qom-type":%s}`},
	{"object-add", `{"qom-type":%s,"id":null}`},
	{"object-add", `{"qom-type":%s,"id":"x","nope":1}`},
	{"object-add", `{"qom-type":"nope","id":%s}`},
	{"object-add", `{"qom-type":"secret","id":%s}`},
	{"object-add", `{"qom-type":"secret","id":"x","props":%s}`},
	{"object-add", `{"props":%s}`},
	{"object-add", `{"qom-type":"secret","props":{"id":%s}}`},
	{"object-add", `{"id":"x","props":{"qom-type":%s}}`},
	{"object-add", `{"id":null,"qom-type":"nope","props":{"id":"x","a":%s}}`},
	{"netdev_add", `{"type":%s,"id":"x"}`},
	{"netdev_add", `{"type":"user","id":%s,"nope":1}`},
	{"netdev_add", `{"id":%s}`},
	{"chardev-add", `{"id":%s,"backend":{"type":"nope","data":{}}}`},
	{"chardev-add", `{"id":"x","backend":%s}`},
	{"chardev-add", `{"id":"x","backend":{"type":%s,"data":{}}}`},
	{"chardev-add", `{"id":"x","backend":{"type":"file","data":%s}}`},
	{"blockdev-add", `{"driver":%s,"nope":1}`},
	{"blockdev-add", `{"driver":"null-co","node-name":%s,"nope":1}`},
	{"blockdev-add", `{"driver":"raw","file":%s}`},
	{"blockdev-add", `{"driver":"qcow2","file":"x","backing":%s}`},
	{"blockdev-add", `{"driver":"qcow2","file":"x","overlap-check":%s}`},
	{"block-export-add", `{"type":%s,"id":"x","node-name":"x"}`},
	{"block-export-add", `{"type":"nbd","id":%s,"node-name":"x"}`},
	{"block-export-add", `{"type":"nbd","id":"x","node-name":"x","iothread":%s}`},
	{"block-dirty-bitmap-merge", `{"node":"x","target":"x","bitmaps":%s}`},
	{"block-dirty-bitmap-merge", `{"node":"x","target":"x","bitmaps":[%s]}`},
	{"transaction", `{"actions":[{"type":%s,"data":{}},{"type":"abort","data":{}}]}`},
	{"transaction", `{"actions":[{"type":"abort","data":%s}]}`},
	{"migrate-set-parameters", `{"tls-creds":%s,"nope":1}`},
	{"device_del", `{"id":%s}`},
	{"object-del", `{"id":%s}`},
	{"netdev_del", `{"id":%s}`},
	{"qom-set", `{"path":"/nope","property":"x","value":%s}`},
	{"query-qmp-schema", `{"x":%s}`},
	{"qmp_capabilities", `{"enable":%s,"nope":1}`},
	{"qmp_capabilities", `{"enable":[%s]}`},
	{"object-add", `{"props":{"props":%s,"id":"x"}}`},
}

// with puts a value into a request's arguments, or leaves out its member, or element.
func with(args, value string) string {
	if value == "" {
		return regexp.MustCompile(`("[a-z-]+":)?%s,|,?("[a-z-]+":)?%s`).ReplaceAllString(args, "")
	}
	return strings.Replace(args, "%s", value, 1)
}

// ofTheSchema matches what QEMU says before the command's own code has a say.
var ofTheSchema = regexp.MustCompile(`^Parameter '.*' (is missing|is unexpected|does not accept value '.*')$|^Invalid parameter type for '.*', expected: `)

// TestOddValuesAsQEMU compares class, text and order with those of a real QEMU, whose schema the
// server has.
func TestOddValuesAsQEMU(t *testing.T) {
	qemutest.Run(t, []string{"5.2", "7.2", "10.0", "11.1"}, func(t *testing.T, q *qemutest.QEMU) {
		real := q.Start(t, qemutest.Config{}).Dial(t)
		s, err := qmpschema.Query(t.Context(), real)
		require.NoError(t, err)
		ours := checked(t, s, real.Version())
		compare := func(command, args string) {
			class, desc := send(t, ours, command, args)
			wantClass, want := send(t, real, command, args)
			if desc == "" {
				if command == "device_add" && want == "Parameter 'id' expects an identifier" || ofTheSchema.MatchString(want) {
					t.Errorf("%s %s is taken, but QEMU says: %s", command, args, want)
				}
				return
			}
			// Introspection does not tell integers with a sign from those without.
			want = regexp.MustCompile(`^Parameter ('.*') expects uint64$`).ReplaceAllString(want, "Invalid parameter type for $1, expected: integer")
			if desc != want || class != wantClass {
				t.Errorf("%s %s:\n%s: %s, but QEMU says\n%s: %s", command, args, class, desc, wantClass, want)
			}
		}
		for _, r := range oddRequests {
			for _, value := range oddValues {
				compare(r.command, with(r.args, value))
			}
		}

		// Of all other commands only what is refused is sent to QEMU, since it may end it.
		for c := range s.Commands() {
			arguments := s.Lookup(c.ArgType).(*introspect.Object)
			refused := func(args string) {
				if _, desc := send(t, ours, c.Name, args); desc != "" {
					compare(c.Name, args)
				}
			}
			refused(`{}`)
			refused(`{"zzz":1}`)
			for i := range arguments.Members {
				for _, value := range []string{"null", "true", `{"a":1}`} {
					args := fmt.Sprintf("{%q:%s", arguments.Members[i].Name, value)
					for j := range arguments.Members {
						if m := &arguments.Members[j]; j != i && !m.Optional {
							args += fmt.Sprintf(`,%q:"x"`, m.Name)
						}
					}
					refused(args + "}")
				}
			}
		}
		_, err = qmp.Raw{Command: "query-status"}.Do(t.Context(), real)
		require.NoError(t, err, "QEMU is still there")
	})
}
