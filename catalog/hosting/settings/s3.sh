#!/bin/sh
# Copies this folder to a bucket, or into a folder of one: sh settings/s3.sh s3://BUCKET[/PATH] [further options of aws]
# Content goes first, what leads to it last, each with the media type that engines need. Run it again after each export.
set -eu
target=${1:?"s3://BUCKET[/PATH]"}
shift
cd "$(dirname "$0")/.."
bucket=${target#s3://} prefix=
case "$bucket" in */*) prefix=${bucket#*/}/ bucket=${bucket%%/*} ;; esac

copy() { # TYPE FOLDER [options]: what is new in a folder
  type=$1 folder=$2
  shift 2
  aws s3 sync "$folder" "$target/$folder" --no-progress --content-type "$type" "$@"
}

for folder in outlines packs deltas; do
  [ ! -d "$folder" ] || copy application/octet-stream "$folder" --size-only "$@"
done
copy application/octet-stream v2 --size-only --exclude '*' --include '*/blobs/*' "$@"
for reference in 'sha256:*' '*'; do # by digest, then by tag
  copy application/vnd.oci.image.manifest.v1+json v2 --exclude '*' --include "*/manifests/$reference" "$@"
  [ ! -d indexes ] || aws s3 cp indexes/v2 "$target/v2" --recursive --no-progress --content-type application/vnd.oci.image.index.v1+json \
    --exclude '*' --include "*/manifests/$reference" "$@"
done
copy application/json v2 --exclude '*' --include '*/tags/list' "$@"
aws s3api put-object --bucket "$bucket" --key "${prefix}v2/" --body v2/index.html --content-type application/json "$@"
copy application/vnd.ipfs.ipns-record routing --cache-control no-cache "$@"
copy application/json dcat --cache-control no-cache "$@"
for page in text/html:html application/x-ndjson:ndjson; do
  aws s3 sync . "$target" --no-progress --content-type "${page%%:*}; charset=utf-8" --cache-control no-cache \
    --exclude '*' --include "*.${page##*:}" --exclude 'v2/*' "$@"
done
