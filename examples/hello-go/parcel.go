package main

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// Request is what a sender says of a parcel.
type Request struct {
	Destination string `json:"destination"`
	Grams       int    `json:"grams"`
}

// Receipt is what a sender gets once a courier has taken the parcel.
type Receipt struct {
	Cents   int    `json:"cents"`
	Courier string `json:"courier"`
}

// Collected is the signal by which a courier says that the parcel is taken; its argument is the courier's name.
const Collected = "collected"

// Parcel is labelled, waits for a courier, and is handed over.
func Parcel(ctx workflow.Context, request Request) (Receipt, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second})
	var counter *Counter
	receipt := Receipt{Cents: Postage(request.Grams)}
	label := Label{Destination: request.Destination, Cents: receipt.Cents}
	if err := workflow.ExecuteActivity(ctx, counter.Label, label).Get(ctx, nil); err != nil {
		return Receipt{}, err
	}
	workflow.GetSignalChannel(ctx, Collected).Receive(ctx, &receipt.Courier)
	err := workflow.ExecuteActivity(ctx, counter.HandOver, receipt.Courier).Get(ctx, nil)
	return receipt, err
}

// Postage is 100 cents for the first kilogram, and 50 for each further one that is begun.
func Postage(grams int) int {
	further := max(0, (grams-1)/1000)
	return 100 + 50*further
}
