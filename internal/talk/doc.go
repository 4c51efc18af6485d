// Package talk works with whole conversations of the protocol: between a client and a QEMU, a
// qemu-storage-daemon or a guest agent.
//
//	r := talk.NewRecorder(file)
//	defer r.Close()
//	c, err := qmp.NewClient(ctx, r.Conn(conn), nil) // file gets each message
//
// A [Recorder] writes the messages of a client, or of another program through a proxy, to a file.
// [Read] reads this file, and also the logs of other programs. [Join] connects each reply with its
// request. [Printer] writes a conversation for people, [Explainer] says what each message is and what
// was wrong with it. [Server] answers a program as the recorded server did, and [Replay] sends the
// recorded requests again and compares the answers.
//
// # The file
//
// A recorded conversation is a text with a JSON object on each line:
//
//	{"time":"2026-11-30T22:20:00.123456Z","conversation":"1","from":"client","message":{"execute":"stop","id":1}}
//	{"time":"2026-11-30T22:20:00.123612Z","conversation":"1","from":"server","message":{"return":{},"id":1}}
//
// The members are:
//   - time: when the message was seen.
//   - conversation: which connection of this recording.
//   - from: "client" or "server".
//   - files: the number of descriptors that came with the message, if any.
//   - message: the message, with "***" in place of secrets; see [qmp.Redact].
//   - text: what came, if it is not a message. Such text of a client is "***", because no rule says what in it
//     is a secret.
//
// # Secrets
//
// Recorder and Read both hide secrets, so that the output of this package shows neither those of a recording nor those
// of a log that another program made. In text that is not JSON, Read finds only what [qmp.Redact] finds.
package talk
