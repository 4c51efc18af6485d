package qmp

// Stats are a client's counters since the beginning of its connection, for metrics.
type Stats struct {
	Commands uint64 // commands that were sent or wait to be sent, including the client's own
	Refused  uint64 // commands that the server answered with an error
	InFlight int    // commands without an answer, including abandoned ones

	BytesSent     uint64
	BytesReceived uint64

	Events          uint64 // events that the server has sent
	EventsDelivered uint64 // deliveries to subscriptions; an event for two subscriptions counts twice
	EventsLost      uint64 // delivered to a queue and then dropped, because a consumer was too slow; see [EventsLostError]
}

// Stats returns the client's counters, also after the connection has ended.
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

// count adds the counters of commands.
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

// count adds the counters of events.
func (h *EventHub) count(s *Stats) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.EventsDelivered, s.EventsLost = h.delivered, h.lost
}
