"""Prints the libraries that draw charts in a page, as one script: ``python bundle.py``.

It takes two seconds of a processor, in which vl_convert lets no other thread run; so it is a program of its own.
"""

import sys

import vl_convert

if __name__ == "__main__":
    sys.stdout.buffer.write(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").encode())
