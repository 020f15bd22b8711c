package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
)

// notifyReady tells the service manager that clients can come, if it waits for
// that (sd_notify(3)). Without the word systemd ends the daemon after a while:
// that it could not be said is logged.
func notifyReady(log *slog.Logger) {
	addr := os.Getenv("NOTIFY_SOCKET")
	if addr == "" {
		return
	}
	if err := notify(addr, "READY=1"); err != nil {
		log.Error("the service manager does not hear that the daemon is ready", "err", err.Error())
	}
}

// notify sends one datagram to a socket: a path, or an abstract name behind "@".
func notify(addr, state string) error {
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: addr, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(state)); err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return nil
}
