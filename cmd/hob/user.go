package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"github.com/hob-fhir/hob/auth/smart"
	"github.com/hob-fhir/hob/search"
	"github.com/hob-fhir/hob/server"
)

// user keeps the people who sign in at the embedded authorization server.
type user struct {
	Add    userAdd    `cmd:"" help:"Add a user. The password is asked for, or read from standard input."`
	List   userList   `cmd:"" help:"List the users."`
	Passwd userPasswd `cmd:"" help:"Give a user another password. His sessions end, and what he has granted."`
	Remove userRemove `cmd:"" help:"Remove a user. His sessions end, and what he has granted."`
}

func (user) Help() string {
	return `Users sign in at the embedded authorization server (hob serve --auth dev, or --auth FILE where the file says so). Each is bound to the Patient, Practitioner or RelatedPerson that he is. They are kept in the store, which no server may have open meanwhile.

Examples:
  hob user add ada Patient/17 --display 'Ada Lovelace'
  hob user list --store badger:/var/lib/hob
  printf '%s\n' "$PASSWORD" | hob user passwd ada
  hob user remove ada`
}

// closedStore is a store that no server has open.
type closedStore struct {
	Store string `default:"badger:./hob-data" placeholder:"URL" help:"The store, as badger:DIR. No server may have it open."`
}

// with opens the store for fn. Nothing is made where there is no store, unless create says so.
func (c closedStore) with(ctx context.Context, create bool, fn func(*opened) error) error {
	if dir, ok := strings.CutPrefix(c.Store, "badger:"); ok && !create {
		if _, err := os.Stat(strings.TrimPrefix(dir, "//")); err != nil {
			return fmt.Errorf("store %s: %w", masked(c.Store), err)
		}
	}
	o, err := defaultStore(c.Store).open(ctx, slog.New(slog.DiscardHandler), server.IndexingOptions{}, search.Options{})
	if err != nil {
		return err
	}
	return errors.Join(fn(o), o.Close())
}

type userAdd struct {
	closedStore `embed:""`
	Name        string `arg:"" help:"By which the user signs in."`
	FHIRUser    string `arg:"" name:"fhir-user" help:"Who the user is: Patient/ID, Practitioner/ID or RelatedPerson/ID."`
	Display     string `help:"What the user is called on pages; without it, by the name."`
}

func (c userAdd) Run(p *process) error {
	return c.with(p, true, func(o *opened) error {
		password, err := newPassword(p)
		if err != nil {
			return err
		}
		err = smart.AddUser(p, o.Store, smart.User{Name: c.Name, Display: c.Display, FHIRUser: c.FHIRUser}, password, 0)
		if err == nil {
			fmt.Fprintf(p.out, "added %s, who is %s\n", c.Name, c.FHIRUser)
		}
		return err
	})
}

type userList struct {
	closedStore `embed:""`
}

func (c userList) Run(p *process) error {
	return c.with(p, false, func(o *opened) error {
		list, err := smart.Users(p, o.Store)
		t := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		for _, u := range list {
			fmt.Fprintf(t, "%s\t%s\t%s\n", u.Name, u.FHIRUser, u.Display)
		}
		return errors.Join(err, t.Flush())
	})
}

type userPasswd struct {
	closedStore `embed:""`
	Name        string `arg:"" help:"Whose password it is."`
}

func (c userPasswd) Run(p *process) error {
	return c.with(p, false, func(o *opened) error {
		password, err := newPassword(p)
		if err != nil {
			return err
		}
		return smart.SetPassword(p, o.Store, c.Name, password, 0)
	})
}

type userRemove struct {
	closedStore `embed:""`
	Name        string `arg:"" help:"Who is removed."`
}

func (c userRemove) Run(p *process) error {
	return c.with(p, false, func(o *opened) error { return smart.RemoveUser(p, o.Store, c.Name) })
}

// newPassword asks for a password twice at a terminal, or reads one line.
func newPassword(p *process) (string, error) {
	fd := int(p.in.Fd())
	if !term.IsTerminal(fd) {
		return firstLine(p.in)
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(p.err, prompt)
		b, err := term.ReadPassword(fd)
		fmt.Fprintln(p.err)
		return string(b), err
	}
	first, err := ask("Password: ")
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	second, err := ask("Once more: ")
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if first != second {
		return "", errors.New("these are two different passwords")
	}
	return first, nil
}

// firstLine reads one line, without its end.
func firstLine(r io.Reader) (string, error) {
	text, err := bufio.NewReader(io.LimitReader(r, 64<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	if text = strings.TrimRight(text, "\r\n"); text == "" {
		return "", errors.New("standard input is empty; one line with the password is needed")
	}
	return text, nil
}
