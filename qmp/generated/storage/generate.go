package storage

//go:generate go tool qapigen join -schema ../../../testdata/schema/10.2/storage-daemon/qapi/qapi-schema.json -overrides ../../../testdata/schema/captured/11.1/storage.overrides -out ../../../testdata/schema/11.1 ../../../testdata/schema/captured/11.1/storage.json
//go:generate go tool qapigen generate -schema ../../../testdata/schema/11.1/storage-daemon/qapi/qapi-schema.json -also ../../../testdata/schema/captured/5.2/storage.json -also ../../../testdata/schema/captured/7.2/storage.json -also ../../../testdata/schema/captured/10.0/storage.json -package storage -out .
