package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A transfer is one run of a client against its daemon.
type transfer struct {
	push     bool
	module   string // directory that the daemon serves
	local    string // directory of the client
	scratch  string // directory for the daemon's configuration
	daemonAt int    // port that the daemon listens on
	clientTo int    // port that the client connects to: the daemon's or a proxy's
	args     []string
}

// A program is what a contender runs.
type program interface {
	daemon(t transfer) ([]string, error)
	client(t transfer) []string
	// stats is what the client said about the transfer.
	stats(stdout string) (transferStats, error)
}

// transferStats are the statistics that programs have in common.
type transferStats struct {
	transferred   int64 // regular files
	literal, wire int64 // bytes
}

const module = "m"

func loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// inOrder is source before destination.
func (t transfer) inOrder(local, remote string) []string {
	if t.push {
		return []string{local, remote}
	}
	return []string{remote, local}
}

// ends are the directories of a transfer by their roles.
func (t transfer) ends() (source, dest string) {
	if t.push {
		return t.local, t.module
	}
	return t.module, t.local
}

// syncd is the program under test, by the path of its binary.
type syncd string

// daemon writes a configuration. What a push brings is not forced to the disk
// before its end is reported, as syncd's daemon does by default: neither stock's
// nor the pump does so.
func (p syncd) daemon(t transfer) ([]string, error) {
	conf := filepath.Join(t.scratch, "syncd.yaml")
	text := fmt.Sprintf("listen: [%q]\nfsync: none\nmodules:\n- name: %s\n  path: %q\n  read_only: false\n", loopback(t.daemonAt), module, t.module)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return []string{string(p), "serve", "-c", conf}, nil
}

func (p syncd) client(t transfer) []string {
	command := append([]string{string(p), "sync", "--stats=json"}, t.args...)
	return append(command, t.inOrder(t.local+"/", fmt.Sprintf("syncd://%s/%s/", loopback(t.clientTo), module))...)
}

func (syncd) stats(stdout string) (transferStats, error) {
	var s struct {
		Transferred int64 `json:"transferred"`
		Literal     int64 `json:"literal_bytes"`
		Sent        int64 `json:"wire_sent"`
		Received    int64 `json:"wire_received"`
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil {
		return transferStats{}, fmt.Errorf("syncd's output does not end with statistics: %w", err)
	}
	return transferStats{s.Transferred, s.Literal, s.Sent + s.Received}, nil
}

// stockRsync is the rsync on this machine, by its path.
type stockRsync string

// daemon writes a configuration. Looking up names of clients is off: it is no
// part of a transfer.
func (p stockRsync) daemon(t transfer) ([]string, error) {
	conf := filepath.Join(t.scratch, "rsyncd.conf")
	text := fmt.Sprintf("use chroot = no\nuid = %d\ngid = %d\nreverse lookup = no\nlog file = %s\n\n[%s]\npath = %s\nread only = no\n",
		os.Getuid(), os.Getgid(), filepath.Join(t.scratch, "rsyncd.log"), module, t.module)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return []string{
		string(p), "--daemon", "--no-detach", "--config=" + conf,
		"--address=127.0.0.1", "--port=" + strconv.Itoa(t.daemonAt),
	}, nil
}

func (p stockRsync) client(t transfer) []string {
	command := append([]string{string(p), "-a", "--stats"}, t.args...)
	return append(command, t.inOrder(t.local+"/", stockURL(t))...)
}

// stockURL names the module in stock's dialect.
func stockURL(t transfer) string {
	return fmt.Sprintf("rsync://%s/%s/", loopback(t.clientTo), module)
}

var stockStat = regexp.MustCompile(`(?m)^(Number of regular files transferred|Literal data|Total bytes sent|Total bytes received): ([0-9,.]+)`)

func (stockRsync) stats(stdout string) (transferStats, error) {
	var s transferStats
	found := stockStat.FindAllStringSubmatch(stdout, -1)
	for _, m := range found {
		n, err := strconv.ParseInt(strings.NewReplacer(",", "", ".", "").Replace(m[2]), 10, 64)
		if err != nil {
			return s, fmt.Errorf("rsync's statistics: %w", err)
		}
		switch m[1] {
		case "Number of regular files transferred":
			s.transferred = n
		case "Literal data":
			s.literal = n
		default:
			s.wire += n
		}
	}
	if len(found) != 4 {
		return s, fmt.Errorf("rsync's output has %d of 4 statistics", len(found))
	}
	return s, nil
}

// barePump is this program, by its path.
type barePump string

func (p barePump) daemon(t transfer) ([]string, error) {
	return []string{string(p), pumpCommand, "listen", loopback(t.daemonAt), pumpVerb(!t.push), filepath.Join(t.module, dataName)}, nil
}

func (p barePump) client(t transfer) []string {
	return []string{string(p), pumpCommand, "dial", loopback(t.clientTo), pumpVerb(t.push), filepath.Join(t.local, dataName)}
}

func pumpVerb(send bool) string {
	if send {
		return "send"
	}
	return "receive"
}

func (barePump) stats(stdout string) (transferStats, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(stdout), 10, 64)
	return transferStats{1, n, n + pumpHeader}, err
}
