package backend_test

import (
	"os"
	"testing"

	"example.org/backend"

	"github.com/hob-fhir/hob/storage/driver"
	"github.com/hob-fhir/hob/storage/drivertest"
)

// TestBackend is all that a backend's author writes. With BROKEN=1 the suite must find what is wrong.
func TestBackend(t *testing.T) {
	drivertest.Run(t, func(testing.TB) driver.Backend { return &backend.Toy{Broken: os.Getenv("BROKEN") != ""} })
}
