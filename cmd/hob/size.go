package main

import (
	"fmt"
	"strconv"
	"strings"
)

// size is a number of bytes, written as 64MiB, 1.5GB or 65536.
type size int64

// units are the powers of 1024 and of 1000, largest first so that String finds the shortest form.
var units = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"kB", 1e3}, {"B", 1},
}

func (s *size) UnmarshalText(b []byte) error {
	text, factor := strings.TrimSpace(string(b)), int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			text, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0) || n*float64(factor) >= 1<<63 {
		return fmt.Errorf("%q is no size; 65536, 64KiB, 64MiB and 1.5GB are", b)
	}
	*s = size(n * float64(factor))
	return nil
}

func (s size) String() string {
	if s == 0 {
		return "0"
	}
	for _, u := range units[:4] {
		if int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// human writes a size as one reads it, with one decimal.
func (s size) human() string {
	for _, u := range units[:4] {
		if int64(s) >= u.bytes {
			return strconv.FormatFloat(float64(s)/float64(u.bytes), 'f', 1, 64) + " " + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + " B"
}
