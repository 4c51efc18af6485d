package gogen

// following is an event that follows commands. The words complete the sentence "the event follows …".
type following struct {
	commands []string
	event    string
	when     string
}

// followings lists the events that follow commands. No schema has this relation. The comments of both name
// the other. A row applies to every schema that has the command and the event. A test fails if no version
// of QEMU has both.
//
// A row describes QEMU's own behaviour, or the guest's. The list leaves out events that only a certain
// machine or a program in the guest would cause.
var followings = []following{
	// Jobs: every job has states, and only those of block-core.json have events of their own.
	{[]string{"blockdev-mirror", "drive-mirror", "block-commit", "block-stream", "blockdev-backup", "drive-backup",
		"blockdev-create", "x-blockdev-amend", "snapshot-save", "snapshot-load", "snapshot-delete"},
		"JOB_STATUS_CHANGE", "at each change of the job's state"},
	{[]string{"blockdev-mirror", "drive-mirror"},
		"BLOCK_JOB_READY", "when the target has all data of the source"},
	{[]string{"block-commit"},
		"BLOCK_JOB_READY", "when the base has all data, if the active layer is committed"},
	{[]string{"blockdev-mirror", "drive-mirror", "block-commit", "block-stream", "blockdev-backup", "drive-backup"},
		"BLOCK_JOB_ERROR", "at each I/O error of the job"},
	{[]string{"blockdev-mirror", "drive-mirror", "block-commit", "block-stream", "blockdev-backup", "drive-backup"},
		"BLOCK_JOB_PENDING", "when the job has to be finalized, if auto-finalize is false"},
	{[]string{"blockdev-mirror", "drive-mirror", "block-commit", "block-stream", "blockdev-backup", "drive-backup"},
		"BLOCK_JOB_COMPLETED", "when the job has ended, also if it failed"},
	{[]string{"blockdev-mirror", "drive-mirror", "block-commit", "block-stream", "blockdev-backup", "drive-backup"},
		"BLOCK_JOB_CANCELLED", "when the job has ended because it was cancelled"},
	{[]string{"job-cancel", "job-complete", "job-finalize", "job-pause", "job-resume", "job-dismiss",
		"block-job-cancel", "block-job-complete", "block-job-finalize", "block-job-pause", "block-job-resume", "block-job-dismiss"},
		"JOB_STATUS_CHANGE", "when the job's state has changed"},
	{[]string{"job-cancel", "block-job-cancel"},
		"BLOCK_JOB_CANCELLED", "when a block job has ended"},
	{[]string{"block-job-cancel"},
		"BLOCK_JOB_COMPLETED", "instead, if the job was ready and force is not set"},
	{[]string{"job-complete", "job-finalize", "block-job-complete", "block-job-finalize"},
		"BLOCK_JOB_COMPLETED", "when a block job has ended"},
	{[]string{"transaction"},
		"JOB_STATUS_CHANGE", "at each change of the state of a job, if an action starts one"},

	// Storage.
	{[]string{"block-export-del", "nbd-server-remove", "nbd-server-stop"},
		"BLOCK_EXPORT_DELETED", "when an export is gone"},
	{[]string{"block-set-write-threshold"},
		"BLOCK_WRITE_THRESHOLD", "when a write goes beyond the threshold"},
	{[]string{"eject", "blockdev-open-tray", "blockdev-close-tray", "blockdev-change-medium", "change"},
		"DEVICE_TRAY_MOVED", "when the tray has moved"},

	// Devices.
	{[]string{"device_del"},
		"DEVICE_DELETED", "when the guest has released the device"},
	{[]string{"device_del"},
		"DEVICE_UNPLUG_GUEST_ERROR", "if the guest refuses to release the device"},
	{[]string{"device_del"},
		"MEM_UNPLUG_ERROR", "if the guest refuses to release memory"},
	{[]string{"netdev_add"},
		"NETDEV_STREAM_CONNECTED", "when a netdev of type stream is connected"},
	{[]string{"query-rx-filter"},
		"NIC_RX_FILTER_CHANGED", "at the guest's next change of the filter"},
	{[]string{"balloon"},
		"BALLOON_CHANGE", "when the size of the guest's memory changes"},
	{[]string{"qom-set"},
		"MEMORY_DEVICE_SIZE_CHANGE", "when the guest has changed the size of a virtio-mem device to its new requested-size"},

	// The machine.
	{[]string{"stop"}, "STOP", "if the guest was running"},
	{[]string{"cont"}, "RESUME", "if the guest was stopped"},
	{[]string{"quit"}, "SHUTDOWN", "when QEMU ends"},
	{[]string{"system_powerdown"}, "POWERDOWN", "at once"},
	{[]string{"system_powerdown"}, "SHUTDOWN", "when the guest has shut down"},
	{[]string{"system_reset"}, "RESET", "at once, and again when the firmware resets the machine"},
	{[]string{"system_reset"}, "SHUTDOWN", "instead, if QEMU was started with -no-reboot"},
	{[]string{"system_reset"}, "DEVICE_DELETED", "for each device that device_del was to remove and the guest has not released yet"},
	{[]string{"system_wakeup"}, "WAKEUP", "if the guest was suspended"},
	{[]string{"dump-guest-memory"}, "STOP", "if the guest was running"},
	{[]string{"dump-guest-memory"}, "DUMP_COMPLETED", "when the dump has ended, also if it failed"},
	{[]string{"dump-guest-memory"}, "RESUME", "after that, if the guest was running"},
	{[]string{"snapshot-save", "snapshot-load"}, "STOP", "if the guest was running"},
	{[]string{"snapshot-save", "snapshot-load"}, "RESUME", "when the guest goes on, if it was running"},

	// Migration.
	{[]string{"migrate", "migrate-incoming", "migrate_cancel", "migrate-start-postcopy", "migrate-continue", "migrate-pause", "migrate-recover"},
		"MIGRATION", "at each change of the migration's state, if the capability \"events\" is on"},
	{[]string{"migrate"},
		"MIGRATION_PASS", "at each pass over the guest's memory, if the capability \"events\" is on"},
	{[]string{"migrate"},
		"STOP", "when the guest stops here, to go on at the destination"},
	{[]string{"migrate"},
		"UNPLUG_PRIMARY", "when QEMU has to unplug a failover primary device first"},
	{[]string{"migrate-incoming"},
		"RESUME", "when the guest goes on here, unless QEMU was started with -S"},
	{[]string{"x-colo-lost-heartbeat"},
		"COLO_EXIT", "when COLO has ended"},
}

// eventsAfter returns the rows for a command.
func eventsAfter(command string) (rows []following) {
	for _, f := range followings {
		for _, c := range f.commands {
			if c == command {
				rows = append(rows, f)
			}
		}
	}
	return rows
}
