package bench

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// card answers as the kernel does.
type card struct {
	gathers  uint32
	driver   string
	valueErr error
	infoErr  error
}

func (c card) ask(_ string, request []byte) error {
	switch binary.NativeEndian.Uint32(request) {
	case unix.ETHTOOL_GSG:
		binary.NativeEndian.PutUint32(request[4:], c.gathers)
		return c.valueErr
	case unix.ETHTOOL_GDRVINFO:
		copy(request[4:36], c.driver)
		copy(request[36:], "6.1.0") // the version, which is next
		return c.infoErr
	}
	return unix.EINVAL
}

func TestExamine(t *testing.T) {
	const longest = "a-driver-of-thirty-two-byte-name"
	for _, c := range []struct {
		name     string
		card     card
		loopback bool
		want     Interface
	}{
		{"gathers", card{gathers: 1, driver: "virtio_net"}, false, Interface{Name: "x", Driver: "virtio_net", ScatterGather: true}},
		{"does not", card{driver: "e100"}, false, Interface{Name: "x", Driver: "e100"}},
		{"name without end", card{driver: longest}, false, Interface{Name: "x", Driver: longest}},
		{"loopback", card{gathers: 1, infoErr: unix.EOPNOTSUPP}, true, Interface{Name: "x", Loopback: true, ScatterGather: true}},
		{"no ethtool", card{valueErr: unix.EOPNOTSUPP, infoErr: unix.EOPNOTSUPP}, false, Interface{Name: "x", Problem: "ETHTOOL_GSG: operation not supported"}},
		{"went away", card{gathers: 1, infoErr: unix.ENODEV}, false, Interface{Name: "x", ScatterGather: true, Problem: "ETHTOOL_GDRVINFO: no such device"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := examine("x", c.loopback, c.card.ask); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestSizeOfDriverInfo(t *testing.T) {
	var info unix.EthtoolDrvinfo
	if n := binary.Size(info); n != drvinfoSize {
		t.Errorf("struct ethtool_drvinfo has %d bytes, not %d", n, drvinfoSize)
	}
	if binary.Size(info.Driver) != driverEnd-driverAt {
		t.Error("its driver is not where it was")
	}
}

func TestNameThatFitsNoInterface(t *testing.T) {
	if err := ethtoolIoctl(-1, "a name of sixteen", make([]byte, valueBytes)); err != unix.ENAMETOOLONG {
		t.Errorf("error %v", err)
	}
}
