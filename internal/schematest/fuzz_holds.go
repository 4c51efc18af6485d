package schematest

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/qmpkit/qmpkit/qmp"
)

// holds decodes any text and checks these conditions:
//
//   - what is decoded depends on nothing but the text, and keeps nothing of its buffer;
//   - an error is a *qmp.DecodeError with a place in the text;
//   - what is not JSON is an error;
//   - a text that says the same gives the same value (see rewrites).
func (x decoding) holds(text []byte) error {
	got, err := x.used(text)
	again, errAgain := x.decode(copied(text))
	if d := differ(got, again); d != "" || !reflect.DeepEqual(err, errAgain) {
		return fmt.Errorf("decoded again, it is not the same: %s: %v, %v", d, err, errAgain)
	}
	if err != nil {
		return x.placed(err, text)
	}
	if !jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true)) {
		return errors.New("text that is not JSON was decoded")
	}
	want := settled(got)
	for _, r := range rewrites(text, isUntyped(x.typ)) {
		got, err := x.decode(r.text)
		if err != nil {
			return fmt.Errorf("%s: %w: %q", r.name, err, r.text)
		}
		if d := differ(settled(got), want); d != "" {
			return fmt.Errorf("%s: %s: %q", r.name, d, r.text)
		}
	}
	return nil
}

// used decodes a text from a buffer that is used for something else afterwards.
func (x decoding) used(text []byte) (reflect.Value, error) {
	buffer := copied(text)
	v, err := x.decode(buffer)
	if string(buffer) != string(text) {
		return v, fmt.Errorf("the text was changed to %q", buffer)
	}
	for i := range buffer {
		buffer[i] = 0xAA
	}
	return v, err
}

// copied is a copy that is not nil, since an event without data has nil.
func copied(text []byte) []byte { return append([]byte{}, text...) }

// placed checks that an error has the place of the fault in the text, and the command or event.
func (x decoding) placed(err error, text []byte) error {
	var e *qmp.DecodeError
	if !errors.As(err, &e) || e.Command != x.name || e.Reason == "" || e.Offset < 0 || e.Offset > len(text) {
		return fmt.Errorf("the error has no place in the text: %#v", err)
	}
	return nil
}

// differ is diff for results that may not be there.
func differ(got, want reflect.Value) string {
	if got.IsValid() != want.IsValid() {
		return "there is a value one time only"
	}
	if !got.IsValid() {
		return ""
	}
	return diff(got, want)
}
