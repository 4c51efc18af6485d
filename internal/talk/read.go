package talk

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"iter"
	"regexp"
	"strconv"
	"time"
)

// Read yields the messages of a recording or of a log, in order, without their secrets. It takes these forms, also
// mixed:
//   - a recording of this package;
//   - messages alone, also spread over many lines, each after any text such as "> ", "<- " or a time;
//   - the output of socat -v;
//   - a log of libvirt with QEMU_MONITOR_SEND_MSG, QEMU_MONITOR_RECV_REPLY and QEMU_MONITOR_RECV_EVENT;
//   - a log of QEMU's trace events handle_qmp_command and monitor_qmp_respond (QEMU 5.2 has only the first).
//
// Read ignores lines without a message. Text that looks like a message and is not JSON is a Message of the kind Other.
// The error is that of r, and is the last.
func Read(r io.Reader) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		l := &logReader{}
		lines := bufio.NewReaderSize(r, 64<<10)
		for {
			text, err := lines.ReadBytes('\n')
			l.line(text)
			if err != nil {
				l.end()
			}
			for _, m := range l.take() {
				if !yield(m, nil) {
					return
				}
			}
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(nil, err)
				return
			}
		}
	}
}

// A logReader finds the messages in the lines of a log.
type logReader struct {
	messages []*Message // that were found
	now      heading    // of the message that is being read
	split    splitter
	held     *Message // a message of libvirt, whose descriptor the next line tells

	socat [2]socatSide // from the client, from the server
	left  int          // bytes of the block of socat that are still to come
	skip  bool         // up to the line that ends a copy of messages in a log of libvirt
	side  *socatSide   // of this block
}

// A heading is what the text before a message says about it.
type heading struct {
	time         time.Time
	conversation string
	from         From
}

// A socatSide is what one side has sent, in the output of socat.
type socatSide struct {
	heading
	split splitter
}

// take returns the messages that are complete.
func (l *logReader) take() []*Message {
	all := l.messages
	l.messages = nil
	return all
}

// end ends the log.
func (l *logReader) end() {
	l.abandon()
	l.release()
	for i := range l.socat {
		if p, ok := l.socat[i].split.end(); ok {
			l.put(p, l.socat[i].heading)
		}
	}
}

// release releases the message that is held.
func (l *logReader) release() {
	if l.held != nil {
		l.messages = append(l.messages, l.held)
		l.held = nil
	}
}

// put adds a piece that has a bracket; any other is no message.
func (l *logReader) put(p piece, h heading) {
	if !p.whole && !bytes.ContainsAny(p.text, "{[") {
		return
	}
	m := newMessage(h.from, p.text)
	m.Time, m.Conversation = h.time, h.conversation
	if m.Time.IsZero() {
		m.Time = m.eventTime()
	}
	l.messages = append(l.messages, m)
}

// abandon ends a message that is not complete.
func (l *logReader) abandon() {
	if p, ok := l.split.end(); ok {
		l.put(p, l.now)
	}
}

// line handles a line, with its end.
func (l *logReader) line(text []byte) {
	if l.held != nil {
		if fd := libvirtFile.FindSubmatch(text); fd != nil && fd[1][0] != '-' {
			l.held.Files = 1
		}
		l.release()
	}
	if text = l.block(text); len(text) == 0 {
		return
	}
	if h := socatHead.FindSubmatch(text); h != nil {
		l.beginBlock(h)
		return
	}
	if m := readLine(text); m != nil {
		l.abandon()
		l.messages = append(l.messages, m)
		return
	}
	if l.skip = l.skip && !libvirtLine.Match(text); l.skip {
		l.skip = !libvirtLength.Match(text)
		return
	}
	for _, form := range forms {
		if found := form.FindSubmatchIndex(text); found != nil {
			l.known(form, text, found)
			return
		}
	}
	if l.split.inside() && text[0] != '{' {
		l.feed(text)
		return
	}
	l.abandon()
	if bytes.Contains(text, []byte("QEMU_MONITOR_IO_")) {
		l.skip = !libvirtLength.Match(text)
		return
	}
	brace := bytes.IndexByte(text, '{')
	if brace < 0 || libvirtLine.Match(text[:brace]) && !bytes.HasPrefix(text[brace:], []byte(`{"QMP"`)) {
		return // in a log of libvirt, the same message as in another line
	}
	l.now = heading{time: findTime(text[:brace]), from: findSide(text[:brace])}
	l.feed(text[brace:])
}

// feed reads messages.
func (l *logReader) feed(text []byte) {
	for _, c := range text {
		if p, ok := l.split.feed(c); ok {
			l.put(p, l.now)
		}
	}
}

// The forms of logs. Each has the groups mon, which names the connection, and rest, with the message.
var forms = []*regexp.Regexp{
	regexp.MustCompile(`^[^{]*QEMU_MONITOR_(?:SEND_MSG|RECV_REPLY|RECV_EVENT): mon=(?P<mon>\w+) (?:msg|reply|event)=(?P<rest>.*)`),
	regexp.MustCompile(`^[^{]*(?:handle_qmp_command|monitor_qmp_respond) mon (?P<mon>\w+) (?:req|resp): (?P<rest>.*)`),
}

