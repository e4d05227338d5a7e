"""Pure judgement on records: no input, no output, no clock."""
