// Package facts says which QEMU release added a command, an event, a member, a value, a branch or a feature, and which
// release deprecated or removed it.
//
//	fact, err := facts.QEMU().Fact("blockdev-add/arg-type/+file/aio/^io_uring")
//	…
//	fact.Since.Release // "5.0"
//	fact.In("4.2")     // false
//	fact.If            // "CONFIG_LINUX_IO_URING"
//
// Paths have the grammar of package introspect's queries. A fact belongs to a path, not to a type: a type may be much
// older than a command that takes it.
//
// # Where facts come from
//
// A [Table] records the definitions in the schemas of several versions, and the versions in their documentation. It has
// no prose. The committed tables come from the sources of QEMU 5.2, 7.2, 10.0 and 10.2 and from the answers of the
// servers of 11.1. "make facts" writes them, and "make update" adds a version. Each date names its source.
//
// # How a date is concluded
//
// Schemas bound each date: a thing is newer than every older schema that lacks it, and at least as old as the first
// schema that has it. Within these bounds, the first of these rules that gives a date decides:
//   - The documentation of the part names a version. The oldest source counts.
//   - A feature has the date of the thing that has it. A branch has the date of the discriminator's value or, if the
//     struct became a union, the date of the first new branch type.
//   - The owner or the type of the part was added within the same bounds. The later of these dates
//     counts.
//   - The schema language got features of this kind in a known release.
//   - The bounds themselves: the date is not exact, and Date.After and Date.By hold the bounds. The release is the upper
//     bound or, if documentation names a version before the bounds, the first release after the lower bound.
//
// A type is not older than the first command, event or member that uses it, unless known.txt gives an older date or the
// type is older than all schemas. If a member changed its type, its old type ends in the release of the new one. A
// branch is deprecated with the value that selects it.
//
// A mandatory member without a version is as old as the things that use its type. A new type can take the place of an
// old one, for example under a new name. Parts that both types have then keep their dates, as if they were parts of one
// type. If the answer of a server lacks a thing with a condition, no date follows from that.
//
// The file known.txt has facts that no schema shows, each with a reason: removals in QEMU's list of removed features,
// which give the exact release between two schemas; deprecations; and the few things that QEMU had before 5.2 and does
// not have in 5.2. All dates agree with the schemas of the releases from 4.2 to 10.2. Older dates come from documentation.
package facts
