package main

import (
	"fmt"
)

// A row is one job, and who does it.
type row struct {
	name  string // --rows matches it
	what  string // for people, without the size
	full  amount // as the design has it
	quick amount // with --quick; zero leaves the row out
	data  data
	push  bool  // else pull
	on    place // where the destination is
	link  link  // between client and daemon
	pulls int   // transfers that one run is made of, if more than one
	anew  bool  // the file that is pulled gets another ctime before each transfer
	// same says that the destination holds what the source has, so that one
	// serves all runs: none may transfer a file.
	same       bool
	maxRuns    int // bounds --runs, if not 0
	contenders []contender
	goals      []goal
}

// An amount is how much a row moves.
type amount struct {
	files int   // regular files
	bytes int64 // in each of them
}

func (a amount) zero() bool { return a.files == 0 }

// total is the number of bytes in all files.
func (a amount) total() int64 { return int64(a.files) * a.bytes }

// scaled multiplies what the row is about: the number of files, or the size of
// the only one.
func (a amount) scaled(by float64) amount {
	if a.files == 1 {
		a.bytes = max(1, int64(float64(a.bytes)*by))
	} else {
		a.files = max(1, int(float64(a.files)*by))
	}
	return a
}

func (a amount) String() string {
	if a.files == 1 {
		return formatBytes(a.bytes)
	}
	return fmt.Sprintf("%s x %s", thousands(int64(a.files)), formatBytes(a.bytes))
}

// amount is how much the row moves with these options.
func (r *row) amount(opt *options) amount {
	a := r.full
	if opt.quick {
		a = r.quick
	}
	return a.scaled(opt.scale)
}

// A data makes the files of a row: the same ones each time.
type data interface {
	// source fills dir, which is empty.
	source(dir string, c contender, a amount) error
	// basis fills dir with what the destination holds before transfer n of a
	// run.
	basis(dir string, c contender, a amount, n int) error
}

// A place is where a destination is.
type place int

const (
	onDir    place = iota // below --dir
	onTmpfs               // in memory
	onXFS                 // on a new XFS with reflinks, on a loop device below --dir
	onMemory              // on a new ext4, on a loop device in memory
)

// A contender does the job of a row in its own way.
type contender struct {
	name    string
	program string   // stock, syncd or pump
	args    []string // further options of its client
	variant string   // which file, where a row compares files
	info    bool     // no goal is about it: left out with --quick
}

// Contenders that most rows have.
var (
	stock = contender{name: "stock", program: "stock"}
	ours  = contender{name: "syncd", program: "syncd"}
	pump  = contender{name: "pump", program: "pump"}

	stockInplace = contender{name: "stock --inplace", program: "stock", args: []string{"--inplace"}}
	oursInplace  = contender{name: "syncd --inplace", program: "syncd", args: []string{"--inplace"}}
)

// withTransport is ours, moving bodies in another way.
func withTransport(name string) contender {
	arg := "--transport=" + name
	return contender{name: "syncd " + arg, program: "syncd", args: []string{arg}, info: true}
}

// Sizes of the rows.
const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

func oneFile(n int64) amount          { return amount{files: 1, bytes: n} }
func manyFiles(n int, b int64) amount { return amount{files: n, bytes: b} }
