package qmp

import "sync"

// A Server identifies the server at the other end of a connection. It stores facts about that server
// while the connection lasts: package qmpschema stores the server's schema there. The zero value is ready
// for use. A Server must not be copied.
//
// [ServerOf] finds it. If you write a transport, give it one Server for each server, and this method:
//
//	func (c *Conn) Server() *qmp.Server { return &c.server }
type Server struct {
	mu   sync.Mutex
	kept map[any]any
}

// Keep returns the value that is stored under a key. If there is no value, Keep calls create and stores
// the result. create must not call the Server. Give the key an unexported type, as for
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

// ServerOf returns the server at the other end of x, or nil if x does not know it. A connection and its
// wrappers have the same Server.
//
// An Executor names its server with one of two methods. Server() *Server returns the server; a type that
// embeds a [*Client] has this method. Unwrap() Executor returns the Executor that this one wraps.
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

// Server returns the client's server; see [ServerOf].
func (c *Client) Server() *Server { return &c.server }
