package server

import (
	"encoding/binary"
	"errors"

	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// merge is a walk over the hits of several searches as one sequence: sorted by what all of them are sorted by, and by type where that is
// equal; unsorted, type after type. Of one type it is the sequence of the store. A page begins and ends at a mark for each type.
type merge struct {
	streams []*stream
	sorted  bool
	reverse bool
}

// mark is how far a walk has come in one type: it has shown nothing, everything, or all up to a hit.
type mark struct {
	state  markState
	cursor driver.Cursor
	id     string // of the hit, which the walk back shows again
}

type markState byte

const (
	shownNone markState = iota
	shownTo
	shownAll
)

// encodeMarks writes marks for a page link. Those of shownNone are left out; of the others: index of the type (uvarint) · state (1), and of
// shownTo the cursor and the id, each after its length (uvarint).
func encodeMarks(marks []mark) string {
	var b []byte
	for i, m := range marks {
		if m.state == shownNone {
			continue
		}
		b = append(binary.AppendUvarint(b, uint64(i)), byte(m.state))
		if m.state == shownTo {
			for _, s := range []string{string(m.cursor), m.id} {
				b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
			}
		}
	}
	return string(b)
}

// decodeMarks is the reverse, for n types. What it is given was sealed by this server; false is for a store of other types.
func decodeMarks(s string, n int) ([]mark, bool) {
	marks, b, ok := make([]mark, n), []byte(s), true
	uvarint := func() int {
		v, size := binary.Uvarint(b)
		if ok = ok && size > 0; !ok {
			return 0
		}
		b = b[size:]
		return int(min(v, 1<<30))
	}
	text := func() string {
		size := uvarint()
		if ok = ok && size <= len(b); !ok {
			return ""
		}
		out := string(b[:size])
		b = b[size:]
		return out
	}
	for ok && len(b) > 0 {
		i := uvarint()
		if !ok || i >= n || len(b) == 0 {
			return nil, false
		}
		m := mark{state: markState(b[0])}
		b = b[1:]
		if m.state == shownTo {
			m.cursor, m.id = driver.Cursor(text()), text()
		}
		marks[i] = m
	}
	return marks, ok
}

// stream is the walk of one type. It reads ahead in portions.
type stream struct {
	tx       *storage.Tx
	find     driver.Find // without a place
	place    func(driver.Hit) (search.Place, error)
	mark     mark // where the page begins, in the direction of the walk
	reverse  bool
	portion  int
	mayBe    bool // the caller did not name the type: it is passed over if he may not search it
	begun    bool
	ended    bool // the store has no more than what is ahead
	ahead    []driver.Hit
	at       search.Place // of the first that is ahead; nil: not worked out
	last     driver.Cursor
	taken    int
	lastHit  driver.Hit
	searched *search.Search
}

// peek returns the next hit, false at the end.
func (s *stream) peek() (driver.Hit, bool, error) {
	for len(s.ahead) == 0 && !s.ended {
		if err := s.read(); err != nil {
			return driver.Hit{}, false, err
		}
	}
	if len(s.ahead) == 0 {
		return driver.Hit{}, false, nil
	}
	return s.ahead[0], true, nil
}

// read reads a portion.
func (s *stream) read() error {
	f := s.find
	f.Reverse, f.Limit = s.reverse, s.portion
	if !s.begun {
		s.begun = true
		switch {
		case s.mark.state == shownAll && !s.reverse, s.mark.state == shownNone && s.reverse:
			s.ended = true
			return nil
		case s.mark.state == shownTo:
			s.last = s.mark.cursor
			if s.reverse { // what the page before ended with is the first that a walk back shows
				again := s.find
				again.Where, again.Sort = driver.And{driver.IDs{s.mark.id}}, nil
				if s.find.Where != nil {
					again.Where = driver.And{driver.IDs{s.mark.id}, s.find.Where}
				}
				if _, err := s.take(again, s.mark.cursor); err != nil || s.ended {
					return err
				}
			}
		}
	}
	f.After = s.last
	n, err := s.take(f, "")
	if n < s.portion {
		s.ended = true
	}
	return err
}

// take reads hits into what is ahead. cursor is theirs if it is given.
func (s *stream) take(f driver.Find, cursor driver.Cursor) (n int, err error) {
	for hit, err := range s.tx.Find(f) {
		if errors.Is(err, storage.ErrForbidden) && s.mayBe {
			s.ended = true
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if cursor != "" {
			hit.Cursor = cursor
		}
		s.ahead = append(s.ahead, hit)
		s.last = hit.Cursor
		n++
	}
	return n, nil
}

// pop takes the next hit off.
func (s *stream) pop() driver.Hit {
	hit := s.ahead[0]
	s.ahead, s.at = s.ahead[1:], nil
	s.taken++
	s.lastHit = hit
	return hit
}

// sortPlace is where the next hit stands.
func (s *stream) sortPlace() (search.Place, error) {
	if s.at != nil {
		return s.at, nil
	}
	var err error
	s.at, err = s.place(s.ahead[0])
	return s.at, err
}

// beyond is the mark behind what was taken, in the order of the sequence: its end if the walk goes forward, its beginning if back.
func (s *stream) beyond() (mark, error) {
	if s.reverse {
		if s.taken == 0 {
			return s.mark, nil
		}
		hit, more, err := s.peek()
		if err != nil || !more {
			return mark{}, err
		}
		return mark{shownTo, hit.Cursor, hit.ID}, nil
	}
	switch {
	case s.ended && len(s.ahead) == 0:
		return mark{state: shownAll}, nil
	case s.taken == 0:
		return s.mark, nil
	}
	return mark{shownTo, s.lastHit.Cursor, s.lastHit.ID}, nil
}

// next chooses the stream that has the next hit; nil at the end.
func (m *merge) next() (*stream, error) {
	var best *stream
	for i := range m.streams {
		s := m.streams[i]
		if m.reverse {
			s = m.streams[len(m.streams)-1-i]
		}
		_, more, err := s.peek()
		if err != nil {
			return nil, err
		}
		switch {
		case !more:
			continue
		case !m.sorted:
			return s, nil
		case best == nil:
			best = s
			continue
		}
		p, err := s.sortPlace()
		if err != nil {
			return nil, err
		}
		q, err := best.sortPlace()
		if err != nil {
			return nil, err
		}
		if d := s.searched.Compare(p, q); d < 0 && !m.reverse || d > 0 && m.reverse {
			best = s
		}
	}
	return best, nil
}

// page takes so many hits, in the direction of the walk. more tells whether there are others.
func (m *merge) page(count int) (hits []driver.Hit, more bool, err error) {
	for {
		s, err := m.next()
		if err != nil || s == nil {
			return hits, false, err
		}
		if len(hits) == count {
			return hits, true, nil
		}
		hits = append(hits, s.pop())
	}
}

// marks are those behind the page.
func (m *merge) marks() ([]mark, error) {
	out := make([]mark, len(m.streams))
	for i, s := range m.streams {
		var err error
		if out[i], err = s.beyond(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
