package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/qmpkit/qmpkit/testdata/schema"
)

// versionText says which qmpsh this is: the version of its module, the revision of its source, and the QEMU that it knows.
func versionText() string {
	version, revision, modified := "(devel)", "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = ", revision " + s.Value[:min(12, len(s.Value))]
			case s.Key == "vcs.modified" && s.Value == "true":
				modified = ", modified"
			}
		}
	}
	return fmt.Sprintf("qmpsh %s%s%s, built with %s for %s/%s\nit knows QEMU 5.2 to %s\n",
		version, revision, modified, runtime.Version(), runtime.GOOS, runtime.GOARCH, schema.Newest)
}

func (sh *shell) version(context.Context, input) error {
	_, err := fmt.Fprint(sh.out, versionText())
	return err
}
