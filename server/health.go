package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/hob-fhir/hob/storage"
)

// live answers that the process runs: if it does not, it should be started anew.
func live(g *gin.Context) { g.String(http.StatusOK, "ok\n") }

// ready answers whether requests should be sent here: the store can be read and no shutdown has begun.
func ready(s *storage.Store, done <-chan struct{}) gin.HandlerFunc {
	return func(g *gin.Context) {
		select {
		case <-done:
			g.String(http.StatusServiceUnavailable, "shutting down\n")
			return
		default:
		}
		if err := s.View(g.Request.Context(), storage.System, func(*storage.Tx) error { return nil }); err != nil {
			g.Error(err)
			g.String(http.StatusServiceUnavailable, "the store cannot be read\n")
			return
		}
		g.String(http.StatusOK, "ok\n")
	}
}
