"""Where an agent's code runs: a notebook of the study, its kernel behind walls, and what a workspace's file adds.

The tools stand in the room above; nothing in here knows them or the protocol.
"""
