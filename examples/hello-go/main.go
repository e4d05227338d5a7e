// Command hello-go hands parcels to couriers: a Temporal worker, and the migration of its database.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
)

// Less than the 15 s that temper.toml gives a worker to drain.
const drain = 10 * time.Second

func main() {
	// `temper` drains a worker with SIGTERM.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("usage: hello-go worker | hello-go migrate")
	}
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer pool.Close()
	counter := &Counter{pool}
	switch arguments[0] {
	case "migrate":
		return counter.migrate(ctx)
	case "worker":
		return work(ctx, counter)
	default:
		return fmt.Errorf("there is no command %q: say worker, or migrate", arguments[0])
	}
}

// Works until ctx is done, then lets what is running come to its end.
func work(ctx context.Context, counter *Counter) error {
	temporal, err := client.Dial(client.Options{
		HostPort:  os.Getenv("TEMPORAL_ADDRESS"),
		Namespace: os.Getenv("TEMPORAL_NAMESPACE"),
	})
	if err != nil {
		return err
	}
	defer temporal.Close()
	parcels := worker.New(temporal, os.Getenv("TASK_QUEUE"), worker.Options{WorkerStopTimeout: drain})
	parcels.RegisterWorkflow(Parcel)
	parcels.RegisterActivity(counter)
	if err := parcels.Start(); err != nil {
		return err
	}
	defer parcels.Stop()
	health := &http.Server{Addr: os.Getenv("HEALTH_ADDRESS"), Handler: http.HandlerFunc(ready)}
	failed := make(chan error, 1)
	go func() { failed <- health.ListenAndServe() }()
	defer health.Close()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// The server listens only once the worker polls.
func ready(answer http.ResponseWriter, _ *http.Request) {
	answer.WriteHeader(http.StatusOK)
}
