"""The author's kit: what helps to write a plugin, try it and show that it keeps its word.

Nothing of it is needed to run plugins, and nothing of it runs a plugin outside its sandbox.
"""
