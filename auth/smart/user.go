package smart

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/hob-fhir/hob/fhirmap"
	"github.com/hob-fhir/hob/storage"
	"github.com/hob-fhir/hob/storage/driver"
)

// User is a person who signs in here.
type User struct {
	Name     string `json:"name"`    // by which he signs in
	Subject  string `json:"subject"` // the sub of his tokens: it never passes to another
	Display  string `json:"display,omitempty"`
	FHIRUser string `json:"fhirUser"` // the Patient, Practitioner or RelatedPerson he is
	Hash     []byte `json:"hash"`     // of his password, by bcrypt

	Password string `json:"-"` // of a user of Config, who is not in the store
}

var users = storage.Private[User]{Type: "_user"}

// maxPassword is all that bcrypt reads of a password.
const (
	minPassword = 10
	maxPassword = 72
)

// errNoUser says that nobody has this name.
var errNoUser = errors.New("there is no such user")

// ready prepares a user of Config.
func (u *User) ready(cost int) (err error) {
	if err := u.check(); err != nil {
		return err
	}
	u.Subject = digest("user " + u.Name)[:24]
	u.Hash, err = bcrypt.GenerateFromPassword([]byte(u.Password), cost)
	u.Password = ""
	return err
}

func (u *User) check() error {
	if u.Name == "" || len(u.Name) > 200 || strings.TrimSpace(u.Name) != u.Name || strings.ContainsFunc(u.Name, func(r rune) bool { return r < ' ' }) {
		return fmt.Errorf("user %q: a name has 1 to 200 characters, none of them a control character, and no space at its ends", u.Name)
	}
	typ, id, ok := strings.Cut(u.FHIRUser, "/")
	if !ok || !slices.Contains([]string{"Patient", "Practitioner", "RelatedPerson"}, typ) || !fhirmap.IsID(id) {
		return fmt.Errorf("user %s: who he is, %q, must be a Patient, Practitioner or RelatedPerson, as Practitioner/17", u.Name, u.FHIRUser)
	}
	return nil
}

// hashed returns the hash of a password that is fit to be one.
func hashed(password string, cost int) ([]byte, error) {
	if n := len(password); n < minPassword || n > maxPassword {
		return nil, fmt.Errorf("a password has %d to %d bytes, this one has %d", minPassword, maxPassword, n)
	}
	return bcrypt.GenerateFromPassword([]byte(password), cost)
}

// AddUser makes a user with a password. cost is that of Config; 0: 12.
func AddUser(ctx context.Context, store *storage.Store, u User, password string, cost int) (err error) {
	if err := u.check(); err != nil {
		return err
	}
	if cost == 0 {
		cost = 12
	}
	if u.Hash, err = hashed(password, cost); err != nil {
		return err
	}
	if u.Subject, err = store.NewID(); err != nil {
		return err
	}
	err = store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		_, err := users.Save(tx, digest(u.Name), 0, u)
		return err
	})
	if errors.Is(err, driver.ErrConflict) {
		err = fmt.Errorf("user %s: there is one already", u.Name)
	}
	return err
}

// SetPassword gives a user another password, and ends his sessions and all he has granted: whoever knew the old one is out.
func SetPassword(ctx context.Context, store *storage.Store, name, password string, cost int) error {
	if cost == 0 {
		cost = 12
	}
	hash, err := hashed(password, cost)
	if err != nil {
		return err
	}
	return store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		u, version, err := loadUser(tx, name)
		if err != nil {
			return err
		}
		u.Hash = hash
		if _, err := users.Save(tx, digest(name), version, u); err != nil {
			return err
		}
		return endUser(tx, u)
	})
}

// RemoveUser forgets a user, his sessions and all he has granted.
func RemoveUser(ctx context.Context, store *storage.Store, name string) error {
	return store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		u, _, err := loadUser(tx, name)
		if err != nil {
			return err
		}
		if err := users.Remove(tx, digest(name)); err != nil {
			return err
		}
		return endUser(tx, u)
	})
}

