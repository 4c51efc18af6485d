package guest_test

import (
	"testing"

	"github.com/qmpkit/qmpkit/internal/schematest"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
)

// FuzzDecoders gives any text to the decoders of all results.
func FuzzDecoders(f *testing.F) { schematest.Fuzz(f, decoders(f)) }

// TestMemory decodes texts that are made to cost much.
func TestMemory(t *testing.T) { schematest.Memory(t, decoders(t)) }

func decoders(tb testing.TB) schematest.Decoders {
	return schematest.Decoders{
		Schema:   schematest.Committed(tb, "guest"),
		Requests: allRequests,
	}
}

// allRequests has the request of each command: reflection does not list a package's types. A
// command of the schema that is missing here fails the tests above.
var allRequests = []any{
	guest.GuestExec{}, guest.GuestExecStatus{}, guest.GuestFileClose{}, guest.GuestFileFlush{},
	guest.GuestFileOpen{}, guest.GuestFileRead{}, guest.GuestFileSeek{}, guest.GuestFileWrite{},
	guest.GuestFsfreezeFreeze{}, guest.GuestFsfreezeFreezeList{}, guest.GuestFsfreezeStatus{},
	guest.GuestFsfreezeThaw{}, guest.GuestFstrim{}, guest.GuestGetCPUStats{}, guest.GuestGetDevices{},
	guest.GuestGetDisks{}, guest.GuestGetDiskStats{}, guest.GuestGetFSInfo{}, guest.GuestGetHostName{},
	guest.GuestGetLoad{}, guest.GuestGetMemoryBlockInfo{}, guest.GuestGetMemoryBlocks{}, guest.GuestGetOSInfo{},
	guest.GuestGetTime{}, guest.GuestGetTimezone{}, guest.GuestGetUsers{}, guest.GuestGetVCPUs{}, guest.GuestInfo{},
	guest.GuestNetworkGetInterfaces{}, guest.GuestNetworkGetRoute{}, guest.GuestPing{},
	guest.GuestSSHAddAuthorizedKeys{}, guest.GuestSSHGetAuthorizedKeys{}, guest.GuestSSHRemoveAuthorizedKeys{},
	guest.GuestSetMemoryBlocks{}, guest.GuestSetTime{}, guest.GuestSetUserPassword{}, guest.GuestSetVCPUs{},
	guest.GuestShutdown{}, guest.GuestSuspendDisk{}, guest.GuestSuspendHybrid{}, guest.GuestSuspendRAM{},
	guest.GuestSync{}, guest.GuestSyncDelimited{},
}
