package wire

// GeneratedV1 exists as long as this package serves code that was generated for version 1 of
// the runtime. Generated files hold `const _ = wire.GeneratedV1`, so that code which is too old
// or too new for the package does not compile, instead of misbehaving.
const GeneratedV1 = true

// MaxDepth is the deepest nesting of arrays and objects that is read or written. It is QEMU's
// own limit (MAX_NESTING in qobject/json-streamer.c).
const MaxDepth = 1024