// Users lists the users by name.
func Users(ctx context.Context, store *storage.Store) (list []User, err error) {
	err = store.View(ctx, storage.System, func(tx *storage.Tx) error {
		for u, err := range users.Find(tx, nil) {
			if err != nil {
				return err
			}
			list = append(list, u.Value)
		}
		return nil
	})
	slices.SortFunc(list, func(a, b User) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}

func loadUser(tx *storage.Tx, name string) (User, uint64, error) {
	u, version, err := users.Load(tx, digest(name))
	if errors.Is(err, driver.ErrNotFound) {
		err = fmt.Errorf("user %s: %w", name, errNoUser)
	}
	return u, version, err
}

// endUser ends all that a user has begun.
func endUser(tx *storage.Tx, u User) error {
	if err := noteEnd(tx); err != nil {
		return err
	}
	for found, err := range sessions.Find(tx, is("user", u.Name)) {
		if err != nil {
			return err
		}
		if err := sessions.Remove(tx, found.ID); err != nil {
			return err
		}
	}
	return removeAuthorizations(tx, "subject", u.Subject)
}

// user finds a user by name. errNoUser if there is none.
func (s *Server) user(ctx context.Context, name string) (u User, err error) {
	if u, ok := s.users[digest(name)]; ok {
		return u, nil
	}
	err = s.Store.View(ctx, storage.System, func(tx *storage.Tx) error {
		u, _, err = loadUser(tx, name)
		return err
	})
	return u, err
}

// attempt counts the sign-ins under one name that went wrong, whether or not anybody has that name.
type attempt struct {
	Failures int
	Until    time.Time // no password is looked at before
	Expires  time.Time
}

var attempts = storage.Private[attempt]{Type: "_attempt", Expires: func(a attempt) time.Time { return a.Expires }}

const (
	freeAttempts = 5                // until one has to wait
	firstWait    = 15 * time.Second // which doubles with each further failure
	longestWait  = 15 * time.Minute
	forgetAfter  = 24 * time.Hour
)

// locked says how long nobody can sign in under a name.
type locked time.Duration

func (l locked) Error() string { return fmt.Sprintf("too many attempts; wait %s", time.Duration(l)) }

var errPassword = errors.New("the name or the password is wrong")

// signIn checks a password. It counts the attempt before it looks, so that many at once count as many; and it takes as long for a name
// that nobody has. errPassword or a locked if the answer is no.
func (s *Server) signIn(ctx context.Context, name, password string) (User, error) {
	select {
	case s.passwords <- struct{}{}:
		defer func() { <-s.passwords }()
	case <-ctx.Done():
		return User{}, ctx.Err()
	}
	key, now := digest(name), s.Clock()
	var wait time.Duration
	err := s.Store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		a, version, err := attempts.Load(tx, key)
		if err != nil && !errors.Is(err, driver.ErrNotFound) {
			return err
		}
		if wait = a.Until.Sub(now); wait > 0 {
			return nil
		}
		a.Failures++
		if over := a.Failures - freeAttempts; over >= 0 {
			a.Until = now.Add(min(firstWait<<min(over, 10), longestWait))
		}
		a.Expires = now.Add(forgetAfter)
		_, err = attempts.Save(tx, key, version, a)
		return err
	})
	if err != nil {
		return User{}, err
	}
	if wait > 0 {
		return User{}, locked(wait.Round(time.Second))
	}
	u, err := s.user(ctx, name)
	unknown := errors.Is(err, errNoUser)
	if err != nil && !unknown {
		return User{}, err
	}
	hash := u.Hash
	if unknown || len(hash) == 0 {
		hash = s.nobody
	}
	if len(password) > maxPassword {
		password = ""
	}
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil || unknown || len(u.Hash) == 0 {
		return User{}, errPassword
	}
	err = s.Store.Update(ctx, storage.System, func(tx *storage.Tx) error {
		err := attempts.Remove(tx, key)
		if errors.Is(err, driver.ErrNotFound) {
			err = nil
		}
		return err
	})
	return u, err
}

// is asks for the private records with a row of a word.
func is(field, word string) driver.Query {
	return driver.Lookup{Field: field, Op: driver.EQUAL, Values: []driver.Value{driver.Point([]byte(word))}}
}

// word is a row of a private record.
func word(field, value string) driver.Row {
	return driver.Row{Field: field, Value: driver.Point([]byte(value))}
}
