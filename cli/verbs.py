"""Every verb with its one line, by section: what `dcat --help`, the README and the completions list without importing a command.

A verb stands in `cli.commands.<module>` (`list` in `list_`, the rest under its own name).
The first line of its docstring is the line here.
"""

SECTIONS: dict[str, dict[str, str]] = {
    "Images": {
        "publish": "Store an image and release it under a name and a version.",
        "resolve": "Print the archive CID of a release, without any network.",
        "pull": "Fetch, check and load images, each under exactly one tag.",
        "save": "Write a release as an archive that docker load takes.",
        "pin": "Hold the bytes of releases here.",
        "unpin": "Let go of the bytes of releases; they stay in the index.",
        "outdated": "List pulled releases and engine tags that have a newer version.",
    },
    "Look around": {
        "list": "List names, or the releases of some.",
        "show": "Show one release: images, digests, layers, annotations.",
        "search": "Find releases by words in names, versions and annotations.",
        "log": "Show what changed, newest first.",
        "diff": "Compare two releases: layers, sizes, configuration.",
    },
    "Own catalogue": {
        "yank": "Mark a release as not to be used; nothing is deleted.",
        "remove": "Take a release out of the own catalogue.",
        "key": "Show, move or give up the key of your own catalogue.",
        "recover": "Take in what your key signed elsewhere: after a restored backup, or in a new home.",
    },
    "Share": {
        "subscribe": "Follow a catalogue: its releases are then found here.",
        "unsubscribe": "Stop following a catalogue; what was pulled stays.",
        "catalogues": "List your own catalogue and those you follow, with their names.",
        "sync": "Refresh what you follow, and share what is pending of your own.",
        "trust": "Decide about changes in catalogues that you follow.",
        "prefer": "Have a name mean another catalogue's from now on.",
        "export": "Write releases, or a catalogue, as one file for where there is no network.",
        "import": "Take in a file that dcat export wrote.",
        "serve": "Serve the catalogues and images of this home over HTTP.",
    },
    "Care": {
        "status": "Show the catalogues, their state and what is stored.",
        "verify": "Hash everything that is stored again.",
        "gc": "Show what could be freed; with --yes, free it.",
        "doctor": "Check the engine, the home, the keys and the versions.",
        "config": "Read and change settings.",
        "completion": "Install or show completion for bash, zsh or fish.",
        "help": "Explain a command or a topic.",
    },
}

VERBS: dict[str, str] = {verb: summary for section in SECTIONS.values() for verb, summary in section.items()}

# What people type who come from other tools, and what to type here.
FOREIGN: dict[str, tuple[str, ...]] = {
    "add": ("publish",),
    "build": ("publish",),
    "cat": ("save",),
    "clean": ("gc",),
    "delete": ("remove", "unpin"),
    "download": ("pull",),
    "fetch": ("pull",),
    "find": ("search",),
    "get": ("pull",),
    "history": ("log",),
    "images": ("list",),
    "info": ("status",),
    "init": ("publish",),
    "inspect": ("show",),
    "load": ("pull",),
    "ls": ("list",),
    "prune": ("gc",),
    "push": ("publish",),
    "rm": ("remove", "unpin"),
    "rmi": ("remove", "unpin"),
    "run": ("pull",),
    "tag": ("publish",),
    "tags": ("list",),
    "untag": ("remove",),
    "version": ("--version",),
}


def module_of(verb: str) -> str:
    """Give the name of the module that holds a verb's command."""
    return "cli.commands." + (f"{verb}_" if verb in {"list", "help", "import"} else verb)
