package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"sync"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// recorder keeps what is written through a connection.
type recorder struct {
	net.Conn
	mu    sync.Mutex
	bytes []byte
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	r.bytes = append(r.bytes, p...)
	r.mu.Unlock()
	return r.Conn.Write(p)
}

func (r *recorder) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := hex.EncodeToString(r.bytes)
	r.bytes = nil
	return text
}

type oneListener struct{ conns chan net.Conn }

func (l oneListener) Accept() (net.Conn, error) { return <-l.conns, nil }
func (l oneListener) Close() error              { return nil }
func (l oneListener) Addr() net.Addr            { return &net.UnixAddr{Name: "golden", Net: "unix"} }

// exchange is one call as Go's client and server put it on the wire.
type exchange struct {
	Client string `json:"client"`
	Server string `json:"server"`
}

// golden prints the bytes of each kind of call in hex, as JSON.
func golden() {
	near, far := net.Pipe()
	client, server := &recorder{Conn: near}, &recorder{Conn: far}
	listener := oneListener{make(chan net.Conn, 1)}
	listener.conns <- server
	s, err := ttrpc.NewServer()
	must(err)
	s.RegisterService(serviceName, description())
	go s.Serve(context.Background(), listener)
	c := caller{ttrpc.NewClient(client)}

	exchanges := map[string]exchange{}
	for _, entry := range []struct {
		name string
		try  func() result
	}{
		{"unary", c.double},
		{"metadata", func() result {
			ctx := ttrpc.WithMetadata(context.Background(), ttrpc.MD{"key": {"one", "two", ""}})
			var out wrapperspb.StringValue
			must(c.unary(ctx, "Metadata", &emptypb.Empty{}, &out))
			return text("%s", out.Value)
		}},
		{"empty", c.empty},
		{"fail", func() result { return c.failWith(5) }},
		{"failPlain", func() result { return c.failWith(0) }},
		{"unknown", c.unknown},
		{"sum", func() result {
			stream := c.stream("Sum", true, false, nil)
			must(stream.SendMsg(wrapperspb.Int64(3)))
			must(stream.SendMsg(wrapperspb.Int64(0)))
			must(stream.CloseSend())
			var out wrapperspb.Int64Value
			must(stream.RecvMsg(&out))
			return text("%d", out.Value)
		}},
		{"count", func() result {
			stream := c.stream("Count", false, true, wrapperspb.Int64(2))
			for range 3 {
				stream.RecvMsg(&wrapperspb.Int64Value{})
			}
			return result{}
		}},
		{"squares", func() result {
			stream := c.stream("Squares", true, true, nil)
			must(stream.SendMsg(wrapperspb.Int64(300)))
			must(stream.RecvMsg(&wrapperspb.Int64Value{}))
			must(stream.CloseSend())
			stream.RecvMsg(&wrapperspb.Int64Value{})
			return result{}
		}},
		{"break", c.breaks},
	} {
		entry.try()
		time.Sleep(10 * time.Millisecond)
		exchanges[entry.name] = exchange{client.take(), server.take()}
	}
	timeout, err := proto.Marshal(&ttrpc.Request{
		Service: serviceName, Method: "Wait", TimeoutNano: int64(1500 * time.Millisecond),
		Metadata: []*ttrpc.KeyValue{{Key: "k", Value: "v"}},
	})
	must(err)
	exchanges["timeoutRequest"] = exchange{Client: hex.EncodeToString(timeout)}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	must(encoder.Encode(exchanges))
}
