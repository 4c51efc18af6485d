package libvirttest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/qmpkit/qmpkit/internal/qemutest"
)

// ErrMissing means that this host cannot run the daemon, or that a part of it could not be downloaded.
var ErrMissing = qemutest.ErrMissing

// startLimit is how long a daemon may take to start: 1 second, on a host with nothing else to do.
const startLimit = 2 * time.Minute

// Config describes a daemon.
type Config struct {
	// TCP makes the daemon listen on a TCP port, without authentication.
	TCP bool
	// TLS makes it listen on a TLS port, which asks for a client certificate.
	TLS bool
	// SASL makes it ask for User and Password on its socket and on its TLS port.
	SASL bool
	// Polkit makes it ask polkit who may use the socket, and who may do what with which machine. It is the text of the
	// rules, in JavaScript. Root is not asked.
	Polkit string
	// SSH runs sshd, for root. See Daemon.SSH.
	SSH bool
}

// User and Password are the account of a daemon with SASL.
const (
	User     = "alice"
	Password = "wonderland"
)

// A Daemon is a running libvirt daemon.
type Daemon struct {
	// Version is the version for the names of tests: "9.0".
	Version string
	// Dir is a folder for files. It has the same path for the daemon and its QEMUs.
	Dir string

	cfg   Config
	qemu  *qemutest.QEMU
	root  string // of the chroot
	ports struct{ tcp, tls, ssh int }
	pki   *pki

	shell  *exec.Cmd // the first process of the namespace
	in     io.WriteCloser
	out    *bufio.Reader
	mu     sync.Mutex // a command of the shell
	closed sync.Once
}

// Launch starts a daemon of a version. If this host cannot run it, the error matches ErrMissing.
func Launch(ctx context.Context, version string, cfg Config) (*Daemon, error) {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		return nil, fmt.Errorf("libvirt %s: root on Linux is %w: mounts and namespaces need it", version, ErrMissing)
	}
	q, err := qemutest.Find("10.0")
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(q.Path), "files")); err != nil {
		return nil, fmt.Errorf("libvirt %s: a QEMU of scripts/get-qemu.sh is %w: %s needs the host's libraries", version, ErrMissing, q.Path)
	}
	unpacked, err := qemutest.Fetch("get-libvirt.sh", version)
	if err != nil {
		return nil, fmt.Errorf("libvirt %s is %w: %w", version, ErrMissing, err)
	}
	root, err := os.MkdirTemp("", "libvirt") // short: a socket's path has at most 107 bytes
	if err != nil {
		return nil, err
	}
	d := &Daemon{Version: version, Dir: filepath.Join(root, "files"), cfg: cfg, qemu: q, root: root}
	if err := d.launch(ctx, unpacked); err != nil {
		return nil, errors.Join(fmt.Errorf("libvirt %s: %w", version, err), d.Close())
	}
	return d, nil
}

// mounts is run by the first process of the namespaces, before it is in the chroot. Its arguments are the unpacked
// packages and the folders that have the same path outside and inside.
const mounts = `set -e
mount --bind "$1/usr" usr
mount --rbind /dev dev
mount --rbind /sys sys
mount -t proc proc proc
shift
for folder; do
	mkdir -p ".$folder"
	mount --bind "$folder" ".$folder"
done
exec chroot . /bin/sh -c "$reap"
`

// reap makes the first process wait for all processes that lose their parent, such as QEMUs. libvirt waits until a killed
// QEMU is gone, and a zombie is not gone. Its child reads commands; the namespace ends with it.
const reap = `exec 3<&0; /bin/sh -s <&3 & exec 3<&-; wait $!; exit`

func (d *Daemon) launch(ctx context.Context, unpacked string) error {
	if err := d.populate(); err != nil {
		return err
	}
	d.shell = exec.Command("/bin/sh", "-c", mounts, "sh", filepath.Join(unpacked, "files"), filepath.Dir(d.qemu.Path), d.Dir)
	d.shell.Dir = d.root
	d.shell.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/root", "reap=" + reap}
	d.shell.SysProcAttr = namespaces()
	log, err := os.Create(d.log())
	if err != nil {
		return err
	}
	defer log.Close()
	d.shell.Stderr = log
	if d.in, err = d.shell.StdinPipe(); err != nil {
		return err
	}
	out, err := d.shell.StdoutPipe()
	if err != nil {
		return err
	}
	d.out = bufio.NewReader(out)
	if err := d.shell.Start(); err != nil {
		return err
	}
	if d.cfg.SASL {
		if _, err := d.run("echo " + Password + " | saslpasswd2 -p -c -a libvirt -f /etc/libvirt/passwd.db " + User); err != nil {
			return err
		}
	}
	if err := d.startServices(); err != nil {
		return err
	}
	return d.start(ctx)
}

