package smart

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// provider are the endpoints that apps call, as the library wants them. Each is in a file of its own.
type provider struct {
	op.UnimplementedServer
	*Server
}

var _ op.Server = provider{}

// refusal is an error of a protocol, as a client is told it.
func refusal(err *oidc.Error, format string, args ...any) error {
	return err.WithDescription(format, args...)
}

// badClient refuses a client: 401 (RFC 6749 section 5.2).
func badClient(format string, args ...any) error {
	return op.NewStatusError(oidc.ErrInvalidClient().WithDescription(format, args...), http.StatusUnauthorized)
}

// told makes what a client may be told of any error: what is not a refusal is our own fault, which is logged and told to nobody.
func (s *Server) told(ctx context.Context, err error) error {
	var e *oidc.Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	s.Log.ErrorContext(ctx, "authorization server", slog.Any("error", err))
	return oidc.ErrServerError().WithDescription("the server is at fault; try again later")
}
