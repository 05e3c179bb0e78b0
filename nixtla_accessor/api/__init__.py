"""The service's side: it knows HTTP, never pandas."""
