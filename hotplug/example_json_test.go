package hotplug_test

import (
	"encoding/json"
	"log/slog"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Generated values are JSON in both directions, and print without their secrets.
func Example_json() {
	keep := func(node qemu.BlockdevOptions) error {
		text, err := json.Marshal(node) // {"driver":"qcow2","file":{"driver":"file",…}}
		if err != nil {
			return err
		}
		var again qemu.BlockdevOptions
		if err := json.Unmarshal(text, &again); err != nil {
			return err
		}
		slog.Info("kept", "node", qmp.Redacted(again))
		return nil
	}
	_ = keep
}
