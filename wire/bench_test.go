package wire

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The benchmarks run the sender in a process of its own, so that the CPU time
// of the two ends is told apart, and take all variants in turn in each round,
// so that a noisy minute hits all of them. The reported figures are medians:
//
//	go test -run '^$' -bench Pump -benchtime 7x ./wire

const (
	benchSize    = 1 << 30
	benchSegment = 8 << 20 // a header and a body at a time, as the dialect does
	smallCount   = 20000
	smallSize    = 4096
)

// senderEnv marks a process as the sender of a benchmark:
// variant, address, path.
const senderEnv = "SYNCD_WIRE_BENCH_SENDER"

func init() {
	if os.Getenv(senderEnv) == "" {
		return
	}
	if err := benchSender(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// bare is the variant without a Conn: blocking descriptors, sendfile at one
// end and splice at the other, nothing else.
const bare = "bare"

func benchSender(variant, addr, path string) error {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	if variant == bare {
		return bareSend(nc, path)
	}
	tr, err := ParseTransport(variant)
	if err != nil {
		return err
	}
	c, err := NewConn(nc, Options{Transport: tr, Timeout: time.Minute})
	if err != nil {
		return err
	}
	defer c.Close()
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	if st.IsDir() {
		return sendSmall(c, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var head [32]byte
	for off := int64(0); off < benchSize; off += benchSegment {
		c.Write(head[:])
		if err := c.SendFile(f, off, benchSegment); err != nil {
			return err
		}
	}
	if err := c.Flush(); err != nil {
		return err
	}
	_, err = io.ReadFull(c, head[:1])
	return err
}

// sendSmall opens and sends each file of dir and reports its CPU time per
// file on stdout, in microseconds.
func sendSmall(c *Conn, dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	names := make([]string, smallCount)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	var head [32]byte
	binary.LittleEndian.PutUint32(head[:], smallSize)
	start := cpuTime(unix.RUSAGE_SELF)
	for _, name := range names {
		fd, err := unix.Openat(int(d.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), name)
		c.Write(head[:])
		err = c.SendFile(f, 0, smallSize)
		f.Close()
		if err != nil {
			return err
		}
	}
	if err := c.Flush(); err != nil {
		return err
	}
	used := cpuTime(unix.RUSAGE_SELF) - start
	fmt.Printf("%.3f", used.Seconds()*1e6/smallCount)
	_, err = io.ReadFull(c, head[:1])
	return err
}

// cpuTime returns the CPU time of this process or of its ended children.
func cpuTime(who int) time.Duration {
	var ru unix.Rusage
	if err := unix.Getrusage(who, &ru); err != nil {
		panic("wire: getrusage: " + err.Error())
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// blocking takes the descriptor out of the runtime's poller.
func blocking(nc net.Conn) (*os.File, error) {
	f, err := nc.(*net.TCPConn).File()
	if err != nil {
		return nil, err
	}
	nc.Close()
	return f, unix.SetNonblock(int(f.Fd()), false)
}

func bareSend(nc net.Conn, path string) error {
	s, err := blocking(nc)
	if err != nil {
		return err
	}
	defer s.Close()
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for off := int64(0); off < benchSize; {
		if _, err := unix.Sendfile(int(s.Fd()), int(f.Fd()), &off, int(benchSize-off)); err != nil {
			return err
		}
	}
	_, err = s.Read(make([]byte, 1))
	return err
}

func bareReceive(nc net.Conn, dst *os.File) error {
	s, err := blocking(nc)
	if err != nil {
		return err
	}
	defer s.Close()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	if _, err := unix.FcntlInt(uintptr(p[1]), unix.F_SETPIPE_SZ, pipeSize); err != nil {
		return err
	}
	for off := int64(0); off < benchSize; {
		n, err := unix.Splice(int(s.Fd()), nil, p[1], nil, pipeSize, 0)
		for n > 0 && err == nil {
			var k int64
			k, err = unix.Splice(p[0], nil, int(dst.Fd()), &off, int(n), 0)
			n -= k
		}
		if err != nil {
			return err
		}
	}
	_, err = s.Write([]byte{1})
	return err
}

func receiveSegments(nc net.Conn, tr Transport, dst *os.File) error {
	c, err := NewConn(nc, Options{Transport: tr, Timeout: time.Minute})
	if err != nil {
		return err
	}
	defer c.Close()
	var head [32]byte
	for off := int64(0); off < benchSize; off += benchSegment {
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return err
		}
		if err := c.RecvFile(dst, off, benchSegment); err != nil {
			return err
		}
	}
	c.Write(head[:1])
	return c.Flush()
}

func receiveSmall(nc net.Conn, tr Transport, dst *os.File) error {
	c, err := NewConn(nc, Options{Transport: tr, Timeout: time.Minute})
	if err != nil {
		return err
	}
	defer c.Close()
	var head [32]byte
	for range smallCount {
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return err
		}
		if err := c.RecvFile(dst, 0, int64(binary.LittleEndian.Uint32(head[:]))); err != nil {
			return err
		}
	}
	c.Write(head[:1])
	return c.Flush()
}

// withSender starts the sending process and calls receive with its stream.
// It returns what the sender printed and its CPU time.
func withSender(b *testing.B, variant, path string, receive func(net.Conn) error) (string, time.Duration) {
	b.Helper()
	l := must[net.Listener](b)(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	cmd := exec.Command(must[string](b)(os.Executable()), variant, l.Addr().String(), path)
	cmd.Env = append(os.Environ(), senderEnv+"=1")
	cmd.Stderr = os.Stderr
	out := must[io.ReadCloser](b)(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	nc := must[net.Conn](b)(l.Accept())
	if err := receive(nc); err != nil {
		b.Fatalf("%s: %v", variant, err)
	}
	printed := must[[]byte](b)(io.ReadAll(out))
	if err := cmd.Wait(); err != nil {
		b.Fatalf("%s: sender: %v", variant, err)
	}
	return string(printed), cmd.ProcessState.SystemTime() + cmd.ProcessState.UserTime()
}

// touch writes and deletes a file as large as the one to come, so that the
// memory behind the page cache is not first touched by the timed run.
func touch(b *testing.B, dir string) {
	b.Helper()
	path := filepath.Join(dir, "touch")
	f := must[*os.File](b)(os.Create(path))
	writeRandom(b, f, benchSize)
	f.Close()
	os.Remove(path)
}

func writeRandom(b *testing.B, f *os.File, n int) {
	b.Helper()
	block := randomBytes(9, 1<<20)
	for range n / len(block) {
		must[int](b)(f.Write(block))
	}
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// BenchmarkPump moves one cached file of 1 GiB over loopback TCP into a new
// file on the same file system.
func BenchmarkPump(b *testing.B) {
	dir := b.TempDir()
	src := filepath.Join(dir, "src")
	f := must[*os.File](b)(os.Create(src))
	writeRandom(b, f, benchSize)
	f.Close()
	variants := []string{bare, "splice", "sendfile", "mmap", "readwrite"}
	wall, cpu := map[string][]float64{}, map[string][]float64{}
	b.ResetTimer()
	for i := range b.N {
		for j := range variants {
			v := variants[(i+j)%len(variants)]
			w, c := pumpOnce(b, dir, src, v)
			wall[v], cpu[v] = append(wall[v], w), append(cpu[v], c)
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, v := range variants {
		b.ReportMetric(median(wall[v]), v+"-s")
		b.ReportMetric(median(cpu[v]), v+"-cpu-s")
	}
}

// pumpOnce returns the wall time and the CPU time of both ends, in seconds.
func pumpOnce(b *testing.B, dir, src, variant string) (wall, cpu float64) {
	b.Helper()
	touch(b, dir)
	path := filepath.Join(dir, "dst")
	dst := must[*os.File](b)(os.Create(path))
	defer os.Remove(path)
	defer dst.Close()
	var took, own time.Duration
	_, child := withSender(b, variant, src, func(nc net.Conn) error {
		start, before := time.Now(), cpuTime(unix.RUSAGE_SELF)
		defer func() { took, own = time.Since(start), cpuTime(unix.RUSAGE_SELF)-before }()
		if variant == bare {
			return bareReceive(nc, dst)
		}
		tr := must[Transport](b)(ParseTransport(variant))
		return receiveSegments(nc, tr, dst)
	})
	return took.Seconds(), (own + child).Seconds()
}

// BenchmarkSmallFiles sends files of 4 KiB, each opened and closed, behind a
// header of 32 bytes, and reports the sender's CPU time per file. The
// receiver overwrites one file.
func BenchmarkSmallFiles(b *testing.B) {
	dir := b.TempDir()
	body := randomBytes(9, smallSize)
	for i := range smallCount {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), body, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	dst := fileOf(b, nil)
	micros, took := map[string][]float64{}, map[string][]float64{}
	b.ResetTimer()
	for range b.N {
		for _, tr := range transports {
			start := time.Now()
			out, _ := withSender(b, tr.String(), dir, func(nc net.Conn) error { return receiveSmall(nc, tr, dst) })
			v := must[float64](b)(strconv.ParseFloat(out, 64))
			micros[tr.String()] = append(micros[tr.String()], v)
			took[tr.String()] = append(took[tr.String()], time.Since(start).Seconds()*1e6/smallCount)
		}
	}
	b.ReportMetric(0, "ns/op")
	for v := range micros {
		b.ReportMetric(median(micros[v]), v+"-us-CPU/file")
		b.ReportMetric(median(took[v]), v+"-us/file")
	}
}
