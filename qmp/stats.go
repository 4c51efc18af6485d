package qmp

// Stats are what a client counts from the beginning of its connection, for whatever collects
// metrics.
type Stats struct {
	Commands uint64 // that were sent, or are to be sent soon; the client's own among them
	Refused  uint64 // commands that the server answered with an error
	InFlight int    // commands that are not answered yet, those that nobody waits for any more included

	BytesSent     uint64
	BytesReceived uint64

	Events          uint64 // that the server has sent
	EventsDelivered uint64 // to subscriptions: one that two have subscribed to counts twice
	EventsLost      uint64 // of these, that a consumer was too slow for; see [EventsLostError]
}

// Stats returns what the client has counted so far. It can be called after the connection has
// ended.
func (c *Client) Stats() Stats {
	s := Stats{
		BytesReceived: c.in.received.Load(),
		Events:        c.events.Load(),
		Refused:       c.refused.Load(),
	}
	c.calls.count(&s)
	if sink := c.eventSink(); sink != nil {
		sink.count(&s)
	}
	return s
}

// count adds what is known of commands.
func (f *inflight) count(s *Stats) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Commands, s.BytesSent = f.added, f.bytes
	for _, p := range f.byID {
		if p != nil && p.stage != finished {
			s.InFlight++
		}
	}
}

// count adds what is known of events.
func (h *eventHub) count(s *Stats) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.EventsDelivered, s.EventsLost = h.delivered, h.lost
}
