package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// processes are the server's, whose use is read from /proc (proc(5)): the ones named and all that they started.
type processes []int

// tick is the unit of CPU time in /proc: Linux gives 1/100 s on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// use is what processes have used so far: CPU, user and system, of all their threads and of the children that ended; and the memory
// that is theirs alone now (RssAnon), without what they map from files.
type use struct {
	cpu  time.Duration
	anon int64 // bytes
}

// read sums over all processes. One that is named and not there is an error.
func (p processes) read() (use, error) {
	var sum use
	if len(p) == 0 {
		return sum, nil
	}
	all, parent, err := processTable()
	if err != nil {
		return sum, err
	}
	for _, pid := range p {
		if _, ok := all[pid]; !ok {
			return sum, fmt.Errorf("pid %d: there is no such process", pid)
		}
	}
	for pid, cpu := range all {
		for up := pid; up > 1; up = parent[up] {
			if slices.Contains(p, up) {
				sum.cpu += cpu
				sum.anon += anonymous(pid)
				break
			}
		}
	}
	return sum, nil
}

// processTable reads the CPU time and the parent of every process.
func processTable() (cpu map[int]time.Duration, parent map[int]int, err error) {
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(names) == 0 {
		return nil, nil, fmt.Errorf("--pid needs the /proc of Linux, which is not here (%v)", err)
	}
	cpu, parent = map[int]time.Duration{}, map[int]int{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		pid, _ := strconv.Atoi(strings.Split(name, "/")[2])
		// The name of the program is in parentheses and may hold anything; the field after it is the third.
		f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
		if len(f) < 15 {
			return nil, nil, fmt.Errorf("%s has %d fields after the name; 15 are needed", name, len(f))
		}
		parent[pid], _ = strconv.Atoi(string(f[1]))
		for _, at := range []int{11, 12, 13, 14} { // utime, stime, cutime, cstime
			n, err := strconv.ParseInt(string(f[at]), 10, 64)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", name, err)
			}
			cpu[pid] += time.Duration(n) * tick
		}
	}
	return cpu, parent, nil
}

// anonymous reads RssAnon of a process; 0 if it has ended.
func anonymous(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "\nRssAnon:")
	f := strings.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(f[0], 10, 64)
	return n << 10
}

// own is the CPU time of bench itself; 0 where there is no /proc.
func own() time.Duration {
	cpu, _, err := processTable()
	if err != nil {
		return 0
	}
	return cpu[os.Getpid()]
}
