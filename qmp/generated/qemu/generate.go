package qemu

//go:generate go tool qapigen generate -schema ../../../testdata/schema/10.2/qapi/qapi-schema.json -package qemu -out .
