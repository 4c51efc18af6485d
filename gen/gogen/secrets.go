package gogen

// secret is a member whose value must not be in a log: String writes "***" in its place.
type secret struct {
	owner  string // the type or command that has the member
	member string
	reason string
}

// secrets are the members of QEMU's schemas that carry a secret itself. Members that name
// a secret object (password-secret, key-secret) are not among them: an ID tells nothing.
var secrets = []secret{
	{"SetPasswordOptions", "password", "the VNC or SPICE password"},
	{"set_password", "password", "the VNC or SPICE password, before QEMU 7.0"},
	{"change-vnc-password", "password", "the VNC password"},
	{"SecretProperties", "data", "the secret of a secret object"},
	{"sev-inject-launch-secret", "secret", "what is to be known to the guest only"},
	{"BlockdevOptionsCurlHttp", "cookie", "a session's cookie is as good as a password"},
	{"BlockdevOptionsCurlHttps", "cookie", "a session's cookie is as good as a password"},
	{"guest-set-user-password", "password", "a password of the guest's"},
	{"guest-exec", "input-data", "standard input is how programs are given passwords"},
	{"guest-exec", "env", "the environment is how programs are given passwords"},
	{"guest-file-write", "buf-b64", "keys and passwords are written to files"},
}

func isSecret(owner, member string) bool {
	for _, s := range secrets {
		if s.owner == owner && s.member == member {
			return true
		}
	}
	return false
}
