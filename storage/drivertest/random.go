package drivertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hob-fhir/hob/storage/driver"
)

var randomTests = []test{
	{"few keys that change often", func(s *store) { newWalk(s, 5, 1600).run() }},
	{"more keys that match together", func(s *store) { newWalk(s, 40, 600).run() }},
}

// walk takes random steps on a backend and on the model alike, and compares what they say. The alphabets of ids and values are
// small, so that values collide, references meet their targets, and updates hit what is there.
type walk struct {
	*store
	*rand.Rand
	model *model
	ids   int  // of each type
	steps int  // to be taken
	whole bool // an old snapshot must read just as it did; else it must keep the paging promise

	step   int
	past   []moment
	marks  []mark
	erased map[driver.Key]uint64 // number of the model's state that erased it last
	first  map[string]int        // the backend's own order of type/id, as it was seen first
}

// moment is one snapshot as both sides know it.
type moment struct {
	at driver.Snapshot
	s  *state
}

// mark is a position in the log as both sides know it.
type mark struct{ ours, models driver.Position }

// keptMoments is how far back a walk reads; every backend keeps a page link that long.
const keptMoments = 30

func newWalk(s *store, ids, steps int) *walk {
	seed := uint64(time.Now().UnixNano())
	if env := os.Getenv("HOB_SEED"); env != "" {
		n, err := strconv.ParseUint(env, 10, 64)
		if err != nil {
			s.Fatalf("HOB_SEED=%s: %v; it must be a number", env, err)
		}
		seed = n
	}
	switch {
	case os.Getenv("HOB_SOAK") != "":
		steps *= 10
	case testing.Short():
		steps /= 4
	}
	s.Logf("HOB_SEED=%d repeats these %d steps", seed, steps)
	return &walk{
		store: s, Rand: rand.New(rand.NewPCG(seed, uint64(ids))), model: NewModel().(*model), ids: ids, steps: steps,
		erased: map[driver.Key]uint64{}, first: map[string]int{},
	}
}

func (w *walk) run() {
	for w.step = range w.steps {
		w.change()
		w.compare()
		if every := max(100, w.steps/20); w.step%every == every-1 || w.step == w.steps-1 {
			w.compareAll()
			w.sound()
		}
		if w.Failed() {
			w.FailNow()
		}
	}
}

// Fatalf and Errorf name the step, at which a run with the same seed can be stopped.
func (w *walk) Fatalf(format string, args ...any) {
	w.Helper()
	w.store.Fatalf("step %d: %s", w.step, fmt.Sprintf(format, args...))
}

func (w *walk) Errorf(format string, args ...any) {
	w.Helper()
	w.store.Errorf("step %d: %s", w.step, fmt.Sprintf(format, args...))
}

// change runs one random update on both sides and compares the outcome of each of its steps.
func (w *walk) change() {
	ops := w.script()
	end := w.end()
	want, wantPos, wantErr := apply(w.T, w.model, ops, end)
	got, gotPos, gotErr := apply(w.T, w.Backend, ops, end)
	if fmt.Sprint(got) != fmt.Sprint(want) || class(gotErr) != class(wantErr) || (gotPos == "") != (wantPos == "") {
		for i, o := range ops {
			outcome := func(all []string) string {
				if i < len(all) {
					return all[i]
				}
				return "not reached"
			}
			w.Logf("%v\n   gives %s\n   wants %s", o, outcome(got), outcome(want))
		}
		w.Fatalf("update with %v at its end: position %q, %v; the model: position %q, %v", end, gotPos, gotErr, wantPos, wantErr)
	}
	if gotPos != "" {
		w.marks = append(w.marks, mark{gotPos, wantPos})
	}
	m := w.now()
	if wantErr == nil {
		for _, o := range ops {
			if o.do == "erase" {
				w.erased[o.rec.Key] = m.s.number
			}
		}
	}
	w.past = append(w.past, m)
	if len(w.past) > keptMoments {
		w.past = w.past[1:]
	}
}

// now is the newest moment.
func (w *walk) now() moment {
	w.Helper()
	s, err := w.model.newest()
	if err != nil {
		w.Fatalf("%v", err)
	}
	return moment{w.store.now(), s}
}

