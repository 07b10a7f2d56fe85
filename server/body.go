package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzip"

	"github.com/hob-fhir/hob/fhirmap"
)

// firstRead is how much is set aside for a body before any of it has come, however long the client says it is.
const firstRead = 1 << 20

// unzippers are kept, since each holds a window of 32 KiB and more.
var unzippers = sync.Pool{New: func() any { return new(gzip.Reader) }}

// bodyOf reads a whole body of at most limit bytes, counted after decompression, and waits for it no longer than the request's
// deadline.
func bodyOf(g *gin.Context, limit int64) ([]byte, error) {
	r := g.Request
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if r.ContentLength > limit {
		return nil, tooLong(limit)
	}
	if deadline, ok := r.Context().Deadline(); ok {
		// An error says that there is no connection to wait for, as in a test.
		_ = http.NewResponseController(g.Writer).SetReadDeadline(deadline)
	}
	var from io.Reader = r.Body
	size := r.ContentLength
	switch coding := strings.ToLower(r.Header.Get("Content-Encoding")); coding {
	case "", "identity":
	case "gzip", "x-gzip":
		z := unzippers.Get().(*gzip.Reader)
		defer unzippers.Put(z)
		if err := z.Reset(r.Body); err != nil {
			return nil, broken(err, "the body is not gzip, as Content-Encoding says: %v")
		}
		from, size = z, size*4
	default:
		return nil, refuse(http.StatusUnsupportedMediaType, fhirmap.CodeNotSupported,
			"Content-Encoding: %s is not taken here; gzip is", clip(coding)).with("Accept-Encoding", "gzip")
	}
	b := bytes.NewBuffer(make([]byte, 0, min(max(size, 0), firstRead)+bytes.MinRead))
	n, err := b.ReadFrom(io.LimitReader(from, limit+1))
	if err != nil {
		return nil, broken(err, "the body broke off: %v")
	}
	if n > limit {
		return nil, tooLong(limit)
	}
	return b.Bytes(), nil
}

func tooLong(limit int64) error {
	return fhirmap.Errorf(fhirmap.CodeTooLong, "", "the body is longer than the %d bytes that one request may have", limit)
}

// broken tells a body that is wrong from a connection that is slow or gone.
func broken(err error, format string) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(http.StatusRequestTimeout, fhirmap.CodeTimeout, "the body came in too slowly; nothing was changed").with("Connection", "close")
	case errors.Is(err, context.Canceled):
		return err
	}
	return fhirmap.Errorf(fhirmap.CodeStructure, "", format, err)
}
