"""The scripts of the pipeline's stages.

Python runs this before a stage. Ctrl-C then prints one word while the stage still imports what it
needs, which one_line_errors does not cover. It decides on no output, so stages do not depend on it.
"""

import sys

from ballast.core.errors import one_line_interrupts

sys.excepthook = one_line_interrupts