// since reports whether the key has been erased after a moment: of an erased key an old snapshot may show nothing.
func (w *walk) since(m moment, k driver.Key) bool { return w.erased[k] > m.s.number }

var (
	errStop    = errors.New("the update stops at its end")
	errRefused = errors.New("the update stops at what is refused")
)

// ending says how an update ends: well, with an error, in a panic, or with the first error that a step gives.
type ending string

const (
	well      ending = "nothing"
	withError ending = "an error"
	withPanic ending = "a panic"
	atRefusal ending = "what is refused"
)

func (w *walk) end() ending {
	switch n := w.IntN(20); {
	case n < 12:
		return well
	case n < 14:
		return withError
	case n == 14:
		return withPanic
	}
	return atRefusal
}

// apply runs an update and collects the outcome of each step.
func apply(t *testing.T, b driver.Backend, ops []op, end ending) (outcomes []string, pos driver.Position, err error) {
	defer func() {
		if r := recover(); r != nil {
			if r != errStop {
				panic(r)
			}
			err = errStop
		}
	}()
	pos, err = b.Update(t.Context(), func(tx driver.Tx) error {
		outcomes = nil // fn may be run again
		for _, o := range ops {
			outcome, err := o.run(tx)
			outcomes = append(outcomes, outcome)
			if err != nil && end == atRefusal {
				return fmt.Errorf("%w: %w", errRefused, err)
			}
		}
		switch end {
		case withError:
			return errStop
		case withPanic:
			panic(errStop)
		}
		return nil
	})
	return outcomes, pos, err
}

// class names what an error is in the contract.
func class(err error) string {
	var names []string
	for _, known := range []error{errStop, errRefused, driver.ErrInvalid, driver.ErrNotFound, driver.ErrConflict, driver.ErrTaken,
		driver.ErrExpired, driver.ErrTooLarge, driver.ErrTooCostly, driver.ErrFull, driver.ErrUnavailable} {
		if errors.Is(err, known) {
			names = append(names, known.Error())
		}
	}
	if err != nil && names == nil {
		return err.Error()
	}
	return strings.Join(names, ", ")
}

// op is one step of a random update.
type op struct {
	do   string
	rec  driver.Record // its version is how far it lies from the right one
	rows []driver.Row
	find driver.Find
	log  driver.Log
}

func (o op) String() string {
	switch o.do {
	case "find", "count":
		return o.do + " " + search(o.find)
	case "log":
		return fmt.Sprintf("log %+v", o.log)
	}
	return fmt.Sprintf("%s %q%+d at %d deleted %t with %s", o.do, o.rec.Key, int64(o.rec.Version), o.rec.Time.UnixMilli(), o.rec.Deleted, rowsText(o.rows))
}

// run takes the step and tells its outcome in words, without positions and the backend's own order.
func (o op) run(tx driver.Tx) (string, error) {
	k := o.rec.Key
	switch o.do {
	case "put":
		v, err := next(tx, k)
		if err != nil {
			return class(err), err
		}
		rec := o.rec
		rec.Version += v
		if !rec.Deleted {
			rec.Body = fmt.Appendf(body(k, rec.Version), "%d", len(o.rows))
		}
		err = tx.Put(rec, o.rows)
		return class(err), err
	case "index":
		rec, err := tx.Head(k)
		if err == nil {
			err = tx.Index(k, rec.Version+o.rec.Version, o.rows)
		}
		return class(err), err
	case "erase":
		err := tx.Erase(k, o.rec.Time)
		return class(err), err
	case "get":
		rec, err := tx.Get(k)
		return describe(rec) + class(err), nil
	case "find":
		hits, err := find(tx, o.find)
		return fmt.Sprint(idsOf(hits), class(err)), nil
	case "count":
		n, err := tx.Count(o.find)
		return fmt.Sprint(n, class(err)), nil
	case "log":
		recs, err := logged(tx, o.log)
		return words(recs) + class(err), nil
	}
	panic("no such step: " + o.do)
}

