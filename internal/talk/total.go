package talk

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
)

// A Total says how often a command or an event is in a conversation, and what it cost.
type Total struct {
	Name     string        `json:"name"`
	Kind     Kind          `json:"kind"` // Request or Event
	Count    int           `json:"count"`
	Refused  int           `json:"refused,omitempty"`
	NoReply  int           `json:"noReply,omitempty"`
	Bytes    int           `json:"bytes"` // of the requests and replies, or of the events
	Duration time.Duration `json:"-"`     // of all together
	Longest  time.Duration `json:"-"`
}

// Totals adds up entries. The commands come first, the one that took the longest time at the top, then the events, the
// most frequent at the top.
func Totals(entries []*Entry) []*Total {
	all := make(map[string]*Total)
	of := func(kind Kind, name string) *Total {
		key := string(kind) + " " + name
		if all[key] == nil {
			all[key] = &Total{Kind: kind, Name: name}
		}
		return all[key]
	}
	for _, e := range entries {
		switch {
		case e.Kind == Event:
			t := of(Event, e.Event)
			t.Count++
			t.Bytes += len(e.Text)
		case e.Kind == Request:
			t := of(Request, e.Command)
			t.Count++
			t.Bytes += len(e.Text)
			if e.Reply == nil {
				t.NoReply++
			}
		case e.Request != nil:
			t := of(Request, e.Request.Command)
			t.Bytes += len(e.Text)
			t.Duration += e.Duration
			t.Longest = max(t.Longest, e.Duration)
			if e.Kind == Refusal {
				t.Refused++
			}
		}
	}
	totals := make([]*Total, 0, len(all))
	for _, t := range all {
		totals = append(totals, t)
	}
	slices.SortFunc(totals, func(a, b *Total) int {
		return cmp.Or(-cmp.Compare(a.Kind, b.Kind), -cmp.Compare(a.Duration, b.Duration), -cmp.Compare(a.Count, b.Count),
			cmp.Compare(a.Name, b.Name))
	})
	return totals
}

// WriteTotals writes totals as a table for people.
func WriteTotals(w io.Writer, totals []*Total) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tCOUNT\tREFUSED\tNO REPLY\tTOTAL\tLONGEST\tBYTES")
	for _, x := range totals {
		number := func(n int) string {
			if n == 0 {
				return "-"
			}
			return strconv.Itoa(n)
		}
		duration := func(d time.Duration) string {
			if d == 0 {
				return "-"
			}
			return milliseconds(d)
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\t%d\n", printable(x.Name), x.Count, number(x.Refused), number(x.NoReply),
			duration(x.Duration), duration(x.Longest), x.Bytes)
	}
	return t.Flush()
}

// JSON returns the total as a line of JSON, with seconds and longestSeconds.
func (t *Total) JSON() []byte {
	return marshal(struct {
		*Total
		Seconds float64 `json:"seconds"`
		Longest float64 `json:"longestSeconds"`
	}{t, t.Duration.Seconds(), t.Longest.Seconds()})
}
