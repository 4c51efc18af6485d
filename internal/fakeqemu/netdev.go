package fakeqemu

import (
	"os"
	"strings"
)

func (m *Machine) getfd(args *arguments) (any, error) {
	if len(args.files) == 0 {
		return nil, generic("No file descriptor supplied via SCM_RIGHTS")
	}
	if old := m.named[args.Fdname]; old != nil {
		_ = old.Close()
	}
	m.named[args.Fdname] = args.files[0]
	return nil, nil
}

func (m *Machine) closefd(args *arguments) (any, error) {
	file := m.named[args.Fdname]
	if file == nil {
		return nil, generic("File descriptor named '%s' not found", args.Fdname)
	}
	delete(m.named, args.Fdname)
	_ = file.Close()
	return nil, nil
}

// netdevAdd takes the named descriptors, all of them or none.
func (m *Machine) netdevAdd(args *arguments) (any, error) {
	if _, ok := m.netdevs[args.ID]; ok {
		return nil, generic("Duplicate ID '%s' for netdev", args.ID)
	}
	var names []string
	for _, list := range []string{args.Fds, args.Vhostfds} {
		if list != "" {
			names = append(names, strings.Split(list, ":")...)
		}
	}
	var files []*os.File
	for _, name := range names {
		file := m.named[name]
		if file == nil {
			return nil, generic("File descriptor named '%s' has not been found", name)
		}
		files = append(files, file)
	}
	for _, name := range names {
		delete(m.named, name)
	}
	m.netdevs[args.ID] = files
	return nil, nil
}

func (m *Machine) netdevDel(args *arguments) (any, error) {
	files, ok := m.netdevs[args.ID]
	if !ok {
		return nil, deviceNotFound(args.ID)
	}
	for _, file := range files {
		_ = file.Close()
	}
	delete(m.netdevs, args.ID)
	return nil, nil
}
