package bench

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An Interface is a network interface that is up.
type Interface struct {
	Name     string `json:"name"`
	Loopback bool   `json:"loopback"`
	Driver   string `json:"driver,omitempty"` // "": the kernel names none
	// ScatterGather: a packet may be gathered from pages where they lie.
	ScatterGather bool   `json:"scatter_gather"`
	Problem       string `json:"problem,omitempty"` // why ScatterGather is unknown
}

func (i *Interface) String() string {
	driver := i.Driver
	switch {
	case i.Loopback:
		driver = "loopback, no card"
	case driver == "":
		driver = "driver unknown"
	}
	gather := "off: sendfile copies"
	switch {
	case i.Problem != "":
		gather = "unknown: " + i.Problem
	case i.ScatterGather:
		gather = "on"
	}
	return fmt.Sprintf("%-10s %-18s scatter-gather %s", i.Name, driver, gather)
}

// Interfaces asks the interfaces that are up. It needs no privilege.
func Interfaces() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	sock, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket for ethtool: %w", err)
	}
	defer unix.Close(sock)
	ask := func(name string, request []byte) error { return ethtoolIoctl(sock, name, request) }
	var out []Interface
	for _, n := range all {
		if n.Flags&net.FlagUp != 0 {
			out = append(out, examine(n.Name, n.Flags&net.FlagLoopback != 0, ask))
		}
	}
	return out, nil
}

// ethtool is a request of <linux/ethtool.h>: 4 bytes of command and room for
// the answer, which the kernel fills in.
type ethtool func(name string, request []byte) error

// Layouts of requests, in the byte order of the machine.
const (
	valueBytes  = 8   // struct ethtool_value: u32 cmd, u32 data
	driverAt    = 4   // struct ethtool_drvinfo: u32 cmd, char driver[32], ...
	driverEnd   = 36  // all of its names are ETHTOOL_BUSINFO_LEN, 32, bytes
	drvinfoSize = 196 // 5 names of 32 after those, 12 reserved, 5 counters of u32
)

// examine asks one interface.
func examine(name string, loopback bool, ask ethtool) Interface {
	out := Interface{Name: name, Loopback: loopback}
	value := make([]byte, valueBytes)
	binary.NativeEndian.PutUint32(value, unix.ETHTOOL_GSG)
	if err := ask(name, value); err != nil {
		out.Problem = fmt.Sprintf("ETHTOOL_GSG: %v", err)
	} else {
		out.ScatterGather = binary.NativeEndian.Uint32(value[4:]) != 0
	}
	info := make([]byte, drvinfoSize)
	binary.NativeEndian.PutUint32(info, unix.ETHTOOL_GDRVINFO)
	switch err := ask(name, info); {
	case err == nil:
		driver, _, _ := bytes.Cut(info[driverAt:driverEnd], []byte{0})
		out.Driver = string(driver)
	case !errors.Is(err, unix.EOPNOTSUPP): // as loopback, and tunnels of old kernels
		out.Problem = fmt.Sprintf("ETHTOOL_GDRVINFO: %v", err)
	}
	return out
}

// ethtoolIoctl is SIOCETHTOOL, see netdevice(7).
func ethtoolIoctl(sock int, name string, request []byte) error {
	var ifreq struct { // struct ifreq: 40 bytes on 64-bit machines
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	if len(name) >= len(ifreq.name) {
		return unix.ENAMETOOLONG
	}
	copy(ifreq.name[:], name)
	// What only the kernel sees must not be on a stack that moves.
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&request[0])
	ifreq.data = unsafe.Pointer(&request[0])
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(sock), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&ifreq))); errno != 0 {
		return errno
	}
	return nil
}
