package libvirttest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// startServices starts what Config asks for beside libvirtd.
func (d *Daemon) startServices() error {
	if d.cfg.Polkit != "" {
		if err := d.startPolkit(); err != nil {
			return err
		}
	}
	if d.cfg.SSH {
		return d.startSSH()
	}
	return nil
}

// write writes files of the chroot, and makes their folders.
func (d *Daemon) write(files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(d.root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// A bus that lets everybody do everything. polkitd itself looks who asks.
const bus = `<busconfig>
<type>system</type>
<listen>unix:path=/run/dbus/system_bus_socket</listen>
<policy context="default">
<allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
</policy>
</busconfig>
`

func (d *Daemon) startPolkit() error {
	if err := os.Chmod(d.root, 0o755); err != nil { // other users than root are in the chroot
		return err
	}
	err := d.write(map[string]string{"etc/dbus.conf": bus, "etc/polkit-1/rules.d/test.rules": d.cfg.Polkit, "run/dbus/.keep": ""})
	if err != nil {
		return err
	}
	if _, err := d.run("dbus-daemon --config-file=/etc/dbus.conf --fork"); err != nil {
		return err
	}
	_, err = d.run("/usr/lib/polkit-1/polkitd --no-debug </dev/null >&2 &")
	return err
}

func (d *Daemon) startSSH() error {
	port, err := freePort()
	if err != nil {
		return err
	}
	d.ports.ssh = port
	err = d.write(map[string]string{"run/sshd/.keep": "", "etc/ssh/sshd_config": "ListenAddress 127.0.0.1:" + strconv.Itoa(port) + `
HostKey /etc/ssh/host
AuthorizedKeysFile /etc/ssh/client.pub
UsePAM no
PidFile none
`})
	if err != nil {
		return err
	}
	_, err = d.run(`for key in host client; do ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/$key; done
echo "[127.0.0.1]:` + strconv.Itoa(port) + ` $(cat /etc/ssh/host.pub)" >/etc/ssh/known_hosts
/usr/sbin/sshd -e -f /etc/ssh/sshd_config </dev/null`)
	return err
}

// SSH returns the words of a command for Command that logs in to the daemon's host by SSH. Options and a command for the
// host follow.
func (d *Daemon) SSH() []string {
	return []string{"ssh", "-p", strconv.Itoa(d.ports.ssh), "-i", "/etc/ssh/client", "-o", "UserKnownHostsFile=/etc/ssh/known_hosts",
		"-o", "BatchMode=yes", "root@127.0.0.1"}
}

// Command returns a command that runs in the chroot and the namespaces of the daemon.
func (d *Daemon) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{
		"--target", strconv.Itoa(d.shell.Process.Pid), "--mount", "--pid", "--root", "--wd"}, args...)...)
	cmd.Env = d.shell.Env
	return cmd
}

// Connect runs a command as Command does, and returns its standard input and output as a connection. Closing it ends the
// command.
func (d *Daemon) Connect(ctx context.Context, args ...string) (net.Conn, error) {
	c := &programConn{cmd: d.Command(ctx, args...)}
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirIn.Close()
	out, theirOut, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, err
	}
	defer theirOut.Close()
	c.cmd.Stdin, c.cmd.Stdout, c.in, c.out = theirIn, theirOut, in, out
	log, err := os.OpenFile(d.log(), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		defer log.Close()
		c.cmd.Stderr = log
		err = c.cmd.Start()
	}
	if err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	return c, nil
}

// A programConn is a connection to the standard input and output of a program.
type programConn struct {
	cmd     *exec.Cmd
	in, out *os.File
}

func (c *programConn) Read(b []byte) (int, error)         { return c.out.Read(b) }
func (c *programConn) Write(b []byte) (int, error)        { return c.in.Write(b) }
func (c *programConn) LocalAddr() net.Addr                { return programAddr{} }
func (c *programConn) RemoteAddr() net.Addr               { return programAddr{} }
func (c *programConn) SetReadDeadline(t time.Time) error  { return c.out.SetReadDeadline(t) }
func (c *programConn) SetWriteDeadline(t time.Time) error { return c.in.SetWriteDeadline(t) }

func (c *programConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// Close closes both pipes, so the program ends.
func (c *programConn) Close() error {
	err := c.in.Close()
	c.out.Close()
	_ = c.cmd.Wait() // it has ended, whatever its status
	return err
}

type programAddr struct{}

func (programAddr) Network() string { return "program" }
func (programAddr) String() string  { return "program" }
