package qmp

import "context"

// A Request is the request of a command without a result: a generated type such as qemu.DeviceDel.
type Request interface {
	Do(ctx context.Context, x Executor, opts ...CallOption) error
}

// AwaitEvent executes a command and waits for an event that the command causes: the first event of
// type T for which match returns true. It returns the event's data.
//
//	gone, err := qmp.AwaitEvent(ctx, c, func(e qemu.DeviceDeletedEvent) bool {
//		return qmp.Value(e.Device) == "disk1"
//	}, qemu.DeviceDel{ID: "disk1"})
//
// AwaitEvent subscribes before it sends the command, so it also sees an event that comes before the
// reply. An event of the same type can have another cause: match must recognize the right one. match
// is called on the caller's goroutine. A nil match takes the first event of type T:
//
//	_, err := qmp.AwaitEvent[qemu.ShutdownEvent](ctx, c, nil, qemu.SystemPowerdown{})
//
// Give ctx a deadline. Some events never come, for example if the guest refuses to release a device.
//
// If the command fails, AwaitEvent returns the command's error (see [Client.Execute]) and does not
// wait. Any other error means that the command succeeded and that the event was not seen. The event
// may still come, or was missed: query the server for its state. The error matches:
//   - the error of ctx: ctx ended first.
//   - [Client.Err]: the connection ended first.
//   - [ErrEventsLost]: the subscription's queue was full ([Options.EventQueue]). A lost event may have
//     been the right one.
//   - [*DecodeError]: an event of type T cannot be decoded. It may have been the right one.
//
// To execute a command with a result or several commands, or to wait for events of several types, use
// [Await].
func AwaitEvent[T any, P interface {
	*T
	EventData
}](ctx context.Context, conn Conn, match func(T) bool, request Request, opts ...CallOption) (data T, err error) {
	events := Subscribe[T, P](conn)
	defer events.Close()
	if err := request.Do(ctx, conn, opts...); err != nil {
		return data, err
	}
	for {
		e, err := events.Next(ctx)
		if err != nil {
			return data, awaitError(P(&data).EventName(), err)
		}
		if match == nil || match(e.Data) {
			return e.Data, nil
		}
	}
}

// awaitError puts the event's name before an error that does not have it.
func awaitError(event string, err error) error {
	if _, named := err.(*DecodeError); named {
		return err
	}
	return wrap("qmp: await "+event, err)
}

// Await calls do, which executes any number of commands, and waits for an event that they cause: the
// first event for which match returns true, or the first one if match is nil. It looks at events with
// the given names, or at all events if there are no names. Use it instead of [AwaitEvent] for a command with a result, for several
// commands, or if one of several events ends the wait.
//
//	e, err := qmp.Await(ctx, c, func(ctx context.Context) error {
//		return qemu.DeviceDel{ID: "disk1"}.Do(ctx, c)
//	}, func(e qmp.RawEvent) (bool, error) {
//		gone, ok, err := qmp.EventAs[qemu.DeviceDeletedEvent](e)
//		return !ok || qmp.Value(gone.Device) == "disk1", err
//	}, qemu.EventDeviceDeleted, qemu.EventShutdown)
//
// Await subscribes before it calls do. It calls match on the caller's goroutine; an error of match ends
// the wait. If do fails, Await returns the error and does not wait. The other errors are those of
// [EventStream]: ctx or the connection has ended, or events were lost.
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
		if match == nil {
			return e, nil
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
// If the data cannot be decoded, ok is true and the error is a [*DecodeError].
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
