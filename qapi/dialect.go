package qapi

import "github.com/qmpkit/qmpkit/internal/syntax"

// Dialect is the language as one version of QEMU reads it. Dialects differ in the schemas that
// they refuse and in the order of the diagnostics. If two dialects accept a schema, they read it
// in the same way.
type Dialect = syntax.Dialect

// The dialects. A version between two of them reads the language of the older one, and perhaps a
// part of the changes up to the newer one.
const (
	DialectAny = syntax.DialectAny // the notations of all these versions; the default
	QEMU5_2    = syntax.QEMU5_2    // exactly the language of QEMU 5.2
	QEMU7_2    = syntax.QEMU7_2    // exactly the language of QEMU 7.2
	QEMU10_0   = syntax.QEMU10_0   // exactly the language of QEMU 10.0
	QEMU10_2   = syntax.QEMU10_2   // exactly the language of QEMU 10.2
)

// Dialects returns all dialects, [DialectAny] first, then by version.
func Dialects() []Dialect { return syntax.Dialects() }

// ParseDialect returns the dialect with a name: "any", "5.2", "7.2", "10.0" or "10.2".
func ParseDialect(name string) (d Dialect, ok bool) { return syntax.ParseDialect(name) }

// rules are the differences between the dialects, without those in the notation. The zero value
// of each is the rule of most of them.
type rules struct {
	pragmas []string // keys of a pragma directive

	cConditions    bool // 'if' is a C expression or a list of them
	noConditions   bool // 'if' does not take the form of QEMU 6.1 and newer
	anyCExpression bool // it need not be one that is understood

	simpleUnions      bool // a union needs no discriminator
	noValueFeatures   bool // values of enums have no features
	noArrayAlternates bool // an alternate does not take arrays
	noUnionBranches   bool // a branch of a union is not a union
	boxConditions     bool // arguments of which some are conditional must be boxed
	noUnstable        bool // the feature unstable has no meaning

	// Which error is reported first if there are several and one of them makes QEMU's parser
	// crash.
	argumentsLast   bool // commands and events do not look at the type of their arguments
	structNamesData bool // a struct may have a name in place of its members, until it is defined
	wrapOnce        bool // the wrapper of a simple union's branch is compared with an earlier one

	maxFeatures int // how many names of features a schema may have, 0: any number

	names nameRules
	docs  docRules
}

// nameRules says which names are refused for how they are written.
type nameRules int

const (
	namesTolerant nameRules = iota // definitions by their kind, others without upper case
	namesClassic                   // definitions in any way, others without upper case
	namesStrict                    // definitions by their kind, others without upper case and _
)

// docRules are the rules by which a documentation comment must agree with the definition.
type docRules struct {
	complete bool // members must be described, and Returns is only of a command with a result
	classic  bool // problems are reported with the definition's, and where its comment begins
}

// rulesOf holds the rules of each dialect.
var rulesOf = [...]rules{
	DialectAny: {
		pragmas: []string{docRequired, returnsWhitelist, nameCaseWhitelist, commandNameExceptions,
			commandReturnsExceptions, documentationExceptions, memberNameExceptions, serverNames},
		cConditions: true, simpleUnions: true,
	},
	QEMU5_2: {
		pragmas:     []string{docRequired, returnsWhitelist, nameCaseWhitelist},
		cConditions: true, noConditions: true, anyCExpression: true,
		simpleUnions: true, noValueFeatures: true, noArrayAlternates: true, noUnionBranches: true,
		noUnstable:    true,
		argumentsLast: true, structNamesData: true, wrapOnce: true,
		names: namesClassic,
		docs:  docRules{classic: true},
	},
	QEMU7_2: {
		pragmas:         []string{docRequired, commandNameExceptions, commandReturnsExceptions, memberNameExceptions},
		noUnionBranches: true,
		argumentsLast:   true, structNamesData: true,
		names: namesStrict,
		docs:  docRules{classic: true},
	},
	QEMU10_0: rulesOf10,
	QEMU10_2: rulesOf10, // what is new in it concerns the text of comments
}

// rulesOf10 are those of QEMU 10.
var rulesOf10 = rules{
	pragmas: []string{docRequired, commandNameExceptions, commandReturnsExceptions,
		documentationExceptions, memberNameExceptions},
	boxConditions: true, maxFeatures: 64,
	names: namesStrict,
	docs:  docRules{complete: true},
}
