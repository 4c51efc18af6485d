package gogen

// SecretMembers returns the table of secrets as pairs of an owner and a member.
func SecretMembers() [][2]string {
	var all [][2]string
	for _, s := range secrets {
		all = append(all, [2]string{s.owner, s.member})
	}
	return all
}

// SecretInText returns the commands that may have a secret in a text.
func SecretInText() map[string]bool { return secretInText }

// UnsentValues returns the values of discriminators that servers did not send, by their unions.
func UnsentValues() map[string]string {
	all := map[string]string{}
	for _, row := range unsent {
		all[row.union] = row.value
	}
	return all
}
