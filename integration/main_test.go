package integration

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// insideVar is set inside the sandbox, to the path of the program under test.
const insideVar = "SYNCD_INTEGRATION_PROGRAM"

// program is the path of the program under test.
var program = os.Getenv(insideVar)

// peers are the programs that the tests need. None is optional: a test that
// can't run has not passed.
var peers = []string{"rsync", "cp", "setfacl", "ip", "strace", "setpriv", "chrt", "mount", "mkfs.xfs", "mkfs.ext4", "/usr/bin/time"}

var raceProgram = flag.Bool("program.race", false, "build the program with the race detector; the tests of memory and speed fail then")

func TestMain(m *testing.M) {
	flag.Parse()
	var code int
	var err error
	if program == "" {
		code, err = runInSandbox()
	} else if err = furnish(); err == nil {
		code = m.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		code = 1
	}
	os.Exit(code)
}

// runInSandbox builds the program and runs this test binary, with the same
// arguments, in namespaces of its own.
func runInSandbox() (code int, err error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("the tests make namespaces, mounts and devices: run them as root")
	}
	for _, p := range peers {
		if _, err := exec.LookPath(p); err != nil {
			return 0, fmt.Errorf("a program that the tests need is missing: %w", err)
		}
	}
	dir, err := os.MkdirTemp("", "syncd-integration-*")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // other users run the program too
		return 0, err
	}
	built := filepath.Join(dir, "syncd")
	build := []string{"build", "-o", built}
	if *raceProgram {
		build = append(build, "-race")
	}
	if out, err := exec.Command("go", append(build, "../cmd/syncd")...).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build syncd: %w\n%s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	inside := exec.Command(self, os.Args[1:]...)
	inside.Env = append(os.Environ(), insideVar+"="+built)
	inside.Stdin, inside.Stdout, inside.Stderr = os.Stdin, os.Stdout, os.Stderr
	inside.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	runtime.LockOSThread() // Pdeathsig is about the thread that starts the child
	err = inside.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// furnish gives the sandbox what its namespaces lack.
func furnish() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	// The names of network namespaces: without this, they would be left on
	// the machine if the tests were killed.
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", "/run/netns", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount /run/netns: %w", err)
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("set lo up: %w: %s", err, out)
	}
	return furnishTempDir()
}

// tempSize is the size in bytes of the file system for temporary files, whose
// blocks are in memory. It is sparse: only what is used counts.
const tempSize = 8 << 30

// furnishTempDir gives the tests a new XFS for their temporary files: a file
// system as hosts have it, with ACLs, xattrs of users on every kernel and
// reflinks, but without a disk that makes times depend on other processes.
func furnishTempDir() error {
	dir := filepath.Join(filepath.Dir(program), "tmp")
	image := filepath.Join(dir, "xfs.img")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(image, tempSize); err != nil {
		return err
	}
	for _, command := range [][]string{{"mkfs.xfs", "-q", image}, {"mount", "-o", "loop,discard", image, dir}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", command[0], err, out)
		}
	}
	if err := os.Chmod(dir, 0o1777); err != nil {
		return err
	}
	return os.Setenv("TMPDIR", dir)
}

// TestVersions shows what the other tests are about.
func TestVersions(t *testing.T) {
	for _, command := range [][]string{{program, "version"}, {"rsync", "--version"}, {"strace", "--version"}, {"uname", "-srm"}} {
		out, err := exec.Command(command[0], command[1:]...).Output()
		if err != nil {
			t.Fatalf("%s: %v", strings.Join(command, " "), err)
		}
		first, _, _ := strings.Cut(string(out), "\n")
		t.Log(first)
	}
}
