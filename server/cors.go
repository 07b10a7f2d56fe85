package server

import (
	"net/http"

	"github.com/rs/cors"
)

// crossOrigin lets the pages of other origins read answers: SMART apps in a browser. Without origins it changes nothing, and browsers then
// keep the answers from every page that is not this server's own. No cookie is ever of use to such a page: credentials stay off, who asks
// is told by a bearer token.
func crossOrigin(origins []string, h http.Handler) http.Handler {
	if len(origins) == 0 {
		return h
	}
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"},
		AllowedHeaders: []string{
			"Accept", "Authorization", "Content-Type", "If-Match", "If-Modified-Since", "If-None-Exist", "If-None-Match", "Prefer",
			"X-Request-Id", "X-Requested-With", "X-Security-Context",
		},
		ExposedHeaders: []string{"Content-Location", "ETag", "Last-Modified", "Location", "Retry-After", "X-Progress", "X-Request-Id"},
		MaxAge:         600,
	}).Handler(h)
}
