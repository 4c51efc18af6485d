package main

import "os"

// closeAll closes files that nothing was written to.
func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
