package block

import (
	"context"
	"errors"
	"fmt"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A bitmapMove gives the bitmaps of a node to the node that the disk will use instead. Until the disk changes over, the bitmaps
// of the old node record the guest's writes. After that, a bitmap of the new node records them: the recorder. Together they
// have all writes. If the operation is interrupted, the new node has only the recorder. A bitmap with an old name would lack
// writes there, and make the next backup incomplete.
type bitmapMove struct {
	vm       *VM
	from, to string // nodes
	recorder string // the name of the bitmap
	bitmaps  []qemu.BlockDirtyInfo
}

// record adds the recorder, as a step of an operation. It must be there before the disk uses the node.
func (m *bitmapMove) record(ctx context.Context, undo *rollback) error {
	if len(m.bitmaps) == 0 {
		return nil
	}
	granularity := m.bitmaps[0].Granularity
	for _, b := range m.bitmaps {
		granularity = min(granularity, b.Granularity)
	}
	remove := func(ctx context.Context) error {
		err := m.stop(ctx)
		if _, refused := errors.AsType[*qmp.Error](err); refused {
			return nil // there is none
		}
		return err
	}
	if err := remove(ctx); err != nil { // of an operation that was interrupted
		return err
	}
	undo.add("bitmap "+m.recorder, remove)
	return qemu.BlockDirtyBitmapAdd{Node: m.to, Name: m.recorder, Granularity: &granularity}.Do(ctx, m.vm.conn)
}

// stop removes the recorder.
func (m *bitmapMove) stop(ctx context.Context) error {
	return qemu.BlockDirtyBitmapRemove{Node: m.to, Name: m.recorder}.Do(ctx, m.vm.conn)
}

// finish gives the node the bitmaps. It must be called before the first node is removed.
func (m *bitmapMove) finish(ctx context.Context) (err error) {
	if len(m.bitmaps) == 0 {
		return nil
	}
	for _, b := range m.bitmaps {
		if moveErr := m.move(ctx, b); moveErr != nil {
			err = errors.Join(err, fmt.Errorf("bitmap %q: %w", *b.Name, moveErr))
		}
	}
	if err == nil {
		err = m.stop(ctx)
	}
	return err
}

// move gives the node one bitmap. It is persistent if the image can have such a bitmap.
func (m *bitmapMove) move(ctx context.Context, b qemu.BlockDirtyInfo) error {
	from := qemu.BlockDirtyBitmap{Node: m.from, Name: *b.Name}
	merge := mergeBitmaps(m.to, *b.Name, from)
	if b.Recording {
		merge = mergeBitmaps(m.to, *b.Name, from, qemu.BlockDirtyBitmap{Node: m.to, Name: m.recorder})
	}
	merged := []qemu.TransactionAction{merge}
	if b.Recording {
		merged = append(merged, qemu.TransactionAction{
			Type: qemu.TransactionActionKindBlockDirtyBitmapEnable, Branch: &qemu.BlockDirtyBitmap{Node: m.to, Name: *b.Name},
		})
	}
	added := []qemu.TransactionAction{addBitmap(m.to, b, b.Persistent), merge}
	attempts := [][]qemu.TransactionAction{added, merged, added} // again, if an answer was lost, or the node has the bitmap
	if b.Persistent {
		attempts = append(attempts, []qemu.TransactionAction{addBitmap(m.to, b, false), merge})
	}
	var errs []error
	for _, actions := range attempts {
		err := qemu.Transaction{Actions: actions}.Do(ctx, m.vm.conn)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	// A bitmap that the image had before lacks writes. QEMU refuses this if there is none.
	_ = qemu.BlockDirtyBitmapRemove{Node: m.to, Name: *b.Name}.Do(ctx, m.vm.conn)
	return errors.Join(errs...)
}
