"""Promotion by pull request: a commit on a branch of a git repository, and the request of the forge that hosts it.

Only hosts that the admin allows are asked (SERINUS_GIT_HOSTS), with credentials from a Secret of the policy's
namespace.
"""
