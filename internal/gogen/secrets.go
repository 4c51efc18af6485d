package gogen

import (
	"fmt"
	"slices"

	"github.com/qmpkit/qmpkit/qapi"
)

// secret is a member whose value must not be in a log: String writes "***" in its place.
type secret struct {
	owner  string // the type or command that has the member
	member string
	reason string

	// versions are those of QEMU that have it: "..5.2" up to one, "10.2.." from one on in an owner
	// that is older; empty if it is in each that has the owner.
	versions string
}

// secrets are the members of QEMU's schemas whose values are secrets, or may be. Members that name
// a secret object (password-secret, key-secret) are not among them: an ID is not secret. Every
// member that has such a name and is not a secret is in the test's table notSecrets, with the
// reason.
//
// What is a secret by its name only, in arguments without a schema, is qmp.Redact's matter. It has
// to know the name of each member here: the same command may be sent as a qmp.Raw.
//
// A row is for the schemas that have its owner. It is an error when the owner has no such member
// (see checkSecrets), so that a renamed member is not shown unseen. It is an error of the tests when
// no version of QEMU has a use for the row.
var secrets = []secret{
	{"SetPasswordOptions", "password", "the VNC or SPICE password", ""},
	{"set_password", "password", "the VNC or SPICE password", "..5.2"},
	{"block_passwd", "password", "the password of an encrypted image", "..5.2"},
	{"change", "arg", "the VNC password, when target is password", "..5.2"},
	{"change-vnc-password", "password", "the VNC password", ""},
	{"SecretProperties", "data", "the secret of a secret object", ""},
	{"sev-inject-launch-secret", "secret", "a secret that only the guest must know", ""},
	{"BlockdevOptionsCurlHttp", "cookie", "a session's cookie is as good as a password", ""},
	{"BlockdevOptionsCurlHttps", "cookie", "a session's cookie is as good as a password", ""},
	{"MigrationExecCommand", "args", "programs are given passwords as arguments", ""},
	{"MigrateSetParameters", "cpr-exec-command", "programs are given passwords as arguments", "10.2.."},
	{"ringbuf-write", "data", "text typed at a console, which can be a password", ""},
	{"guest-set-user-password", "password", "a password of the guest", ""},
	{"guest-exec", "arg", "programs are given passwords as arguments: sh -c 'echo … | chpasswd'", ""},
	{"guest-exec", "input-data", "standard input is how programs are given passwords", ""},
	{"guest-exec", "env", "the environment is how programs are given passwords", ""},
	{"guest-file-write", "buf-b64", "keys and passwords are written to files", ""},
	{"guest-ssh-add-authorized-keys", "keys", "the options of a key have commands with their arguments", ""},
	{"guest-ssh-remove-authorized-keys", "keys", "the options of a key have commands with their arguments", ""},
}

// secretInText are the commands with an argument that may have a secret in the midst of what may be shown, or
// that may be one. [qmp.Redact] knows these arguments by their names, so the commands have String, too.
var secretInText = map[string]bool{
	"human-monitor-command": true, // command-line: "set_password vnc …"
	"migrate":               true, // uri: "exec:…"
	"migrate-incoming":      true,
	"migrate-recover":       true,
	"qom-set":               true, // value: of the property data of a secret object
}

// checkSecrets checks that each row names a member of its owner, if the schema has the owner. It ignores
// rows for some versions only.
func checkSecrets(schema *qapi.Schema) error {
	for _, s := range secrets {
		d := schema.Lookup(s.owner)
		if d == nil || s.versions != "" || hasMember(d, s.member) {
			continue
		}
		return fmt.Errorf("%s has no member %s, which internal/gogen/secrets.go hides from logs: was it renamed?",
			describe(d), s.member)
	}
	return nil
}

func hasMember(d qapi.Definition, name string) bool {
	if c, ok := d.(*qapi.Command); ok {
		if c.Arg == nil {
			return false
		}
		d = c.Arg
	}
	o, ok := d.(qapi.ObjectType)
	return ok && slices.ContainsFunc(o.AllMembers(), func(m *qapi.Member) bool { return m.Name == name })
}

// isSecret reports whether the table has a member of t. The owner of the member is the documented
// definition: t, or the command with the arguments t. A row for the base of a type also applies to the
// type.
func isSecret(t qapi.ObjectType, owner qapi.Definition, member string) bool {
	return slices.ContainsFunc(secrets, func(s secret) bool {
		return s.member == member && (s.owner == owner.Head().Name || inherits(t, s.owner))
	})
}

// inherits reports whether t has a base with that name.
func inherits(t qapi.ObjectType, name string) bool {
	var base *qapi.Struct
	switch t := t.(type) {
	case *qapi.Struct:
		base = t.Base
	case *qapi.Union:
		base = t.Base
	}
	return base != nil && (base.Name == name || inherits(base, name))
}
