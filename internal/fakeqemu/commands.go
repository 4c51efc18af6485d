package fakeqemu

import (
	"encoding/json"
	"errors"
	"os"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmptest"
)

// arguments has the arguments of all commands.
type arguments struct {
	ID         string          `json:"id"`
	NodeName   string          `json:"node-name"`
	QueryNodes bool            `json:"query-nodes"`
	Driver     string          `json:"driver"`
	Drive      string          `json:"drive"`
	Filename   string          `json:"filename"`
	ReadOnly   bool            `json:"read-only"`
	File       json.RawMessage `json:"file"`
	FdsetID    *int64          `json:"fdset-id"`
	Opaque     string          `json:"opaque"`
	Path       string          `json:"path"`
	Property   string          `json:"property"`
	Fdname     string          `json:"fdname"`
	Netdev     string          `json:"netdev"`
	Name       string          `json:"name"`
	Chardev    string          `json:"chardev"`
	Fd         any             `json:"fd"` // a name, or a number
	Vhostfd    string          `json:"vhostfd"`
	Fds        string          `json:"fds"`
	Vhostfds   string          `json:"vhostfds"`
	QOMType    string          `json:"qom-type"`
	Memdev     string          `json:"memdev"`
	RNG        string          `json:"rng"`
	CryptoDev  string          `json:"cryptodev"`
	IOThread   string          `json:"iothread"`
	IOMMUFD    string          `json:"iommufd"`
	HostDevice string          `json:"hostdevice"`
	Backend    chardevBackend  `json:"backend"`
	SocketID   *int64          `json:"socket-id"`
	CoreID     *int64          `json:"core-id"`
	ThreadID   *int64          `json:"thread-id"`
	Slot       *int64          `json:"slot"`
	Size       uint64          `json:"size"`
	Requested  uint64          `json:"requested-size"`
	Value      json.RawMessage `json:"value"`
	Bus        string          `json:"bus"`
	Addr       string          `json:"addr"`
	Implements string          `json:"implements"`

	Multifunction bool `json:"multifunction"`

	files []*os.File
	all   any // as they came
}

func decode(r *qmptest.Request) (*arguments, error) {
	args := &arguments{files: r.Files}
	if len(r.Arguments) == 0 {
		return args, nil
	}
	return args, errors.Join(json.Unmarshal(r.Arguments, args), json.Unmarshal(r.Arguments, &args.all))
}

func (m *Machine) queryStatus(*arguments) (any, error) {
	return qemu.StatusInfo{Running: true, Status: qemu.RunStateRunning}, nil
}

func (m *Machine) queryTarget(*arguments) (any, error) {
	return map[string]any{"arch": m.target}, nil
}

func (m *Machine) queryPCI(*arguments) (any, error) {
	return []qemu.PCIInfo{{Devices: []qemu.PCIDeviceInfo{}}}, nil
}

func (m *Machine) querySlots(*arguments) (any, error) {
	if m.target != qemu.SysEmuTargetX86_64 {
		return nil, generic("command is not supported, missing ACPI device")
	}
	return []qemu.ACPIOSTInfo{{Slot: "0", SlotType: qemu.ACPISlotTypeDIMM}}, nil
}

// qomListTypes has every type.
func (m *Machine) qomListTypes(args *arguments) (any, error) {
	return []qemu.ObjectTypeInfo{{Name: args.Implements}}, nil
}

func (m *Machine) queryVersion(*arguments) (any, error) {
	triple := qemu.VersionTriple{Major: int64(version.Major), Minor: int64(version.Minor), Micro: int64(version.Micro)}
	return qemu.VersionInfo{QEMU: triple, Package: version.Package}, nil
}
