package unmask_test

import (
	"fmt"
	"testing/fstest"

	"github.com/qmpkit/qmpkit/internal/unmask"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// A server of a newer version has a new member. Its types get the names of the older source. The
// type of the new member gets a name from the member.
func Example() {
	live, err := introspect.Read([]byte(`[
		{"name": "query-disk", "meta-type": "command", "arg-type": "0", "ret-type": "1"},
		{"name": "0", "meta-type": "object", "members": []},
		{"name": "1", "meta-type": "object", "members": [
			{"name": "size", "type": "int"},
			{"name": "cache", "type": "2", "default": null}]},
		{"name": "2", "meta-type": "enum", "members": [{"name": "on"}, {"name": "off"}]},
		{"name": "int", "meta-type": "builtin", "json-type": "int"}]`))
	if err != nil {
		fmt.Println(err)
		return
	}
	names, err := qapi.LoadFS(fstest.MapFS{"disk.json": {Data: []byte(`
		{ 'command': 'query-disk', 'returns': 'DiskInfo' }
		{ 'struct': 'DiskInfo', 'data': { 'size': 'uint64' } }`)}}, "disk.json", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := unmask.Unmask(live, names)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d of %d\n%s", s.Recovered(), len(s.Types), s.Files[s.Main])
	// Output:
	// 1 of 2
	// { 'pragma': { 'doc-required': false } }
	//
	// { 'command': 'query-disk',
	//   'returns': 'DiskInfo' }
	//
	// { 'struct': 'DiskInfo',
	//   'data': { 'size': 'uint64', '*cache': 'DiskInfoCache' } }
	//
	// { 'enum': 'DiskInfoCache',
	//   'data': [ 'on', 'off' ] }
}
