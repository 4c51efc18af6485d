package qmptest

import "slices"

// delimiter is the byte with which a client makes an agent forget the beginning of a message. The
// agent also sends it before its answer to guest-sync-delimited.
const delimiter = 0xFF

// silentCommands are those of a guest agent that do not answer when they have succeeded. Neither
// the server's schema nor its list of commands shows this.
var silentCommands = []string{
	"guest-shutdown", "guest-suspend-disk", "guest-suspend-ram", "guest-suspend-hybrid",
}

func (r *Request) isSilent() bool {
	return r.conn.server.options.Guest && slices.Contains(silentCommands, r.Command)
}

func (r *Request) isDelimitedSync() bool {
	return r.conn.server.options.Guest && r.Command == "guest-sync-delimited"
}

// dispatchGuest answers the commands by which a client finds where the agent's output begins,
// unless the test does; the rest is the server's.
func (c *conn) dispatchGuest(r *Request) (any, error) {
	if r.Command != "guest-sync" && !r.isDelimitedSync() || c.server.isAnswered(r.Command) {
		return c.server.answer(r)
	}
	if wrong := c.server.checkSession(r); wrong != nil {
		return nil, wrong
	}
	return members(r.Arguments)[0].value, nil
}
