package server

import (
	"net/http"
	"strings"
	"time"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// unchanged reports whether a client that asked by If-None-Match or If-Modified-Since already has this version (R4 http.html,
// conditional read). If-None-Match decides where both are given.
func unchanged(h http.Header, tag string, modified time.Time) bool {
	if lines := h["If-None-Match"]; len(lines) > 0 {
		for _, line := range lines {
			for part := range strings.SplitSeq(line, ",") {
				part = strings.TrimSpace(part)
				if part == "*" || strings.TrimPrefix(part, "W/") == strings.TrimPrefix(tag, "W/") {
					return true
				}
			}
		}
		return false
	}
	if since := h.Get("If-Modified-Since"); since != "" && !modified.IsZero() {
		t, err := http.ParseTime(since)
		return err == nil && !modified.Truncate(time.Second).After(t)
	}
	return false
}

// matched refuses a write whose If-Match does not name the current version; head is the zero Record if there is none. It also
// obeys If-None-Match: *, which asks that there be none.
func matched(h http.Header, k driver.Key, head driver.Record) error {
	exists := head.Version > 0 && !head.Deleted
	if h.Get("If-None-Match") == "*" && exists {
		return refuse(http.StatusPreconditionFailed, fhirmap.CodeConflict,
			"%s exists as version %d, and If-None-Match: * asks that it does not", k, head.Version)
	}
	lines := h["If-Match"]
	if len(lines) == 0 {
		return nil
	}
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			part = strings.TrimSpace(part)
			if part == "*" {
				if exists {
					return nil
				}
				continue
			}
			tag := strings.TrimPrefix(part, "W/")
			if len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' {
				return fhirmap.Errorf(fhirmap.CodeInvalid, "",
					`If-Match: %s is no ETag; write it as the server gave it, like W/"3"`, clip(part))
			}
			if exists && etag(head.Version) == "W/"+tag {
				return nil
			}
		}
	}
	if !exists {
		return refuse(http.StatusPreconditionFailed, fhirmap.CodeConflict,
			"%s does not exist, and If-Match asks for %s", k, clip(strings.Join(lines, ", ")))
	}
	return refuse(http.StatusPreconditionFailed, fhirmap.CodeConflict,
		"version %d of %s is current, and If-Match asks for %s; read it again and repeat the change",
		head.Version, k, clip(strings.Join(lines, ", ")))
}
