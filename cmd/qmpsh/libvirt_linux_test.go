package main

import (
	"github.com/qmpkit/qmpkit/internal/address"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/libvirttest"
)

// TestLibvirt uses machines of real daemons; see package libvirttest.
func TestLibvirt(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{TCP: true}, func(t *testing.T, d *libvirttest.Daemon) {
		d.Create(t, libvirttest.Machine{Name: "web1"})
		d.Create(t, libvirttest.Machine{Name: "web2", Agent: true})
		at := "libvirt:" + d.Socket() + "/"

		for _, addr := range []string{at + "web1", "libvirt:" + d.TCP() + "/web1"} {
			status, out, errs := runShell(t, "", addr, "query-status")
			require.Zero(t, status, errs)
			require.Contains(t, out, "running")
		}
		status, out, errs := runShell(t, "stop\nquery-status\nevents -timeout 1ms\ncont\ntree qom\n", at+"web1")
		require.Zero(t, status, errs)
		require.Contains(t, out, "paused")
		require.Contains(t, out, "virtio-scsi-pci")

		status, _, errs = runShell(t, "", at+"web1", "device_del", "id=none")
		require.Equal(t, exitNotSent, status)
		require.Contains(t, errs, "qmpsh -untracked sends it")
		status, _, errs = runShell(t, "", "-untracked", at+"web1", "device_del", "id=none")
		require.Equal(t, exitRefused, status, errs)

		status, _, errs = runShell(t, "", at+"none", "query-status")
		require.Equal(t, exitNotSent, status)
		require.Contains(t, errs, "no machine with the name none runs there; running: web1, web2")
		status, _, errs = runShell(t, "", "-record", filepath.Join(t.TempDir(), "r"), at+"web1", "query-status")
		require.Equal(t, exitNotSent, status)
		require.Contains(t, errs, "can be recorded")

		// The agent does not run: qmpsh knows its commands without it.
		status, _, errs = runShell(t, "", "agent:"+at+"web2", "guest-ping")
		require.Equal(t, exitUnknown, status, errs)

		t.Run("completion", func(t *testing.T) {
			sh := newShell(io.Discard, io.Discard)
			defer sh.close()
			require.NoError(t, sh.open(t.Context(), at+"web1"))
			require.Equal(t, "web1", sh.current.name)
			line := "open vm=agent:" + at + "w"
			_, candidates := sh.complete(t.Context(), line, len(line))
			require.Len(t, candidates, 2)
			require.Equal(t, "vm=agent:"+at+"web1", candidates[0].text)
			require.Equal(t, "running", candidates[0].help)

			cmd := newRoot(nil, nil)
			cmd.SetContext(t.Context())
			words, directive := completeWords(cmd, nil, at+"web2")
			require.Equal(t, []string{at + "web2\trunning"}, words)
			require.Equal(t, cobra.ShellCompDirectiveNoFileComp, directive)
			words, _ = completeWords(cmd, []string{at + "web1"}, "query-stat")
			require.True(t, strings.HasPrefix(words[0], "query-stat"), "%q", words)
		})
		t.Run("the machine ends", func(t *testing.T) {
			sh := newShell(io.Discard, io.Discard)
			defer sh.close()
			require.NoError(t, sh.open(t.Context(), at+"web2"))
			d.Destroy(t, "web2")
			select {
			case <-sh.current.ended:
			case <-time.After(time.Minute):
				t.Fatal("the session has not ended")
			}
			_, err := sh.current.executor(t.Context())
			require.ErrorContains(t, err, "no machine with the name web2 runs there")
		})
	})
}

// TestLibvirtLogin logs in by a name, with a password from a file and from the terminal, also over TLS.
func TestLibvirtLogin(t *testing.T) {
	libvirttest.Run(t, libvirttest.Config{TLS: true, SASL: true}, func(t *testing.T, d *libvirttest.Daemon) {
		d.Create(t, libvirttest.Machine{Name: "web1"})
		home := t.TempDir()
		t.Setenv("HOME", home)
		pki := filepath.Join(home, ".pki", "libvirt")
		require.NoError(t, os.MkdirAll(pki, 0o700))
		require.NoError(t, d.WriteClientPKI(pki))
		host, _ := d.TLS()
		local := "libvirt:" + libvirttest.User + "@" + d.Socket() + "/web1"
		remote := "libvirt:" + libvirttest.User + "@tls:" + host + "/web1"
		file := filepath.Join(home, "password")
		t.Setenv(address.PasswordFile, file)
		for _, addr := range []string{local, remote} {
			require.NoError(t, os.WriteFile(file, []byte(libvirttest.Password+"\n"), 0o600))
			status, out, errs := runShell(t, "", addr, "query-status")
			require.Zero(t, status, errs)
			require.Contains(t, out, "running")
			require.NoError(t, os.WriteFile(file, []byte("secret\n"), 0o600))
			status, _, errs = runShell(t, "", addr, "query-status")
			require.Equal(t, exitNotSent, status)
			require.Contains(t, errs, "the name or the password is wrong")
			require.NotContains(t, errs, "secret")
		}
		status, _, errs := runShell(t, "", "libvirt:"+d.Socket()+"/web1", "query-status")
		require.Equal(t, exitNotSent, status)
		require.Contains(t, errs, "libvirt:USER@"+d.Socket()+"/web1")

		require.NoError(t, os.Unsetenv(address.PasswordFile))
		term := startTerminal(t, nil, local)
		term.wait("password of alice@")
		term.send("wunder\x15wonderlame\x7f\x7fnd\r")
		term.wait("web1> ")
		term.send("query-status\r")
		term.wait("running")
		term.send("open again=" + local + "\r") // it is not asked again
		term.wait("again> ")
		term.mu.Lock()
		require.NotContains(t, term.output.String(), "wonder")
		term.mu.Unlock()
		term.send("exit\r")
		require.NoError(t, <-term.ended)

		term = startTerminal(t, nil, local)
		term.wait("password of alice@")
		term.send("x\x03")
		term.wait("interrupted")
		require.Error(t, <-term.ended)
	})
}
