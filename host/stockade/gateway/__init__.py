"""HTTP for clients: who may come in, the dialects they speak, and what becomes of slow ones."""
