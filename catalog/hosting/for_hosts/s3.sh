#!/bin/sh
# Copies this folder to a bucket, or to a folder in one: sh settings/s3.sh s3://BUCKET[/PATH] [further options of aws s3]
# Content goes first, what leads to it last. Media types are what engines need: those of manifests stand in them.
set -eu
target=${1:?"s3://BUCKET[/PATH]"}
shift
cd "$(dirname "$0")/.."

aws s3 sync . "$target" --size-only --content-type application/octet-stream --exclude '*' \
  --include 'v2/*/blobs/*' --include 'outlines/*' --include 'packs/*' --include 'deltas/*' "$@"

find v2 -path '*/manifests/*' -type f | LC_ALL=C sort -r | while read -r file; do # digests before tags
  type=$(sed -n 's/.*"mediaType":"\([^"]*\)","schemaVersion":2}$/\1/p' "$file")
  aws s3 cp "$file" "$target/$file" --content-type "$type" "$@"
done
find v2 -path '*/tags/list' -type f | while read -r file; do
  aws s3 cp "$file" "$target/$file" --content-type application/json "$@"
done
aws s3 cp v2/index.html "$target/v2/" --content-type application/json "$@"

for record in routing/v1/ipns/*; do
  aws s3 cp "$record" "$target/$record" --content-type application/vnd.ipfs.ipns-record --cache-control no-cache "$@"
done
for pointer in dcat/v1/catalogue dcat/v1/static; do
  aws s3 cp "$pointer" "$target/$pointer" --content-type application/json --cache-control no-cache "$@"
done
find . \( -name '*.html' -o -name '*.ndjson' \) ! -path './v2/*' -type f | while read -r page; do
  type=text/html
  case "$page" in *.ndjson) type=application/x-ndjson ;; esac
  aws s3 cp "$page" "$target/${page#./}" --content-type "$type; charset=utf-8" --cache-control no-cache "$@"
done
