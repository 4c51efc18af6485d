package storage_test

import (
	"testing"

	"github.com/qmpkit/qmpkit/internal/schematest"
	"github.com/qmpkit/qmpkit/qmp/generated/storage"
)

// FuzzDecoders gives any text to the decoders of all results and events.
func FuzzDecoders(f *testing.F) { schematest.Fuzz(f, decoders(f)) }

// TestMemory decodes texts that are made to cost much.
func TestMemory(t *testing.T) { schematest.Memory(t, decoders(t)) }

func decoders(tb testing.TB) schematest.Decoders {
	return schematest.Decoders{
		Schema:      schematest.Committed(tb, "storage"),
		Requests:    allRequests,
		DecodeEvent: storage.DecodeEvent,
	}
}

// allRequests has the request of each command: reflection does not list a package's types. A
// command of the schema that is missing here fails the tests above.
var allRequests = []any{
	storage.BlockCommit{}, storage.BlockDirtyBitmapAdd{}, storage.BlockDirtyBitmapClear{},
	storage.BlockDirtyBitmapDisable{}, storage.BlockDirtyBitmapEnable{}, storage.BlockDirtyBitmapMerge{},
	storage.BlockDirtyBitmapRemove{}, storage.BlockExportAdd{}, storage.BlockExportDel{}, storage.BlockJobCancel{},
	storage.BlockJobChange{}, storage.BlockJobComplete{}, storage.BlockJobDismiss{}, storage.BlockJobFinalize{},
	storage.BlockJobPause{}, storage.BlockJobResume{}, storage.BlockJobSetSpeed{}, storage.BlockResize{},
	storage.BlockSetWriteThreshold{}, storage.BlockStream{}, storage.BlockdevAdd{}, storage.BlockdevBackup{},
	storage.BlockdevCreate{}, storage.BlockdevDel{}, storage.BlockdevMirror{}, storage.BlockdevReopen{},
	storage.BlockdevSetActive{}, storage.BlockdevSnapshot{}, storage.BlockdevSnapshotDeleteInternalSync{},
	storage.BlockdevSnapshotInternalSync{}, storage.BlockdevSnapshotSync{}, storage.ChangeBackingFile{},
	storage.ChardevAdd{}, storage.ChardevChange{}, storage.ChardevRemove{}, storage.ChardevSendBreak{},
	storage.DriveBackup{}, storage.DriveMirror{}, storage.JobCancel{}, storage.JobComplete{}, storage.JobDismiss{},
	storage.JobFinalize{}, storage.JobPause{}, storage.JobResume{}, storage.NBDServerAdd{}, storage.NBDServerRemove{},
	storage.NBDServerStart{}, storage.NBDServerStop{}, storage.ObjectAdd{}, storage.ObjectDel{},
	storage.QMPCapabilities{}, storage.QOMGet{}, storage.QOMList{}, storage.QOMListGet{}, storage.QOMListProperties{},
	storage.QOMListTypes{}, storage.QOMSet{}, storage.QueryBlock{}, storage.QueryBlockExports{},
	storage.QueryBlockJobs{}, storage.QueryBlockStats{}, storage.QueryChardev{}, storage.QueryChardevBackends{},
	storage.QueryCommands{}, storage.QueryJobs{}, storage.QueryNamedBlockNodes{}, storage.QueryQMPSchema{},
	storage.QueryVersion{}, storage.Quit{}, storage.RingbufRead{}, storage.RingbufWrite{}, storage.Transaction{},
	storage.XBlockdevAmend{}, storage.XBlockdevChange{}, storage.XBlockdevSetIOThread{},
	storage.XDebugBlockDirtyBitmapSHA256{}, storage.XDebugQueryBlockGraph{},
}
