"""One comparison held against a rule: whether a release may go out, may not, or was asked too little to tell.

A rule (`expression`) is tried on everything that a diff has figures of (`items`); `allowed` holds what was
expected, `earlier` what the last release had already, `power` what would have gone unseen. `check` puts them
together.
"""
