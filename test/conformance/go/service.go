package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sort"
	"strings"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const serviceName = "conformance.Peer"

func description() *ttrpc.ServiceDesc {
	return &ttrpc.ServiceDesc{
		Methods: map[string]ttrpc.Method{
			"Double":   double,
			"Echo":     echo,
			"Big":      big,
			"Fail":     failure,
			"Metadata": metadata,
			"Wait":     wait,
			"Empty":    empty,
		},
		Streams: map[string]ttrpc.Stream{
			"Sum":     {Handler: sum, StreamingClient: true},
			"Count":   {Handler: count, StreamingServer: true},
			"Squares": {Handler: squares, StreamingClient: true, StreamingServer: true},
			"Blobs":   {Handler: blobs, StreamingServer: true},
			"Drain":   {Handler: drain, StreamingClient: true},
			"Break":   {Handler: breaks, StreamingServer: true},
			"Waits":   {Handler: waits, StreamingServer: true},
		},
	}
}

func double(_ context.Context, unmarshal func(any) error) (any, error) {
	var in wrapperspb.Int64Value
	if err := unmarshal(&in); err != nil {
		return nil, err
	}
	return wrapperspb.Int64(in.Value * 2), nil
}

func echo(_ context.Context, unmarshal func(any) error) (any, error) {
	var in wrapperspb.BytesValue
	if err := unmarshal(&in); err != nil {
		return nil, err
	}
	return &in, nil
}

func big(_ context.Context, unmarshal func(any) error) (any, error) {
	var in wrapperspb.Int64Value
	if err := unmarshal(&in); err != nil {
		return nil, err
	}
	return wrapperspb.Bytes(make([]byte, in.Value)), nil
}

// failure answers with the code that it is asked for, or with a plain error for 0.
func failure(_ context.Context, unmarshal func(any) error) (any, error) {
	var in wrapperspb.Int64Value
	if err := unmarshal(&in); err != nil {
		return nil, err
	}
	if in.Value == 0 {
		return nil, errors.New("plain error")
	}
	st, err := status.New(codes.Code(in.Value), "asked for").WithDetails(wrapperspb.String("détail"))
	must(err)
	return nil, st.Err()
}

func metadata(ctx context.Context, unmarshal func(any) error) (any, error) {
	var in emptypb.Empty
	if err := unmarshal(&in); err != nil {
		return nil, err
	}
	return wrapperspb.String(metadataText(ctx)), nil
}

func metadataText(ctx context.Context) string {
	md, _ := ttrpc.GetMetadata(ctx)
	var lines []string
	for key, values := range md {
		lines = append(lines, fmt.Sprintf("%s=%s", key, strings.Join(values, ",")))
	}
	sort.Strings(lines)
	return strings.Join(lines, ";")
}

// wait answers only when its time limit cancels it.
func wait(ctx context.Context, unmarshal func(any) error) (any, error) {
	var in emptypb.Empty
	if err := unmarshal(&in); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(10 * time.Second):
		return nil, errors.New("not canceled")
	}
}

func empty(_ context.Context, unmarshal func(any) error) (any, error) {
	var in emptypb.Empty
	if err := unmarshal(&in); err != nil {
		return nil, err
	}
	return &in, nil
}

func sum(_ context.Context, ss ttrpc.StreamServer) (any, error) {
	var total int64
	for {
		var in wrapperspb.Int64Value
		if err := ss.RecvMsg(&in); errors.Is(err, io.EOF) {
			return wrapperspb.Int64(total), nil
		} else if err != nil {
			return nil, err
		}
		total += in.Value
	}
}

func count(_ context.Context, ss ttrpc.StreamServer) (any, error) {
	var in wrapperspb.Int64Value
	if err := ss.RecvMsg(&in); err != nil {
		return nil, err
	}
	for i := int64(0); i < in.Value; i++ {
		if err := ss.SendMsg(wrapperspb.Int64(i)); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func squares(_ context.Context, ss ttrpc.StreamServer) (any, error) {
	for {
		var in wrapperspb.Int64Value
		if err := ss.RecvMsg(&in); errors.Is(err, io.EOF) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		if err := ss.SendMsg(wrapperspb.Int64(in.Value * in.Value)); err != nil {
			return nil, err
		}
	}
}

// blobs sends messages of size (low 32 bits) until count (high 32 bits) are sent.
func blobs(_ context.Context, ss ttrpc.StreamServer) (any, error) {
	var in wrapperspb.Int64Value
	if err := ss.RecvMsg(&in); err != nil {
		return nil, err
	}
	blob := wrapperspb.Bytes(make([]byte, in.Value&0xffffffff))
	for i := int64(0); i < in.Value>>32; i++ {
		if err := ss.SendMsg(blob); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// drain takes blobs and answers with the number of their bytes.
func drain(_ context.Context, ss ttrpc.StreamServer) (any, error) {
	var total int64
	for {
		var in wrapperspb.BytesValue
		if err := ss.RecvMsg(&in); errors.Is(err, io.EOF) {
			return wrapperspb.Int64(total), nil
		} else if err != nil {
			return nil, err
		}
		total += int64(len(in.Value))
	}
}

// breaks sends one message, then fails.
func breaks(ctx context.Context, ss ttrpc.StreamServer) (any, error) {
	var in emptypb.Empty
	if err := ss.RecvMsg(&in); err != nil {
		return nil, err
	}
	if err := ss.SendMsg(wrapperspb.String(metadataText(ctx))); err != nil {
		return nil, err
	}
	return nil, status.Error(codes.DataLoss, "broken on purpose")
}

// waits sends nothing until its time limit cancels it.
func waits(ctx context.Context, ss ttrpc.StreamServer) (any, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func serve(path string) {
	listener, err := net.Listen("unix", path)
	must(err)
	server, err := ttrpc.NewServer()
	must(err)
	server.RegisterService(serviceName, description())
	fmt.Println("listening")
	must(server.Serve(context.Background(), listener))
}
