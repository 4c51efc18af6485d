package qemu

//go:generate go tool qapigen join -schema ../../../testdata/schema/10.2/qapi/qapi-schema.json -overrides ../../../testdata/schema/captured/11.1/qemu.overrides -out ../../../testdata/schema/11.1 ../../../testdata/schema/captured/11.1/qemu.json
//go:generate go tool qapigen generate -schema ../../../testdata/schema/11.1/qapi/qapi-schema.json -also ../../../testdata/schema/captured/5.2/qemu.json -also ../../../testdata/schema/captured/7.2/qemu.json -also ../../../testdata/schema/captured/10.0/qemu.json -package qemu -out .