// populate makes the folders and the files of the chroot.
func (d *Daemon) populate() error {
	for _, dir := range []string{"usr", "dev", "sys", "proc", "tmp", "root", "run/libvirt", "var/lib", "var/cache", "var/log", "etc/libvirt", "etc/sasl2", "files"} {
		if err := os.MkdirAll(filepath.Join(d.root, dir), 0o755); err != nil {
			return err
		}
	}
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+dir, filepath.Join(d.root, dir)); err != nil {
			return err
		}
	}
	if err := os.Symlink("../run", filepath.Join(d.root, "var/run")); err != nil {
		return err
	}
	daemon := []string{
		"listen_tls=0", "listen_tcp=0", `listen_addr="127.0.0.1"`, `auth_tcp="none"`, `log_outputs="3:stderr"`,
		`auth_unix_ro="none"`, `auth_unix_rw="none"`, `unix_sock_rw_perms="0700"`, `host_uuid="00000000-1111-2222-3333-444444444444"`,
	}
	if d.cfg.TCP || d.cfg.SASL { // with SASL, this package itself uses TCP
		port, err := freePort()
		if err != nil {
			return err
		}
		d.ports.tcp = port
		daemon = append(daemon, "listen_tcp=1", `tcp_port="`+strconv.Itoa(port)+`"`)
	}
	if d.cfg.TLS {
		port, err := freePort()
		if err != nil {
			return err
		}
		d.ports.tls = port
		if d.pki, err = newPKI(); err != nil {
			return err
		}
		if err := d.pki.write(filepath.Join(d.root, "etc/libvirt")); err != nil {
			return err
		}
		daemon = append(daemon, "listen_tls=1", `tls_port="`+strconv.Itoa(port)+`"`,
			`key_file="/etc/libvirt/server-key.pem"`, `cert_file="/etc/libvirt/server.pem"`, `ca_file="/etc/libvirt/ca.pem"`)
	}
	if d.cfg.SASL {
		daemon = append(daemon, `auth_unix_rw="sasl"`, `auth_tls="sasl"`)
	}
	if d.cfg.Polkit != "" {
		daemon = append(daemon, `auth_unix_rw="polkit"`, `unix_sock_rw_perms="0777"`, `access_drivers=["polkit"]`)
	}
	hostname, err := os.Hostname()
	if err != nil {
		return err
	}
	files := map[string]string{
		"etc/passwd":                passwd,
		"etc/group":                 "root:x:0:\nkvm:x:64054:\nlibvirt-qemu:x:64055:\nlibvirt:x:64056:\nnogroup:x:65534:\n",
		"etc/nsswitch.conf":         "passwd: files\ngroup: files\nhosts: files\n",
		"etc/hosts":                 "127.0.0.1 localhost " + hostname + "\n",
		"etc/sasl2/libvirt.conf":    "mech_list: scram-sha-512 scram-sha-256 scram-sha-1 plain\npwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: /etc/libvirt/passwd.db\n",
		"etc/libvirt/libvirtd.conf": lastWins(daemon),
		"etc/libvirt/qemu.conf": `security_driver="none"
user="root"
group="root"
cgroup_controllers=[]
namespaces=[]
remember_owner=0
stdio_handler="file"
`,
	}
	return d.write(files)
}

// passwd has the users of the chroot. The services change to some of them; alice and bob are for tests.
const passwd = `root:x:0:0:root:/root:/bin/sh
libvirt-qemu:x:64055:64055::/var/lib/libvirt:/bin/sh
polkitd:x:101:65534::/:/bin/sh
sshd:x:102:65534::/run/sshd:/bin/sh
alice:x:1001:65534::/:/bin/sh
bob:x:1002:65534::/:/bin/sh
`

// lastWins returns settings as a file. Of settings with the same name, it has the last one: libvirtd takes no other.
func lastWins(settings []string) string {
	last := map[string]string{}
	for _, s := range settings {
		name, _, _ := strings.Cut(s, "=")
		last[name] = s
	}
	var b strings.Builder
	for _, s := range last {
		b.WriteString(s + "\n")
	}
	return b.String()
}

