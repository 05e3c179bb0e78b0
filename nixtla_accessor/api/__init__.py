"""The service's side: it knows HTTP, and no pandas."""
