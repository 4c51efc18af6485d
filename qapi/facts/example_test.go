package facts_test

import (
	"fmt"

	"github.com/qmpkit/qmpkit/qapi/facts"
)

func ExampleTable_Fact() {
	for _, path := range []string{
		"blockdev-add/arg-type/+file/aio/^io_uring",
		"migrate/arg-type/blk",
		"drive-backup",
	} {
		fact, err := facts.QEMU().Fact(path)
		if err != nil || fact == nil {
			fmt.Println(path, "is not known", err)
			continue
		}
		fmt.Println(path)
		fmt.Println("  since", fact.Since)
		if fact.Deprecated != nil {
			fmt.Println("  deprecated since", fact.Deprecated)
		}
		if fact.Use != "" {
			fmt.Println("  use", fact.Use)
		}
		if fact.Removed.Release != "" {
			fmt.Println("  removed in", fact.Removed)
		}
		fmt.Println("  in 7.2:", fact.In("7.2"))
	}
	// Output:
	// blockdev-add/arg-type/+file/aio/^io_uring
	//   since 5.0 (documentation of 5.2)
	//   in 7.2: true
	// migrate/arg-type/blk
	//   since 0.14 (documentation of 5.2)
	//   deprecated since 8.2 (history)
	//   use blockdev-mirror
	//   removed in 9.1 (history)
	//   in 7.2: true
	// drive-backup
	//   since 1.6 (documentation of 5.2)
	//   deprecated since 6.2 (history)
	//   use blockdev-backup
	//   in 7.2: true
}
