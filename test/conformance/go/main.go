// The Go side of the conformance tests and benchmarks of ttrpc-ts: a server, a client that tries everything
// against a server of ours, a recorder of golden frames, and a load generator. Messages are the well-known
// wrappers of protobuf, so nothing needs to be generated.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fail("usage: peer serve|call|golden|load ...")
	}
	args := os.Args[2:]
	switch os.Args[1] {
	case "serve":
		serve(args[0])
	case "call":
		call(args[0])
	case "golden":
		golden()
	case "load":
		load(args)
	default:
		fail("unknown mode %q", os.Args[1])
	}
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func must(err error) {
	if err != nil {
		fail("%v", err)
	}
}
