package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// ahead is how many items may be on their way beyond the last mark of a journal. When a run is broken off, these are in doubt: the
// next run looks whether each is there before it loads it.
const ahead = 1024

// journal is the file of --resume: how far a run came, so that the next goes on there. Each line is JSON. The first is the header;
// each further one is a mark, which says that every item up to a place is settled: loaded, refused or skipped. The last whole line
// counts; one that breaks off was being written when the run ended. The place holds a digest of the input up to it, so that a journal
// is never used for another input.
//
//	{"hob":"load journal","format":1,"run":"9f0c…","target":"http://127.0.0.1:8080/fhir","bundles":"auto"}
//	{"entry":2048,"source":"p.tgz!package/Patient-1.json","index":1,"digest":"77ab…","loaded":2040,"refused":8,"skipped":0,"report":5210,"done":false}
type journal struct {
	f      *os.File
	header journalHeader
	begun  bool // by a run before
	from   mark // where that run was
}

type journalHeader struct {
	Hob     string `json:"hob"`
	Format  int    `json:"format"`
	Run     string `json:"run"` // random: ids that the loader makes up begin from it
	Target  string `json:"target"`
	Bundles string `json:"bundles"`
}

// mark is one line of a journal.
type mark struct {
	place
	tally
	Report int64 `json:"report"` // bytes of the file of --report
	Done   bool  `json:"done"`
}

// tally counts what became of items.
type tally struct {
	Loaded  int64 `json:"loaded"`
	Refused int64 `json:"refused"`
	Skipped int64 `json:"skipped"`
}

func (t *tally) count(it *item) {
	switch {
	case it.skipped != "":
		t.Skipped++
	case it.refused != nil:
		t.Refused++
	default:
		t.Loaded++
	}
}

func (t tally) all() int64 { return t.Loaded + t.Refused + t.Skipped }

const journalKind = "load journal"

// openJournal opens the journal of a target, or begins one.
func openJournal(path, target, bundles string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{f: f}
	if err := j.open(target, bundles); err != nil {
		f.Close()
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return j, nil
}

func (j *journal) open(target, bundles string) error {
	r := bufio.NewReader(j.f)
	first, err := r.ReadBytes('\n')
	if errors.Is(err, io.EOF) && !bytes.HasPrefix([]byte(`{"hob":"`+journalKind), first[:min(len(first), 8)]) {
		return errors.New("it is another kind of file")
	}
	if errors.Is(err, io.EOF) { // empty, or broken off in its first line
		j.header = journalHeader{journalKind, 1, rand.Text(), target, bundles}
		if err := j.f.Truncate(0); err != nil {
			return err
		}
		if _, err := j.f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return j.write(j.header)
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(first, &j.header); err != nil || j.header.Hob != journalKind {
		return errors.New("it is another kind of file")
	}
	switch {
	case j.header.Format != 1:
		return fmt.Errorf("it is of format %d, this hob reads 1", j.header.Format)
	case j.header.Target != target || j.header.Bundles != bundles:
		return fmt.Errorf("it is of a load into %s with --bundles %s; repeat that one, or begin another journal", j.header.Target, j.header.Bundles)
	}
	j.begun = true
	size := int64(len(first))
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		var m mark
		if err := json.Unmarshal(line, &m); err != nil {
			return fmt.Errorf("a mark is damaged: %w", err)
		}
		j.from = m
		size += int64(len(line))
	}
	if err := j.f.Truncate(size); err != nil {
		return err
	}
	_, err = j.f.Seek(size, io.SeekStart)
	return err
}

// mark writes how far the run is. When it returns, the mark outlives a crash.
func (j *journal) mark(m mark) error { return j.write(m) }

func (j *journal) write(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := j.f.Write(append(b, '\n')); err != nil {
		return err
	}
	return j.f.Sync()
}

// id makes up the id of a resource that has none, the same in every run of the journal.
func (j *journal) id(p place) string {
	sum := sha256.Sum256(append([]byte(j.header.Run), p.Digest[:]...))
	return hex.EncodeToString(sum[:16])
}

func (j *journal) close() error { return j.f.Close() }

// digest is written as hexadecimal digits.
type digest [sha256.Size]byte

func (d digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

func (d *digest) UnmarshalText(b []byte) error {
	if len(b) != 2*len(d) {
		return errors.New("a digest has 64 hexadecimal digits")
	}
	_, err := hex.Decode(d[:], b)
	return err
}
