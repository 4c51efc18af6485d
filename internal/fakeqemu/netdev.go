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

// takeNamed takes a named descriptor, if there is one, for a device that then owns it.
func (m *Machine) takeNamed(name string) {
	if file := m.named[name]; file != nil {
		delete(m.named, name)
		_ = file.Close()
	}
}

// netdevAdd takes the named descriptors, all of them or none.
func (m *Machine) netdevAdd(args *arguments) (any, error) {
	if _, ok := m.netdevs[args.ID]; ok {
		return nil, generic("Duplicate ID '%s' for netdev", args.ID)
	}
	if user, ok := m.chardev[args.Chardev]; args.Chardev != "" && (!ok || user != "") {
		return nil, generic("chardev \"%s\" not found", args.Chardev)
	}
	fd, _ := args.Fd.(string)
	var names []string
	for _, list := range []string{fd, args.Fds, args.Vhostfd, args.Vhostfds} {
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
	if args.Chardev != "" {
		m.chardev[args.Chardev] = args.ID
	}
	return nil, nil
}

// netdevDel also removes the character device of the netdev.
func (m *Machine) netdevDel(args *arguments) (any, error) {
	files, ok := m.netdevs[args.ID]
	if !ok {
		return nil, deviceNotFound(args.ID)
	}
	for _, file := range files {
		_ = file.Close()
	}
	delete(m.netdevs, args.ID)
	for id, user := range m.chardev {
		if user == args.ID {
			delete(m.chardev, id)
		}
	}
	return nil, nil
}

// setLink checks that the netdev exists, and does not change its link.
func (m *Machine) setLink(args *arguments) (any, error) {
	if _, ok := m.netdevs[args.Name]; !ok {
		return nil, deviceNotFound(args.Name)
	}
	return nil, nil
}

func (m *Machine) chardevAdd(args *arguments) (any, error) {
	if _, ok := m.chardev[args.ID]; ok {
		return nil, generic("Chardev with id '%s' already exists", args.ID)
	}
	name := args.Backend.Data.Addr.Data.Str
	if name != "" && m.named[name] == nil {
		return nil, generic("File descriptor named '%s' has not been found", name)
	}
	m.takeNamed(name)
	m.chardev[args.ID] = ""
	return map[string]string{}, nil
}

func (m *Machine) chardevRemove(args *arguments) (any, error) {
	user, ok := m.chardev[args.ID]
	switch {
	case !ok:
		return nil, generic("Chardev '%s' not found", args.ID)
	case user != "":
		return nil, generic("Chardev '%s' is busy", args.ID)
	}
	delete(m.chardev, args.ID)
	return nil, nil
}
