// Package page makes an HTML page on which people search the facts about QEMU versions. The
// page is one file, and needs no server and no network.
//
//	file, err := page.Make(page.Server{Key: "qemu", Title: "QEMU", Facts: facts.QEMU(), Schema: schema})
//
// The file has four parts: the markup (page.html), the styles (page.css), the program (page.js) and the
// data, which data.go describes. The program walks the data as package facts walks its table, so the page
// shows every path of facts.Table, including paths of recursive types.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"

	"github.com/qmpkit/qmpkit/qapi"
	"github.com/qmpkit/qmpkit/qapi/facts"
)

// A Server is a program whose facts the page shows.
type Server struct {
	// Key is the name in addresses: "qemu".
	Key string
	// Title is the name for people: "QEMU".
	Title string
	Facts *facts.Table
	// Schema is the schema that the server's Go package is generated from. It gives the Go names, and distinguishes
	// lists from single values. If it is nil, the page has neither.
	Schema *qapi.Schema
	// Package is the name of this Go package.
	Package string
}

var (
	//go:embed page.html
	markup string
	//go:embed page.css
	style string
	//go:embed page.js
	script string
)

var layout = template.Must(template.New("page").Parse(markup))

// Make returns the page. The same servers give the same bytes.
func Make(servers ...Server) ([]byte, error) {
	data, err := encode(servers)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = layout.Execute(&b, map[string]any{
		"Policy": "default-src 'none'; img-src data:; style-src '" + hash(style) + "'; script-src '" + hash(script) + "'; base-uri 'none'; form-action 'none'",
		"Style":  template.HTML("<style>" + style + "</style>"),
		"Data":   template.HTML(`<script type="application/json" id="data">` + string(data) + "</script>"),
		"Script": template.HTML("<script>" + script + "</script>"),
	})
	return b.Bytes(), err
}

// hash is the source by which the page's policy allows an inline text, and no other.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
