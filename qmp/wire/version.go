package wire

// GeneratedV3 exists as long as this package supports code that was generated for version 3 of
// the runtime. Generated files contain `const _ = wire.GeneratedV3`, so that code which is too
// old or too new for this package does not compile. If the code is too new, the compiler says
//
//	undefined: wire.GeneratedV4
//
// If the code is too old, the compiler says that GeneratedV2, a variable of type RunGoGenerate,
// is not constant.
//
// If your module generates the code, with a tool line in its go.mod, run "go generate ./...": the
// generator and this package are of the same release. If the code comes from another module,
// update one of the two:
//
//	go get github.com/qmpkit/qmpkit@latest    # the code is too new
//	go get THE/OTHER/MODULE@latest            # the code is too old
const GeneratedV3 = true

// GeneratedV2 is no longer supported. Its code expects several calls of DecodeBranch, until the
// discriminator is known.
var GeneratedV2 RunGoGenerate

// RunGoGenerate is the type of a variable that replaces the constant of a version which is no
// longer supported. The compiler's message has the name of this type, which says what to do.
type RunGoGenerate struct{}

// MaxDepth is the deepest nesting of arrays and objects that can be read or written. QEMU has the
// same limit (MAX_NESTING in qobject/json-streamer.c).
const MaxDepth = 1024
