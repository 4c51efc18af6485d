package storage

//go:generate go tool qapigen generate -schema ../../../testdata/schema/10.2/storage-daemon/qapi/qapi-schema.json -package storage -out .
