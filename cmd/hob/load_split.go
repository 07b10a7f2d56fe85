package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hob-fhir/hob/fhirmap"
)

// item is one resource on its way in.
type item struct {
	place
	data    []byte // JSON as it was read
	typ, id string // as far as a look at the top level tells; id is "" if there is none
	refused *fhirmap.Outcome
	skipped string // why it is no resource to load; "" if it is one
	noID    bool   // there is no id at all, not even a wrong one
	doubt   bool   // a run that was broken off may have loaded it
	keep    bool   // what is there under the id stays as it is
}

// place is where in the input an item lies. It is what a journal remembers.
type place struct {
	Entry  int64  `json:"entry"`  // among all items of the input, from 1
	Source string `json:"source"` // the stream
	Index  int    `json:"index"`  // within the stream, from 1
	Digest digest `json:"digest"` // of everything up to and with this item
}

// splitter cuts streams into items.
type splitter struct {
	place
	max  int64  // bytes of one value
	open string // which Bundles are opened: see load.Bundles
	emit func(*item) error
}

// lenient lets everything pass that Parse will judge better.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// stream cuts one stream. What cannot be cut is refused, with the rest of the stream.
func (s *splitter) stream(in stream) error {
	s.Source, s.Index = in.name, 0
	if ndjson(in) {
		return s.lines(in)
	}
	limited := &limited{r: in.text, max: s.max}
	d := jsontext.NewDecoder(limited, lenient...)
	for {
		limited.n = 0
		v, err := d.ReadValue()
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return s.refuse(fmt.Errorf("%w; the rest of the file was not read", syntax(err)))
		}
		if err := s.value(bytes.Clone(v), in.archived); err != nil {
			return err
		}
	}
}

// ndjson reports whether a stream is one value per line: by its name, or because its first line is a whole value.
func ndjson(in stream) bool {
	switch path.Ext(strings.TrimSuffix(strings.ToLower(in.name), ".gz")) {
	case ".ndjson", ".jsonl":
		return true
	}
	for n := 1; n <= window; n = in.text.Buffered() + 1 { // no more than needed, so that a slow pipe is not waited for
		_, err := in.text.Peek(n)
		head, _ := in.text.Peek(in.text.Buffered())
		head = bytes.TrimLeft(head, " \t\r\n")
		if line, _, ok := bytes.Cut(head, []byte("\n")); ok || err != nil {
			return ok && jsontext.Value(line).IsValid(lenient...)
		}
	}
	return false
}

// lines cuts a stream of one value per line: a broken line does not spoil the others.
func (s *splitter) lines(in stream) error {
	for {
		line, err := s.line(in.text)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errLong) {
			return s.refuse(err)
		}
		end := errors.Is(err, io.EOF)
		if errors.Is(err, errLong) {
			err = s.refuse(err)
		} else {
			err = s.values(bytes.TrimSpace(line), in.archived)
		}
		if err != nil || end {
			return err
		}
	}
}

// values cuts a line, which holds one value as a rule.
func (s *splitter) values(line []byte, archived bool) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(line), lenient...)
	for {
		v, err := d.ReadValue()
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return s.refuse(syntax(err))
		}
		if err := s.value(v, archived); err != nil {
			return err
		}
	}
}

// line reads up to the end of a line. One that is too long is read to its end all the same.
func (s *splitter) line(r *bufio.Reader) (line []byte, err error) {
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if int64(len(line)+len(part)) > s.max {
			long, line = true, nil
		}
		if !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case long:
			return nil, errLong
		default:
			return line, err
		}
	}
}

// errLong is told of a value beyond the limit.
var errLong = errors.New("longer than --max-value; split it, or raise the limit")

// syntax words an error of the decoder.
func syntax(err error) error {
	var bad *jsontext.SyntacticError
	switch {
	case errors.As(err, &bad):
		return fmt.Errorf("not JSON, at byte %d: %w", bad.ByteOffset, bad.Err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the JSON breaks off")
	}
	return err
}

// limited is a reader that lets at most max bytes pass between two resets of n.
type limited struct {
	r      io.Reader
	n, max int64
}

func (l *limited) Read(b []byte) (int, error) {
	if l.n >= l.max {
		return 0, errLong
	}
	n, err := l.r.Read(b)
	l.n += int64(n)
	return n, err
}

// value emits one value: a resource, or the entries of a Bundle that is to be opened.
func (s *splitter) value(data []byte, archived bool) error {
	h, err := look(data)
	switch {
	case err != nil && archived:
		return s.skip("it is no resource")
	case err != nil:
		return s.refuse(err)
	case h.typ == "Bundle" && s.opens(h.bundle, archived):
		return s.bundle(data, h)
	}
	return s.item(&item{data: data, typ: h.typ, id: h.id, noID: h.noID})
}

// opens says whether the entries of a Bundle are loaded instead of the Bundle. Documents and messages mean something only as a
// whole; so do the Bundles of a package, which lists them as its own instances.
func (s *splitter) opens(kind string, archived bool) bool {
	switch s.open {
	case "keep":
		return false
	case "open":
		return true
	}
	return !archived && kind != "document" && kind != "message"
}

// item emits an item with its place.
func (s *splitter) item(it *item) error {
	s.Entry++
	s.Index++
	h := sha256.New()
	h.Write(s.Digest[:])
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(s.Index))
	h.Write(b[:])
	h.Write([]byte(s.Source))
	h.Write([]byte{0})
	h.Write(it.data)
	h.Sum(s.Digest[:0])
	it.place = s.place
	return s.emit(it)
}

func (s *splitter) refuse(err error) error {
	var o *fhirmap.Outcome
	if !errors.As(err, &o) {
		o = fhirmap.Errorf(fhirmap.CodeStructure, "", "%v", err)
	}
	return s.item(&item{refused: o})
}

func (s *splitter) skip(why string) error { return s.item(&item{skipped: why}) }
