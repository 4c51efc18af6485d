package cmdline

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// texts are members, by their names, whose strings are text that no server can list, or names that are new.
var texts = strings.Fields(`
	addr address alias arg args bootfile br cert-subject cid command-line component-id config description serial connect connected cookie
	cper cpr-exec-command data devname dh-cert-file dhcpstart device display dns dns-forward dns-host domainname dst
	dstport export fd fdname fds format fqdn gateway group guest-visible-workarounds hash height host host-data hostname
	hwversion id-auth id-block id-list identity if ifname image initiator-name interface ip ipv6-dns ipv6-host
	ipv6-prefix iv label listen localaddr log mac macaddr map-guest-addr map-host-loopback match mcast mnonce model
	mrconfigid mrowner mrownerconfig name names namespace net netmask opaque outbound outbound-if4 outbound-if6
	packet-header password path pool port portal position priority protocol proxy-username secret server service
	smbserver snapshot sock src srcport status str tag target tftp-server-name time tls-hostname toolsversion type udp
	uri url user username vhostfd vhostfds volume width x-dirty-bitmap x-origin y-origin
`)

// TestKindTable: each row is about a member of a known schema, and each string member has a row or is text.
func TestKindTable(t *testing.T) {
	used := map[*kindRow]map[string]bool{}
	unknown := map[string]bool{}
	plain := map[string]bool{}
	for _, version := range versions {
		for _, kind := range []string{"qemu", "storage"} {
			l := languageOf(t, version, kind)
			for command := range l.Schema.Commands() {
				visit(l, place{command: command.Name}, command.ArgType, nil, func(p place) {
					row := rowOf(p.command, p.names)
					if row == nil {
						if !slices.Contains(texts, p.name()) {
							unknown[p.command+" "+p.key()] = true
						}
						plain[p.name()] = true
						return
					}
					if used[row] == nil {
						used[row] = map[string]bool{}
					}
					used[row][p.command] = true
					for m := range strings.FieldsSeq(row.members) {
						if strings.HasSuffix("."+strings.Join(p.names, "."), "."+m) {
							used[row][m] = true
						}
					}
				})
			}
		}
	}
	require.Empty(t, unknown)
	require.Empty(t, slices.DeleteFunc(slices.Clone(texts), func(name string) bool { return plain[name] }))
	var unused []string
	for i := range kindTable {
		row := &kindTable[i]
		if row.commands == "device_add" { // members that the schema does not have
			continue
		}
		for name := range strings.FieldsSeq(row.commands + " " + row.members) {
			if !used[row][name] {
				unused = append(unused, name+" in "+row.commands+": "+row.members)
			}
		}
		for kind := range strings.FieldsSeq(row.kinds) {
			name, _ := Kind(kind).Cut()
			require.Contains(t, kindWords, name)
		}
	}
	require.Empty(t, unused)
}

// visit calls found for each member, at any depth, that takes a string or has a row.
func visit(l *Language, p place, typ string, seen []string, found func(place)) {
	if slices.Contains(seen, typ) || len(p.names) > 5 {
		return
	}
	switch t := l.Schema.Lookup(typ).(type) {
	case *introspect.Object:
		for _, m := range t.Members {
			at := p.member(m.Name)
			visit(l, at, m.Type, append(slices.Clip(seen), typ), found)
		}
		for _, v := range t.Variants {
			at := p
			if p.command == "transaction" {
				if o := l.Schema.Lookup(v.Type).(*introspect.Object); o.Member("data") != nil {
					at = place{command: v.Case}
					visit(l, at, o.Member("data").Type, append(slices.Clip(seen), typ), found)
					continue
				}
			}
			visit(l, at, v.Type, append(slices.Clip(seen), typ), found)
		}
	case *introspect.Array:
		visit(l, p, t.ElementType, seen, found)
	case *introspect.Alternate:
		if l.isReference(t) {
			return
		}
		for _, typ := range t.Types {
			visit(l, p, typ, seen, found)
		}
	case *introspect.Builtin:
		if t.JSONType == "string" || len(p.names) > 0 && rowOf(p.command, p.names) != nil {
			found(p)
		}
	}
}
