"""Speech for the parts that stand in for people: spoken, recognised and detected on this machine.

Needs the extra ``demo``; importing a module of this package does not.
"""
