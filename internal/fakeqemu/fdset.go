package fakeqemu

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

type descriptor struct {
	file   *os.File
	opaque string
}

func (m *Machine) addFd(args *arguments) (any, error) {
	if len(args.files) == 0 {
		return nil, generic("No file descriptor supplied via SCM_RIGHTS")
	}
	id := int64(0)
	for ; args.FdsetID == nil && m.sets[id] != nil; id++ {
	}
	if args.FdsetID != nil {
		id = *args.FdsetID
	}
	m.sets[id] = append(m.sets[id], descriptor{args.files[0], args.Opaque})
	return qemu.AddFDInfo{FDSetID: id, FD: int64(args.files[0].Fd())}, nil
}

func (m *Machine) removeFd(args *arguments) (any, error) {
	if args.FdsetID == nil || len(m.sets[*args.FdsetID]) == 0 {
		return nil, generic("no such set of descriptors")
	}
	if !m.stopped {
		m.dropSet(*args.FdsetID)
		if m.setIsOpen(*args.FdsetID) { // it is listed without descriptors
			m.sets[*args.FdsetID] = []descriptor{}
		}
	}
	return nil, nil
}

func (m *Machine) setIsOpen(id int64) bool {
	return slices.ContainsFunc(m.nodes, func(n node) bool { return slices.Contains(n.sets, id) })
}

func (m *Machine) queryFdsets(*arguments) (any, error) {
	sets := []qemu.FDSetInfo{}
	for _, id := range slices.Sorted(maps.Keys(m.sets)) {
		info := qemu.FDSetInfo{FDSetID: id}
		for _, d := range m.sets[id] {
			info.FDs = append(info.FDs, qemu.FDSetFDInfo{FD: int64(d.file.Fd()), Opaque: new(d.opaque)})
		}
		sets = append(sets, info)
	}
	return sets, nil
}

func (m *Machine) dropSet(id int64) {
	for _, d := range m.sets[id] {
		_ = d.file.Close() // the server closes it as well, when it ends
	}
	delete(m.sets, id)
}

// inSet takes the number out of a set's path.
func inSet(filename string) (id int64, ok bool) {
	number, ok := strings.CutPrefix(filename, "/dev/fdset/")
	if !ok {
		return 0, false
	}
	_, err := fmt.Sscan(number, &id)
	return id, err == nil
}
