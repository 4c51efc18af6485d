package hotplug

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// A nodeTree is what blockdev-add takes for a disk, in a copy whose files can be replaced by sets
// of descriptors. It is made of members instead of the generated types, so that every driver's
// nodes are found, those of newer QEMUs too: a node is what has a driver.
type nodeTree struct {
	node   qemu.BlockdevOptions // without a copy: QEMU opens the files itself
	root   qmp.Args
	files  []*treeFile
	images []qmp.Args // the nodes that have something else below them
	names  fileNames
	opened []qmpfd.Files // to be closed
}

// A treeFile is a node that opens a file or a block device.
type treeFile struct {
	node  qmp.Args
	path  string
	use   qmpfd.Use
	files qmpfd.Files // once they are open
	set   *qmpfd.Set  // of the files, once QEMU has them
}

// nodeOptions are the members of a node that matter here.
type nodeOptions struct {
	Driver       qemu.BlockdevDriver `json:"driver"`
	Filename     string              `json:"filename"`
	ReadOnly     *bool               `json:"read-only"`
	AutoReadOnly *bool               `json:"auto-read-only"`
	Cache        qmp.Args            `json:"cache"`
}

// read copies a tree of nodes.
func (t *nodeTree) read(options *qemu.BlockdevOptions) error {
	text, err := t.names.hideAll(options).MarshalJSON()
	if err != nil {
		return err
	}
	t.root, err = t.readNode(text, qmpfd.Use{})
	return err
}

// readNode copies a node and those below it. use is what it inherits, as it does in QEMU.
func (t *nodeTree) readNode(text []byte, use qmpfd.Use) (qmp.Args, error) {
	var members map[string]json.RawMessage
	options := nodeOptions{Cache: qmp.Args{}}
	if err := errors.Join(json.Unmarshal(text, &members), json.Unmarshal(text, &options)); err != nil {
		return nil, err
	}
	use = options.use(use)
	node := qmp.Args{}
	for _, name := range slices.Sorted(maps.Keys(members)) { // which is the order of the sets
		inherited := use
		if name == "backing" { // is not written to, whoever writes to its overlay
			inherited.ReadOnly, inherited.AutoReadOnly = true, false
		}
		var err error
		if node[name], err = t.readValue(members[name], inherited); err != nil {
			return nil, err
		}
	}
	node["driver"] = options.Driver
	switch options.Driver {
	case qemu.BlockdevDriverFile, qemu.BlockdevDriverHostDevice, qemu.BlockdevDriverHostCDROM:
		// The set gets one descriptor, for just what is written down here. File.AutoReadOnly says why
		// not two.
		use.AutoReadOnly = false
		path := t.names.show(options.Filename)
		maps.Copy(node, qmp.Args{"filename": path, "read-only": use.ReadOnly, "auto-read-only": false})
		options.Cache["direct"] = use.Direct
		node["cache"] = options.Cache
		t.files = append(t.files, &treeFile{node: node, path: path, use: use})
	default:
		if t.names.show(options.Filename) != options.Filename {
			return nil, errFileName
		}
		t.images = append(t.images, node)
	}
	return node, nil
}

// readValue copies a member of a node, or an element of one.
func (t *nodeTree) readValue(text json.RawMessage, use qmpfd.Use) (any, error) {
	var list []json.RawMessage
	if json.Unmarshal(text, &list) == nil && list != nil {
		values := make([]any, len(list))
		for i := range list {
			var err error
			if values[i], err = t.readValue(list[i], use); err != nil {
				return nil, err
			}
		}
		return values, nil
	}
	var child struct {
		Driver string `json:"driver"`
	}
	if json.Unmarshal(text, &child) == nil && child.Driver != "" {
		return t.readNode(text, use)
	}
	return qmp.RawJSON(text), nil
}

// use is how a node is used that inherits a use from the node above it.
func (o *nodeOptions) use(inherited qmpfd.Use) qmpfd.Use {
	use := inherited
	if o.ReadOnly != nil {
		use.ReadOnly = *o.ReadOnly
	}
	if o.AutoReadOnly != nil {
		use.AutoReadOnly = *o.AutoReadOnly
	}
	if direct, ok := o.Cache["direct"].(bool); ok {
		use.Direct = direct
	}
	return use
}

// options is what blockdev-add takes for the disk.
func (t *nodeTree) options(id string) qemu.BlockdevOptions {
	if t.root == nil {
		node := t.node
		node.NodeName = new(id)
		return node
	}
	members := maps.Clone(t.root)
	driver := members["driver"].(qemu.BlockdevDriver)
	delete(members, "driver")
	delete(members, "node-name")
	return qemu.BlockdevOptions{Driver: driver, NodeName: new(id), Branch: &qemu.RawBranch{Members: members}}
}

// Names of files are bytes, and JSON has only UTF-8. Since QEMU is told "/dev/fdset/N" instead of a
// name, a tree of nodes is copied with placeholders for the names that are not UTF-8.

// fileNames are the names that have placeholders.
type fileNames []string

// placeholderMark begins a placeholder: no file's name has it.
const placeholderMark = "\x00"

var errFileName = errors.New("a file that QEMU opens itself has a name that is not UTF-8")

// hide returns the placeholder of a name, or the name if it needs none.
func (n *fileNames) hide(name string) string {
	if utf8.ValidString(name) && !strings.HasPrefix(name, placeholderMark) {
		return name
	}
	*n = append(*n, name)
	return placeholderMark + strconv.Itoa(len(*n)-1)
}

// show returns the name of a placeholder, or the name itself if it is none.
func (n fileNames) show(name string) string {
	if number, ok := strings.CutPrefix(name, placeholderMark); ok {
		if i, err := strconv.Atoi(number); err == nil && 0 <= i && i < len(n) {
			return n[i]
		}
	}
	return name
}

// hideAll copies a tree with placeholders. The copy shares with the tree what has no such name.
func (n *fileNames) hideAll(options *qemu.BlockdevOptions) *qemu.BlockdevOptions {
	return n.copyValue(reflect.ValueOf(options)).Interface().(*qemu.BlockdevOptions)
}

func (n *fileNames) copyValue(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return v
		}
		inner := n.copyValue(v.Elem())
		if v.Kind() == reflect.Interface {
			return inner
		}
		made := reflect.New(v.Type().Elem())
		made.Elem().Set(inner)
		return made
	case reflect.Struct:
		made := reflect.New(v.Type()).Elem()
		made.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				made.Field(i).Set(n.copyValue(v.Field(i)))
			}
		}
		if file, ok := made.Addr().Interface().(*qemu.BlockdevOptionsFile); ok {
			file.Filename = n.hide(file.Filename)
		}
		return made
	case reflect.Slice:
		if v.IsNil() || v.Type().Elem().Kind() == reflect.Uint8 {
			return v
		}
		made := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			made.Index(i).Set(n.copyValue(v.Index(i)))
		}
		return made
	case reflect.Map: // the members of a node whose driver is not among the generated types
		if v.IsNil() {
			return v
		}
		made := reflect.MakeMap(v.Type())
		for _, key := range v.MapKeys() {
			value := n.copyValue(v.MapIndex(key))
			if value.Kind() == reflect.String && key.String() == "filename" {
				value = reflect.ValueOf(n.hide(value.String())).Convert(value.Type())
			}
			made.SetMapIndex(key, value)
		}
		return made
	}
	return v
}
