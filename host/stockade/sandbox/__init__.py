"""How a worker is confined: what is planned for it, and what this machine can enforce."""
