#!/usr/bin/env bash
# Draws the app's icon in every density from assets/icons/launcher.svg: for launchers that want a finished picture, for those
# that cut out a shape of their own, and for notices.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
svg="$here/../../assets/icons/launcher.svg"
res="${1:-$here/res}"
command -v rsvg-convert >/dev/null || { echo "icons: rsvg-convert is missing (Debian: librsvg2-bin)" >&2; exit 1; }

tmp="$(mktemp -d)"
trap 'rm -rf "$tmp"' EXIT
# The finished picture is the middle; the front layer has no ground; the notice's picture is the mark alone.
sed 's/width="108" height="108" viewBox="0 0 108 108"/width="72" height="72" viewBox="18 18 72 72"/' "$svg" >"$tmp/whole.svg"
sed '/id="back"/d' "$svg" >"$tmp/front.svg"
sed -e '/id="back"/d' -e 's/stroke="#0a4d49"//' \
  -e 's/width="108" height="108" viewBox="0 0 108 108"/width="24" height="24" viewBox="30 30 54 54"/' "$svg" >"$tmp/notice.svg"

draw() { rsvg-convert --width "$2" --height "$2" --output "$3" "$tmp/$1.svg"; }
for density in mdpi:100 hdpi:150 xhdpi:200 xxhdpi:300 xxxhdpi:400; do
  name="${density%%:*}" percent="${density##*:}"
  mkdir -p "$res/mipmap-$name" "$res/drawable-$name"
  draw whole $((48 * percent / 100)) "$res/mipmap-$name/ic_grid.png"
  draw front $((108 * percent / 100)) "$res/mipmap-$name/ic_grid_front.png"
  draw notice $((24 * percent / 100)) "$res/drawable-$name/ic_notice.png"
done
