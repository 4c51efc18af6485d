package qmp

import "context"

// Await executes a command, or whatever do does, and waits for an event that it causes: the first
// one of those with the given names, or of all, for which match returns true. It has subscribed
// before do is called, so that no event is missed, however early it comes.
//
//	e, err := qmp.Await(ctx, c, func(ctx context.Context) error {
//		return qemu.DeviceDel{ID: "disk1"}.Do(ctx, c)
//	}, func(e qmp.RawEvent) (bool, error) {
//		gone, ok, err := qmp.EventAs[qemu.DeviceDeletedEvent](e)
//		return ok && qmp.Value(gone.Device) == "disk1", err
//	}, "DEVICE_DELETED")
//
// Several names wait for this event or that, and the event that is returned tells which it was.
// match is called on the caller's goroutine; an error of its ends the wait. When do fails its
// error is returned, and nothing is waited for. The other errors are those of [EventStream]:
// ctx has ended, the connection has, or events were lost, one of which may have been the one that
// is waited for.
func Await(ctx context.Context, src EventSource, do func(context.Context) error,
	match func(RawEvent) (bool, error), names ...string) (RawEvent, error) {
	events := src.Events(names...)
	defer events.Close()
	if err := do(ctx); err != nil {
		return RawEvent{}, err
	}
	for {
		e, err := events.Next(ctx)
		if err != nil {
			return RawEvent{}, err
		}
		if found, err := match(e); found || err != nil {
			return e, err
		}
	}
}

// EventAs decodes a raw event if it is of the type T:
//
//	deleted, ok, err := qmp.EventAs[qemu.DeviceDeletedEvent](e)
//
// The error is a [*DecodeError]; ok is true then, too.
func EventAs[T any, P interface {
	*T
	EventData
}](e RawEvent) (data T, ok bool, err error) {
	p := P(&data)
	if p.EventName() != e.Name {
		return data, false, nil
	}
	return data, true, DecodeEventData(e.Data, p)
}
