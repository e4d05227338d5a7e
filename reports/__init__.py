"""What people see of a run: metrics, objectives, the gate, and the report in HTML, Markdown and plain text."""
