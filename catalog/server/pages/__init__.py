"""Pages for people: see, find and compare what a home holds, in a browser and without dcat.

- ``routes``: requests, entity tags, files; ``pagelist``: which path is which page; ``making``: HTML, its JSON twin, feeds;
  ``answers``: pages and errors over HTTP
- ``views/``: one page a file: a frozen model of what it shows, and the function that makes it
- ``templates/``, ``static/``: one template a page; one style sheet, one small script
- ``rendering``: templates with everything from a variable escaped, control and invisible characters included
- ``markdown``: text of publishers to an allow-list of tags
- ``openapi``: the description that is made from the models; ``feed``: Atom
- ``threads``: who makes a page, and for whom; ``opening``: the home, opened once for each of its states; ``visit``: what one
  request reads from; ``filling``: several lists on one page, as far as it has room
- ``links``: the addresses of the pages; ``getting``: the lines that get an image

Pages are complete without JavaScript, load nothing from elsewhere, and set no cookie. What was fetched from others is shown as
text and never rendered: the content security policy allows nothing but this server's own style sheet, script and icon.
"""
