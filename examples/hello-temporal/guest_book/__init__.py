"""A guest book on Temporal: guests sign it, and each gets a thank-you card."""
