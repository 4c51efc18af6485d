package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/qmp/wire"
)

func TestObject(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want status
	}{
		"empty":             {`{}`, status{}},
		"empty with blanks": {" { \n} ", status{}},
		"as QEMU prints it": {statusReply, status{Running: true, Status: "running"}},
		"compact":           {`{"status":"running","running":true}`, status{Running: true, Status: "running"}},
		"blanks anywhere":   {"\t{\r\n\"status\"\t:\n\"paused\" , \"running\" :true\r}", status{Running: true, Status: "paused"}},
		"escapes in names":  {`{"st\u0061tus": "paused", "\u0072unning" : true}`, status{Running: true, Status: "paused"}},
		"unknown": {`{"a": null, "status": "a", "b": [1, {"status": "x"}], "running": true, "c": {"running": 0}}`,
			status{Running: true, Status: "a"}},
		"names like others": {`{"Status": 1, "statu": 2, "status ": 3, "": 4, "status\u0000": 5}`, status{}},
		"only unknown":      {`{"a": "b"}`, status{}},
	} {
		t.Run(name, func(t *testing.T) {
			var got status
			require.NoError(t, decode(test.text, &got))
			require.Equal(t, test.want, got)
		})
	}
}

func TestMissingMembersAreLeftAsTheyAre(t *testing.T) {
	got := status{Running: true, Status: "before"}
	require.NoError(t, decode(`{"status": "after"}`, &got))
	require.Equal(t, status{Running: true, Status: "after"}, got)
}

func TestNamesArePassedWithoutTheirEscapes(t *testing.T) {
	d := wire.NewDecoder([]byte(`{"": 1, "plain": 2, "blank" : 3, "\"\\\/\n\u00e9": 4, "\ud83d\ude00": 5, "é": 6}`))
	var names []string
	decodeWith(d, func(name string) {
		names = append(names, name)
		d.Skip()
	})
	require.NoError(t, d.End())
	require.Equal(t, []string{"", "plain", "blank", "\"\\/\né", "😀", "é"}, names)
}

func TestObjectsInArraysInObjects(t *testing.T) {
	got, err := read([]byte(blockReply(2)), func(d *wire.Decoder) []blockInfo {
		return list(d, func(v *blockInfo) { d.Object(v) })
	})
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Equal(t, &inserted{
		File: "/srv/images/data1.qcow2", NodeName: new("data1"), Drv: "qcow2", DetectZeroes: "off",
		Image: image{Filename: "/srv/images/data1.qcow2", Format: "qcow2", ActualSize: new(int64(200704)),
			VirtualSize: 10737418240, DirtyFlag: new(false)},
	}, got[1].Inserted)
	require.Equal(t, "/machine/peripheral/disk1/virtio-backend", *got[1].Qdev)
	require.Equal(t, "ok", *got[1].IOStatus)
}

func TestObjectRefusals(t *testing.T) {
	checkRefusals(t, func(d *wire.Decoder) { d.Object(new(status)) }, []refusal{
		{``, "", 0, "expected an object, found the end of the text"},
		{` []`, "", 1, "expected an object, found an array"},
		{`null`, "", 0, "expected an object, found null"},
		{`{`, "", 1, "expected a member's name, found the end of the text"},
		{`{5}`, "", 1, "expected a member's name, found a number"},
		{`{status: "a"}`, "", 1, "expected a member's name, found 's'"},
		{`{,}`, "", 1, "expected a member's name, found ','"},
		{`{"status"}`, "status", 9, "expected a colon, found '}'"},
		{`{"status" "a"}`, "status", 10, "expected a colon, found a string"},
		{`{"status":}`, "status", 10, "expected a string, found '}'"},
		{`{"status": 1}`, "status", 11, "expected a string, found a number"},
		{`{"running": "true"}`, "running", 12, "expected a boolean, found a string"},
		{`{"status": "a",}`, "", 15, "expected a member's name, found '}'"},
		{`{"status": "a",, "running": true}`, "", 15, "expected a member's name, found ','"},
		{`{"status": "a" "running": true}`, "", 15, "expected a comma or the end of the object, found a string"},
		{`{"status": "a"]`, "", 14, "expected a comma or the end of the object, found ']'"},
		{`{"status": "a"`, "", 14, "expected a comma or the end of the object, found the end of the text"},
		{`{"status": "a"}}`, "", 15, "something follows the value"},
		{`{"status": "running", "status": 5}`, "status", 32, "expected a string, found a number"},
	})
}

func TestErrorsHaveTheWholePath(t *testing.T) {
	checkRefusals(t, func(d *wire.Decoder) { list(d, func(v *blockInfo) { d.Object(v) }) }, []refusal{
		{`[{"device": ""}, {"inserted": {"image": {"virtual-size": "1"}}}]`,
			"[1].inserted.image.virtual-size", 57, "expected an integer, found a string"},
		{`[{"inserted": {"image": [1]}}]`, "[0].inserted.image", 24, "expected an object, found an array"},
		{`[{"inserted": {"image": {}, "new": [{"a": 1}, {"a": +}]}}]`,
			"[0].inserted.new[1].a", 52, "expected a value, found '+'"},
		{`[{}, {}, 3]`, "[2]", 9, "expected an object, found a number"},
	})
}

func TestObjectsAreReadUpToTheDepthBound(t *testing.T) {
	around, end := strings.Repeat("[", wire.MaxDepth-1), strings.Repeat("]", wire.MaxDepth-1)
	enter := func(d *wire.Decoder) {
		for range wire.MaxDepth - 1 {
			d.Array()
		}
	}
	d := wire.NewDecoder([]byte(around + statusReply + end))
	enter(d)
	var got status
	d.Object(&got)
	require.NoError(t, d.Err())
	require.Equal(t, "running", got.Status)

	d.Reset([]byte(around + `{"status": "a", "new": {}}` + end))
	enter(d)
	d.Object(&got)
	requireError(t, d.End(), strings.Repeat("[0]", wire.MaxDepth-1)+".new", wire.MaxDepth-1+23, "nested too deeply")
}