// describe tells all of a record but its place in the log.
func describe(rec driver.Record) string {
	return fmt.Sprintf("%q:%d deleted %t erased %t at %d until %d %q ", rec.Key, rec.Version, rec.Deleted, rec.Erased,
		rec.Time.UnixMilli(), rec.Expires.UnixMilli(), rec.Body)
}

func describeAll(recs []driver.Record) []string {
	var all []string
	for _, rec := range recs {
		all = append(all, describe(rec))
	}
	return all
}

// compare reads a little of everything on both sides.
func (w *walk) compare() {
	newest := w.past[len(w.past)-1]
	for range 5 {
		w.compareFind(w.find(), newest)
	}
	w.compareFind(w.find(), w.past[w.IntN(len(w.past))])
	w.compareKey(w.key())
	if w.IntN(5) == 0 {
		w.compareLog(newest)
		w.compareLog(w.past[w.IntN(len(w.past))])
	}
}

// compareAll reads every key and every type.
func (w *walk) compareAll() {
	newest := w.past[len(w.past)-1]
	for _, typ := range types {
		w.compareFind(driver.Find{Type: typ}, newest)
		for _, id := range w.allIDs() {
			w.compareKey(driver.Key{Type: typ, ID: id})
		}
	}
}

// compareKey compares Get, Head and every Version.
func (w *walk) compareKey(k driver.Key) {
	w.Helper()
	top := uint64(0) // of an erased key too: none of its versions may be there
	if e := w.past[len(w.past)-1].s.get(k); e != nil {
		top = e.current.Version
	}
	read := func(b driver.Backend) []string {
		var all []string
		tell := func(rec driver.Record, err error) { all = append(all, describe(rec)+class(err)) }
		err := b.View(w.Context(), func(r driver.Reader) error {
			all = nil
			tell(r.Get(k))
			tell(r.Head(k))
			for v := top + 1; v+5 > top && v > 0; v-- {
				tell(r.Version(k, v))
			}
			return nil
		})
		return append(all, class(err))
	}
	if got, want := read(w.Backend), read(w.model); !slices.Equal(got, want) {
		w.Fatalf("get, head and versions of %s:\n%s; want\n%s", k, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// compareLog compares a random reading of the log, as it was at some moment.
func (w *walk) compareLog(m moment) {
	w.Helper()
	l := w.log()
	var from mark
	if n := len(w.marks); n > 100 && w.IntN(20) > 0 { // mostly a part of it, or a long walk would read nothing else
		from, l.Reverse = w.marks[n-1-w.IntN(100)], false
	}
	read := func(b driver.Backend, at driver.Snapshot, after driver.Position) (recs []driver.Record) {
		err := b.View(w.Context(), func(r driver.Reader) (err error) {
			l.At, l.After = at, after
			all, err := logged(r, l)
			recs = slices.DeleteFunc(all, func(rec driver.Record) bool { return w.since(m, rec.Key) })
			return err
		})
		if err != nil {
			w.Fatalf("log %+v: %v", l, err)
		}
		return recs
	}
	limit := l.Limit
	l.Limit = 0
	got := read(w.Backend, m.at, from.ours)
	want := read(w.model, driver.Snapshot(strconv.FormatUint(m.s.number, 10)), from.models)
	if !slices.Equal(describeAll(got), describeAll(want)) {
		w.Fatalf("log %+v:\n%s; want\n%s", l, words(got), words(want))
	}
	for i := 1; i < len(got); i++ {
		if got[i-1].Position == got[i].Position || got[i-1].Position > got[i].Position != l.Reverse {
			w.Fatalf("log %+v: position %q follows %q", l, got[i].Position, got[i-1].Position)
		}
	}
	if len(got) == 0 || limit == 0 {
		return
	}
	i := w.IntN(len(got)) // and from somewhere on, so many
	rest := got[i+1:]
	if part := read(w.Backend, m.at, got[i].Position); words(part) != words(rest) {
		w.Fatalf("log %+v: %s; want %s", l, words(part), words(rest))
	}
	l.Limit = limit
	if m.s.number == w.now().s.number {
		if part := w.history(l); words(part) != words(rest[:min(limit, len(rest))]) {
			w.Fatalf("log %+v: %s; want the first of %s", l, words(part), words(rest))
		}
	}
}
