package page_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A chromium is a browser without a window, which a test drives by the DevTools protocol on a pipe.
type chromium struct {
	t       *testing.T
	to      *os.File
	session string
	mu      sync.Mutex
	last    int
	replies map[int]chan reply
	events  []event // of the page, since it was loaded
	loaded  chan struct{}
}

type reply struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

type event struct {
	Method string
	Params json.RawMessage
}

// startChromium starts the browser that QMPKIT_BROWSER names. It ends with the test.
func startChromium(t *testing.T) *chromium {
	t.Helper()
	program := os.Getenv("QMPKIT_BROWSER")
	if program == "" {
		t.Skip("QMPKIT_BROWSER is not set: it names Chromium; make test-page sets it")
	}
	theirs, ours, err := os.Pipe()
	require.NoError(t, err)
	from, theirsTo, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(program, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
		"--disable-background-networking", "--no-first-run", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir(), "about:blank")
	cmd.ExtraFiles = []*os.File{theirs, theirsTo}
	require.NoError(t, cmd.Start())
	theirs.Close()
	theirsTo.Close()
	c := &chromium{t: t, to: ours, replies: map[int]chan reply{}, loaded: make(chan struct{}, 1)}
	go c.read(bufio.NewReader(from))
	t.Cleanup(func() {
		c.call("Browser.close", nil)
		cmd.Wait()
		ours.Close()
	})
	var target struct{ TargetID string }
	c.do(&target, "Target.createTarget", map[string]any{"url": "about:blank"})
	var attached struct{ SessionID string }
	c.do(&attached, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true})
	c.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Network", "Log"} {
		c.do(nil, domain+".enable", nil)
	}
	return c
}

func (c *chromium) read(from *bufio.Reader) {
	for {
		line, err := from.ReadString(0)
		if err != nil {
			return
		}
		var m struct {
			ID int
			event
			reply
		}
		if json.Unmarshal([]byte(strings.TrimSuffix(line, "\x00")), &m) != nil {
			continue
		}
		c.mu.Lock()
		if done := c.replies[m.ID]; m.ID != 0 && done != nil {
			done <- m.reply
			delete(c.replies, m.ID)
		} else {
			c.events = append(c.events, m.event)
		}
		c.mu.Unlock()
		if m.Method == "Page.loadEventFired" {
			select {
			case c.loaded <- struct{}{}:
			default:
			}
		}
	}
}

func (c *chromium) call(method string, params any) reply {
	done := make(chan reply, 1)
	c.mu.Lock()
	c.last++
	id := c.last
	c.replies[id] = done
	c.mu.Unlock()
	message := map[string]any{"id": id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if c.session != "" && !strings.HasPrefix(method, "Browser.") {
		message["sessionId"] = c.session
	}
	text, _ := json.Marshal(message)
	c.to.Write(append(text, 0))
	select {
	case r := <-done:
		return r
	case <-time.After(20 * time.Second):
		return reply{Error: &struct{ Message string }{"no answer within 20s"}}
	}
}

// do calls a method, and reads its result if result is not nil.
func (c *chromium) do(result any, method string, params any) {
	c.t.Helper()
	r := c.call(method, params)
	require.Nil(c.t, r.Error, "%s: %v", method, r.Error)
	if result != nil {
		require.NoError(c.t, json.Unmarshal(r.Result, result))
	}
}

// open loads an address and waits until the page is there.
func (c *chromium) open(address string) {
	c.t.Helper()
	c.do(nil, "Page.navigate", map[string]any{"url": "about:blank"})
	<-c.loaded
	c.mu.Lock()
	c.events = nil
	c.mu.Unlock()
	c.do(nil, "Page.navigate", map[string]any{"url": address})
	select {
	case <-c.loaded:
	case <-time.After(20 * time.Second):
		require.Fail(c.t, "the page is not loaded within 20s")
	}
}

// size sets the size of the window, and whether the machine prefers dark colours.
func (c *chromium) size(width, height int, dark bool) {
	c.t.Helper()
	c.do(nil, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	c.do(nil, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]any{{"name": "prefers-color-scheme", "value": scheme}}})
}

// eval runs an expression in the page and reads its value.
func (c *chromium) eval(result any, expression string) {
	c.t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails any
	}
	c.do(&r, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true})
	require.Nil(c.t, r.ExceptionDetails, "%s: %v", expression, r.ExceptionDetails)
	if result != nil {
		require.NoError(c.t, json.Unmarshal(r.Result.Value, result), expression)
	}
}

// text returns the value of an expression, as a string.
func (c *chromium) text(expression string) (s string) {
	c.t.Helper()
	c.eval(&s, "String("+expression+")")
	return s
}

// wait waits until an expression is true.
func (c *chromium) wait(expression string) {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return c.text(expression) == "true" }, 5*time.Second, 10*time.Millisecond, expression)
}

// keys presses each key. It types a string that is not the name of a key.
func (c *chromium) keys(keys ...string) {
	c.t.Helper()
	codes := map[string]int{"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
	for _, key := range keys {
		code, named := codes[key]
		if !named && len(key) > 1 {
			c.do(nil, "Input.insertText", map[string]any{"text": key})
			continue
		}
		down := map[string]any{"type": "keyDown", "key": key, "windowsVirtualKeyCode": code}
		if key == "Enter" {
			down["text"] = "\r"
		} else if !named {
			down["text"] = key
		}
		c.do(nil, "Input.dispatchKeyEvent", down)
		c.do(nil, "Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "windowsVirtualKeyCode": code})
	}
}

// shoot writes a picture of the window to the folder that QMPKIT_PICTURES names, if it is set.
func (c *chromium) shoot(name string) {
	c.t.Helper()
	folder := os.Getenv("QMPKIT_PICTURES")
	if folder == "" {
		return
	}
	c.eval(nil, "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))")
	var picture struct{ Data string }
	c.do(&picture, "Page.captureScreenshot", map[string]any{"format": "png"})
	image, err := base64.StdEncoding.DecodeString(picture.Data)
	require.NoError(c.t, err)
	require.NoError(c.t, os.WriteFile(filepath.Join(folder, name+".png"), image, 0o666))
}

// complaints are what the page wrote to the console, its errors, and what it wanted from the network.
func (c *chromium) complaints() (found []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		switch e.Method {
		case "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded":
			found = append(found, fmt.Sprintf("%s %s", e.Method, e.Params))
		case "Network.requestWillBeSent":
			if !strings.Contains(string(e.Params), `"url":"file:`) && !strings.Contains(string(e.Params), `"url":"data:`) {
				found = append(found, fmt.Sprintf("%s %s", e.Method, e.Params))
			}
		}
	}
	return found
}
