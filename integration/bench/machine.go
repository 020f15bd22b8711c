package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A machine is what figures depend on.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	FS     string `json:"file_system"` // of --dir
	Rsync  string `json:"rsync"`
	Syncd  string `json:"syncd"`
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s, Linux %s, %s; %s; %s", m.CPU, m.Cores, m.Memory, m.Kernel, m.FS, m.Rsync, m.Syncd)
}

// thisMachine leaves empty what it cannot find out.
func thisMachine(ctx context.Context, b *bench) machine {
	m := machine{CPU: cpuModel(), Cores: runtime.NumCPU(), Memory: memorySize(), FS: fileSystem(b.dir)}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	rsync, _ := output(ctx, b.rsync, "--version")
	m.Rsync, _, _ = strings.Cut(rsync, "\n")
	m.Syncd, _ = output(ctx, b.syncd, "version")
	return m
}

// cpuModel is the name that /proc/cpuinfo has on amd64; arm64 has none there.
func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	if m := regexp.MustCompile(`(?m)^model name\s*: (.+)`).FindSubmatch(text); m != nil {
		return string(m[1])
	}
	return runtime.GOARCH
}

func memorySize() string {
	text, _ := os.ReadFile("/proc/meminfo")
	m := regexp.MustCompile(`(?m)^MemTotal:\s+(\d+) kB`).FindSubmatch(text)
	if m == nil {
		return ""
	}
	n, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return formatBytes(n * kib)
}

// fileSystem names the kind of the file system that a directory is on.
func fileSystem(dir string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return ""
	}
	switch st.Type {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "XFS"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	}
	return fmt.Sprintf("file system %#x", st.Type)
}
