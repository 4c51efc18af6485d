package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/qmpkit/qmpkit/internal/address"
	"github.com/qmpkit/qmpkit/qapi"
)

// mainName is the name of the main files in QEMU's tree.
const mainName = "qapi-schema.json"

// wantMain says what a schema's file is.
const wantMain = "give the main file of a schema, such as qapi/" + mainName + " of a QEMU tree"

// loadFile loads the schema with this main file. What is none gets an error that says what to give
// instead.
func loadFile(name string, opts *qapi.Options) (*qapi.Schema, error) {
	if server, ok := address.Of(name); ok {
		return nil, fmt.Errorf("%s: this is a server, not the file of a schema: qapigen capture %s saves its schema; %s", name, server, wantMain)
	}
	if err := notAFile(name); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	schema, err := qapi.Load(name, opts)
	if err != nil {
		if advice := schemaAdvice(name, err); advice != "" {
			err = errors.Join(err, fmt.Errorf("%s: %s", name, advice))
		}
		return nil, err
	}
	return schema, nil
}

// notAFile returns an error for a name that leads to no file.
func notAFile(name string) error {
	info, err := os.Stat(name)
	switch {
	case name == "":
		return errors.New("the name is empty: " + wantMain)
	case errors.Is(err, os.ErrNotExist):
		return advise(withoutPath(err), wantMain+`; a server's address begins with "unix:", "tcp:" or "vsock:"`)
	case err != nil:
		return withoutPath(err)
	case info.IsDir():
		return errors.New("this is a folder: " + mainsIn(name))
	}
	return nil
}

// mainsIn says which main files a folder has, or what is wanted.
func mainsIn(folder string) string {
	var mains []string
	for _, sub := range []string{"", "qapi", "qga", "storage-daemon/qapi"} {
		main := filepath.Join(folder, sub, mainName)
		if _, err := os.Stat(main); err == nil {
			mains = append(mains, main)
		}
	}
	if mains == nil {
		return wantMain
	}
	return "give a main file in it, " + strings.Join(mains, " or ")
}

// schemaAdvice says what to do about a file that is no schema; "" for one that is merely wrong.
func schemaAdvice(name string, err error) string {
	if _, ok := errors.AsType[qapi.Diagnostics](err); !ok {
		return ""
	}
	text, _ := os.ReadFile(name)
	main := filepath.Join(filepath.Dir(name), mainName)
	_, noMain := os.Stat(main)
	switch {
	case isAnswer(text):
		return "this is a server's answer, not a schema: " + wantMain
	case !strings.Contains("\n"+string(text), "\n{"):
		return "this does not look like a schema: " + wantMain
	case noMain == nil && filepath.Base(name) != mainName:
		return "this is a part of the schema whose main file is " + main + ": give that one"
	}
	return ""
}

// answerAdvice says what to do about a file that begins as an answer does, and is none.
func answerAdvice(text []byte) string {
	var reply struct {
		Error *struct{ Desc string }
		QMP   json.RawMessage
	}
	const again = "write it with qapigen capture, or keep the whole reply to query-qmp-schema"
	if json.Unmarshal(text, &reply) == nil {
		switch {
		case reply.Error != nil:
			return fmt.Sprintf("this is an error of a server (%s), not an answer: %s", reply.Error.Desc, again)
		case reply.QMP != nil:
			return "this is a server's greeting, not an answer: " + again
		}
	}
	return again
}

// advise adds to an error what to do, if there is something to say.
func advise(err error, advice string) error {
	if err == nil || advice == "" {
		return err
	}
	return fmt.Errorf("%w; %s", err, advice)
}

// notWritten says what to do about an error of a file that was to be written.
func notWritten(err error) error {
	_, path := errors.AsType[*os.PathError](err)
	_, link := errors.AsType[*os.LinkError](err)
	if !path && !link {
		return err
	}
	return advise(err, "give -out a folder or file that you may write to")
}
