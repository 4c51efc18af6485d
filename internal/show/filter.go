package show

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/itchyny/gojq"
)

// Filter runs a program of the language jq on a result, and returns its outputs as JSON. Whole numbers keep all their
// digits. A program can run forever: give ctx a deadline, or end it when the user interrupts.
//
// If the program has a mistake, the error says where. If the program fails, Filter also returns the outputs before.
func Filter(ctx context.Context, result []byte, program string) (outputs [][]byte, err error) {
	v, err := decode(result)
	if err != nil {
		return nil, fmt.Errorf("show: filter: result: %w", err)
	}
	code, err := compile(program)
	if err != nil {
		return nil, fmt.Errorf("show: filter %q: %w", program, err)
	}
	for iter := code.RunWithContext(ctx, v); ; {
		output, ok := iter.Next()
		if !ok {
			return outputs, nil
		}
		if err, ok := output.(error); ok {
			if halt, ok := errors.AsType[*gojq.HaltError](err); ok && halt.Value() == nil {
				return outputs, nil
			}
			return outputs, fmt.Errorf("show: filter %q: %w", program, err)
		}
		text, err := gojq.Marshal(output)
		if err != nil {
			return outputs, fmt.Errorf("show: filter %q: %w", program, err)
		}
		outputs = append(outputs, text)
	}
}

// compiled returns a program of this package, and compiles it once.
func compiled(program string) *gojq.Code {
	if code, ok := programs.Load(program); ok {
		return code.(*gojq.Code)
	}
	code, err := compile(program)
	if err != nil {
		panic(err) // TestUnits compiles all programs
	}
	programs.Store(program, code)
	return code
}

var programs sync.Map // from programs to *gojq.Code

// compile compiles a program. Programs cannot read files, modules or the environment.
func compile(program string) (*gojq.Code, error) {
	parsed, err := gojq.Parse(program)
	if mistake, ok := errors.AsType[*gojq.ParseError](err); ok {
		return nil, fmt.Errorf("byte %d: %w", max(mistake.Offset-len(mistake.Token), 0)+1, err)
	}
	if err != nil {
		return nil, err
	}
	return gojq.Compile(parsed)
}
