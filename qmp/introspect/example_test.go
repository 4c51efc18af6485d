package introspect_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// An answer to query-qmp-schema, of a server that has one command.
const answer = `[
	{ "name": "eject", "meta-type": "command", "arg-type": "0", "ret-type": "1" },
	{ "name": "0", "meta-type": "object", "members": [
		{ "name": "device", "type": "str", "default": null, "features": [ "deprecated" ] },
		{ "name": "force", "type": "bool", "default": null } ] },
	{ "name": "1", "meta-type": "object", "members": [] },
	{ "name": "str", "meta-type": "builtin", "json-type": "string" },
	{ "name": "bool", "meta-type": "builtin", "json-type": "boolean" }
]`

// Ask a server's schema for paths.
func ExampleSchema_Has() {
	s, err := introspect.Read([]byte(answer))
	if err != nil {
		log.Fatal(err)
	}
	for _, path := range []string{
		"eject",
		"eject/arg-type/*force",
		"eject/arg-type/device/$$deprecated",
		"eject/arg-type/id",
		"eject//force",
	} {
		switch has, err := s.Has(path); {
		case errors.Is(err, introspect.ErrQuery):
			fmt.Println(path, "is malformed")
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(path, has)
		}
	}
	// Output:
	// eject true
	// eject/arg-type/*force true
	// eject/arg-type/device/$$deprecated true
	// eject/arg-type/id false
	// eject//force is malformed
}

// Walk the commands of an answer, and the members of their arguments.
func ExampleSchema_Lookup() {
	s, err := introspect.Read([]byte(answer))
	if err != nil {
		log.Fatal(err)
	}
	for cmd := range s.Commands() {
		arguments := s.Lookup(cmd.ArgType).(*introspect.Object)
		for _, m := range arguments.Members {
			fmt.Println(cmd.Name, m.Name, s.Lookup(m.Type).Head().Name, m.Optional)
		}
	}
	// Output:
	// eject device str true
	// eject force bool true
}
