package hotplug

// DirectFlag is for tests that have to know whether a file system has it.
const DirectFlag = directFlag
