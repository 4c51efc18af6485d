package qmp

// sysConnect is the number of connect(2), which package syscall does not have here.
const sysConnect = 362
