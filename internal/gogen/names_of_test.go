package gogen_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/internal/gogen"
	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/testdata/schema"
)

// TestNames looks for the names in the committed packages.
func TestNames(t *testing.T) {
	for folder, main := range map[string]string{"qemu": schema.NewestQEMU, "storage": schema.NewestStorage, "guest": schema.NewestGuest} {
		s, err := qapi.LoadFS(schema.FS, main, nil)
		require.NoError(t, err)
		names, err := gogen.Names(s)
		require.NoError(t, err)
		files, err := filepath.Glob("../../qmp/generated/" + folder + "/*_gen.go")
		require.NoError(t, err)
		var code strings.Builder
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			code.Write(text)
		}
		declared := map[string]bool{}
		for _, m := range regexp.MustCompile(`(?m)^(?:type |const |\t)(\w+)\b`).FindAllStringSubmatch(code.String(), -1) {
			declared[m[1]] = true
		}
		for path, name := range names {
			require.True(t, declared[name], "%s: %s", path, name)
		}
		for _, d := range s.Definitions {
			if name := d.Head().Name; !strings.HasSuffix(strings.ToLower(name), "wrapper") {
				require.NotEmpty(t, names[name], name)
			}
		}
		if folder == "qemu" {
			for path, name := range map[string]string{
				"device_add": "DeviceAdd", "BLOCK_JOB_READY": "BlockJobReadyEvent", "q_obj_eject-arg/force": "Force",
				"BlockdevOptionsFile/aio": "AIO", "BlockdevOptions/+file": "BlockdevOptionsFile",
				"ChardevBackend/+socket": "ChardevSocket", "BlockdevAioOptions/^io_uring": "BlockdevAIOOptionsIOUring",
				"device_add/$json-cli-hotplug": "FeatureDeviceAddJSONCLIHotplug", "BlockdevRef/|definition": "Definition",
			} {
				require.Equal(t, name, names[path], path)
			}
		}
	}
}
