package qmpschema_test

import (
	"context"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpschema"
)

func ExampleQuery() {
	check := func(ctx context.Context, client *qmp.Client) error {
		schema, err := qmpschema.Query(ctx, client)
		if err != nil {
			return err
		}
		for _, path := range []string{
			qemu.FeatureBlockdevOptionsFileDynamicAutoReadOnly,
			"blockdev-add/arg-type/+file/aio/^io_uring",
			"block-commit/arg-type/*top",
		} {
			has, err := schema.Has(path)
			if err != nil {
				return err // the path, or the schema, is malformed
			}
			fmt.Println(path, has)
		}
		return nil
	}
	_ = check
}
