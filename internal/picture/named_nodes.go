package picture

import (
	"context"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// readNodes asks for all nodes, if the version of the server can answer: older ones end. No query
// tells the two apart. Package job has what was measured.
func (s *storage) readNodes(ctx context.Context, conn qmp.Conn) error {
	if greeted, ok := conn.(interface{ Version() qmp.Version }); ok {
		s.version = greeted.Version()
	} else {
		info, err := qemu.QueryVersion{}.Do(ctx, conn)
		if err != nil {
			return err
		}
		s.version = qmp.Version{Major: int(info.QEMU.Major), Minor: int(info.QEMU.Minor)}
	}
	if s.version.Compare(qmp.Version{Major: 11, Minor: 1}) < 0 {
		return nil
	}
	all, err := qemu.QueryNamedBlockNodes{Flat: new(true)}.Do(ctx, conn)
	if err != nil {
		return err
	}
	s.known = map[string]*qemu.BlockDeviceInfo{}
	for i := range all {
		s.known[qmp.Value(all[i].NodeName)] = &all[i]
	}
	return nil
}
