"""The mains of the tools, one module each.

All of them: progress and errors on stderr, results as one JSON line on stdout, exit code 0 done,
1 failed, 2 wrong call; nothing of TensorFlow is imported before the flags are known to be right.
"""
