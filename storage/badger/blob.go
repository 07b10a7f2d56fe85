package badger

import (
	"encoding/binary"
	"fmt"

	"github.com/hob-fhir/hob/storage/driver"
)

// Bodies and forward rows may be larger than what Badger keeps beside a key (1 MiB). A blob is cut into parts: the first, under the
// blob's own key, begins with the number of further parts (a varint), and part i lies under the key followed by i in two bytes.
const partSize = 512 << 10

func partKey(key []byte, i int) []byte {
	b := make([]byte, 0, len(key)+2)
	return binary.BigEndian.AppendUint16(append(b, key...), uint16(i))
}

// setBlob writes a blob. more is how many further parts the key has now.
func (t *tx) setBlob(key, data []byte, more int) error {
	parts := 0
	if len(data) > partSize {
		parts = (len(data) - 1) / partSize
	}
	if parts > 1<<16-1 {
		return fmt.Errorf("%d bytes under one key: %w", len(data), driver.ErrTooLarge)
	}
	first := data[:min(len(data), partSize)]
	t.set(key, append(binary.AppendUvarint(make([]byte, 0, len(first)+1), uint64(parts)), first...))
	for i := 1; i <= parts; i++ {
		t.set(partKey(key, i), data[i*partSize:min(len(data), (i+1)*partSize)])
	}
	for i := parts + 1; i <= more; i++ {
		t.delete(partKey(key, i))
	}
	return nil
}

func (t *tx) deleteBlob(key []byte, more int) {
	t.delete(key)
	for i := 1; i <= more; i++ {
		t.delete(partKey(key, i))
	}
}

// blob puts together the blob whose first part is given, and returns how many further parts it has.
func (v *view) blob(key, first []byte) (data []byte, more int, err error) {
	d := decoder{b: first}
	parts := d.uint()
	if d.err != nil || parts > 1<<16-1 {
		return nil, 0, damaged(key, errCut)
	}
	if parts == 0 {
		return d.b, 0, nil
	}
	data = append(make([]byte, 0, int(parts+1)*partSize), d.b...)
	for i := 1; i <= int(parts); i++ {
		part, ok, err := v.get(partKey(key, i))
		if err != nil {
			return nil, 0, err
		}
		if !ok {
			return nil, 0, damaged(key, fmt.Errorf("part %d of %d is missing", i, parts))
		}
		data = append(data, part...)
	}
	return data, int(parts), nil
}

// damaged is the error for a value that is not what the layout says.
func damaged(key []byte, err error) error {
	return fmt.Errorf("key %q: %w; the store is damaged, see hob check: %w", key, err, driver.ErrUnavailable)
}
