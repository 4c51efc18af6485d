package show

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// A unit says what a number measures.
type unit int

const (
	count        unit = iota
	size              // bytes
	rate              // bytes in a second
	megabits          // megabits in a second
	mebibytes         // mebibytes in a second
	percent           // of 100
	seconds           // a duration
	milliseconds      // a duration
	microseconds      // a duration
	nanoseconds       // a duration
	date              // seconds since 1970
	dateNano          // nanoseconds since 1970
	address           // in hexadecimal
)

// measured has the units of members. A row with commands or events is for these only, and comes before a row without. The
// result itself has the name "result". TestUnits checks that a schema has each of the members.
var measured = []struct {
	unit     unit
	commands string
	members  string
}{
	{size, "", `size virtual-size actual-size cluster-size vm-state-size page-size max-size block-size requested-size
		base-memory plugged-memory xbzrle-cache-size x-rdma-chunk-size section-size granularity write_threshold
		write-threshold amount-exceeded rd_bytes wr_bytes unmap_bytes zone_append_bytes wr_highest_offset discard-bytes-ok
		normal-bytes multifd-bytes precopy-bytes postcopy-bytes downtime-bytes bytes compressed-size cache-size
		request-alignment min-mem-alignment opt-mem-alignment discard-alignment write-zeroes-alignment max-transfer
		max-hw-transfer opt-transfer max-discard max-write-zeroes total-bytes used-bytes total-bytes-privileged
		rx-bytes tx-bytes`},
	{size, "query-migrate", "transferred remaining total"},
	{size, "query-balloon BALLOON_CHANGE", "actual"},
	{size, "query-block-jobs BLOCK_JOB_COMPLETED BLOCK_JOB_CANCELLED BLOCK_JOB_READY BLOCK_JOB_PENDING", "len offset"},
	{size, "query-migrate-cache-size", "result"},
	{size, "query-jobs", "current-progress total-progress"},
	{size, "query-dump DUMP_COMPLETED", "completed total"},
	{size, "query-block query-named-block-nodes", "count"},
	{size, "query-hv-balloon-status-report HV_BALLOON_STATUS_REPORT", "committed available"},
	{rate, "", "bps bps_rd bps_wr bps_max bps_rd_max bps_wr_max max-bandwidth max-postcopy-bandwidth avail-switchover-bandwidth"},
	{rate, "query-block-jobs BLOCK_JOB_COMPLETED BLOCK_JOB_CANCELLED BLOCK_JOB_READY", "speed"},
	{megabits, "", "mbps"},
	{mebibytes, "", "dirty-rate current-rate limit-rate vcpu-dirty-limit"},
	{percent, "", "cpu-throttle-percentage cpu-throttle-initial cpu-throttle-increment max-cpu-throttle throttle-trigger-threshold"},
	{seconds, "", `bps_max_length bps_rd_max_length bps_wr_max_length iops_max_length iops_rd_max_length iops_wr_max_length
		interval_length vm-clock-sec keep-alive-idle keep-alive-interval`},
	{milliseconds, "", `total-time downtime expected-downtime setup-time downtime-limit announce-initial announce-max
		announce-step x-checkpoint-delay x-vcpu-dirty-limit-period postcopy-blocktime postcopy-vcpu-blocktime`},
	{microseconds, "", "dirty-limit-throttle-time-per-round dirty-limit-ring-full-time timer-period buffer-length period-length latency"},
	{nanoseconds, "", `vm-clock-nsec date-nsec poll-max-ns rd_total_time_ns wr_total_time_ns flush_total_time_ns
		unmap_total_time_ns zone_append_total_time_ns idle_time_ns avg_rd_latency_ns avg_wr_latency_ns avg_flush_latency_ns
		avg_zone_append_latency_ns max_rd_latency_ns max_wr_latency_ns max_flush_latency_ns max_zone_append_latency_ns
		min_rd_latency_ns min_wr_latency_ns min_flush_latency_ns min_zone_append_latency_ns postcopy-latency
		postcopy-latency-dist postcopy-vcpu-latency postcopy-non-vcpu-latency`},
	{date, "", "date-sec"},
	{dateNano, "guest-get-time", "result"},
	{address, "", "addr memaddr gpa desc-phys avail-phys used-phys vring-desc vring-avail vring-used psw-mask psw-addr"},
	{address, "query-pci", "address base limit vendor device subsystem subsystem-vendor class"},
	{address, "GUEST_PANICKED GUEST_CRASHLOADED", "arg1 arg2 arg3 arg4 arg5"},
}

