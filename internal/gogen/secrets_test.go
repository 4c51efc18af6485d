package gogen

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// notSecrets are members with the name of a secret that the table of secrets leaves out, by owner and
// member or by member alone, with the reason.
var notSecrets = map[string]string{
	"key-secret":            "the ID of a secret object",
	"password-secret":       "the ID of a secret object",
	"proxy-password-secret": "the ID of a secret object",
	"cookie-secret":         "the ID of a secret object",
	"new-secret":            "the ID of a secret object",
	"old-secret":            "the ID of a secret object",
	"keyid":                 "the ID of a secret object",
	"passwordid":            "the ID of a secret object",
	"keyslot":               "a number from 0 to 7",
	"tls-authz":             "the ID of an authorization object",
	"cert-subject":          "is in the certificate, which is public",
	"dh-cert-file":          "a filename",
	"host-data":             "is in the attestation report, which is public; qmp.Redact hides it, since it cannot know that",
	"id-auth":               "public keys and signatures",
	"opaque":                "a name that query-fdsets shows again",
	"rxcookie":              "goes over the network in each packet; a number, which qmp.Redact hides by its name",
	"txcookie":              "goes over the network in each packet; a number, which qmp.Redact hides by its name",
	"uri":                   "qmp.Redact hides what is secret in it: the command of exec:",
	"url":                   "qmp.Redact hides what is secret in it: the password, and the query",
	"command-line":          "qmp.Redact hides what is secret in it: all but the command",

	"BlockdevAmendOptionsLUKS secret":     "the ID of a secret object; qmp.Redact hides it, since it cannot know that",
	"QCryptoBlockAmendOptionsLUKS secret": "the ID of a secret object; qmp.Redact hides it, since it cannot know that",
	"qom-set value":                       "of any type; qmp.Redact hides strings",
	"IntWrapper data":                     "a key of the keyboard: a number, which qmp.Redact hides by its name",
	"InputMoveEvent value":                "a number: where the pointer is",
	"InputMultiTouchEvent value":          "a number: where the finger is",
	"balloon value":                       "a number: the size of the memory",
	"migrate-set-cache-size value":        "a number: the size of a cache",
	"migrate_set_downtime value":          "a number of seconds",
	"migrate_set_speed value":             "a number of bytes",
}

// secretWord is in the names of secrets, and in some others. It says more than qmp.Redact, so that
// somebody looks at what is new.
var secretWord = regexp.MustCompile(`(?i)passw|passphrase|pwd|secret|token|cookie|credential|private|auth|key|cert|b64|command|uri$|url$` +
	`|(^|[-_])(data|arg|args|env|value|pin|psk|nonce|input|cmd|exec|opaque|code)$`)

// version is the schemas of a QEMU.
type version struct {
	name    string
	schemas []*qapi.Schema
}

// versions are all that there are schemas of: the newest ones and those of old sources.
func versions(t *testing.T) []version {
	newest := version{name: ""}
	for _, main := range []string{schema.NewestQEMU, schema.NewestStorage, schema.NewestGuest} {
		s, err := qapi.LoadFS(schema.FS, main, nil)
		require.NoError(t, err)
		newest.schemas = append(newest.schemas, s)
	}
	all := []version{newest}
	for _, name := range qemutest.SourceVersions {
		v := version{name: name}
		for _, main := range []string{schema.QEMU, schema.Storage, schema.Guest} {
			s, err := qapi.Load(filepath.Join(qemutest.Source(t, name), main), nil)
			require.NoError(t, err)
			require.NoError(t, checkSecrets(s), "QEMU %s", name)
			v.schemas = append(v.schemas, s)
		}
		all = append(all, v)
	}
	return all
}

// sentMember is a member that a program sends.
type sentMember struct {
	typ    qapi.ObjectType
	owner  qapi.Definition
	member *qapi.Member
}

// sentMembers returns all of them.
func sentMembers(s *qapi.Schema) (all []sentMember) {
	add := func(t qapi.ObjectType, owner qapi.Definition) {
		for _, m := range t.AllMembers() {
			all = append(all, sentMember{t, owner, m})
		}
	}
	for _, c := range s.Commands() {
		if c.Arg != nil && c.Arg.Head().Implicit {
			add(c.Arg, c)
		}
	}
	sent := qapi.Reach{}
	for _, c := range s.Commands() {
		sent.Add(c.Arg)
	}
	for t := range sent {
		if o, ok := t.(qapi.ObjectType); ok && !o.Head().Implicit {
			add(o, o)
		}
	}
	return all
}

