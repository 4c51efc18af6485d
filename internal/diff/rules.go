package diff

import (
	"slices"

	"github.com/qmpkit/qmpkit/qmp/introspect"
)

// ways are the directions in which something is used, or in which it breaks clients.
type ways uint8

const (
	nowhere  ways = 0
	sent     ways = 1
	received ways = 2
	both          = sent | received
)

func (w ways) direction() Direction {
	return [...]Direction{nowhere: "", sent: Sent, received: Received, both: Both}[w]
}

// The directions in which a change breaks clients: the table of the package's documentation.
// Changes that are not here do not break clients.
const (
	entryRemoved     = both // of a command or an event
	memberRemoved    = both
	memberMandatory  = sent // that was optional, or not there
	memberOptional   = received
	valueRemoved     = sent
	outOfBandRemoved = both
)

func memberAdded(m *introspect.Member) ways {
	if m.Optional {
		return nowhere
	}
	return memberMandatory
}

// warnings are the features that promise nothing to a client.
var warnings = []string{deprecated, "unstable"}

const deprecated = "deprecated"

func featureRemoved(name string) ways {
	if slices.Contains(warnings, name) {
		return nowhere
	}
	return both
}

// retyped compares the kinds of JSON that a type had with those that it has.
func retyped(old, new kinds) ways {
	w := nowhere
	if !new.take(old) {
		w |= sent
	}
	if !old.withStrings().take(new) {
		w |= received
	}
	return w
}
