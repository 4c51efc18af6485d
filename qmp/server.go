package qmp

import "sync"

// A Server identifies the server at the other end of a connection, and keeps what was learnt about it for
// as long as the connection lasts: package qmpschema keeps the server's schema there. The zero value is
// ready for use. A Server must not be copied.
//
// [ServerOf] finds it. A transport of your own has one Server for each server and a method that returns it:
//
//	func (c *Conn) Server() *qmp.Server { return &c.server }
type Server struct {
	mu   sync.Mutex
	kept map[any]any
}

// Keep returns the value that is kept under a key. If there is none, Keep calls create and keeps what it
// returns. create must not call the Server. Use a key of an unexported type of your own, as for
// [context.WithValue].
func (s *Server) Keep(key any, create func() any) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := s.kept[key]
	if !ok {
		value = create()
		if s.kept == nil {
			s.kept = make(map[any]any)
		}
		s.kept[key] = value
	}
	return value
}

// ServerOf returns the server at the other end of x. It is the same for a connection and for whatever wraps
// it. ServerOf returns nil if x does not tell.
//
// An Executor tells by a method Server() *Server, which a type has that embeds a [*Client], or by a method
// Unwrap() Executor, which returns the Executor that it wraps.
func ServerOf(x Executor) *Server {
	for {
		switch on := x.(type) {
		case interface{ Server() *Server }:
			return on.Server()
		case interface{ Unwrap() Executor }:
			x = on.Unwrap()
		default:
			return nil
		}
	}
}

// Server identifies the client's server; see [ServerOf].
func (c *Client) Server() *Server { return &c.server }
