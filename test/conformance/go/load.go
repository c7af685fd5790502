package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// figures of one run.
type figures struct {
	PerSecond float64 `json:"perSecond"`
	P50       float64 `json:"p50us"`
	P99       float64 `json:"p99us"`
	// CPU is what client and server together spend on a call or message, in microseconds.
	CPU float64 `json:"cpuUs"`
}

// clock reads the processor time of this process and of the server, in microseconds.
func clock(server string) float64 {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	own := usage.Utime.Nano() + usage.Stime.Nano()
	stat, err := os.ReadFile("/proc/" + server + "/stat")
	must(err)
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks float64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseFloat(field, 64)
		must(err)
		ticks += n
	}
	return float64(own)/1e3 + ticks*1e4
}

// load measures a server: load <socket> unary|stream <in flight> <bytes> <ms> <pid of the server>.
func load(args []string) {
	conn, err := net.Dial("unix", args[0])
	must(err)
	c := caller{ttrpc.NewClient(conn)}
	inFlight, err := strconv.Atoi(args[2])
	must(err)
	size, err := strconv.Atoi(args[3])
	must(err)
	ms, err := strconv.Atoi(args[4])
	must(err)
	var out figures
	switch args[1] {
	case "unary":
		unaryLoad(c, inFlight, size, ms/2, args[5])
		out = unaryLoad(c, inFlight, size, ms, args[5])
	case "stream":
		streamLoad(c, size, ms/2, args[5])
		out = streamLoad(c, size, ms, args[5])
	default:
		fail("unknown load %q", args[1])
	}
	must(json.NewEncoder(os.Stdout).Encode(out))
}

func unaryLoad(c caller, inFlight, size, ms int, server string) figures {
	request := wrapperspb.Bytes(make([]byte, size))
	var group sync.WaitGroup
	times := make([][]time.Duration, inFlight)
	cpu := clock(server)
	start := time.Now()
	end := start.Add(time.Duration(ms) * time.Millisecond)
	for worker := range inFlight {
		group.Go(func() {
			for {
				before := time.Now()
				if before.After(end) {
					return
				}
				var out wrapperspb.BytesValue
				must(c.unary(context.Background(), "Echo", request, &out))
				if len(out.Value) != size {
					fail("wrong reply")
				}
				times[worker] = append(times[worker], time.Since(before))
			}
		})
	}
	group.Wait()
	elapsed := time.Since(start).Seconds()
	cpu = clock(server) - cpu
	all := slices.Concat(times...)
	slices.Sort(all)
	at := func(q float64) float64 { return float64(all[int(q*float64(len(all)-1))].Nanoseconds()) / 1e3 }
	return figures{float64(len(all)) / elapsed, at(0.5), at(0.99), cpu / float64(len(all))}
}

// streamLoad counts the messages of a server stream: it asks for more than fit and reads until the time is over.
func streamLoad(c caller, size, ms int, server string) figures {
	count := int64(1)
	for {
		cpu := clock(server)
		start := time.Now()
		stream := c.stream("Blobs", false, true, wrapperspb.Int64(count<<32|int64(size)))
		for {
			var out wrapperspb.BytesValue
			if err := stream.RecvMsg(&out); errors.Is(err, io.EOF) {
				break
			} else {
				must(err)
			}
		}
		elapsed := time.Since(start)
		if elapsed >= time.Duration(ms)*time.Millisecond {
			return figures{PerSecond: float64(count) / elapsed.Seconds(), CPU: (clock(server) - cpu) / float64(count)}
		}
		factor := float64(ms) / 1e3 / max(elapsed.Seconds(), 1e-4) * 1.2
		count = int64(float64(count)*min(max(factor, 1.2), 100)) + 1
	}
}
