package integration

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// throttled is a transfer through a relay whose connections have a rate each.
func throttled(b *broken, rate int) (d *daemon, r *relay, args []string) {
	b.t.Helper()
	served := b.dst
	if b.way == "pull" {
		served = b.src
	}
	d = serveDir(b.t, served)
	r = newRelay(b.t, d.addr, rate)
	if b.way == "pull" {
		return d, r, []string{r.url("m/"), b.dst + "/"}
	}
	return d, r, []string{b.src + "/", r.url("m/")}
}

// TestStreamsAddUp moves one file over a line that has a limit for each
// connection: four of them are about four times as fast as one.
func TestStreamsAddUp(t *testing.T) {
	const size, rate = 64 << 20, 16 << 20
	for _, way := range []string{"pull", "push"} {
		t.Run(way, func(t *testing.T) {
			took := map[int]time.Duration{}
			for _, n := range []int{1, 4} {
				b := newBroken(t, way, size)
				d, relay, args := throttled(b, rate)
				r := here.sync(t, append(args, fmt.Sprint("--streams=", n))...)
				wantExit(t, r, 0)
				if r.stderr != "" {
					t.Errorf("%d streams complained:\n%s", n, r.stderr)
				}
				took[n] = r.took
				judge(t, b.src, b.dst)
				noStagingNames(t, b.dst)
				links := relay.all()
				if len(links) != n {
					t.Errorf("%d connections, want %d", len(links), n)
				}
				for i, k := range links {
					if share := k.bytes.Load(); share < size/int64(n)/2 || share > size*3/2/int64(n)+1<<20 {
						t.Errorf("stream %d of %d moved %d bytes", i+1, n, share)
					}
				}
				s, peer := lastStats(t, r.stdout), d.sessions(1)[0]
				const some = 64 << 10 // keep-alives that nobody has read at the end
				if s.WireSent-peer.WireReceived > some || s.WireReceived-peer.WireSent > some || peer.WireReceived > s.WireSent || s.WireReceived+s.WireSent < size {
					t.Errorf("the client counts %d sent and %d received, the daemon %d and %d", s.WireSent, s.WireReceived, peer.WireSent, peer.WireReceived)
				}
				if s.LiteralBytes != size {
					t.Errorf("%d literal bytes", s.LiteralBytes)
				}
			}
			gain := took[1].Seconds() / took[4].Seconds()
			if gain < 2.5 {
				t.Errorf("4 streams are %.2f times as fast as one", gain)
			}
			t.Logf("64 MiB at 128 Mbit/s a connection: 1 stream %.2f s, 4 streams %.2f s, %.2f times as fast", took[1].Seconds(), took[4].Seconds(), gain)
		})
	}
}

// TestStreamsBreak breaks or stalls some of the streams: the others do their
// work, and nothing that was verified is sent again.
func TestStreamsBreak(t *testing.T) {
	const size, rate = 96 << 20, 16 << 20
	for _, c := range []struct {
		name string
		harm func(k *link)
		hurt []int // of streams 0 to 3
		code int
	}{
		{"the first breaks", (*link).breakIt, []int{0}, 0},
		{"one breaks", (*link).breakIt, []int{2}, 0},
		{"three break", (*link).breakIt, []int{0, 1, 3}, 0},
		{"one stalls", (*link).stall, []int{1}, 0},
		{"the first stalls", (*link).stall, []int{0}, 0},
		{"all break", (*link).breakIt, []int{0, 1, 2, 3}, 12},
	} {
		for _, way := range []string{"pull", "push"} {
			t.Run(c.name+" "+way, func(t *testing.T) {
				t.Parallel()
				b := newBroken(t, way, size)
				for i := range 50 {
					writeFile(t, filepath.Join(b.src, "small", fmt.Sprint(i)), strings.Repeat("x", i*1000))
				}
				_, relay, args := throttled(b, rate)
				_, wait := begin(t, syncArgs(append(args, "--streams=4", "--timeout=2")...)...)
				eventually(t, "all streams are at work", func() bool {
					links := relay.all()
					if len(links) < 4 {
						return false
					}
					for _, k := range links {
						if k.bytes.Load() < 4<<20 {
							return false
						}
					}
					return true
				})
				for _, i := range c.hurt {
					c.harm(relay.all()[i])
				}
				r := wait()
				wantExit(t, r, c.code)
				if c.code != 0 {
					return
				}
				if !strings.Contains(r.stderr, "broke") {
					t.Errorf("it is not told of:\n%s", r.stderr)
				}
				judge(t, b.src, b.dst)
				noStagingNames(t, b.dst)
				limit := int64(size) + int64(len(c.hurt))*32<<20
				if s := lastStats(t, r.stdout); s.LiteralBytes > limit {
					t.Errorf("%d bytes were sent, more than %d", s.LiteralBytes, limit)
				}
			})
		}
	}
}

func (k *link) breakIt() { k.cut() }
func (k *link) stall()   { k.stalled.Store(true) }

