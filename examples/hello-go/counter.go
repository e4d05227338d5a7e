package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/activity"
)

const schema = `
CREATE TABLE IF NOT EXISTS labels (
    workflow_id text PRIMARY KEY, destination text NOT NULL, cents integer NOT NULL
);
CREATE TABLE IF NOT EXISTS handovers (workflow_id text PRIMARY KEY, courier text NOT NULL);
`

// Label is what is stuck on a parcel.
type Label struct {
	Destination string `json:"destination"`
	Cents       int    `json:"cents"`
}

// Counter is where parcels are labelled and handed over: its exported methods are activities.
//
// An activity may run again after it has committed, because nobody heard that it had. So each row has the workflow's
// id for its key, which is the same in every attempt, and a second row is refused.
type Counter struct {
	pool *pgxpool.Pool
}

// Label notes the parcel's label.
func (counter *Counter) Label(ctx context.Context, label Label) error {
	_, err := counter.pool.Exec(ctx, `
		INSERT INTO labels (workflow_id, destination, cents) VALUES ($1, $2, $3)
		ON CONFLICT (workflow_id) DO NOTHING
	`, parcel(ctx), label.Destination, label.Cents)
	return err
}

// HandOver notes who took the parcel.
func (counter *Counter) HandOver(ctx context.Context, courier string) error {
	_, err := counter.pool.Exec(ctx, `
		INSERT INTO handovers (workflow_id, courier) VALUES ($1, $2)
		ON CONFLICT (workflow_id) DO NOTHING
	`, parcel(ctx), courier)
	return err
}

// migrate makes the tables where there are none.
func (counter *Counter) migrate(ctx context.Context) error {
	_, err := counter.pool.Exec(ctx, schema)
	return err
}

func parcel(ctx context.Context) string {
	return activity.GetInfo(ctx).WorkflowExecution.ID
}
