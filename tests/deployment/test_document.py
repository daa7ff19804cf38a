"""Which images files name, and that a rewritten file differs in these places only."""

import pytest

from catalog.deployment.document import Deployment, looks_like_deployment, read_deployment, rewrite
from catalog.deployment.mention import LockedName
from catalog.errors import InvalidInputError
from catalog.limits import MAX_DEPLOYMENT_SIZE
from tests.property.mutate import Target, check_target

DIGEST = "sha256:" + "ab" * 32


def names(deployment: Deployment) -> list[str]:
    return [mention.text for mention in deployment.mentions]


def lock_all(path: str, text: str) -> str:
    deployment = read_deployment(path, text.encode())
    locked = {
        mention: LockedName("localhost:5078/" + mention.text.partition(":")[0], mention.text.partition(":")[2] or "1", DIGEST)
        for mention in deployment.mentions
    }
    return rewrite(path, deployment, locked)


def pinned(image: str) -> str:
    return f"localhost:5078/{image}@{DIGEST}"


def parse_dockerfile(data: bytes) -> object:
    return read_and_rewrite("Dockerfile", data)


def parse_yaml(data: bytes) -> object:
    return read_and_rewrite("kustomization.yaml", data)


def read_and_rewrite(path: str, data: bytes) -> str:
    deployment = read_deployment(path, data)
    return rewrite(path, deployment, dict.fromkeys(deployment.mentions, LockedName("localhost:5078/x", "1", DIGEST)))


TARGETS = [
    Target(
        "dockerfile",
        parse_dockerfile,
        InvalidInputError,
        seeds=[
            b"# escape=`\nARG A=1\nFROM --platform=x web:${A:-2} AS b\nRUN <<-EOF `\n x\nEOF\nCOPY --from=b /a 'b \"c'\n",
            b"FROM a",
        ],
        tokens=(
            b"FROM ",
            b"ARG ",
            b"\\\n",
            b"`\r\n",
            b"<<EOF",
            b"EOF\n",
            b"${",
            b"$A",
            b"--from=",
            b"#",
            b"'",
            b'"',
            b"\t",
            b"\xff",
        ),
    ),
    Target(
        "deployment",
        parse_yaml,
        InvalidInputError,
        seeds=[
            b"images: [{name: a, newTag: '1'}]\n",
            b"services: {a: {<<: *x, image: b}}".replace(b"*x", b"{image: c}"),
            b"apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [{image: a}], volumes: [{image: {reference: b}}]}",
        ],
        tokens=(
            b"&a ",
            b"*a",
            b"<<: ",
            b"- ",
            b": ",
            b"[",
            b"]",
            b"{",
            b"}",
            b"image: ",
            b"containers: ",
            b"name: ",
            b"---\n",
            b"|\n ",
        ),
    ),
]


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_damaged_file_is_refused_by_its_own_error(target: Target) -> None:
    check_target(target, 2000)


COMPOSE = """\
\ufeff# Größe ✓
name: stack

x-app: &app
    image:    "team/app:1"      # the app
services:
    one:   {<<: *app, deploy: {replicas: 2}}
    two:
        image : !!str 'web:1.0'
    three: { "image": &img web:1.0, }
    four: {image: *img}
    built: {build: ., image: mine:1}
    none: {command: [image, web:1.0]}
volumes: {image: {}}
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_compose(end: str) -> None:
    text = COMPOSE.replace("\n", end)
    deployment = read_deployment("compose.yaml", text.encode())
    assert deployment.kind == "compose"
    assert [(mention.label, mention.text) for mention in deployment.mentions] == [
        ("one", "team/app:1"),
        ("two", "web:1.0"),
        ("three", "web:1.0"),
        ("four", "web:1.0"),
    ]
    wanted = text.replace('"team/app:1"', f'"{pinned("team/app:1")}"').replace("'web:1.0'", f"'{pinned('web:1.0')}'")
    assert lock_all("compose.yaml", text) == wanted.replace("&img web:1.0", f"&img {pinned('web:1.0')}")


KUBERNETES = """\
# objects
apiVersion: v1
kind: List
items:
- apiVersion: batch/v1
  kind: CronJob
  metadata: {name: nightly}
  spec: {jobTemplate: {spec: {template: {spec: {
    containers: [{name: job, image: "job:2"}]}}}}}
