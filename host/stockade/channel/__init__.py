"""One worker's connection: calls in flight, the ZMTP endpoint and the socket."""
