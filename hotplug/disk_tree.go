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

// A nodeTree is a copy of the arguments of blockdev-add in which descriptors can replace files. It holds
// members instead of generated types, so that it finds the nodes of every driver, also of newer QEMUs: a
// node is an object with a driver.
type nodeTree struct {
	node   qemu.BlockdevOptions // if there is no copy because QEMU opens the files
	root   qmp.Args
	files  []*treeFile
	images []qmp.Args // the other nodes
	names  fileNames
	opened []qmpfd.Files // close closes them
}

// A treeFile is a node that opens a file or a block device.
type treeFile struct {
	node  qmp.Args
	path  string
	use   qmpfd.Use
	files qmpfd.Files // once they are open
	set   *qmpfd.Set  // of the files, once QEMU has them
}

// nodeOptions are the members of a node that nodeTree reads.
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

// readNode copies a node and the nodes below it. As in QEMU, the node inherits use.
func (t *nodeTree) readNode(text []byte, use qmpfd.Use) (qmp.Args, error) {
	var members map[string]json.RawMessage
	options := nodeOptions{Cache: qmp.Args{}}
	if err := errors.Join(json.Unmarshal(text, &members), json.Unmarshal(text, &options)); err != nil {
		return nil, err
	}
	use = options.use(use)
	node := qmp.Args{}
	for _, name := range slices.Sorted(maps.Keys(members)) { // the sets have this order
		inherited := use
		if name == "backing" { // is read-only even if its overlay is not
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
		// The set gets one descriptor, which fits these members. File.AutoReadOnly says why not two.
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

// readValue copies the value of a member, or an element of a list.
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

// use returns the use of a node that inherits a use from the node above it.
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

// options returns the arguments of blockdev-add for the disk.
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

// The name of a file can be any bytes, but JSON has only UTF-8. QEMU gets "/dev/fdset/N" instead of the name, so the copy
// of a tree can have a placeholder for each name that is not UTF-8.

// fileNames are the names that have placeholders.
type fileNames []string

// placeholderMark begins a placeholder. The name of a file cannot have this byte.
const placeholderMark = "\x00"

var errFileName = errors.New("a file that QEMU opens itself has a name that is not UTF-8")

// hide returns a placeholder for a name, or the name if it needs none.
func (n *fileNames) hide(name string) string {
	if utf8.ValidString(name) && !strings.HasPrefix(name, placeholderMark) {
		return name
	}
	*n = append(*n, name)
	return placeholderMark + strconv.Itoa(len(*n)-1)
}

// show returns the name for a placeholder, or the argument if it is not one.
func (n fileNames) show(name string) string {
	if number, ok := strings.CutPrefix(name, placeholderMark); ok {
		if i, err := strconv.Atoi(number); err == nil && 0 <= i && i < len(n) {
			return n[i]
		}
	}
	return name
}

// hideAll copies a tree with placeholders. The copy shares the other values with the tree.
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
