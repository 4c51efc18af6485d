package wire_test

import (
	"fmt"
	"strings"
)

// Replies as QEMU prints them: a blank after each comma and colon, members in the order of a
// hash table, so that a discriminator often comes late.

const statusReply = `{"status": "running", "singlestep": false, "running": true}`

// blockReply is like query-block's with n disks.
func blockReply(n int) string {
	var disks []string
	for i := range n {
		disks = append(disks, fmt.Sprintf(`{"io-status": "ok", "device": "", "locked": false, "removable": false, `+
			`"inserted": {"iops_rd": 0, "detect_zeroes": "off", "image": {"virtual-size": 10737418240, `+
			`"filename": "/srv/images/data%[1]d.qcow2", "cluster-size": 65536, "format": "qcow2", `+
			`"actual-size": 200704, "format-specific": {"type": "qcow2", "data": {"compat": "1.1", `+
			`"compression-type": "zlib", "lazy-refcounts": false, "refcount-bits": 16, "corrupt": false, `+
			`"extended-l2": false}}, "dirty-flag": false}, "iops_wr": 0, "ro": false, "node-name": "data%[1]d", `+
			`"backing_file_depth": 0, "drv": "qcow2", "iops": 0, "bps_wr": 0, "write_threshold": 0, `+
			`"encrypted": false, "bps": 0, "bps_rd": 0, "cache": {"no-flush": false, "direct": true, `+
			`"writeback": true}, "file": "/srv/images/data%[1]d.qcow2"}, `+
			`"qdev": "/machine/peripheral/disk%[1]d/virtio-backend", "type": "unknown"}`, i))
	}
	return "[" + strings.Join(disks, ", ") + "]"
}

// typesReply is like qom-list-types' with n types; 440 make 34 KB.
func typesReply(n int) string {
	var types []string
	for i := range n {
		abstract := ""
		if i%8 == 0 {
			abstract = `"abstract": true, `
		}
		types = append(types, fmt.Sprintf(`{"name": "device-type-%d-x86_64", %s"parent": "pci-device-%d"}`,
			i*7919, abstract, i%40))
	}
	return "[" + strings.Join(types, ", ") + "]"
}

// schemaReply is like query-qmp-schema's with 4n definitions; n = 270 makes 200 KB.
func schemaReply(n int) string {
	var infos []string
	for i := range n {
		infos = append(infos,
			fmt.Sprintf(`{"name": "query-something-%d", "ret-type": "%d", "meta-type": "command", "arg-type": "0"}`, i, i),
			fmt.Sprintf(`{"name": "%d", "members": [{"name": "node-name", "type": "str"}, `+
				`{"name": "size", "default": null, "type": "int"}, {"name": "read-only", "default": null, "type": "bool"}, `+
				`{"name": "x-perf", "default": null, "type": "%d", "features": ["unstable"]}], "meta-type": "object"}`, i, i+1),
			fmt.Sprintf(`{"name": "[%d]", "element-type": "%d", "meta-type": "array"}`, i, i),
			fmt.Sprintf(`{"name": "%d", "meta-type": "enum", "members": [{"name": "absolute-paths"}, {"name": "existing"}, `+
				`{"name": "keep"}], "values": ["absolute-paths", "existing", "keep", "discard-data", "another-%d"]}`, i+5000, i))
	}
	return "[" + strings.Join(infos, ", ") + "]"
}
