"""Images, exports, releases and times that tests are made of. Every test takes them from here.

``times`` (the one `NOW`), ``platforms``, ``tars``, ``images`` (config and layers), ``exports`` (every form in which an image leaves
an engine or a tool), ``archives`` (images as canonical archives in memory), ``releases`` (what catalogues list), ``golden`` (the
files of tests/golden), ``programs`` (an executable that an image can run).
"""