// units has the units of measured by "command member", or by "member" for all commands.
var units = func() map[string]unit {
	all := map[string]unit{}
	for _, m := range measured {
		for member := range strings.FieldsSeq(m.members) {
			if m.commands == "" {
				all[member] = m.unit
			}
			for command := range strings.FieldsSeq(m.commands) {
				all[command+" "+member] = m.unit
			}
		}
	}
	return all
}()

// unitOf returns the unit of a member in a result of a command, or in an event.
func unitOf(command, member string) unit {
	if u, ok := units[command+" "+member]; ok {
		return u
	}
	return units[member]
}

// number prints a number in its unit. rounded reports that the text does not have the exact value.
func (p *printer) number(n json.Number, u unit) (t string, rounded bool) {
	f, err := n.Float64()
	whole, isInt := new(big.Int).SetString(n.String(), 10)
	if err != nil || u == count || !isInt && u != megabits && u != mebibytes {
		return n.String(), false
	}
	switch u {
	case size:
		return binary(f, whole)
	case rate:
		t, rounded = binary(f, whole)
		return t + "/s", rounded
	case megabits:
		return short(f) + " Mbit/s", short(f) != n.String()
	case mebibytes:
		return short(f) + " MiB/s", short(f) != n.String()
	case percent:
		return n.String() + " %", false
	case seconds:
		return duration(f, 1)
	case milliseconds:
		return duration(f, 1e-3)
	case microseconds:
		return duration(f, 1e-6)
	case nanoseconds:
		return duration(f, 1e-9)
	case date:
		if !whole.IsInt64() {
			return n.String(), false
		}
		return time.Unix(whole.Int64(), 0).In(p.zone()).Format("2006-01-02 15:04:05Z07:00"), false
	case dateNano:
		if !whole.IsInt64() {
			return n.String(), false
		}
		return time.Unix(0, whole.Int64()).In(p.zone()).Format("2006-01-02 15:04:05.000Z07:00"), true
	case address:
		if whole.Sign() < 0 {
			return "unset", false // QEMU's -1 for a region without an address
		}
		return fmt.Sprintf("0x%x", whole), false
	}
	return n.String(), false
}

// Bytes prints a number of bytes: "10 GiB". It rounds to three digits.
func Bytes(n int64) string {
	t, _ := binary(float64(n), big.NewInt(n))
	return t
}

// binary prints a number of bytes: "512 B", "10 GiB", "1.46 GiB".
func binary(f float64, whole *big.Int) (t string, rounded bool) {
	names := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	at, unit := 0, 1.0
	for at < len(names)-1 && math.Abs(f) >= 1024*unit {
		at, unit = at+1, unit*1024
	}
	if short(f/unit) == "1024" && at < len(names)-1 {
		at, unit = at+1, unit*1024
	}
	t = short(f / unit)
	exact, _ := new(big.Rat).SetString(t)
	exact.Mul(exact, new(big.Rat).SetFloat64(unit))
	return t + " " + names[at], exact.Cmp(new(big.Rat).SetInt(whole)) != 0
}

// duration prints a duration of n units of a number of seconds: "350 ms", "2 h 5 min", "12.4 s".
func duration(n, unit float64) (t string, rounded bool) {
	s := n * unit
	switch abs := math.Abs(s); {
	case n == 0:
		return "0 s", false
	case abs < 1e-6:
		return short(s*1e9) + " ns", false
	case abs < 1e-3:
		t, s = short(s*1e6)+" µs", s*1e6
	case abs < 1:
		t, s = short(s*1e3)+" ms", s*1e3
	case abs < 60:
		t = short(s) + " s"
	case abs < 3600:
		return fmt.Sprintf("%d min %d s", int(s)/60, int(s)%60), s != math.Trunc(s)
	case abs < 24*3600:
		return fmt.Sprintf("%d h %d min", int(s)/3600, int(s)/60%60), math.Mod(s, 60) != 0
	default:
		return fmt.Sprintf("%d d %d h", int(s)/86400, int(s)/3600%24), math.Mod(s, 3600) != 0
	}
	digits, _ := strconv.ParseFloat(short(s), 64)
	return t, math.Abs(digits-s) > 1e-9*math.Abs(s)
}

// short prints a number with three digits, or all digits before the point: "1.46", "1023", "10".
func short(f float64) string {
	decimals := 2
	switch abs := math.Abs(f); {
	case abs >= 99.95:
		decimals = 0
	case abs >= 9.995:
		decimals = 1
	}
	t := strconv.FormatFloat(f, 'f', decimals, 64)
	if strings.Contains(t, ".") {
		t = strings.TrimRight(strings.TrimRight(t, "0"), ".")
	}
	return t
}
