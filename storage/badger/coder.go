package badger

import (
	"encoding/binary"
	"errors"
)

// decoder reads the fields of a value one after another. After the first that is cut short it yields zeros and err says so.
type decoder struct {
	b   []byte
	err error
}

var errCut = errors.New("value is cut short")

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b, d.err = nil, errCut
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.b, d.err = nil, errCut
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.err = errCut
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

// bytes reads a length and as many bytes.
func (d *decoder) bytes() []byte {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.b, d.err = nil, errCut
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

// end reports an error if something was cut or is left over.
func (d *decoder) end() error {
	if d.err == nil && len(d.b) > 0 {
		return errors.New("value goes on after its end")
	}
	return d.err
}

func appendBytes(b, v []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}
