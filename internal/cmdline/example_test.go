package cmdline_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/qmpkit/qmpkit/internal/cmdline"
	"github.com/qmpkit/qmpkit/qapi/facts"
	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// language returns the language of a QEMU 7.2 that has two nodes.
func language() *cmdline.Language {
	answer, err := os.ReadFile("../../testdata/schema/captured/7.2/qemu.json")
	if err != nil {
		log.Fatal(err)
	}
	schema, err := introspect.Read(answer)
	if err != nil {
		log.Fatal(err)
	}
	return &cmdline.Language{Schema: schema, Facts: facts.QEMU(), Values: func(_ context.Context, kind cmdline.Kind) ([]cmdline.Value, error) {
		if kind == "node" {
			return []cmdline.Value{{Text: "data", Help: "qcow2"}, {Text: "data-file", Help: "file"}}, nil
		}
		return nil, nil
	}}
}

func ExampleLanguage_Parse() {
	l := language()
	command, err := l.Parse(context.Background(), "block_resize node-name=data size=10G")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %s\n", command.Name, command.Arguments())

	line := "blockdev-add driver=file filename=/srv/data.img aio=io_urin"
	_, err = l.Parse(context.Background(), line)
	if mistake, ok := errors.AsType[*cmdline.Error](err); ok {
		fmt.Println(mistake.Mark(line))
		fmt.Println(mistake)
	}
	// Output:
	// block_resize {"node-name":"data","size":10737418240}
	// blockdev-add driver=file filename=/srv/data.img aio=io_urin
	//                                                     ^^^^^^^
	// column 53: aio has no value "io_urin"; want one of threads, native, io_uring; did you mean io_uring?
}

func ExampleLanguage_Complete() {
	line := "block_resize node-name=da size=10G"
	from, candidates := language().Complete(context.Background(), line, len("block_resize node-name=da"))
	for _, c := range candidates {
		fmt.Println(line[:from]+c.Text, "-", c.Help)
	}
	// Output:
	// block_resize node-name=data - qcow2
	// block_resize node-name=data-file - file
}

func ExampleLanguage_Help() {
	help, err := language().Help(context.Background(), "blockdev-add file.aio")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(help.Text(80))
	// Output:
	// blockdev-add file.aio: one of threads, native, io_uring; with file.driver=file,
	//   host_cdrom, host_device
	//
	// Values:
	//   threads
	//   native
	//   io_uring  needs a build with CONFIG_LINUX_IO_URING
}
