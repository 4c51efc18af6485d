package cmdline

import "strings"

// An eventRow names events that can follow commands, because of them.
type eventRow struct {
	commands string // with blanks between them
	events   string // with blanks between them
}

// eventTable has the events that follow commands.
var eventTable = []eventRow{
	{"block-commit block-stream blockdev-backup blockdev-mirror drive-backup drive-mirror block-job-cancel block-job-complete block-job-finalize block-job-dismiss block-job-pause block-job-resume",
		"JOB_STATUS_CHANGE BLOCK_JOB_READY BLOCK_JOB_PENDING BLOCK_JOB_COMPLETED BLOCK_JOB_CANCELLED BLOCK_JOB_ERROR"},
	{"blockdev-create x-blockdev-amend snapshot-save snapshot-load snapshot-delete job-cancel job-complete job-finalize job-dismiss job-pause job-resume", "JOB_STATUS_CHANGE"},
	{"transaction", "JOB_STATUS_CHANGE BLOCK_JOB_COMPLETED BLOCK_JOB_ERROR"},
	{"block-export-del", "BLOCK_EXPORT_DELETED"},
	{"eject blockdev-open-tray blockdev-close-tray blockdev-change-medium", "DEVICE_TRAY_MOVED"},
	{"block-set-write-threshold", "BLOCK_WRITE_THRESHOLD"},
	{"device_del", "DEVICE_DELETED DEVICE_UNPLUG_GUEST_ERROR MEM_UNPLUG_ERROR ACPI_DEVICE_OST UNPLUG_PRIMARY"},
	{"device_add", "FAILOVER_NEGOTIATED MEMORY_DEVICE_SIZE_CHANGE ACPI_DEVICE_OST"},
	{"migrate migrate-incoming migrate_cancel migrate-start-postcopy migrate-continue migrate-pause migrate-recover", "MIGRATION MIGRATION_PASS STOP RESUME"},
	{"stop", "STOP"},
	{"cont", "RESUME"},
	{"quit", "SHUTDOWN"},
	{"system_reset", "RESET"},
	{"system_powerdown", "POWERDOWN SHUTDOWN"},
	{"system_wakeup", "WAKEUP"},
	{"inject-nmi", "GUEST_PANICKED"},
	{"balloon", "BALLOON_CHANGE"},
	{"dump-guest-memory", "DUMP_COMPLETED"},
	{"netdev_add", "NETDEV_STREAM_CONNECTED NETDEV_STREAM_DISCONNECTED NETDEV_VHOST_USER_CONNECTED NETDEV_VHOST_USER_DISCONNECTED"},
	{"query-rx-filter", "NIC_RX_FILTER_CHANGED"},
	{"set-cpu-topology", "CPU_POLARIZATION_CHANGE"},
	{"xen-colo-do-checkpoint x-colo-lost-heartbeat", "COLO_EXIT"},
}

// eventsAfter returns the events that can follow a command.
func eventsAfter(command string) (events []string) {
	for _, row := range eventTable {
		for c := range strings.FieldsSeq(row.commands) {
			if c == command {
				events = append(events, strings.Fields(row.events)...)
			}
		}
	}
	return events
}
