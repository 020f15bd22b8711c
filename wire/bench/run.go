package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// Options say what Run measures.
type Options struct {
	// File is what is sent; "" has one of Size bytes made and removed.
	File string
	Size int64 // of the file that is made, at least 1
	Dir  string
	Runs int // of each pair, timed; at least 1
	// End are the arguments that make this program call RunEnd, with those
	// that follow them.
	End []string
	// Progress is called before each run; nil is not.
	Progress func(done, of int)
}

// Validate says what Run would refuse.
func (o *Options) Validate() error {
	switch {
	case o.Runs < 1 || o.Runs > 1000:
		return fmt.Errorf("%d runs: between 1 and 1000 are possible", o.Runs)
	case o.File == "" && o.Size < 1:
		return fmt.Errorf("a size of %d: at least 1 byte is needed", o.Size)
	case len(o.End) == 0:
		return errors.New("bench: Options.End is empty")
	}
	return nil
}

// Run measures all pairs and asks the network interfaces what they can. It
// takes about a second for each GiB, pair and run. When ctx is done it ends
// with an error and leaves nothing behind.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	src, err := openSource(&o)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	st, err := src.Stat()
	if err != nil {
		return nil, err
	}
	r := &runner{opt: &o, src: src, size: st.Size()}
	rows, err := r.rounds(ctx)
	if err != nil {
		return nil, err
	}
	rep := &Report{Size: r.size, Dir: o.Dir, Runs: o.Runs, Kernel: kernel(), Rows: rows}
	if rep.Interfaces, err = Interfaces(); err != nil {
		return nil, err
	}
	rep.addNotes()
	return rep, nil
}

type runner struct {
	opt  *Options
	src  *os.File
	size int64
}

// rounds lets the pairs take turns.
func (r *runner) rounds(ctx context.Context) ([]Row, error) {
	all := pairs()
	rows := make([]Row, len(all))
	for i, p := range all {
		rows[i] = Row{Sender: p.sender.name, Receiver: p.receiver.name, SenderCost: p.sender.cost, ReceiverCost: &all[i].receiver.cost}
	}
	for round := range r.opt.Runs + 1 {
		for done, i := range Turn(len(all), round) {
			if r.opt.Progress != nil {
				r.opt.Progress(round*len(all)+done, (r.opt.Runs+1)*len(all))
			}
			s, err := r.run(ctx, all[i], round == 0)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				return nil, fmt.Errorf("%s to %s: %w", all[i].sender.name, all[i].receiver.name, err)
			}
			if round > 0 {
				rows[i].Samples = append(rows[i].Samples, *s)
			}
		}
	}
	for i := range rows {
		rows[i].Median = medianOf(rows[i].Samples)
	}
	return rows, nil
}

// Turn is the order of n contenders in a round: each round another one begins,
// and the direction changes.
func Turn(n, round int) []int {
	order := make([]int, n)
	for i := range order {
		if round%2 == 0 {
			order[i] = (round + i) % n
		} else {
			order[i] = ((round-i)%n + n) % n
		}
	}
	return order
}

// run is one run of a pair. The warm one is compared with the source.
func (r *runner) run(ctx context.Context, p pair, warm bool) (*Sample, error) {
	if !warm {
		if err := touch(r.opt.Dir, r.size); err != nil {
			return nil, err
		}
	}
	dst, err := nameless(r.opt.Dir)
	if err != nil {
		return nil, err
	}
	defer dst.Close()
	near, far, err := connection()
	if err != nil {
		return nil, err
	}
	receiver := r.command(ctx, roleReceive, p.receiver, far, dst)
	sender := r.command(ctx, roleSend, p.sender, near, r.src)
	err = errors.Join(receiver.Start(), sender.Start())
	// The ends alone hold the sockets now: each learns when the other dies.
	near.Close()
	far.Close()
	s := new(Sample)
	err = errors.Join(err, sender.result(&s.Sender), receiver.result(&s.Receiver))
	if err == nil && warm {
		err = sameContent(r.src, dst, r.size)
	}
	return s, err
}

// endProcess is a process that runs RunEnd.
type endProcess struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
}

func (r *runner) command(ctx context.Context, role string, t technique, socket, file *os.File) *endProcess {
	e := &endProcess{Cmd: exec.CommandContext(ctx, "/proc/self/exe", slices.Concat(r.opt.End, []string{role, t.transport.String(), strconv.FormatInt(r.size, 10)})...)}
	e.Args[0] = os.Args[0]
	e.ExtraFiles = []*os.File{socket, file} // socketFD, fileFD
	e.Stdout, e.Stderr = &e.stdout, &e.stderr
	return e
}

// result waits for an end that was started and decodes what it wrote.
func (e *endProcess) result(end *End) error {
	if e.Process == nil {
		return nil // Start has failed, and said why
	}
	if err := e.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(e.stderr.String()))
	}
	if err := json.Unmarshal(e.stdout.Bytes(), end); err != nil {
		return fmt.Errorf("what an end of the run wrote: %w", err)
	}
	return nil
}

// connection is a TCP connection on loopback.
func connection() (near, far *os.File, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	defer a.Close()
	b, err := l.Accept()
	if err != nil {
		return nil, nil, err
	}
	defer b.Close()
	if near, err = a.(*net.TCPConn).File(); err != nil {
		return nil, nil, err
	}
	if far, err = b.(*net.TCPConn).File(); err != nil {
		near.Close()
		return nil, nil, err
	}
	return near, far, nil
}
