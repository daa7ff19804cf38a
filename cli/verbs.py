"""Every verb with its summary, by section: `dcat --help`, the manual and the completions list them without importing a command.

A verb's command is in `cli.commands.<module>`, which `module_of` names. The first line of its docstring is the summary here.
"""

SECTIONS: dict[str, dict[str, str]] = {
    "Images": {
        "publish": "Store an image and release it under a name and a version.",
        "resolve": "Print the archive CID of a release, offline.",
        "pull": "Fetch images, verify them, and load each under exactly one tag.",
        "save": "Write a release as an archive for docker load.",
        "pin": "Keep the bytes of releases here.",
        "unpin": "Stop keeping the bytes of releases; they stay in the index.",
        "lock": "Write the digests of releases to a file, and compare it later.",
        "outdated": "List pulled releases and engine tags that have a newer version.",
    },
    "Look around": {
        "list": "List names, or the releases of names.",
        "show": "Show one release: images, digests, layers, annotations.",
        "search": "Find releases by words in names, versions and annotations.",
        "log": "Show what changed, newest first.",
        "diff": "Compare two releases: layers, sizes, configuration, files.",
        "files": "List the files of an image without loading it.",
        "cat": "Write one file of an image without loading it.",
    },
    "Own catalogue": {
        "yank": "Mark a release as not to be used; nothing is deleted.",
        "remove": "Remove a release from your own catalogue.",
        "key": "Show, export, import or revoke the key of your own catalogue.",
        "recover": "Merge what your key signed elsewhere, after a restored backup or in a new home.",
    },
    "Share": {
        "subscribe": "Follow a catalogue: its releases are then found here.",
        "unsubscribe": "Stop following a catalogue; what was pulled stays.",
        "catalogues": "List your own catalogue and those you follow.",
        "sync": "Refresh the catalogues you follow, and share pending changes of your own.",
        "trust": "Decide about changes in catalogues that you follow.",
        "prefer": "Choose the catalogue that a name belongs to.",
        "export": "Write releases or a catalogue to one file, or a catalogue as files that any web server can hold.",
        "import": "Import a file that dcat export wrote.",
        "serve": "Serve the catalogues and images of this home over HTTP.",
    },
    "Care": {
        "status": "Show the catalogues, their state and what is stored.",
        "verify": "Check all stored bytes against their hashes.",
        "gc": "Show what can be freed; with --yes, free it.",
        "doctor": "Check the engine, the home, the keys and the versions.",
        "config": "Read and change settings.",
        "mirror": "Make engines on this machine ask dcat serve first, and see whether it works.",
        "docker-plugin": "Install or remove the plugin for docker dcat.",
        "service": "Install or remove dcat as a service of systemd.",
        "completion": "Install or show completion for bash, zsh or fish.",
        "help": "Explain a command or a topic.",
    },
}

VERBS: dict[str, str] = {verb: summary for section in SECTIONS.values() for verb, summary in section.items()}

# Verbs of other tools, and what to type here.
FOREIGN: dict[str, tuple[str, ...]] = {
    "add": ("publish",),
    "build": ("publish",),
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
    """Return the name of the module that holds a verb's command."""
    return "cli.commands." + (f"{verb}_" if verb in {"list", "help", "import"} else verb.replace("-", "_"))
