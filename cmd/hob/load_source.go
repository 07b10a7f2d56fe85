package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
)

// stream is JSON text from one file, archive member or standard input.
type stream struct {
	name     string // as reports name it: a path, archive!member, or -
	text     *bufio.Reader
	archived bool // a member of an archive
}

// sources reads paths in an order that is the same each time: directories by name, archives as they are written.
type sources struct {
	in    io.Reader    // what - names
	read  atomic.Int64 // bytes taken from files so far, as they lie on disk
	bytes int64        // of all files together; -1 if standard input is among them
	each  func(stream) error
	fault func(name string, err error) error // is told of what cannot be read: the rest of that stream is left out
}

// window is how far a stream can be looked ahead.
const window = 64 << 10

// measure looks at the paths before anything is loaded, so that a misspelt one is told at once.
func (s *sources) measure(paths []string) error {
	for _, p := range paths {
		if p == "-" {
			s.bytes = -1
			return nil
		}
		err := walk(p, func(file string, info fs.FileInfo) error {
			s.bytes += info.Size()
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// walk calls fn for a file, or for all files below a directory that may hold resources.
func walk(root string, fn func(file string, info fs.FileInfo) error) error {
	info, err := os.Stat(root)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fn(root, info)
	}
	return filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case file != root && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir() || !loadable(d.Name()):
			return nil
		}
		info, err := os.Stat(file) // follows a link to a file
		if err != nil || info.IsDir() {
			return err
		}
		return fn(file, info)
	})
}

// endings are those of files that are looked into when a directory or an archive is read. A file that is named itself is always read.
var endings = []string{".json", ".ndjson", ".jsonl", ".tgz", ".tar"}

func loadable(name string) bool {
	name = strings.TrimSuffix(strings.ToLower(name), ".gz")
	return slices.Contains(endings, path.Ext(name)) && name != "package.json"
}

// walk reads every path.
func (s *sources) walk(ctx context.Context, paths []string) error {
	for _, p := range paths {
		if p == "-" {
			if err := s.open("-", s.in, false); err != nil {
				return err
			}
			continue
		}
		err := walk(p, func(file string, _ fs.FileInfo) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			f, err := os.Open(file)
			if err != nil {
				return s.fault(file, err)
			}
			defer f.Close()
			return s.open(file, counted{f, &s.read}, false)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// counted counts what is read.
type counted struct {
	io.Reader
	n *atomic.Int64
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// open looks at how a stream begins: gzip is unpacked, an archive is opened, the rest is JSON text.
func (s *sources) open(name string, r io.Reader, archived bool) error {
	b := bufio.NewReaderSize(r, window)
	if head, _ := b.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(b)
		if err != nil {
			return s.fault(name, fmt.Errorf("gzip: %w", err))
		}
		defer z.Close()
		b = bufio.NewReaderSize(z, window)
	}
	if head, _ := b.Peek(tarMagic + 5); !archived && len(head) == tarMagic+5 && string(head[tarMagic:]) == "ustar" {
		return s.archive(name, tar.NewReader(b))
	}
	if head, _ := b.Peek(3); bytes.Equal(head, []byte("\xef\xbb\xbf")) {
		b.Discard(3)
	}
	return s.each(stream{name, b, archived})
}

// tarMagic is where the header of a tar says that it is one.
const tarMagic = 257

// archive reads the members of a tar. A FHIR package is one: its resources are the JSON files in package/ and in the example folders
// below it; package.json, .index.json and the folders for other things are left out.
func (s *sources) archive(name string, t *tar.Reader) error {
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return s.fault(name, fmt.Errorf("archive: %w", err))
		}
		if h.Typeflag != tar.TypeReg || !member(h.Name) {
			continue
		}
		if err := s.open(name+"!"+h.Name, t, true); err != nil {
			return err
		}
	}
}

// otherFolders of a FHIR package hold no resources to load.
var otherFolders = []string{"other", "openapi", "xml", "xsd", "tests", "bin"}

func member(name string) bool {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	folders := strings.Split(name, "/")
	file := folders[len(folders)-1]
	if strings.HasPrefix(file, ".") || !loadable(file) {
		return false
	}
	return folders[0] != "package" || !slices.ContainsFunc(folders[1:len(folders)-1], func(f string) bool {
		return slices.Contains(otherFolders, f) || strings.HasPrefix(f, ".")
	})
}
