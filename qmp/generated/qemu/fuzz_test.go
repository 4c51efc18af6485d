package qemu_test

import (
	"testing"

	"github.com/qmpkit/qmpkit/internal/schematest"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// FuzzDecoders gives any text to the decoders of all results and events.
func FuzzDecoders(f *testing.F) { schematest.Fuzz(f, decoders(f)) }

// TestMemory decodes texts that are made to cost much.
func TestMemory(t *testing.T) { schematest.Memory(t, decoders(t)) }

func decoders(tb testing.TB) schematest.Decoders {
	return schematest.Decoders{
		Schema:      schematest.Committed(tb, "qemu"),
		Requests:    allRequests,
		DecodeEvent: qemu.DecodeEvent,
	}
}

// allRequests has the request of each command: reflection does not list a package's types. A
// command of the schema that is missing here fails the tests above.
var allRequests = []any{
	qemu.AddClient{}, qemu.AddFD{}, qemu.AnnounceSelf{}, qemu.Balloon{}, qemu.BlockCommit{},
	qemu.BlockDirtyBitmapAdd{}, qemu.BlockDirtyBitmapClear{}, qemu.BlockDirtyBitmapDisable{},
	qemu.BlockDirtyBitmapEnable{}, qemu.BlockDirtyBitmapMerge{}, qemu.BlockDirtyBitmapRemove{}, qemu.BlockExportAdd{},
	qemu.BlockExportDel{}, qemu.BlockJobCancel{}, qemu.BlockJobChange{}, qemu.BlockJobComplete{},
	qemu.BlockJobDismiss{}, qemu.BlockJobFinalize{}, qemu.BlockJobPause{}, qemu.BlockJobResume{},
	qemu.BlockJobSetSpeed{}, qemu.BlockLatencyHistogramSet{}, qemu.BlockResize{}, qemu.BlockSetIOThrottle{},
	qemu.BlockSetWriteThreshold{}, qemu.BlockStream{}, qemu.BlockdevAdd{}, qemu.BlockdevBackup{},
	qemu.BlockdevChangeMedium{}, qemu.BlockdevCloseTray{}, qemu.BlockdevCreate{}, qemu.BlockdevDel{},
	qemu.BlockdevInsertMedium{}, qemu.BlockdevMirror{}, qemu.BlockdevOpenTray{}, qemu.BlockdevRemoveMedium{},
	qemu.BlockdevReopen{}, qemu.BlockdevSetActive{}, qemu.BlockdevSnapshot{},
	qemu.BlockdevSnapshotDeleteInternalSync{}, qemu.BlockdevSnapshotInternalSync{}, qemu.BlockdevSnapshotSync{},
	qemu.CXLAddDynamicCapacity{}, qemu.CXLInjectCorrectableError{}, qemu.CXLInjectDRAMEvent{},
	qemu.CXLInjectGeneralMediaEvent{}, qemu.CXLInjectMemoryModuleEvent{}, qemu.CXLInjectPoison{},
	qemu.CXLInjectUncorrectableErrors{}, qemu.CXLReleaseDynamicCapacity{}, qemu.CalcDirtyRate{},
	qemu.CancelVCPUDirtyLimit{}, qemu.ChangeBackingFile{}, qemu.ChangeVNCPassword{}, qemu.ChardevAdd{},
	qemu.ChardevChange{}, qemu.ChardevRemove{}, qemu.ChardevSendBreak{}, qemu.ClientMigrateInfo{}, qemu.CloseFD{},
	qemu.Cont{}, qemu.DeviceAdd{}, qemu.DeviceDel{}, qemu.DeviceListProperties{}, qemu.DeviceSyncConfig{},
	qemu.DisplayReload{}, qemu.DisplayUpdate{}, qemu.DriveBackup{}, qemu.DriveMirror{}, qemu.DumpGuestMemory{},
	qemu.DumpSkeys{}, qemu.DumpDTB{}, qemu.Eject{}, qemu.ExpirePassword{}, qemu.GetWin32Socket{}, qemu.GetFD{},
	qemu.HumanMonitorCommand{}, qemu.InjectGHESV2Error{}, qemu.InjectNMI{}, qemu.InputSendEvent{}, qemu.JobCancel{},
	qemu.JobComplete{}, qemu.JobDismiss{}, qemu.JobFinalize{}, qemu.JobPause{}, qemu.JobResume{}, qemu.Memsave{},
	qemu.Migrate{}, qemu.MigrateCancel{}, qemu.MigrateContinue{}, qemu.MigrateIncoming{}, qemu.MigratePause{},
	qemu.MigrateRecover{}, qemu.MigrateSetCapabilities{}, qemu.MigrateSetParameters{}, qemu.MigrateStartPostcopy{},
	qemu.NBDServerAdd{}, qemu.NBDServerRemove{}, qemu.NBDServerStart{}, qemu.NBDServerStop{}, qemu.NetdevAdd{},
	qemu.NetdevDel{}, qemu.ObjectAdd{}, qemu.ObjectDel{}, qemu.Pmemsave{}, qemu.QMPCapabilities{}, qemu.QOMGet{},
	qemu.QOMList{}, qemu.QOMListGet{}, qemu.QOMListProperties{}, qemu.QOMListTypes{}, qemu.QOMSet{},
	qemu.QueryACPIOSPMStatus{}, qemu.QueryAccelerators{}, qemu.QueryAudiodevs{}, qemu.QueryBalloon{},
	qemu.QueryBlock{}, qemu.QueryBlockExports{}, qemu.QueryBlockJobs{}, qemu.QueryBlockStats{},
	qemu.QueryCPUDefinitions{}, qemu.QueryCPUModelBaseline{}, qemu.QueryCPUModelComparison{},
	qemu.QueryCPUModelExpansion{}, qemu.QueryCPUsFast{}, qemu.QueryChardev{}, qemu.QueryChardevBackends{},
	qemu.QueryCOLOStatus{}, qemu.QueryCommandLineOptions{}, qemu.QueryCommands{}, qemu.QueryCryptodev{},
	qemu.QueryCurrentMachine{}, qemu.QueryDirtyRate{}, qemu.QueryDisplayOptions{}, qemu.QueryDump{},
	qemu.QueryDumpGuestMemoryCapability{}, qemu.QueryFDSets{}, qemu.QueryFirmwareLog{}, qemu.QueryGICCapabilities{},
	qemu.QueryHotpluggableCPUs{}, qemu.QueryHVBalloonStatusReport{}, qemu.QueryIOThreads{}, qemu.QueryJobs{},
	qemu.QueryKVM{}, qemu.QueryMachines{}, qemu.QueryMemdev{}, qemu.QueryMemoryDevices{},
	qemu.QueryMemorySizeSummary{}, qemu.QueryMice{}, qemu.QueryMigrate{}, qemu.QueryMigrateCapabilities{},
	qemu.QueryMigrateParameters{}, qemu.QueryMigrationthreads{}, qemu.QueryName{}, qemu.QueryNamedBlockNodes{},
	qemu.QueryPCI{}, qemu.QueryPRManagers{}, qemu.QueryQMPSchema{}, qemu.QueryReplay{}, qemu.QueryRocker{},
	qemu.QueryRockerOfDPAFlows{}, qemu.QueryRockerOfDPAGroups{}, qemu.QueryRockerPorts{}, qemu.QueryRxFilter{},
	qemu.QueryS390xCPUPolarization{}, qemu.QuerySEV{}, qemu.QuerySEVAttestationReport{}, qemu.QuerySEVCapabilities{},
	qemu.QuerySEVLaunchMeasure{}, qemu.QuerySGX{}, qemu.QuerySGXCapabilities{}, qemu.QuerySPICE{}, qemu.QueryStats{},
	qemu.QueryStatsSchemas{}, qemu.QueryStatus{}, qemu.QueryTPM{}, qemu.QueryTPMModels{}, qemu.QueryTPMTypes{},
	qemu.QueryTarget{}, qemu.QueryUUID{}, qemu.QueryVCPUDirtyLimit{}, qemu.QueryVMGenerationID{}, qemu.QueryVNC{},
	qemu.QueryVNCServers{}, qemu.QueryVersion{}, qemu.QueryXenReplicationStatus{}, qemu.QueryYank{}, qemu.Quit{},
	qemu.RTCResetReinjection{}, qemu.RemoveFD{}, qemu.ReplayBreak{}, qemu.ReplayDeleteBreak{}, qemu.ReplaySeek{},
	qemu.RequestEBPF{}, qemu.RingbufRead{}, qemu.RingbufWrite{}, qemu.SEVInjectLaunchSecret{}, qemu.Screendump{},
	qemu.SendKey{}, qemu.SetAction{}, qemu.SetCPUTopology{}, qemu.SetLink{}, qemu.SetNUMANode{}, qemu.SetPassword{},
	qemu.SetVCPUDirtyLimit{}, qemu.SnapshotDelete{}, qemu.SnapshotLoad{}, qemu.SnapshotSave{}, qemu.Stop{},
	qemu.SystemPowerdown{}, qemu.SystemReset{}, qemu.SystemWakeup{}, qemu.TraceEventGetState{},
	qemu.TraceEventSetState{}, qemu.Transaction{}, qemu.WatchdogSetAction{}, qemu.XAccelStats{},
	qemu.XBlockdevAmend{}, qemu.XBlockdevChange{}, qemu.XBlockdevSetIOThread{}, qemu.XCOLOLostHeartbeat{},
	qemu.XDebugBlockDirtyBitmapSHA256{}, qemu.XDebugQueryBlockGraph{}, qemu.XExitPreconfig{}, qemu.XQueryIRQ{},
	qemu.XQueryInterruptControllers{}, qemu.XQueryJIT{}, qemu.XQueryNUMA{}, qemu.XQueryRAMBlock{}, qemu.XQueryROMs{},
	qemu.XQueryUSB{}, qemu.XQueryVirtio{}, qemu.XQueryVirtioQueueElement{}, qemu.XQueryVirtioQueueStatus{},
	qemu.XQueryVirtioStatus{}, qemu.XQueryVirtioVhostQueueStatus{}, qemu.XenCOLODoCheckpoint{}, qemu.XenEventInject{},
	qemu.XenEventList{}, qemu.XenLoadDevicesState{}, qemu.XenSaveDevicesState{}, qemu.XenSetGlobalDirtyLog{},
	qemu.XenSetReplication{}, qemu.Yank{},
}
