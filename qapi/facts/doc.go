// Package facts tells since which QEMU release a command, an event, a member, a value, a branch or a
// feature is there, since when it is deprecated, and in which release it went.
//
//	fact, err := facts.QEMU().Fact("blockdev-add/arg-type/+file/aio/^io_uring")
//	…
//	fact.Since.Release // "5.0"
//	fact.In("4.2")     // false
//	fact.If            // "CONFIG_LINUX_IO_URING"
//
// Paths have the grammar of package introspect's queries. A fact is one of a path: a type may be much
// older than a command that takes it.
//
// # Where facts come from
//
// A [Table] has what the schemas of several versions have, and which versions their documentation names.
// No prose is in it. The committed ones are made of the sources of QEMU 5.2, 7.2, 10.0 and 10.2 and of
// what the servers of 11.1 answer; make facts writes them, make update adds a version. A date has its source.
//
// # How a date is concluded
//
// Schemas bound each date: what an older schema lacks is younger than it, what a schema has is not younger.
// Within these bounds the first of these counts:
//   - the version in the documentation of the part, of the oldest source first;
//   - of a feature the date of what has it, of a branch that of the discriminator's value, or that of
//     the first new branch type if the struct became a union;
//   - the later of the dates of its owner and of its type, of those that came in the same bounds;
//   - the release in which the language got such a feature;
//   - the bounds: the date is not exact then, and Date.After and Date.By are these. The release is the upper
//     one, and the one after the lower one if documentation names a version that is older than the bounds
//     allow.
//
// A type did not come before the first command, event or member that uses it, unless known.txt says so or the type is
// older than all schemas. Where a member changed its type, the old type ends with the release of the new one. A branch
// is deprecated with the value that selects it.
//
// A mandatory member without a version is as old as what uses its type. A type that is new in its place,
// for instance under a new name, does not make younger what the old one had: a member has both between the two
// schemas that show the change. An answer that lacks something with a condition says nothing about it.
//
// The file known.txt has what no schema says, with a reason each: removals from QEMU's list of removed features
// (between two schemas, these are exact in no other way), deprecations, and the few things that QEMU had
// before 5.2 and no more in it. All dates agree with the schemas of the releases from 4.2 to 10.2; older ones are
// as documentation has them.
package facts
