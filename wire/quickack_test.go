package wire

import (
	"io"
	"net"
	"testing"
	"time"
)

// nagling has c gather what it writes until all before is acknowledged.
func nagling(t *testing.T, c net.Conn) net.Conn {
	t.Helper()
	if err := c.(*net.TCPConn).SetNoDelay(false); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPeerThatWritesTwiceDoesNotWaitForAcknowledgements(t *testing.T) {
	const rounds = 20
	x, y := dialPair(t, "tcp", "127.0.0.1:0")
	peer := nagling(t, x)
	b := must[*Conn](t)(NewConn(y, Options{}))
	defer b.Close()
	defer peer.Close()
	go func() {
		answer := make([]byte, 1)
		for range rounds {
			for _, part := range []string{"f", "irst", "s", "econd"} {
				if _, err := io.WriteString(peer, part); err != nil {
					return
				}
			}
			if _, err := io.ReadFull(peer, answer); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, len("firstsecond"))
	start := time.Now()
	for range rounds {
		for got := 0; got < len(buf); {
			b.Acknowledge()
			n, err := b.Read(buf[got:])
			if err != nil {
				t.Fatal(err)
			}
			got += n
		}
		if _, err := io.WriteString(b, "!"); err != nil {
			t.Fatal(err)
		}
		if err := b.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	// One delayed acknowledgement is 40 ms at least, and each round had one or more.
	if took := time.Since(start); took > rounds*20*time.Millisecond {
		t.Errorf("%d rounds took %v", rounds, took)
	}
}

func TestAcknowledgeOnWhatIsNotTCP(t *testing.T) {
	x, y := dialPair(t, "unix", t.TempDir()+"/s")
	a, b := connPair(t, x, y, Options{}, Options{})
	a.Acknowledge()
	b.Acknowledge()
	inStep(t, a, b, "next")
	p, q := net.Pipe()
	c := must[*Conn](t)(NewConn(p, Options{}))
	c.Acknowledge()
	c.Close()
	c.Acknowledge()
	q.Close()
}
