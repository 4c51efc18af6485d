package wire

// GeneratedV3 exists as long as this package serves code that was generated for version 3 of
// the runtime. Generated files hold `const _ = wire.GeneratedV3`, so that code which is too old
// or too new for the package does not compile, instead of misbehaving. The compiler says either
//
//	undefined: wire.GeneratedV4
//
// where the code is newer than this package, or, where a newer package no longer serves it, that
// [GeneratedV2], a variable of type [RunGoGenerate], is not constant.
//
// In a module that generates the code itself, with a tool line in its go.mod, the generator and
// this package are of one release: "go generate ./..." makes code that fits, whichever was newer.
// Where the code comes from another module, the newer releases of both fit:
//
//	go get github.com/qmpkit/qmpkit@latest    # the code is too new
//	go get THE/OTHER/MODULE@latest            # the code is too old
const GeneratedV3 = true

// GeneratedV2 is no longer served: DecodeBranch was asked again until the discriminator was known.
var GeneratedV2 RunGoGenerate

// RunGoGenerate is the type of a version's constant when the version is no longer served: it is
// then a variable, for the compiler's message to say what to do.
type RunGoGenerate struct{}

// MaxDepth is the deepest nesting of arrays and objects that is read or written. It is QEMU's
// own limit (MAX_NESTING in qobject/json-streamer.c).
const MaxDepth = 1024
