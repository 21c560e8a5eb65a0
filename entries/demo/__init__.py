"""The demo: sample stories, and a simulated newsroom that keeps updating them."""
