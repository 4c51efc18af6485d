package show

// A query says how to print a result as a table.
type query struct {
	rows    string // a jq program that returns the rows of the result
	columns []column
}

// A column is a column of a table: the title, and a jq program that returns the value of a row. The last name of the program
// decides the unit.
type column struct{ title, value string }

// beside are the columns that are shown beside another one, although they matter less than those between.
var beside = map[string]string{"used": "size", "mac": "name"}

// queries has the columns that matter, the important ones first: a narrow terminal loses the last ones. So
// what people look for comes first, and what only commands need comes later: the file of a disk before its node.
var queries = map[string]query{
	// Storage.
	"query-block": {`.[]`, []column{
		{"device", device},
		{"size", `.inserted.image."virtual-size"`},
		{"file", file + `.inserted.file | file`},
		{"used", `.inserted.image."actual-size"`},
		{"node", `.inserted."node-name"`},
		{"driver", `.inserted.drv`},
		{"ro", `.inserted.ro`},
		{"status", `."io-status"`},
		{"tray", `if .removable then (if .tray_open then "open" else "closed" end) else null end`},
		{"bitmaps", `[(.inserted."dirty-bitmaps" // ."dirty-bitmaps" // [])[].name // empty] | join(", ")`},
		{"qdev", `.qdev`},
	}},
	"query-named-block-nodes": {`.[]`, []column{
		{"node", `."node-name"`},
		{"size", `.image."virtual-size"`},
		{"file", file + `.file | file`},
		{"driver", `.drv`},
		{"used", `.image."actual-size"`},
		{"ro", `.ro`},
		{"backing", file + `.backing_file // empty | file`},
		{"bitmaps", `[(."dirty-bitmaps" // [])[].name // empty] | join(", ")`},
	}},
	"query-blockstats": {`.[]`, []column{
		{"device", device},
		{"node", `."node-name"`},
		{"read", `.stats.rd_bytes`},
		{"written", `.stats.wr_bytes`},
		{"reads", `.stats.rd_operations`},
		{"writes", `.stats.wr_operations`},
		{"flushes", `.stats.flush_operations`},
		{"read time", `.stats.rd_total_time_ns`},
		{"write time", `.stats.wr_total_time_ns`},
		{"failed", `.stats | .failed_rd_operations + .failed_wr_operations + .failed_flush_operations`},
		{"idle", `.stats.idle_time_ns`},
	}},
	"query-jobs": {`.[]`, []column{
		{"id", `.id`},
		{"type", `.type`},
		{"status", `.status`},
		{"done", percentOf("current-progress", "total-progress")},
		{"current", progress("current-progress")},
		{"total", progress("total-progress")},
		{"error", `.error`},
	}},
	"query-block-jobs": {`.[]`, []column{
		{"device", `.device`},
		{"type", `.type`},
		{"status", `.status`},
		{"done", percentOf("offset", "len")},
		{"offset", `.offset`},
		{"len", `.len`},
		{"speed", `if .speed == 0 then "unlimited" else null end // .speed`},
		{"ready", `.ready`},
		{"paused", `.paused`},
		{"io", `."io-status"`},
		{"error", `.error`},
	}},
	"query-block-exports": {`.[]`, []column{
		{"id", `.id`}, {"type", `.type`}, {"node", `."node-name"`}, {"shutting down", `."shutting-down"`},
	}},
	"query-fdsets": {`.[] | . as $set | (.fds[] | . + {"fdset-id": $set."fdset-id"}), (select(.fds == []) | {"fdset-id"})`, []column{
		{"set", `."fdset-id"`}, {"fd", `.fd`}, {"opaque", `.opaque`},
	}},
	"x-debug-query-block-graph": {`(.nodes | map({(.id | tostring): .name}) | add) as $names
		| .edges[] | {parent: $names[.parent | tostring], name, child: $names[.child | tostring], perm, shared: ."shared-perm"}`, []column{
		{"parent", `.parent`}, {"child", `.child`}, {"edge", `.name`}, {"permissions", `.perm | sort`}, {"shared", `.shared | sort`},
	}},

	// Devices.
	"query-pci": {`.[].devices[] | recurse(.pci_bridge.devices[]?)`, []column{
		{"address", pciAddress},
		{"id", `.qdev_id`},
		{"class", `.class_info | .desc // .class`},
		{"vendor:device", hex + `(.id.vendor | hex(4)) + ":" + (.id.device | hex(4))`},
		{"irq", `.irq`},
		{"buses", `.pci_bridge.bus | if . then "\(.secondary)-\(.subordinate)" else null end`},
		{"memory", `{size: [.regions[].size] | add} | .size`},
	}},
	"query-chardev": {`.[]`, []column{
		{"label", `.label`}, {"backend", `.filename`}, {"open", `."frontend-open"`},
	}},
	"query-rx-filter": {`.[]`, []column{
		{"nic", `.name`}, {"mac", `."main-mac"`}, {"promiscuous", `.promiscuous`}, {"broadcast", `."broadcast-allowed"`},
		{"unicast", `.unicast`}, {"multicast", `.multicast`}, {"vlan", `.vlan`}, {"vlans", `."vlan-table"`},
		{"unicast table", `."unicast-table"`}, {"multicast table", `."multicast-table"`},
	}},
	"query-iothreads": {`.[]`, []column{
		{"id", `.id`}, {"thread", `."thread-id"`}, {"poll max", `."poll-max-ns"`}, {"poll grow", `."poll-grow"`},
		{"poll shrink", `."poll-shrink"`}, {"batch", `."aio-max-batch"`},
	}},
	"query-vnc-servers": {`.[]`, []column{
		{"id", `.id`}, {"auth", `.auth`}, {"servers", `.server | map("\(.host):\(.service)")`}, {"clients", `.clients | map("\(.host):\(.service)")`},
		{"display", `.display`},
	}},
	"query-acpi-ospm-status": {`.[]`, []column{
		{"device", `.device`}, {"slot type", `."slot-type"`}, {"slot", `.slot`}, {"source", `.source`}, {"status", `.status`},
	}},
	"query-tpm":  {`.[]`, []column{{"id", `.id`}, {"model", `.model`}, {"type", `.options.type`}, {"options", `.options.data`}}},
	"query-yank": {`.[]`, []column{{"type", `.type`}, {"name", `.id // ."node-name"`}}},

	// Processors and memory.
	"query-cpus-fast": {`.[]`, []column{
		{"cpu", `."cpu-index"`}, {"thread id", `."thread-id"`}, {"node", `.props."node-id"`}, {"socket", `.props."socket-id"`}, {"die", `.props."die-id"`},
		{"cluster", `.props."cluster-id"`}, {"core", `.props."core-id"`}, {"thread", `.props."thread-id"`}, {"qom path", `."qom-path"`},
		{"target", `.target`},
	}},
	"query-hotpluggable-cpus": {`.[]`, []column{
		{"state", `if ."qom-path" then "plugged" else "free" end`}, {"node", `.props."node-id"`}, {"socket", `.props."socket-id"`},
		{"die", `.props."die-id"`}, {"cluster", `.props."cluster-id"`}, {"core", `.props."core-id"`}, {"thread", `.props."thread-id"`},
		{"cpus", `."vcpus-count"`}, {"type", `.type`},
		{"qom path", `."qom-path"`},
	}},
	"query-cpu-definitions": {byName, []column{
		{"name", `.name`}, {"migration safe", `."migration-safe"`}, {"static", `.static`}, {"deprecated", `.deprecated`}, {"alias of", `."alias-of"`},
		{"unavailable features", `."unavailable-features"`}, {"type", `.typename`},
	}},
	"query-memory-devices": {`.[]`, []column{
		{"id", `.data.id`}, {"type", `.type`}, {"size", `.data.size`}, {"requested", `.data."requested-size"`}, {"max", `.data."max-size"`},
		{"address", `.data | .memaddr // .addr`}, {"slot", `.data.slot`}, {"node", `.data.node`}, {"backend", `.data.memdev`},
		{"hotplugged", `.data.hotplugged`},
	}},
	"query-memdev": {`.[]`, []column{
		{"id", `.id`}, {"size", `.size`}, {"share", `.share`}, {"prealloc", `.prealloc`}, {"policy", `.policy`}, {"host nodes", `."host-nodes"`},
		{"merge", `.merge`}, {"dump", `.dump`}, {"reserve", `.reserve`},
	}},
	"query-vcpu-dirty-limit": {`.[]`, []column{
		{"cpu", `."cpu-index"`}, {"limit", `."limit-rate"`}, {"now", `."current-rate"`},
	}},
	"query-stats": {`.[] | . as $r | .stats[] | . + {object: $r."qom-path", provider: $r.provider}`, []column{
		{"name", `.name`}, {"value", `.value`}, {"object", `.object`}, {"provider", `.provider`},
	}},
	"query-stats-schemas": {`.[] | . as $s | .stats[] | . + {provider: $s.provider, target: $s.target}`, []column{
		{"target", `.target`}, {"provider", `.provider`}, {"name", `.name`}, {"type", `.type`}, {"unit", `.unit`}, {"base", `.base`},
		{"exponent", `.exponent`},
	}},

	// The machine and the monitor.
	"query-machines": {byName, []column{
		{"name", `.name`}, {"alias", `.alias`}, {"default", `."is-default" // ""`}, {"cpus", `."cpu-max"`}, {"deprecated", `.deprecated`},
		{"cpu", `."default-cpu-type"`}, {"ram", `."default-ram-id"`},
	}},
	"query-migrate-capabilities": {`sort_by(.capability)[]`, []column{{"capability", `.capability`}, {"on", `.state`}}},
	"query-command-line-options": {`sort_by(.option)[] | . as $o | .parameters | sort_by(.name)[] | {option: $o.option} + .`, []column{
		{"option", `.option`}, {"parameter", `.name`}, {"type", `.type`}, {"default", `.default`}, {"help", `.help`},
	}},
	"query-mice":             {`.[]`, []column{{"index", `.index`}, {"name", `.name`}, {"current", `.current`}, {"absolute", `.absolute`}}},
	"query-commands":         {byName, []column{{"name", `.name`}}},
	"device-list-properties": {byName, properties},
	"qom-list-properties":    {byName, properties},
	"qom-list":               {byName, properties},
	"qom-list-types":         {byName, []column{{"name", `.name`}, {"parent", `.parent`}, {"abstract", `.abstract // ""`}}},

	// The guest agent.
	"guest-get-fsinfo": {`.[]`, []column{
		{"mount point", `.mountpoint`}, {"size", `."total-bytes"`}, {"used", `."used-bytes"`}, {"type", `.type`}, {"device", `.name`},
		{"disks", `[.disk[]? | .dev // .serial // empty]`},
	}},
	"guest-network-get-interfaces": {`.[]`, []column{
		{"name", `.name`}, {"addresses", `[(."ip-addresses" // [])[] | "\(."ip-address")/\(.prefix)"]`}, {"mac", `."hardware-address"`},
		{"received", `.statistics."rx-bytes"`}, {"sent", `.statistics."tx-bytes"`},
	}},
	"guest-get-users": {`.[]`, []column{{"user", `.user`}, {"domain", `.domain`}, {"login", `."login-time"`}}},
	"guest-get-vcpus": {`.[]`, []column{{"cpu", `."logical-id"`}, {"online", `.online`}, {"can offline", `."can-offline"`}}},
	"guest-get-disks": {`.[]`, []column{
		{"name", `.name`}, {"alias", `.alias`}, {"partition", `.partition`}, {"bus", `.address."bus-type"`}, {"serial", `.address.serial`},
		{"dependencies", `.dependencies`},
	}},
}