var (
	libvirtLine = regexp.MustCompile(`^[-\d]+ [:.\d]+\+0000: \d+: \w+ *:|QEMU_MONITOR_`)
	// A copy of messages ends with its length.
	libvirtLength = regexp.MustCompile(`(?:^|[\r\n^M]) len=\d+`)
	libvirtFile   = regexp.MustCompile(`^ ?fd=(-?\d+)`)
	socatHead     = regexp.MustCompile(`^([<>]) (\d+/\d+/\d+ \d+:\d+:\d+\.\d+)  length=(\d+) from=\d+ to=\d+\r?\n?$`)
)

// known handles a line of one of the forms, which has one message.
func (l *logReader) known(form *regexp.Regexp, text []byte, found []int) {
	l.abandon()
	group := func(name string) []byte {
		i := form.SubexpIndex(name)
		return text[found[2*i]:found[2*i+1]]
	}
	rest := group("rest")
	l.now = heading{time: findTime(text[:len(text)-len(rest)]), conversation: string(group("mon"))}
	before := len(l.messages)
	end := 0
	for end < len(rest) && len(l.messages) == before {
		if p, ok := l.split.feed(rest[end]); ok {
			l.put(p, l.now)
		}
		end++
	}
	if len(l.messages) == before { // it goes on in the next line
		return
	}
	last := l.messages[len(l.messages)-1]
	if fd := libvirtFile.FindSubmatch(bytes.TrimLeft(rest[end:], "\r^M")); fd != nil && fd[1][0] != '-' {
		last.Files = 1
	}
	if last.Kind == Request {
		l.held = last
		l.messages = l.messages[:len(l.messages)-1]
	}
}

// beginBlock begins a block of socat -v.
func (l *logReader) beginBlock(head [][]byte) {
	l.abandon()
	l.side = &l.socat[0]
	from := FromClient
	if head[1][0] == '<' {
		l.side, from = &l.socat[1], FromServer
	}
	l.side.heading = heading{time: findTime(head[2]), from: from}
	l.left, _ = strconv.Atoi(string(head[3]))
}

// block reads what belongs to the block of socat, and returns the rest.
func (l *logReader) block(text []byte) []byte {
	for l.left > 0 && len(text) > 0 {
		c := text[0]
		text = text[1:]
		if c == '\\' && len(text) > 0 {
			if i := bytes.IndexByte([]byte(`abtnvfr0\`), text[0]); i >= 0 {
				c = "\a\b\t\n\v\f\r\x00\\"[i]
				text = text[1:]
			}
		}
		l.left--
		if p, ok := l.side.split.feed(c); ok {
			l.put(p, l.side.heading)
		}
	}
	return text
}

var (
	dateTime  = regexp.MustCompile(`(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d:\d\d:\d\d)([.,]\d+)?\s?(Z|[+-]\d\d:?\d\d)?`)
	clockTime = regexp.MustCompile(`(?:^|[^\d])(\d\d:\d\d:\d\d)([.,]\d+)?(?:[^\d]|$)`)
	epochTime = regexp.MustCompile(`(?:^|[@\[ ])(\d{9,11})\.(\d{1,9})(?:[^\d]|$)`)
)

// findTime returns the time in a text, the zero Time if there is none. A time without a date is one of the year 0.
func findTime(text []byte) time.Time {
	if t := dateTime.FindSubmatch(text); t != nil {
		zone := string(bytes.ReplaceAll(t[6], []byte(":"), nil))
		if zone == "" || zone == "Z" {
			zone = "+0000"
		}
		return parseTime("2006-01-02 15:04:05-0700", string(t[1])+"-"+string(t[2])+"-"+string(t[3])+" "+string(t[4])+zone, t[5])
	}
	if t := epochTime.FindSubmatch(text); t != nil {
		seconds, _ := strconv.ParseInt(string(t[1]), 10, 64)
		return time.Unix(seconds, fraction(t[2])).UTC()
	}
	if t := clockTime.FindSubmatch(text); t != nil {
		return parseTime("15:04:05", string(t[1]), t[2])
	}
	return time.Time{}
}

// parseTime reads a time and the fraction of its second, with a point in front.
func parseTime(layout, text string, point []byte) time.Time {
	t, err := time.Parse(layout, text)
	if err != nil {
		return time.Time{}
	}
	if len(point) > 1 {
		t = t.Add(time.Duration(fraction(point[1:])))
	}
	return t.UTC()
}

// fraction returns the nanoseconds of digits after a point. Some versions of socat write microseconds with nine digits.
func fraction(digits []byte) int64 {
	if len(digits) == 9 && bytes.HasPrefix(digits, []byte("000")) {
		digits = digits[3:]
	}
	n, _ := strconv.ParseInt((string(digits) + "000000000")[:9], 10, 64)
	return n
}

// findSide returns the side that the text before a message names, "" if it names none. The kind of a message that is
// JSON tells its side better.
func findSide(text []byte) From {
	text = bytes.TrimSpace(text)
	switch {
	case bytes.HasSuffix(text, []byte("->")), bytes.HasPrefix(text, []byte(">")), bytes.HasSuffix(text, []byte("C:")):
		return FromClient
	case bytes.HasSuffix(text, []byte("<-")), bytes.HasPrefix(text, []byte("<")), bytes.HasSuffix(text, []byte("S:")):
		return FromServer
	}
	return ""
}
