"""Load: iterations started on a schedule, whatever becomes of the ones before."""
