package fhirmap

import (
	"encoding/base64"
	"strings"
)

// BinaryOf makes a Binary of raw bytes and their media type (R4 section 2.13.3), as a server takes a body that is not FHIR. The error is an
// *Outcome: the media type is no code.
func BinaryOf(contentType string, data []byte) (*Resource, error) {
	if contentType == "" {
		return nil, Errorf(CodeRequired, "Binary.contentType", "a binary needs a media type such as application/pdf")
	}
	if wrong := checkCode(contentType); wrong != "" {
		return nil, Errorf(CodeValue, "Binary.contentType", "contentType %s", wrong)
	}
	b := make([]byte, 0, base64.StdEncoding.EncodedLen(len(data))+len(contentType)+80)
	b = appendMember(append(b, `{"resourceType":"Binary",`...), "contentType", contentType)
	if len(data) > 0 {
		b = append(b, `,"data":"`...)
		b = append(base64.StdEncoding.AppendEncode(b, data), '"')
	}
	return Trusted(append(b, '}'))
}

// RawBinary returns the media type and bytes of a Binary. It is not ok if the resource is none, or its media type or data are left
// out for extensions.
func (r *Resource) RawBinary() (contentType string, data []byte, ok bool) {
	if r.Type() != "Binary" || r.root.String("contentType") == "" {
		return "", nil, false
	}
	content := r.root.First("data")
	if content == nil {
		return r.root.String("contentType"), nil, true
	}
	text := strings.Map(func(c rune) rune {
		if c <= ' ' {
			return -1
		}
		return c
	}, content.Text)
	data, err := base64.StdEncoding.DecodeString(text)
	return r.root.String("contentType"), data, err == nil && content.Value
}
