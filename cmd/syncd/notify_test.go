package main

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// TestNotifiesReady has the daemon say that it serves, once it does.
func TestNotifiesReady(t *testing.T) {
	for name, addr := range map[string]string{"a path": filepath.Join(t.TempDir(), "notify"), "an abstract name": "@syncd-" + t.Name()} {
		t.Run(name, func(t *testing.T) {
			manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: addr, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer manager.Close()
			t.Setenv("NOTIFY_SOCKET", addr)
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			c := newRoot()
			c.SetArgs([]string{"serve", "--no-cache", "--listen=127.0.0.1:0", "--module=m=" + t.TempDir()})
			c.SetOut(io.Discard)
			ended := make(chan error, 1)
			go func() { ended <- c.ExecuteContext(ctx) }()
			if err := manager.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 64)
			n, err := manager.Read(b)
			if err != nil || string(b[:n]) != "READY=1" {
				t.Errorf("got %q, %v", b[:n], err)
			}
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	if err := notify(filepath.Join(t.TempDir(), "nobody"), "READY=1"); err == nil {
		t.Error("that nobody listens is no error")
	}
}
