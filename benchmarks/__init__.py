"""Speed and memory of the library beside a plain implementation, a peer and what the machine could do at best.

README.md in this folder has the commands and the meaning of every column.
"""
