package drivertest_test

import (
	"testing"

	"github.com/hob-fhir/hob/storage/driver"
	"github.com/hob-fhir/hob/storage/drivertest"
)

func model(testing.TB) driver.Backend { return drivertest.NewModel() }

func TestModel(t *testing.T) { drivertest.Run(t, model) }

func TestModelSnapshots(t *testing.T) { drivertest.Snapshots(t, model) }