// properties are the columns of lists of properties.
var properties = []column{{"name", `.name`}, {"type", `.type`}, {"default", `."default-value"`}, {"description", `.description`}}

// device is the name by which people know a disk: that of -drive, or the ID of its device.
const device = `if (.device // "") != "" then .device else (.qdev // "" | split("/") | map(select(. != "virtio-backend" and . != "")) | last) end`

// file finds the name of the file in a "json:" name, which QEMU makes for nodes above others.
const file = `def file: if type == "string" and startswith("json:")
	then (.[5:] | fromjson | until(.filename or (.file | type) != "object"; .file) | .filename) // . else . end; `

// byName sorts a list that QEMU sends in the order of a hash table: "pc-9.2" comes before "pc-10.0".
const byName = `sort_by(.name | [scan("[0-9]+|[^0-9]+")] | map(tonumber? // .))[]`

// pciAddress is the address of a device of query-pci: "00:1f.2".
const pciAddress = hex + `"\(.bus | hex(2)):\(.slot | hex(2)).\(.function)"`

// hex prints a number with a number of hexadecimal digits.
const hex = `def hex($digits): if $digits == 0 then "" else (. / 16 | floor | hex($digits - 1)) + "0123456789abcdef"[. % 16:. % 16 + 1] end; `

// percentOf returns a program for the part of a job that is done.
func percentOf(done, total string) string {
	return `if ."` + total + `" > 0 then "\(100 * ."` + done + `" / ."` + total + `" | floor) %" else null end`
}

// progress returns a program for the progress of a job. It is in bytes, except that of a blockdev-create.
func progress(member string) string {
	return `if .type == "create" then "\(."` + member + `")" else null end // ."` + member + `"`
}