- kind: Pod
  apiVersion: v1
  metadata:
    name: pod
    annotations: {image: not:1}
  spec:
    initContainers:
    - image: init:1
      name: first
    containers:
    - name: main
      image: web:1.0 # here
      env: [{name: image, value: not:2}]
    ephemeralContainers:
    -   image: debug:3
    volumes:
    - name: model
      image: {reference: model:7, pullPolicy: Always}
    - name: scratch
      emptyDir: {}
---
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: last}
spec: {template: {spec: {containers: [{name: a, image: last:1}, {name: b}]}}}
"""


def test_kubernetes() -> None:
    deployment = read_deployment("k8s/all.yml", KUBERNETES.encode())
    assert deployment.kind == "kubernetes"
    found = ["job:2", "init:1", "web:1.0", "debug:3", "model:7", "last:1"]
    assert names(deployment) == found
    assert [mention.where for mention in deployment.mentions][:3] == [
        "CronJob nightly, container job",
        "Pod pod, initContainer first",
        "Pod pod, container main",
    ]
    wanted = KUBERNETES
    for image in found:
        wanted = wanted.replace(image, pinned(image))
    assert lock_all("k8s/all.yml", KUBERNETES) == wanted


def test_many_ways_to_one_image_name_it_once() -> None:
    levels = ["a0: &a0 {containers: [{name: x, image: web:1}]}"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    text = "apiVersion: v1\nkind: Pod\n" + "\n".join(levels)
    assert names(read_deployment("a.yaml", text.encode())) == ["web:1"]


def test_a_kustomization() -> None:
    text = (
        "resources: [a.yaml]\nimages:\n- name: app # the app\n- newTag: '3'\n  name: web\n"
        f'- {{name: "old", newName: new, newTag: 1.0, digest: {"sha256:" + "cd" * 32}}}\n- {{name: two, newName: 2nd}}'
    )
    deployment = read_deployment("x/kustomization.yaml", text.encode())
    assert deployment.kind == "kustomization"
    assert names(deployment) == ["app", "web:3", "new:1.0@sha256:" + "cd" * 32, "2nd"]
    assert [mention.label for mention in deployment.mentions] == ["app", "web", "old", "two"]
    locked = {
        mention: LockedName(f"localhost:5078/{mention.label}", str(number), DIGEST)
        for number, mention in enumerate(deployment.mentions)
    }
    assert rewrite("kustomization.yaml", deployment, locked) == (
        "resources: [a.yaml]\nimages:\n"
        f'- name: app # the app\n  newName: localhost:5078/app\n  newTag: "0"\n  digest: {DIGEST}\n'
        f"- newTag: '1'\n  name: web\n  newName: localhost:5078/web\n  digest: {DIGEST}\n"
        f'- {{name: "old", newName: localhost:5078/old, newTag: "2", digest: {DIGEST}}}\n'
        f'- {{name: two, newTag: "3", digest: {DIGEST}, newName: localhost:5078/two}}'
    )


DOCKERFILE = """\
# syntax=docker/dockerfile:1
# escape=`
ARG VERSION=1.0 NAME="web"
ARG OTHER
from --platform=$BUILDPLATFORM `
  # a comment within

  ${NAME}:${VERSION} AS Base
ARG VERSION=2
RUN <<EOF cat && <<-"END" cat
FROM not:1
EOF
FROM not:2
\tEND
RUN echo "<<EOF" '# FROM not:3' `
FROM not:4
FROM base
COPY --chown=a --from=tool:1 /a `
  /b
COPY --from=0 /a /b
COPY --from=Base /a /b
FROM scratch
RUN --mount=type=bind,from=tool:2,target=/x --mount=type=cache,target=/y FROM not:5
FROM ${MISSING:-set:1}${MISSING:+not}
FROM $OTHER"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_dockerfile(end: str) -> None:
    text = DOCKERFILE.replace("\n", end)
    deployment = read_deployment("app.Dockerfile", text.encode())
    assert deployment.kind == "dockerfile"
    assert names(deployment) == ["web:1.0", "tool:1", "tool:2", "set:1", "$OTHER"]
    locked = {mention: LockedName("localhost:5078/x", str(at), DIGEST) for at, mention in enumerate(deployment.mentions[:4])}
    wanted = text
    for at, written in enumerate(("${NAME}:${VERSION}", "tool:1", "tool:2", "${MISSING:-set:1}${MISSING:+not}")):
        wanted = wanted.replace(written, pinned(f"x:{at}"))
    assert rewrite("Dockerfile", deployment, locked) == wanted


def test_a_here_document_behind_onbuild_is_no_instruction() -> None:
    text = "FROM web:1\nONBUILD RUN <<EOF\nFROM other:1\nEOF\nFROM web:2\n"
    assert names(read_deployment("Dockerfile", text.encode())) == ["web:1", "web:2"]


def test_an_image_that_a_merge_key_sets_in_a_kustomization() -> None:
    text = "x: &x {name: web}\nimages:\n- <<: *x\n  newTag: '1'\n"
    deployment = read_deployment("kustomization.yaml", text.encode())
    assert names(deployment) == ["web:1"]
    assert deployment.find_line(deployment.mentions[0]) is None


def test_services_that_a_merge_key_brings() -> None:
    text = "x-services: &x\n  a: {image: web:1}\nservices:\n  <<: *x\n  b: {image: web:2}\n"
    assert names(read_deployment("compose.yaml", text.encode())) == ["web:2", "web:1"]
    assert lock_all("compose.yaml", text) == text.replace("web:1", pinned("web:1")).replace("web:2", pinned("web:2"))


def test_variables_that_double_stay_small() -> None:
    lines = ["ARG A0=web", *(f"ARG A{n}=$A{n - 1}$A{n - 1}" for n in range(1, 100)), "FROM $A3", "FROM $A99"]
    known, unknown = names(read_deployment("Dockerfile", "\n".join(lines).encode()))
    assert known == "web" * 8
    assert len(unknown) <= 2048


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        ("Dockerfile", "FROM", "FROM names nothing"),
        ("Dockerfile", "RUN <<EOF\nEO", "has no end"),
        ("Dockerfile", "# escape=x\nFROM a", "escape directive"),
        ("Containerfile.dev", "\n" * 50_001, "more than 50000 lines"),
        ("a.yaml", "", "neither a Compose file"),
        ("a.yaml", "a: 1", "neither a Compose file"),
        ("a.yaml", "a: [", "not YAML"),
        ("a.yaml", "services: {}\n---\nservices: {}", "neither a Compose file"),
        ("a.yaml", "#" * (MAX_DEPLOYMENT_SIZE + 1), "too large"),
    ],
)
def test_refusals(path: str, text: str, why: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_deployment(path, text.encode())
    assert path in refused.value.message
    assert why in refused.value.why


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("c.yaml", "services:\n a:\n  image: >-\n   web:1"),
        ("Dockerfile", 'FROM "web:1"'),
        ("Dockerfile", "FROM web\\\n:1"),
    ],
)
def test_what_cannot_be_replaced_in_its_place_is_refused(path: str, text: str) -> None:
    assert names(read_deployment(path, text.encode())) == ["web:1"]
    with pytest.raises(InvalidInputError, match="cannot be replaced"):
        lock_all(path, text)


@pytest.mark.parametrize(
    ("text", "is_file"),
    [
        *(("compose.yaml", True), ("a/b.yml", True), ("./Dockerfile", True), ("Dockerfile.dev", True), ("api.Dockerfile", True)),
        *(("Containerfile", True), ("web@1.0", False), ("ann/web", False), ("kustomization", False), ("web.yaml@1", False)),
    ],
)
def test_what_is_called_like_a_file(text: str, is_file: bool) -> None:
    assert looks_like_deployment(text) is is_file
