"""The control socket `STOCKADE_HOME/run/control.sock`: the admin API for whoever owns the home.

`socket` is the serving host's end, `client` the command line's. No token is asked for: the kernel
says who is at the other end.
"""

__all__: list[str] = []
