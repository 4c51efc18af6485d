package guest

//go:generate go tool qapigen generate -schema ../../../testdata/schema/10.2/qga/qapi-schema.json -package guest -out .
