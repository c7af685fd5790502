package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// result is what one case came to, for the test to compare.
type result struct {
	Value   string `json:"value,omitempty"`
	Code    int    `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Details int    `json:"details,omitempty"`
}

func failed(err error) result {
	st, _ := status.FromError(err)
	return result{Code: int(st.Code()), Message: st.Message(), Details: len(st.Details())}
}

func text(format string, args ...any) result { return result{Value: fmt.Sprintf(format, args...)} }

type caller struct{ client *ttrpc.Client }

func (c caller) unary(ctx context.Context, method string, in, out proto.Message) error {
	return c.client.Call(ctx, serviceName, method, in, out)
}

func (c caller) stream(method string, client, server bool, in any) ttrpc.ClientStream {
	desc := &ttrpc.StreamDesc{StreamingClient: client, StreamingServer: server}
	stream, err := c.client.NewStream(context.Background(), desc, serviceName, method, in)
	must(err)
	return stream
}

// call tries every kind of call against a server of ours and prints the results by name as JSON.
func call(path string) {
	conn, err := net.Dial("unix", path)
	must(err)
	c := caller{ttrpc.NewClient(conn)}
	results := map[string]result{}
	for name, try := range map[string]func() result{
		"double":    c.double,
		"parallel":  c.parallel,
		"empty":     c.empty,
		"metadata":  c.metadata,
		"deadline":  c.deadline,
		"fail":      func() result { return c.failWith(5) },
		"failPlain": func() result { return c.failWith(0) },
		"unknown":   c.unknown,
		"large":     func() result { return c.bigOf(4<<20 - 64) },
		"oversized": func() result { return c.bigOf(4<<20 + 1) },
		"sum":       c.sum,
		"count":     c.count,
		"squares":   c.squares,
		"break":     c.breaks,
	} {
		results[name] = try()
	}
	must(json.NewEncoder(os.Stdout).Encode(results))
}

func (c caller) double() result {
	var out wrapperspb.Int64Value
	if err := c.unary(context.Background(), "Double", wrapperspb.Int64(21), &out); err != nil {
		return failed(err)
	}
	return text("%d", out.Value)
}

func (c caller) parallel() result {
	var group sync.WaitGroup
	wrong := make(chan string, 64)
	for worker := range 64 {
		group.Go(func() {
			for i := range 200 {
				n := int64(worker*1000 + i)
				var out wrapperspb.Int64Value
				err := c.unary(context.Background(), "Double", wrapperspb.Int64(n), &out)
				if err != nil || out.Value != n*2 {
					wrong <- fmt.Sprintf("%d: %d %v", n, out.Value, err)
					return
				}
			}
		})
	}
	group.Wait()
	return text("%d wrong", len(wrong))
}

func (c caller) empty() result {
	if err := c.unary(context.Background(), "Empty", &emptypb.Empty{}, &emptypb.Empty{}); err != nil {
		return failed(err)
	}
	return text("empty")
}

func (c caller) metadata() result {
	md := ttrpc.MD{}
	md.Append("one", "1")
	md.Append("two", "2", "zwei")
	ctx := ttrpc.WithMetadata(context.Background(), md)
	var out wrapperspb.StringValue
	if err := c.unary(ctx, "Metadata", &emptypb.Empty{}, &out); err != nil {
		return failed(err)
	}
	return text("%s", out.Value)
}

// deadline learns the answer of the server: it waits longer than the limit that it sends.
func (c caller) deadline() result {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err := c.unary(ctx, "Wait", &emptypb.Empty{}, &emptypb.Empty{})
	if errors.Is(err, context.DeadlineExceeded) {
		return result{Code: 4}
	}
	return failed(err)
}

func (c caller) failWith(code int64) result {
	return failed(c.unary(context.Background(), "Fail", wrapperspb.Int64(code), &emptypb.Empty{}))
}

func (c caller) unknown() result {
	return failed(c.unary(context.Background(), "Nothing", &emptypb.Empty{}, &emptypb.Empty{}))
}

func (c caller) bigOf(size int64) result {
	var out wrapperspb.BytesValue
	if err := c.unary(context.Background(), "Big", wrapperspb.Int64(size), &out); err != nil {
		return failed(err)
	}
	return text("%d", len(out.Value))
}

func (c caller) sum() result {
	stream := c.stream("Sum", true, false, nil)
	for i := range 1000 {
		must(stream.SendMsg(wrapperspb.Int64(int64(i))))
	}
	must(stream.CloseSend())
	var out wrapperspb.Int64Value
	if err := stream.RecvMsg(&out); err != nil {
		return failed(err)
	}
	return text("%d", out.Value)
}

func (c caller) count() result {
	stream := c.stream("Count", false, true, wrapperspb.Int64(1000))
	var total, messages int64
	for {
		var out wrapperspb.Int64Value
		err := stream.RecvMsg(&out)
		if errors.Is(err, io.EOF) {
			return text("%d in %d", total, messages)
		}
		if err != nil {
			return failed(err)
		}
		total += out.Value
		messages++
	}
}

func (c caller) squares() result {
	stream := c.stream("Squares", true, true, nil)
	var total int64
	for i := range 100 {
		must(stream.SendMsg(wrapperspb.Int64(int64(i))))
		var out wrapperspb.Int64Value
		if err := stream.RecvMsg(&out); err != nil {
			return failed(err)
		}
		total += out.Value
	}
	must(stream.CloseSend())
	err := stream.RecvMsg(&wrapperspb.Int64Value{})
	return text("%d %v", total, err)
}

func (c caller) breaks() result {
	stream := c.stream("Break", false, true, &emptypb.Empty{})
	var first wrapperspb.StringValue
	must(stream.RecvMsg(&first))
	return failed(stream.RecvMsg(&first))
}
