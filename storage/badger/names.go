package badger

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/hob-fhir/hob/storage/driver"
)

// names gives types, and the fields of each type, the small numbers that stand for them in keys. The numbers are given out by the
// writer, written in the same transaction as what uses them, and never change. A store has few thousand names, so all durable
// ones are kept in memory.
type names struct {
	mu     sync.RWMutex
	types  map[string]typeNo
	fields map[field]fieldNo
	facts  map[fieldNo]facts
}

type field struct {
	t    typeNo
	name string
}

const maxNames = 1<<16 - 1

func newNames() *names {
	return &names{types: map[string]typeNo{}, fields: map[field]fieldNo{}, facts: map[fieldNo]facts{}}
}

// learn takes in a key of the family M.
func (n *names) learn(key, value []byte) error {
	if len(key) < 2 {
		return fmt.Errorf("key % x is no name", key)
	}
	kind, rest := key[1], key[2:]
	switch {
	case kind == 'n' && len(rest) == 0 && len(value) == 4:
		return nil
	case kind == 't' && len(rest) > 0 && len(value) == 2:
		n.mu.Lock()
		n.types[string(rest)] = typeNo(binary.BigEndian.Uint16(value))
		n.mu.Unlock()
		return nil
	case kind == 'f' && len(rest) > 2 && len(value) == 2:
		n.mu.Lock()
		n.fields[field{typeNo(binary.BigEndian.Uint16(rest)), string(rest[2:])}] = fieldNo(binary.BigEndian.Uint16(value))
		n.mu.Unlock()
		return nil
	}
	if kind == 's' && len(rest) == 2 {
		k, err := parseFacts(value)
		if err != nil {
			return fmt.Errorf("key % x: %w", key, err)
		}
		n.mu.Lock()
		n.facts[fieldNo(binary.BigEndian.Uint16(rest))] = k
		n.mu.Unlock()
		return nil
	}
	return fmt.Errorf("key % x with value % x is no name", key, value)
}

// typeNo returns the number of a type; false if nothing of it was ever written.
func (v *view) typeNo(name string) (typeNo, bool, error) {
	v.s.names.mu.RLock()
	t, ok := v.s.names.types[name]
	v.s.names.mu.RUnlock()
	if ok || v.over == nil {
		return t, ok, nil
	}
	p, ok := v.over.get(string(keyTypeName(name)))
	if !ok {
		return 0, false, nil
	}
	return typeNo(binary.BigEndian.Uint16(p.value)), true, nil
}

// fieldNo returns the number of a field; false if no record ever had a row of it.
func (v *view) fieldNo(t typeNo, name string) (fieldNo, bool, error) {
	v.s.names.mu.RLock()
	f, ok := v.s.names.fields[field{t, name}]
	v.s.names.mu.RUnlock()
	if ok || v.over == nil {
		return f, ok, nil
	}
	p, ok := v.over.get(string(keyFieldName(t, name)))
	if !ok {
		return 0, false, nil
	}
	return fieldNo(binary.BigEndian.Uint16(p.value)), true, nil
}

// makeTypeNo is typeNo for a writer: a new name gets the next number.
func (t *tx) makeTypeNo(name string) (typeNo, error) {
	no, ok, err := t.typeNo(name)
	if ok || err != nil {
		return no, err
	}
	lastType, lastField, err := t.lastNames()
	if err != nil {
		return 0, err
	}
	if lastType == maxNames {
		return 0, fmt.Errorf("type %s: a store holds at most %d types: %w", name, maxNames, driver.ErrTooLarge)
	}
	lastType++
	t.set(keyTypeName(name), binary.BigEndian.AppendUint16(nil, uint16(lastType)))
	t.setLastNames(lastType, lastField)
	return lastType, nil
}

// makeFieldNo is fieldNo for a writer.
func (t *tx) makeFieldNo(typ typeNo, name string) (fieldNo, error) {
	no, ok, err := t.fieldNo(typ, name)
	if ok || err != nil {
		return no, err
	}
	lastType, lastField, err := t.lastNames()
	if err != nil {
		return 0, err
	}
	if lastField == maxNames {
		return 0, fmt.Errorf("field %s: a store holds at most %d fields of all types: %w", name, maxNames, driver.ErrTooLarge)
	}
	lastField++
	t.set(keyFieldName(typ, name), binary.BigEndian.AppendUint16(nil, uint16(lastField)))
	t.set(keyFacts(lastField), facts{}.encode())
	t.setLastNames(lastType, lastField)
	return lastField, nil
}

func (t *tx) lastNames() (typeNo, fieldNo, error) {
	b, ok, err := t.get(keyNames())
	if err != nil || !ok {
		return 0, 0, err
	}
	if len(b) != 4 {
		return 0, 0, fmt.Errorf("the numbers of names are % x, four bytes would be right: %w", b, driver.ErrUnavailable)
	}
	return typeNo(binary.BigEndian.Uint16(b)), fieldNo(binary.BigEndian.Uint16(b[2:])), nil
}

func (t *tx) setLastNames(lastType typeNo, lastField fieldNo) {
	b := binary.BigEndian.AppendUint16(nil, uint16(lastType))
	t.set(keyNames(), binary.BigEndian.AppendUint16(b, uint16(lastField)))
}

// publicTypes adds the types that have a log.
func (v *view) publicTypes(to map[string]typeNo) error {
	v.s.names.mu.RLock()
	for name, t := range v.s.names.types {
		if !(driver.Key{Type: name}).Private() {
			to[name] = t
		}
	}
	v.s.names.mu.RUnlock()
	if v.over == nil {
		return nil
	}
	from := keyTypeName("")
	v.over.keys.Ascend(string(from), func(key string, p pending) bool {
		if !hasPrefix(key, from) {
			return false
		}
		if name := key[len(from):]; !(driver.Key{Type: name}).Private() {
			to[name] = typeNo(binary.BigEndian.Uint16(p.value))
		}
		return true
	})
	return nil
}
