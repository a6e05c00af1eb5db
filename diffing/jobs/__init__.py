"""Where work runs: in this process, in one of its own, or on several machines.

A step's name and options go in; a job's folder comes out, which tells how far the step is and how it ended.
"""

from diffing.jobs.job import Job, JobStatus, find, recent, running
from diffing.jobs.run import STEPS, run_here, start

__all__ = ["STEPS", "Job", "JobStatus", "find", "recent", "run_here", "running", "start"]
