package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/qmpkit/qmpkit/qmp"
)

// The keyval form of an option is "first,name=value,…". QEMU has three parsers for it, which differ in lists and nested
// members.

// escape doubles the commas of a value.
func escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }

// A form is how a parser takes lists and nested members.
type form int

const (
	flat     form = iota // neither (QemuOpts)
	repeated             // a list is a repeated name: host-nodes=0,host-nodes=1
	dotted               // smp.cpus=2, cpus.0=a
)

// keyval returns the option with these members. The value of the member first comes first, without its name.
func keyval(first string, members qmp.Args, form form) (string, error) {
	var words []string
	if first != "" {
		words = append(words, escape(fmt.Sprint(members[first])))
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if name == first {
			continue
		}
		var err error
		if words, err = appendKeyval(words, name, members[name], form); err != nil {
			return "", err
		}
	}
	return strings.Join(words, ","), nil
}

func appendKeyval(words []string, name string, value any, form form) (_ []string, err error) {
	switch value := value.(type) {
	case string:
		words = append(words, name+"="+escape(value))
	case bool:
		text := "off"
		if value {
			text = "on"
		}
		words = append(words, name+"="+text)
	case int, uint64, float64, qmp.RawJSON: // RawJSON is a number that float64 would change
		words = append(words, fmt.Sprintf("%s=%s", name, numberText(value)))
	case []any:
		for i, element := range value {
			switch form {
			case flat:
				err = because(errors.ErrUnsupported, name+" is a list: this QEMU takes none here")
			case repeated:
				words, err = appendKeyval(words, name, element, flat)
			case dotted:
				words, err = appendKeyval(words, name+"."+strconv.Itoa(i), element, dotted)
			}
			if err != nil {
				return nil, err
			}
		}
	case qmp.Args:
		if form != dotted {
			return nil, because(errors.ErrUnsupported, name+" has members: this QEMU takes none here")
		}
		for _, member := range slices.Sorted(maps.Keys(value)) {
			if words, err = appendKeyval(words, name+"."+member, value[member], dotted); err != nil {
				return nil, err
			}
		}
	default:
		return nil, fmt.Errorf("%s is null: the option has no word for it", name)
	}
	return words, nil
}

func numberText(value any) string {
	if raw, ok := value.(qmp.RawJSON); ok {
		return string(raw)
	}
	return fmt.Sprint(value)
}

// textOf returns the JSON of a value.
func textOf(value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return text, nil
}

// membersOf returns the members of a value, with the types of values that [qmp.Args] has after decoding.
func membersOf(value any) (qmp.Args, error) {
	text, err := textOf(value)
	if err != nil {
		return nil, err
	}
	var members qmp.Args
	return members, json.Unmarshal(text, &members)
}
