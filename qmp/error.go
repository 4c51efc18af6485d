package qmp

import (
	"cmp"
	"errors"
)

// An Error is a server's answer that it refused a command or failed to execute it.
//
// Find its class with errors.Is, at any depth of wrapping:
//
//	if errors.Is(err, qmp.ErrDeviceNotFound) { … }
type Error struct {
	Command string     // the command that it answers
	Class   ErrorClass // usually ErrGeneric
	Desc    string     // for people: the texts differ from version to version
}

// Error returns the command, the description, and the class unless that is [ErrGeneric]. If there is no
// description it returns the class. QEMU's descriptions can contain filenames, so Error hides secrets in
// them like [Redact].
func (e *Error) Error() string {
	s := "qmp: "
	if e.Command != "" {
		s += e.Command + ": "
	}
	switch {
	case e.Desc == "":
		return s + "the server sent only the class " + string(cmp.Or(e.Class, ErrGeneric))
	case e.Class != ErrGeneric && e.Class != "":
		return s + redactText(e.Desc) + " (" + string(e.Class) + ")"
	}
	return s + redactText(e.Desc)
}

// Unwrap returns the class.
func (e *Error) Unwrap() error { return e.Class }

// An ErrorClass is the class of an [Error], as the protocol names it. It is an error, so that
// errors.Is finds it. Newer servers may have further classes.
type ErrorClass string

// The classes that QEMU has (QapiErrorClass in qapi/error.json).
const (
	ErrGeneric         ErrorClass = "GenericError"
	ErrCommandNotFound ErrorClass = "CommandNotFound" // also matches errors.ErrUnsupported
	ErrDeviceNotActive ErrorClass = "DeviceNotActive"
	ErrDeviceNotFound  ErrorClass = "DeviceNotFound"
	ErrKVMMissingCap   ErrorClass = "KVMMissingCap"
)

// Error returns the name of the class.
func (c ErrorClass) Error() string { return "qmp: " + string(c) }

// Is lets [ErrCommandNotFound] match [errors.ErrUnsupported].
func (c ErrorClass) Is(target error) bool {
	return c == ErrCommandNotFound && target == errors.ErrUnsupported
}
