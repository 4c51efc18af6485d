package qemutest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// AgentPort is the name of the port that the guest's agent opens.
const AgentPort = "org.qemu.guest_agent.0"

// agentStart runs the agent as soon as the guest has the port, which can be hot-added, and again when it has ended.
const agentStart = `mkdir -p /run /tmp
while :; do
	for port in /sys/class/virtio-ports/*; do
		read -r name 2>/dev/null <$port/name || continue
		[ "$name" != ` + AgentPort + ` ] ||
			/agent/lib/ld-linux-x86-64.so.2 --library-path /agent/lib /agent/qemu-ga \
				--method virtio-serial --path /dev/${port##*/} --statedir /run
	done
	usleep 100000
done
`

// agentShutdown is the guest's shutdown, which the agent calls.
const agentShutdown = `#!/bin/busybox sh
case " $* " in
*" -r "*) exec /bin/busybox reboot -f ;;
*" -H "*) exec /bin/busybox halt -f ;;
*) exec /bin/busybox poweroff -f ;;
esac
`

const agentOSRelease = "ID=qmpkit\nNAME=qmpkit\n"

// library finds the path of a library in a line of ldd.
var library = regexp.MustCompile(`(?m)(/\S+) \(0x`)

// agentInitrd returns the guest's initrd with q's qemu-ga and its libraries. The kernel unpacks the archives one after
// the other.
func (q *QEMU) agentInitrd(guest string) ([]byte, error) {
	initrd, err := os.ReadFile(filepath.Join(guest, "initrd"))
	if err != nil {
		return nil, err
	}
	path, err := q.Program("qemu-ga")
	if err != nil {
		return nil, err
	}
	list := exec.Command("ldd", path)
	if files := filepath.Join(filepath.Dir(path), "files", "usr"); exists(files) { // path is a script of get-qemu.sh
		path = filepath.Join(files, "sbin", "qemu-ga")
		libs := filepath.Join(files, "lib", "x86_64-linux-gnu")
		list = exec.Command(filepath.Join(libs, "ld-linux-x86-64.so.2"), "--inhibit-cache", "--library-path", libs, "--list", path)
	}
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("libraries of %s: %w", path, err)
	}
	var a archive
	a.b.Write(initrd)
	for _, dir := range []string{"agent", "agent/lib", "sbin", "etc"} {
		a.add(dir, 0o40755, nil)
	}
	a.add("agent/start", 0o100755, []byte(agentStart))
	a.add("sbin/shutdown", 0o100755, []byte(agentShutdown))
	a.add("etc/os-release", 0o100644, []byte(agentOSRelease))
	files := map[string]string{"agent/qemu-ga": path}
	for _, m := range library.FindAllStringSubmatch(string(out), -1) {
		files["agent/lib/"+filepath.Base(m[1])] = m[1]
	}
	for name, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		a.add(name, 0o100755, content)
	}
	a.add("TRAILER!!!", 0, nil)
	return a.b.Bytes(), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// An archive is a cpio archive in the format newc.
type archive struct {
	b      bytes.Buffer
	number int
}

func (a *archive) add(name string, mode int, content []byte) {
	a.number++
	a.pad()
	a.b.WriteString("070701" + strings.ToUpper(fmt.Sprintf("%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		a.number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)))
	a.b.WriteString(name + "\x00")
	a.pad()
	a.b.Write(content)
	a.pad()
}

// pad adds zeros up to a multiple of 4.
func (a *archive) pad() {
	for a.b.Len()%4 != 0 {
		a.b.WriteByte(0)
	}
}