// TestStreamsOfATree moves a tree with all there is to decide about over several
// streams.
func TestStreamsOfATree(t *testing.T) {
	for _, way := range []string{"pull", "push"} {
		t.Run(way, func(t *testing.T) {
			b := newBroken(t, way, 40<<20)
			for i := range 300 {
				writeFile(t, filepath.Join(b.src, fmt.Sprint("d", i%20), fmt.Sprint("f", i)), strings.Repeat(fmt.Sprint(i), 1+i*40))
			}
			check(t, os.Link(filepath.Join(b.src, "big"), filepath.Join(b.src, "d1/link")))
			writeFile(t, filepath.Join(b.dst, "d2/extra"), "x")
			writeFile(t, filepath.Join(b.dst, "d2/f2"), "old")
			f, err := os.Create(filepath.Join(b.src, "sparse"))
			check(t, err)
			_, err = f.WriteAt([]byte("in the middle"), 33<<20)
			check(t, err)
			check(t, f.Truncate(80<<20))
			check(t, f.Close())
			d, _, args := throttled(b, 0)
			s := here.mustSync(t, append(args, "-H", "--delete", "--streams=5")...)
			judge(t, b.src, b.dst)
			if s.Deleted != 1 {
				t.Errorf("%d deleted", s.Deleted)
			}
			// Then edits, whose deltas go over several streams as well.
			flipBit(t, filepath.Join(b.src, "big"), 20<<20)
			writeFile(t, filepath.Join(b.src, "d3/f3"), "new")
			s = here.mustSync(t, append(args, "-H", "--delete", "--streams=5", "-z")...)
			judge(t, b.src, b.dst)
			noStagingNames(t, b.dst)
			if s.LiteralBytes > 4<<20 {
				t.Errorf("%d bytes were sent for a bit", s.LiteralBytes)
			}
			d.stop()
		})
	}
}

// greet sends a client's hello and returns what the server says.
func greet(t *testing.T, addr string, h map[string]any) (c net.Conn, answer map[string]any) {
	t.Helper()
	c, err := net.Dial("tcp4", addr)
	check(t, err)
	t.Cleanup(func() { c.Close() })
	check(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	body, err := json.Marshal(h)
	check(t, err)
	b := append([]byte("\x89SYNCD\r\n"), 1, 0, 1, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	_, err = c.Write(append(b, body...))
	check(t, err)
	head := make([]byte, 16)
	if _, err := io.ReadFull(c, head); err != nil {
		return c, nil
	}
	body = make([]byte, binary.LittleEndian.Uint32(head[12:]))
	_, err = io.ReadFull(c, body)
	check(t, err)
	check(t, json.Unmarshal(body, &answer))
	return c, answer
}

// TestStreamsToken tries to get into a session with a token that is not its own.
func TestStreamsToken(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "secret"), "x")
	d := serve(t, daemonConfig{keys: "max_streams: 3", modules: []module{{name: "m", path: dir}}})
	pull := map[string]any{"software": "test", "role": "pull", "module": "m", "paths": [][]byte{[]byte("")}, "streams": 9, "features": []string{"streams"}}
	join := func(token any) map[string]any {
		_, answer := greet(t, d.addr, map[string]any{"software": "test", "role": "join", "token": token})
		return answer
	}
	refused := func(what string, token any) {
		t.Helper()
		if a := join(token); a != nil && a["code"] != "denied" {
			t.Errorf("%s: %v", what, a)
		}
	}
	session, answer := greet(t, d.addr, pull)
	if answer["streams"] != 3.0 {
		t.Errorf("%v streams were granted, of 9 wanted and 3 allowed", answer["streams"])
	}
	token, err := json.Marshal(answer["token"])
	check(t, err)
	var bits []byte
	check(t, json.Unmarshal(token, &bits))
	_, other := greet(t, d.addr, pull)
	if len(bits) != 32 || other["token"] == answer["token"] {
		t.Errorf("tokens %v and %v", answer["token"], other["token"])
	}
	refused("zeros", make([]byte, 32))
	refused("no token", nil)
	refused("a short one", bits[:31])
	wrong := bytes.Clone(bits)
	wrong[31] ^= 1
	refused("a bit wrong", wrong)
	for range 2 {
		if a := join(bits); a["code"] != nil {
			t.Errorf("a stream with the right token: %v", a)
		}
	}
	refused("one stream more than granted", bits)
	session.Close()
	eventually(t, "the session has ended", func() bool {
		a := join(bits)
		return a != nil && a["code"] == "denied" && strings.Contains(fmt.Sprint(a["text"]), "over")
	})
	d.alive()
}

// TestStreamsRefused asks for streams where there can't be any.
func TestStreamsRefused(t *testing.T) {
	dir := t.TempDir()
	d := serveDir(t, dir)
	for name, c := range map[string]struct {
		args []string
		code int
	}{
		"stock":    {[]string{"rsync://" + d.addr + "/m/", dir + "/x/"}, 4},
		"local":    {[]string{dir + "/", dir + "/x/"}, 1},
		"too many": {[]string{"--streams=65", d.url("m/"), dir + "/x/"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := here.sync(t, append([]string{"--streams=2"}, c.args...)...)
			wantExit(t, r, c.code)
			if !strings.Contains(r.stderr, "--streams") {
				t.Errorf("not refused by name:\n%s", r.stderr)
			}
		})
	}
}
