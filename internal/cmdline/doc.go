// Package cmdline reads QMP commands as people type them, by the schema of the server.
//
//	language := &cmdline.Language{Schema: schema, Facts: facts.QEMU(), Values: values}
//	command, err := language.Parse(ctx, "blockdev-add driver=qcow2 node-name=data file.driver=file file.filename=/srv/data.qcow2")
//	…
//	result, err := command.Raw().Do(ctx, client)
//
// Parse finds mistakes before anything is sent, at their places. Complete offers what can stand at the cursor, and
// Help explains a command, an event, a member or a type.
//
// # Lines
//
// A line is the name of a command and its arguments:
//
//	block_resize node-name=data size=10G
//	blockdev-add driver=qcow2 node-name=data file.driver=file file.filename='/srv/my data.qcow2'
//	blockdev-add driver=qcow2 node-name=data file={driver: file, filename: /srv/data.qcow2}
//	block-dirty-bitmap-merge node=data target=all bitmaps=monday,tuesday
//	transaction actions=[{type: abort, data: {}}]
//	blockdev-add {"driver": "null-co", "node-name": "n"}
//	{"execute": "query-status"}
//
// A dot leads into an object, or to an element of a list (bitmaps.0=monday). In braces and brackets, commas separate
// and a dot has no meaning. They take JSON, in which quotes can be left out, and an equals sign can stand for a
// colon. Objects that are given in parts are joined: file={driver: file} file.filename=x. The discriminator of a union
// can follow the members of its branch.
//
// # Values
//
// The type in the schema decides how text without quotes is read:
//
//	string      the text itself; quote it if it has blanks or begins with a bracket or a quote
//	integer     decimal or hexadecimal (0x10); if it counts bytes, with a unit of 1024: 64K, 1.5G, 10GiB
//	boolean     on, off, true or false
//	enum        one of its values
//	list        elements with commas between them, or in brackets
//	alternate   what fits first: null, a boolean, a number, a string. Text in quotes is always a string
//	any         as QEMU lists the type of the property; else true, false, null and numbers as in JSON, and
//	            strings
//
// Double quotes have the escapes of JSON, single quotes have none. Outside of quotes, a backslash takes the special
// meaning from the next character. At the end of a line it joins the next line.
//
// # Places without a schema
//
// The schema does not have the properties of devices (device_add) and objects (qom-set, and object-add up to QEMU 5.2).
// Their names and types come from Values. The property addr of device_add is always a string: QEMU takes the string
// "5" for slot 5 and, from 9.2 on, the number 5 for function 5 of slot 0.
package cmdline