// isText reports whether a value of the type is a string or a number, any value, or an array of such.
func isText(t qapi.Type) bool {
	if a, ok := t.(*qapi.Array); ok {
		return isText(a.Element)
	}
	b, ok := t.(*qapi.Builtin)
	return ok && b.JSONKind() != qapi.KindBoolean && b.JSONKind() != qapi.KindNull
}

// hides reports whether qmp.Redact hides what a member with that name has.
func hides(member string) bool { return strings.Contains(qmp.Args{member: "x y"}.String(), "***") }

// TestEverySecretHasItsUse: each row hides a member that is sent, in today's QEMU or in the last
// version that the row is for, and there are no two of them.
func TestEverySecretHasItsUse(t *testing.T) {
	used := map[secret]map[string]bool{}
	for _, v := range versions(t) {
		for _, s := range v.schemas {
			for _, m := range sentMembers(s) {
				for _, row := range secrets {
					if row.owner == m.owner.Head().Name && row.member == m.member.Name {
						if used[row] == nil {
							used[row] = map[string]bool{}
						}
						used[row][v.name] = true
						require.True(t, isSecret(m.typ, m.owner, m.member.Name))
					}
				}
			}
		}
	}
	seen := map[[2]string]bool{}
	for _, row := range secrets {
		require.NotEmpty(t, row.reason)
		last, old := strings.CutPrefix(row.versions, "..")
		if !old {
			last = ""
		}
		require.True(t, used[row][last], "%s of %s hides nothing that is sent (in QEMU %q): remove the row", row.member, row.owner, last)
		require.Equal(t, old, !used[row][""], "%s of %s is in today's QEMU, or not", row.member, row.owner)
		require.True(t, hides(row.member), "qmp.Redact shows %s, which is a secret of %s", row.member, row.owner)
		key := [2]string{row.owner, row.member}
		require.False(t, seen[key], "%s of %s has two rows", row.member, row.owner)
		seen[key] = true
	}
}

// TestEverySecretIsFound: each member of all versions that has the name of a secret is in one of the
// two tables.
func TestEverySecretIsFound(t *testing.T) {
	used := map[string]bool{}
	for _, v := range versions(t) {
		for _, s := range v.schemas {
			for _, m := range sentMembers(s) {
				name := m.member.Name
				if !isText(m.member.Type) || !hides(name) && !secretWord.MatchString(name) {
					continue
				}
				full := m.owner.Head().Name + " " + name
				if _, ok := notSecrets[full]; !ok {
					full = name
				}
				reason, listed := notSecrets[full]
				used[full] = true
				secret := isSecret(m.typ, m.owner, name)
				switch {
				case secret && listed:
					t.Errorf("%s of %s is in both tables", name, m.owner.Head().Name)
				case !secret && !listed:
					t.Errorf("%s of %s (QEMU %s) may be a secret: it needs a row in the table secrets, or in notSecrets with the reason",
						name, m.owner.Head().Name, v.name)
				case listed && reason == "":
					t.Errorf("%s has no reason", full)
				}
			}
		}
	}
	for full := range notSecrets {
		require.True(t, used[full], "nothing sent is called %s: remove the row", full)
	}
}

// TestSecretOfABase hides a secret in all types that have its base, whatever they are called.
func TestSecretOfABase(t *testing.T) {
	files := fstest.MapFS{"s.json": {Data: []byte(`
{ 'struct': 'SetPasswordOptions', 'data': { 'password': 'str' } }
{ 'struct': 'Middle', 'base': 'SetPasswordOptions', 'data': { 'middle': 'str' } }
{ 'struct': 'Most', 'base': 'Middle', 'data': { '*most': 'str' } }
{ 'struct': 'Other', 'data': { 'other': 'str' } }
{ 'enum': 'Kind', 'data': [ 'a' ] }
{ 'struct': 'Common', 'base': 'SetPasswordOptions', 'data': { 'kind': 'Kind' } }
{ 'union': 'Either', 'base': 'Common', 'discriminator': 'kind', 'data': { 'a': 'Other' } }
{ 'command': 'most', 'data': 'Most', 'boxed': true }
{ 'command': 'either', 'data': 'Either', 'boxed': true }
`)}}
	s, err := qapi.LoadFS(files, "s.json", nil)
	require.NoError(t, err)
	code, err := Generate(s, Options{Package: "p"})
	require.NoError(t, err)
	require.Equal(t, 5, strings.Count(string(code["s_gen.go"]), `.Secret(v.Password)`), "%s", code["s_gen.go"])
}
