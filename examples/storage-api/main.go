// Command storage-api does with Hob what an application of a healthcare storage API does: it creates patients, finds them by lookups, and links
// them with the numbers by which other systems know them.
//
//	go run ./examples/storage-api            # a server at http://127.0.0.1:8080/fhir, or at HOB_URL
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/hob-fhir/hob/client"
	"github.com/hob-fhir/hob/fhirmap"
)

func main() {
	c := client.New(cmp.Or(os.Getenv("HOB_URL"), "http://127.0.0.1:8080/fhir"), client.Options{
		Token: token(os.Getenv("HOB_TOKEN")),
	})
	if err := run(context.Background(), c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// token is what is sent with every request; nil: nothing.
func token(t string) func(context.Context) (string, error) {
	if t == "" {
		return nil
	}
	return func(context.Context) (string, error) { return t, nil }
}

func run(ctx context.Context, c *client.Client) error {
	joe, err := c.Patients.Create(ctx, client.Patient{Patient: fhirmap.Patient{Name: "Joe", Sex: "M", BirthDate: "1990-04-01", Active: true}})
	if err != nil {
		return err
	}
	jane, err := c.Patients.Create(ctx, client.Patient{Patient: fhirmap.Patient{Name: "Jane", Sex: "F", BirthDate: "1985-11-30", Active: true}})
	if err != nil {
		return err
	}
	fmt.Println("created", joe.Name, "and", jane.Name)

	older, err := c.Patients.Filter(ctx, client.Where("birth_date", client.LT, "1990-01-01"), client.Where("name", client.LIKE, "J"), client.Where("id", client.IN, joe.ID, jane.ID))
	if err != nil {
		return err
	}
	for _, p := range older {
		fmt.Println("born before 1990:", p.Name)
	}

	number := "FOO-" + joe.ID
	for _, id := range []string{joe.ID, jane.ID} {
		made, err := c.Patients.Link(ctx, id, number, "clinic")
		if err != nil {
			return err
		}
		fmt.Println("linked with the clinic's number:", made)
	}
	found, err := c.Patients.From(ctx, number, "clinic")
	if err != nil {
		return err
	}
	fmt.Println("the clinic's number is that of", found.Name)

	if _, err := c.Patients.Update(ctx, joe.ID, client.Fields{"status": "I"}); err != nil {
		return err
	}
	changed, err := c.Patients.Get(ctx, joe.ID)
	if err != nil {
		return err
	}
	fmt.Println("is", changed.Name, "active?", changed.Active)

	for _, id := range []string{joe.ID, jane.ID} {
		if _, err := c.Patients.Delete(ctx, id); err != nil {
			return err
		}
	}
	if _, err := c.Patients.Get(ctx, joe.ID); errors.Is(err, client.ErrPatientDoesNotExist) {
		fmt.Println("and gone:", err)
	}
	return nil
}
