package badger

import (
	"github.com/tidwall/btree"
)

// overlay holds what a group of closures has written and not yet committed, in key order. A closure, and each write within it, can
// be undone: mark, write, and undo to the mark puts every key back as it was.
type overlay struct {
	keys btree.Map[string, pending]
	undo []change
	size int64 // what the keys will count for in a Badger transaction, in bytes
}

// pending is a value to be written, or a deletion if gone.
type pending struct {
	value []byte
	gone  bool
}

type change struct {
	key string
	was pending
	had bool
}

// entryCost is what Badger adds to the length of key and value when it measures a transaction.
const entryCost = 12

func cost(key string, p pending) int64 { return int64(len(key) + len(p.value) + entryCost) }

func (o *overlay) get(key string) (pending, bool) { return o.keys.Get(key) }

func (o *overlay) set(key string, p pending) {
	was, had := o.keys.Set(key, p)
	o.size += cost(key, p)
	if had {
		o.size -= cost(key, was)
	}
	o.undo = append(o.undo, change{key, was, had})
}

// mark names the present state, to be given to undoTo.
func (o *overlay) mark() int { return len(o.undo) }

func (o *overlay) undoTo(mark int) {
	for i := len(o.undo) - 1; i >= mark; i-- {
		c := o.undo[i]
		if c.had {
			now, _ := o.keys.Set(c.key, c.was)
			o.size += cost(c.key, c.was) - cost(c.key, now)
			continue
		}
		now, _ := o.keys.Delete(c.key)
		o.size -= cost(c.key, now)
	}
	o.undo = o.undo[:mark]
}
