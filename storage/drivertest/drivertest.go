// Package drivertest is the conformance suite of storage/driver: it shows whether a backend keeps every sentence of the contract.
// A backend outside of this repository is tested in one line:
//
//	func TestBackend(t *testing.T) {
//		drivertest.Run(t, func(tb testing.TB) driver.Backend { return mine.Open(tb.TempDir()) })
//	}
//
// The function given opens a fresh, empty store; every subtest asks for one, ends with Check, which must find nothing, and closes
// the store. There are no exceptions to be listed and no knobs. Two more suites are for backends that promise more: Snapshots, if
// Find.At and Log.At read an old snapshot exactly as it was; Durable, if what is committed outlives the process.
//
// The subtest "random" compares the backend with NewModel, the contract as a plain program in memory, through thousands of random
// steps. Its seed is logged; HOB_SEED=n repeats a run. It is shorter with -short, and long with HOB_SOAK=1.
package drivertest

import (
	"testing"

	"github.com/hob-fhir/hob/storage/driver"
)

// Run tests what every backend promises. open returns a fresh, empty store at each call; Run closes it.
func Run(t *testing.T, open func(testing.TB) driver.Backend) {
	run(t, open, []category{
		{"seeds", "the systems that Hob must cover ran these 27 cases on every storage of theirs, in their words", seedCases},
		{"extra", "what those systems got wrong or left open: races, collisions, wildcards, unset fields", extraCases},
		{"records", "who reads a record must know what is there: current, deleted, erased, old, or nothing", recordTests},
		{"updates", "an update is all or nothing, sees its own writes, and behaves as if it ran alone", updateTests},
		{"unique", "an identifier that two records hold sends a result to the wrong patient", uniqueTests},
		{"private", "tokens and jobs are records too, but no search, history or follower may ever meet them", privateTests},
		{"lookups", "the seven operators over points and intervals are all there is to search; each boundary counts", lookupTests},
		{"nodes", "chains, composites and exclusions are these nodes; a wrong one shows another patient's data", nodeTests},
		{"order", "pages are cut from one sequence; it must be the asked one and the same at every reading", orderTests},
		{"paging", "who walks the pages while others write must miss nothing that stayed and see nothing twice", pagingTests},
		{"log", "the log is history and outbox: what it loses or reorders is never delivered", logTests},
		{"limits", "what is too long, too large, too costly or malformed is refused by name, and leaves nothing behind", limitTests},
		{"random", "what nobody thought of: random changes and searches against the model", randomTests},
	})
}

// Snapshots tests the stronger promise of backends that keep old snapshots whole: until it expires, a snapshot reads exactly as it
// did, whatever has been changed since; only what was erased may be missing from it.
func Snapshots(t *testing.T, open func(testing.TB) driver.Backend) {
	run(t, open, []category{
		{"snapshots", "a page walk or an export over a changing store shows one moment", snapshotTests},
	})
}

// Durable tests that what is committed outlives the process. open opens the store of that name, twice the same if the name is; a
// store is always closed before it is opened again. The name is a directory that exists and is empty at first; a backend that
// needs none may use it as a name.
func Durable(t *testing.T, open func(tb testing.TB, name string) driver.Backend) {
	for _, c := range durableTests {
		t.Run(c.name, func(t *testing.T) { c.run(t, open) })
	}
}

// category is a part of the suite, with the reason for it.
type category struct {
	name, why string
	tests     []test
}

// test is one sentence of the contract, by name, and what shows it.
type test struct {
	name string
	run  func(*store)
}

// store is a test with a fresh store of its own.
type store struct {
	*testing.T
	driver.Backend
	clock  clock
	closed bool // by the test itself
}

func run(t *testing.T, open func(testing.TB) driver.Backend, categories []category) {
	for _, c := range categories {
		t.Run(c.name, func(t *testing.T) {
			t.Log(c.why)
			for _, each := range c.tests {
				t.Run(each.name, func(t *testing.T) {
					s := &store{T: t, Backend: open(t)}
					defer func() {
						if err := s.Close(); err != nil {
							t.Errorf("close: %v", err)
						}
					}()
					each.run(s)
					if !s.closed {
						s.sound()
					}
				})
			}
		})
	}
}

// sound asks the backend to check itself.
func (s *store) sound() {
	s.Helper()
	for p, err := range s.Check(s.Context()) {
		if err != nil {
			s.Fatalf("check: %v", err)
		}
		s.Errorf("check finds %v", p)
	}
}
