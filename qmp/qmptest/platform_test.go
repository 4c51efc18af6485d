package qmptest_test

import "runtime"

var filesCanBeSent = runtime.GOOS != "windows" && runtime.GOOS != "plan9" && runtime.GOOS != "js"
