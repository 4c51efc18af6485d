package wire_test

import "github.com/qmpkit/qmpkit/qmp/wire"

// The types below look like generated ones. They serve the tests and the benchmarks; the tags
// are for encoding/json, with which the benchmarks compare.

// list reads an array with the function that reads one element.
func list[T any](d *wire.Decoder, element func(*T)) []T {
	values := []T{}
	for ok := d.Array(); ok; ok = d.More() {
		values = append(values, *new(T))
		element(&values[len(values)-1])
	}
	return values
}

// status is like StatusInfo.
type status struct {
	Running bool   `json:"running"`
	Status  string `json:"status"`
}

func (v *status) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "running":
		v.Running = d.Bool()
		return 1
	case "status":
		v.Status = d.Enum()
		return 2
	}
	return 0
}

// blockInfo is like BlockInfo.
type blockInfo struct {
	Device    string    `json:"device"`
	Qdev      *string   `json:"qdev"`
	Type      string    `json:"type"`
	Removable bool      `json:"removable"`
	Locked    bool      `json:"locked"`
	Inserted  *inserted `json:"inserted"`
	IOStatus  *string   `json:"io-status"`
}

func (v *blockInfo) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "device":
		v.Device = d.String()
		return 1
	case "qdev":
		d.OptString(&v.Qdev)
		return 2
	case "type":
		v.Type = d.String()
		return 3
	case "removable":
		v.Removable = d.Bool()
		return 4
	case "locked":
		v.Locked = d.Bool()
		return 5
	case "inserted":
		v.Inserted = new(inserted)
		d.Object(v.Inserted)
		return 6
	case "io-status":
		v.IOStatus = d.OptEnum()
		return 7
	}
	return 0
}

// inserted is like BlockDeviceInfo.
type inserted struct {
	File             string  `json:"file"`
	NodeName         *string `json:"node-name"`
	RO               bool    `json:"ro"`
	Drv              string  `json:"drv"`
	BackingFileDepth int64   `json:"backing_file_depth"`
	Encrypted        bool    `json:"encrypted"`
	DetectZeroes     string  `json:"detect_zeroes"`
	Bps              int64   `json:"bps"`
	BpsRd            int64   `json:"bps_rd"`
	BpsWr            int64   `json:"bps_wr"`
	Iops             int64   `json:"iops"`
	IopsRd           int64   `json:"iops_rd"`
	IopsWr           int64   `json:"iops_wr"`
	Image            image   `json:"image"`
	WriteThreshold   uint64  `json:"write_threshold"`
}

func (v *inserted) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "file":
		v.File = d.String()
		return 1
	case "node-name":
		d.OptString(&v.NodeName)
		return 2
	case "ro":
		v.RO = d.Bool()
		return 3
	case "drv":
		v.Drv = d.String()
		return 4
	case "backing_file_depth":
		v.BackingFileDepth = d.Int64()
		return 5
	case "encrypted":
		v.Encrypted = d.Bool()
		return 6
	case "detect_zeroes":
		v.DetectZeroes = d.Enum()
		return 7
	case "bps":
		v.Bps = d.Int64()
		return 8
	case "bps_rd":
		v.BpsRd = d.Int64()
		return 9
	case "bps_wr":
		v.BpsWr = d.Int64()
		return 10
	case "iops":
		v.Iops = d.Int64()
		return 11
	case "iops_rd":
		v.IopsRd = d.Int64()
		return 12
	case "iops_wr":
		v.IopsWr = d.Int64()
		return 13
	case "image":
		d.Object(&v.Image)
		return 14
	case "write_threshold":
		v.WriteThreshold = d.Uint64()
		return 15
	}
	return 0
}

// image is like ImageInfo.
type image struct {
	Filename    string `json:"filename"`
	Format      string `json:"format"`
	ActualSize  *int64 `json:"actual-size"`
	VirtualSize int64  `json:"virtual-size"`
	DirtyFlag   *bool  `json:"dirty-flag"`
}

func (v *image) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "filename":
		v.Filename = d.String()
		return 1
	case "format":
		v.Format = d.String()
		return 2
	case "actual-size":
		d.OptInt64(&v.ActualSize)
		return 3
	case "virtual-size":
		v.VirtualSize = d.Int64()
		return 4
	case "dirty-flag":
		d.OptBool(&v.DirtyFlag)
		return 5
	}
	return 0
}

// typeInfo is like ObjectTypeInfo.
type typeInfo struct {
	Name     string  `json:"name"`
	Abstract *bool   `json:"abstract"`
	Parent   *string `json:"parent"`
}

func (v *typeInfo) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "name":
		v.Name = d.String()
		return 1
	case "abstract":
		d.OptBool(&v.Abstract)
		return 2
	case "parent":
		d.OptString(&v.Parent)
		return 3
	}
	return 0
}

// schemaInfo is like SchemaInfo, a union with some of its branches.
type schemaInfo struct {
	Name     string   `json:"name"`
	MetaType string   `json:"meta-type"`
	Features []string `json:"features"`
	Branch   wire.MemberDecoder
}

func (v *schemaInfo) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "name":
		v.Name = d.String()
		return 1
	case "meta-type":
		v.MetaType = d.Enum()
		return 2
	case "features":
		v.Features = list(d, func(s *string) { *s = d.String() })
		return 3
	}
	return 0
}

func (v *schemaInfo) Discriminator() (string, int) { return "meta-type", 2 }

func (v *schemaInfo) DecodeBranch() wire.MemberDecoder {
	switch v.MetaType {
	case "":
		v.Branch = new(rawBranch)
	case "object":
		v.Branch = new(schemaObject)
	case "enum":
		v.Branch = new(schemaEnum)
	case "command":
		v.Branch = new(schemaCommand)
	}
	return v.Branch
}

type schemaObject struct {
	Members []schemaMember `json:"members"`
}

func (v *schemaObject) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "members":
		v.Members = list(d, func(m *schemaMember) { d.Object(m) })
		return 1
	}
	return 0
}

type schemaMember struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Default []byte `json:"-"`
}

func (v *schemaMember) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "name":
		v.Name = d.String()
		return 1
	case "type":
		v.Type = d.String()
		return 2
	case "default":
		v.Default = d.Raw()
		return 3
	}
	return 0
}

type schemaEnum struct {
	Values []string `json:"values"`
}

func (v *schemaEnum) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "values":
		v.Values = list(d, func(s *string) { *s = d.String() })
		return 1
	}
	return 0
}

type schemaCommand struct {
	ArgType string `json:"arg-type"`
	RetType string `json:"ret-type"`
}

func (v *schemaCommand) DecodeMember(d *wire.Decoder, name []byte) int {
	switch string(name) {
	case "arg-type":
		v.ArgType = d.String()
		return 1
	case "ret-type":
		v.RetType = d.String()
		return 2
	}
	return 0
}

// rawBranch is like RawBranch.
type rawBranch struct{ Members map[string]string }

func (b *rawBranch) DecodeMember(d *wire.Decoder, name []byte) int {
	if b.Members == nil {
		b.Members = map[string]string{}
	}
	b.Members[string(name)] = string(d.Raw())
	return wire.Unnumbered
}
