package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage/driver"
)

// Response is the answer to a Request, for HTTP or for an entry of a Bundle.
type Response struct {
	Status   int
	Key      driver.Key  // of the resource it is about; zero: none, or several
	Version  uint64      // of the resource, for the ETag; 0: none
	Modified time.Time   // of the resource; zero: none
	Location string      // the URL of the version that was written, "" if none was
	Tag      string      // an ETag that no version names, quoted; "" if Version does
	Header   [][2]string // further ones
	Body     []byte      // FHIR JSON, or what Media says; nil: none
	Media    string      // "": FHIR JSON
}

// shown answers with a stored version.
func shown(rec driver.Record) *Response {
	return &Response{Status: http.StatusOK, Key: rec.Key, Version: rec.Version, Modified: rec.Time, Body: rec.Body}
}

// written answers a write with what the client prefers: the version, an outcome, or nothing (R4 http.html, managing return content).
func written(status int, rec driver.Record, r *Request) *Response {
	did := map[int]string{http.StatusCreated: "created", http.StatusOK: "updated", http.StatusNoContent: "deleted"}[status]
	return about(status, rec, r, "%s was "+did+" as version %d")
}

// about answers with what the client prefers to be given of a record; say is for its key and version.
func about(status int, rec driver.Record, r *Request, say string) *Response {
	res := &Response{Status: status, Key: rec.Key, Version: rec.Version, Modified: rec.Time}
	if !rec.Deleted {
		res.Location = r.Base + "/" + rec.Type + "/" + rec.ID + "/_history/" + strconv.FormatUint(rec.Version, 10)
	}
	switch preferred(r.Header, "return") {
	case "minimal":
	case "OperationOutcome":
		res.Body = inform(say, rec.Key, rec.Version).JSON()
	default:
		res.Body = rec.Body
	}
	switch {
	case rec.Deleted && res.Body != nil:
		res.Status = http.StatusOK
	case rec.Deleted:
		res.Status = http.StatusNoContent
	}
	return res
}

// inform makes an Outcome that says that all went well.
func inform(format string, args ...any) *fhirmap.Outcome {
	o := fhirmap.Errorf(fhirmap.CodeInfo, "", format, args...)
	o.Issues[0].Severity = "information"
	return o
}

// etag is the weak ETag of a version (R4 http.html, managing resource contention).
func etag(version uint64) string {
	var b [26]byte
	return string(append(strconv.AppendUint(append(b[:0], `W/"`...), version, 10), '"'))
}

// write sends a Response.
func (res *Response) write(c *gin.Context, m media) {
	h := c.Writer.Header()
	if res.Version > 0 {
		h["Etag"] = []string{etag(res.Version)}
	} else if res.Tag != "" {
		h["Etag"] = []string{res.Tag}
	}
	if !res.Modified.IsZero() {
		h["Last-Modified"] = []string{res.Modified.UTC().Format(http.TimeFormat)}
	}
	if res.Location != "" {
		name := "Content-Location"
		if res.Status == http.StatusCreated || res.Status == http.StatusOK && c.Request.Method == http.MethodPost { // of a conditional create too
			name = "Location"
		}
		h[name] = []string{res.Location}
	}
	for _, x := range res.Header {
		h[x[0]] = []string{x[1]}
	}
	if res.Media != "" {
		m = media{kind: res.Media}
	}
	send(c, res.Status, m, res.Body)
}

// attachment keeps a browser from showing what somebody stored as if it were a page of this server.
var attachment = []string{"attachment"}

// send writes a status and a JSON body, which may be empty.
func send(c *gin.Context, status int, m media, body []byte) {
	if len(body) == 0 {
		c.Writer.WriteHeader(status)
		c.Writer.WriteHeaderNow()
		return
	}
	if m.pretty && m.raw == "" && m.kind != plainType {
		var b bytes.Buffer
		b.Grow(len(body) * 2)
		if json.Indent(&b, body, "", "  ") == nil { // moves white space only: numbers keep their digits
			body = append(b.Bytes(), '\n')
		}
	}
	h := c.Writer.Header()
	h["Content-Type"] = m.header()
	if m.raw != "" {
		h["Content-Disposition"] = attachment
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.Writer.WriteHeader(status)
	if c.Request.Method == http.MethodHead {
		c.Writer.WriteHeaderNow()
		return
	}
	c.Writer.Write(body) // an error here is the client's going away; there is nobody to tell
}
