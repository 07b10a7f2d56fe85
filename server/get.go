package server

import (
	"net/http"
	"strconv"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// get is the read interaction (R4 http.html, read), conditional by If-None-Match and If-Modified-Since.
func get(tx *storage.Tx, r *Request) (*Response, error) {
	return show(r, func() (driver.Record, error) { return tx.Get(r.Key()) })
}

// show answers with a version, or with what of it is asked for.
func show(r *Request, read func() (driver.Record, error)) (*Response, error) {
	if err := r.known("_summary", "_elements"); err != nil {
		return nil, err
	}
	s, err := r.subset()
	if err != nil {
		return nil, err
	}
	rec, err := read()
	if err != nil {
		return nil, err
	}
	if rec.Deleted {
		return nil, gone(rec)
	}
	res := fresh(rec, r)
	res.Body, err = s.of(res.Body)
	return res, err
}

// vread reads one version (R4 http.html, vread).
func vread(tx *storage.Tx, r *Request) (*Response, error) {
	n, err := strconv.ParseUint(r.Version, 10, 64)
	if err != nil || n == 0 {
		return nil, refuse(http.StatusNotFound, fhirmap.CodeNotFound,
			"%s has no version %s; versions are numbered from 1", r.Key(), clip(r.Version))
	}
	return show(r, func() (driver.Record, error) { return tx.Version(r.Key(), n) })
}

// fresh answers with a version, or with 304 if the client has it.
func fresh(rec driver.Record, r *Request) *Response {
	res := shown(rec)
	if unchanged(r.Header, etag(rec.Version), rec.Time) {
		res.Status, res.Body = http.StatusNotModified, nil
	}
	return res
}

// gone is the answer for a version that is a deletion.
func gone(rec driver.Record) error {
	return refuse(http.StatusGone, fhirmap.CodeDeleted, "%s was deleted as version %d", rec.Key, rec.Version).
		with("ETag", etag(rec.Version)).with("Last-Modified", rec.Time.UTC().Format(http.TimeFormat))
}
