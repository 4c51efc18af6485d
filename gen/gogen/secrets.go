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
	until  string // the last version of QEMU that has it; empty: today's has
}

// secrets are the members of QEMU's schemas that carry a secret itself. Members that name
// a secret object (password-secret, key-secret) are not among them: an ID tells nothing.
//
// A row is for the schemas that have its owner; it is an error when the owner has no such member
// (see checkSecrets), so that a member which is renamed is not shown unseen. That each row is
// for some schema is a test.
var secrets = []secret{
	{"SetPasswordOptions", "password", "the VNC or SPICE password", ""},
	{"set_password", "password", "the VNC or SPICE password", "6.2"},
	{"block_passwd", "password", "the password of an encrypted image", "5.2"},
	{"change-vnc-password", "password", "the VNC password", ""},
	{"SecretProperties", "data", "the secret of a secret object", ""},
	{"sev-inject-launch-secret", "secret", "what is to be known to the guest only", ""},
	{"BlockdevOptionsCurlHttp", "cookie", "a session's cookie is as good as a password", ""},
	{"BlockdevOptionsCurlHttps", "cookie", "a session's cookie is as good as a password", ""},
	{"guest-set-user-password", "password", "a password of the guest's", ""},
	{"guest-exec", "input-data", "standard input is how programs are given passwords", ""},
	{"guest-exec", "env", "the environment is how programs are given passwords", ""},
	{"guest-file-write", "buf-b64", "keys and passwords are written to files", ""},
}

// checkSecrets checks that each row whose owner the schema has names a member of it. A row of an
// old version is not asked for.
func checkSecrets(schema *qapi.Schema) error {
	for _, s := range secrets {
		d := schema.Lookup(s.owner)
		if d == nil || s.until != "" || hasMember(d, s.member) {
			continue
		}
		return fmt.Errorf("%s has no member %s, which gen/gogen/secrets.go hides from logs: has it another name?",
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

func isSecret(owner, member string) bool {
	for _, s := range secrets {
		if s.owner == owner && s.member == member {
			return true
		}
	}
	return false
}
