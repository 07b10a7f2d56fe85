package server

import (
	"encoding/base64"
	"fmt"
	"mime"
	"strings"

	"github.com/hob-fhir/hob/fhirmap"
)

// asBinary makes a Binary resource of content that was sent as itself (R4 section 2.43.2). securityContext may be empty.
func asBinary(contentType, securityContext, id string, content []byte) ([]byte, error) {
	if _, _, err := mime.ParseMediaType(contentType); err != nil {
		return nil, fhirmap.Errorf(fhirmap.CodeValue, "Binary.contentType", "Content-Type: %s is no media type", clip(contentType))
	}
	b := &bundle{buf: make([]byte, 0, base64.StdEncoding.EncodedLen(len(content))+256)}
	b.raw(`{"resourceType":"Binary"`)
	if id != "" {
		b.raw(`,"id":`)
		b.text(id)
	}
	b.raw(`,"contentType":`)
	b.text(contentType)
	if securityContext != "" {
		b.raw(`,"securityContext":{"reference":`)
		b.text(securityContext)
		b.raw(`}`)
	}
	if len(content) > 0 {
		b.raw(`,"data":"`)
		b.buf = base64.StdEncoding.AppendEncode(b.buf, content)
		b.raw(`"`)
	}
	b.raw(`}`)
	return b.buf, nil
}

// rawBinary turns the answer of a Binary into its content, which keeps the version's ETag and time.
func rawBinary(res *Response, m *media) error {
	if len(res.Body) == 0 {
		return nil
	}
	r, err := fhirmap.Trusted(res.Body)
	if err != nil {
		return err
	}
	m.raw = r.Root().String("contentType")
	if _, _, err := mime.ParseMediaType(m.raw); err != nil {
		m.raw = "application/octet-stream"
	}
	res.Body, err = base64.StdEncoding.DecodeString(unbroken(r.Root().String("data")))
	if err != nil {
		return fmt.Errorf("data of the Binary is no base64: %w", err)
	}
	return nil
}

// unbroken takes out the white space by which FHIR lets base64 be broken.
func unbroken(data string) string {
	return strings.Map(func(c rune) rune {
		if c <= ' ' {
			return -1
		}
		return c
	}, data)
}
