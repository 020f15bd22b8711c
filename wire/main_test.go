package wire

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// streamKind makes two Conns that talk to each other.
type streamKind struct {
	name   string
	kernel bool // the kernel pumps it
	pair   func(t testing.TB, a, b Options) (*Conn, *Conn)
}

var streamKinds = []streamKind{
	{"tcp", true, tcpPair},
	{"unix", true, unixPair},
	{"socketpair-stdio", true, stdioSocketPair},
	{"pipes-stdio", true, stdioPipes},
	{"blocking-pipes-stdio", true, blockingPipes},
	{"tls", false, tlsPair},
	{"net-pipe", false, netPipe},
}

var transports = []Transport{Splice, Sendfile, Mmap, ReadWrite}

// forEach runs f for each kind of stream with each transport.
func forEach(t *testing.T, f func(t *testing.T, k streamKind, tr Transport)) {
	for _, k := range streamKinds {
		for _, tr := range transports {
			t.Run(k.name+"/"+tr.String(), func(t *testing.T) { f(t, k, tr) })
		}
	}
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func connPair(t testing.TB, a, b net.Conn, oa, ob Options) (*Conn, *Conn) {
	t.Helper()
	ca := must[*Conn](t)(NewConn(a, oa))
	cb := must[*Conn](t)(NewConn(b, ob))
	closeAtEnd(t, ca, cb)
	return ca, cb
}

func closeAtEnd(t testing.TB, conns ...*Conn) {
	t.Cleanup(func() {
		for _, c := range conns {
			c.Close()
		}
	})
}

func dialPair(t testing.TB, network, address string) (net.Conn, net.Conn) {
	t.Helper()
	l := must[net.Listener](t)(net.Listen(network, address))
	defer l.Close()
	a := must[net.Conn](t)(net.Dial(network, l.Addr().String()))
	b := must[net.Conn](t)(l.Accept())
	return a, b
}

func tcpPair(t testing.TB, oa, ob Options) (*Conn, *Conn) {
	a, b := dialPair(t, "tcp", "127.0.0.1:0")
	return connPair(t, a, b, oa, ob)
}

func unixPair(t testing.TB, oa, ob Options) (*Conn, *Conn) {
	a, b := dialPair(t, "unix", filepath.Join(t.TempDir(), "s"))
	return connPair(t, a, b, oa, ob)
}

func netPipe(t testing.TB, oa, ob Options) (*Conn, *Conn) {
	a, b := net.Pipe()
	return connPair(t, a, b, oa, ob)
}

func tlsPair(t testing.TB, oa, ob Options) (*Conn, *Conn) {
	a, b := dialPair(t, "tcp", "127.0.0.1:0")
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "test"},
		NotAfter:     time.Now().Add(time.Hour),
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	server := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	client := tls.Client(a, &tls.Config{InsecureSkipVerify: true})
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	return connPair(t, client, server, oa, ob)
}

func streamPair(t testing.TB, ra, wa, rb, wb *os.File, oa, ob Options) (*Conn, *Conn) {
	t.Helper()
	ca := must[*Conn](t)(NewStream(ra, wa, oa))
	cb := must[*Conn](t)(NewStream(rb, wb, ob))
	closeAtEnd(t, ca, cb)
	return ca, cb
}

// stdioSocketPair has one blocking socket as stdin and stdout of each end.
func stdioSocketPair(t testing.TB, oa, ob Options) (*Conn, *Conn) {
	fds := must[[2]int](t)(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	a, b := os.NewFile(uintptr(fds[0]), "a"), os.NewFile(uintptr(fds[1]), "b")
	return streamPair(t, a, a, b, b, oa, ob)
}

func stdioPipes(t testing.TB, oa, ob Options) (*Conn, *Conn) {
	ra, wb, err := os.Pipe()
	rb, wa, err2 := os.Pipe()
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return streamPair(t, ra, wa, rb, wb, oa, ob)
}

// blockingPipes are what a remote shell gives: descriptors that the runtime
// cannot wait for until they are made non-blocking.
func blockingPipes(t testing.TB, oa, ob Options) (*Conn, *Conn) {
	var x, y [2]int
	if err := errors.Join(unix.Pipe2(x[:], unix.O_CLOEXEC), unix.Pipe2(y[:], unix.O_CLOEXEC)); err != nil {
		t.Fatal(err)
	}
	file := func(fd int) *os.File { return os.NewFile(uintptr(fd), "stdio") }
	return streamPair(t, file(x[0]), file(y[1]), file(y[0]), file(x[1]), oa, ob)
}

// randomBytes returns n bytes that depend on seed.
func randomBytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	mrand.NewChaCha8(key).Read(b)
	return b
}

// fileOf returns a file with content b, open for reading and writing.
func fileOf(t testing.TB, b []byte) *os.File {
	t.Helper()
	f := must[*os.File](t)(os.CreateTemp(t.TempDir(), "f"))
	t.Cleanup(func() { f.Close() })
	must[int](t)(f.Write(b))
	return f
}

// contentOf returns n bytes of f from off, fewer if it ends.
func contentOf(t testing.TB, f *os.File, off int64, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	k, err := f.ReadAt(b, off)
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return b[:k]
}

// openFDs returns how many descriptors the process has.
func openFDs(t testing.TB) int {
	t.Helper()
	return len(must[[]os.DirEntry](t)(os.ReadDir("/proc/self/fd")))
}

// smallTmpfs mounts a tmpfs of size bytes and returns its path.
func smallTmpfs(t testing.TB, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("mount tmpfs (the tests run as root): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}