// freePort returns a TCP port that was free a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// run runs a command in the chroot and returns what it prints.
func (d *Daemon) run(command string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	const mark = "=== "
	if _, err := fmt.Fprintf(d.in, "%s\necho '%s'$?\n", command, mark); err != nil {
		return "", fmt.Errorf("the shell of the namespace has ended: %w; %s", err, d.Log())
	}
	var printed strings.Builder
	for {
		line, err := d.out.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("the shell of the namespace has ended: %w; %s", err, d.Log())
		}
		if status, ok := strings.CutPrefix(line, mark); ok {
			if status = strings.TrimSpace(status); status != "0" {
				return "", fmt.Errorf("%s: exit status %s; %s", command, status, d.Log())
			}
			return printed.String(), nil
		}
		printed.WriteString(line)
	}
}

// start starts libvirtd and waits until it answers.
func (d *Daemon) start(ctx context.Context) error {
	listen := ""
	if d.ports.tcp+d.ports.tls != 0 {
		listen = "--listen"
	}
	if _, err := d.run("libvirtd " + listen + " --pid-file /run/libvirtd.pid </dev/null >/dev/null & daemon=$!"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := d.with(ctx, func(*caller) error { return nil })
		if err == nil {
			return nil
		}
		if _, ended := d.run("kill -0 $daemon"); ended != nil {
			return fmt.Errorf("libvirtd ends: %w; %s", err, d.Log())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("libvirtd does not answer: %w (%w); %s", ctx.Err(), err, d.Log())
		}
	}
}

// Stop ends libvirtd, but not its machines.
func (d *Daemon) Stop() error {
	_, err := d.run("kill $daemon; wait $daemon; true")
	return err
}

// Restart ends libvirtd and starts it again. The machines run on.
func (d *Daemon) Restart(ctx context.Context) error {
	if err := d.Stop(); err != nil {
		return err
	}
	return d.start(ctx)
}

// Socket returns the path of the daemon's socket.
func (d *Daemon) Socket() string { return filepath.Join(d.root, "run/libvirt/libvirt-sock") }

// ReadOnlySocket returns the path of the daemon's socket for clients that only look.
func (d *Daemon) ReadOnlySocket() string {
	return filepath.Join(d.root, "run/libvirt/libvirt-sock-ro")
}

// TCP returns the host and the port of Config.TCP.
func (d *Daemon) TCP() string { return "127.0.0.1:" + strconv.Itoa(d.ports.tcp) }

// Pid returns the number of libvirtd's process.
func (d *Daemon) Pid() (int, error) { return d.hostPid("$daemon") }

// hostPid returns the number outside the namespace of a process that the shell knows by an expression.
func (d *Daemon) hostPid(expression string) (int, error) {
	text, err := d.run("echo " + expression)
	if err != nil {
		return 0, err
	}
	inside := strings.TrimSpace(text)
	namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", d.shell.Process.Pid))
	if err != nil {
		return 0, err
	}
	statuses, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		return 0, err
	}
	for _, path := range statuses {
		status, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(status), "\nNSpid:")
		line, _, _ := strings.Cut(rest, "\n")
		pids := strings.Fields(line)
		if len(pids) < 2 || pids[len(pids)-1] != inside {
			continue
		}
		if ns, _ := os.Readlink(filepath.Join(filepath.Dir(path), "ns/pid")); ns == namespace {
			return strconv.Atoi(filepath.Base(filepath.Dir(path)))
		}
	}
	return 0, fmt.Errorf("libvirt %s: process %s is not there", d.Version, inside)
}

func (d *Daemon) log() string { return filepath.Join(d.root, "log") }

// Log returns what the daemon has written to its standard error so far.
func (d *Daemon) Log() string {
	text, err := os.ReadFile(d.log())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Close ends the daemon and its machines, and removes its folder. Calling it twice is fine.
func (d *Daemon) Close() (err error) {
	d.closed.Do(func() {
		if d.shell != nil && d.shell.Process != nil {
			d.in.Close()
			_ = d.shell.Process.Kill() // the kernel kills the others with it, and Wait returns after them
			_ = d.shell.Wait()
		}
		err = os.RemoveAll(d.root)
	})
	return err
}
