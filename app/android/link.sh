#!/usr/bin/env bash
# Compiles Android's resources and links the manifest with them, by Debian's aapt2 and its framework (Android 10). What that
# framework is too old to know is taken out first and named; the theme that dx brings is stood in for by one of Android's own.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
framework=/usr/share/android-framework-res/framework-res.apk
# Attributes of Android 11, 12 and 13.
too_new=(allowNativeHeapPointerTagging dataExtractionRules enableOnBackInvokedCallback)

tmp="$(mktemp -d)"
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/dx/values"
cat >"$tmp/dx/values/styles.xml" <<'XML'
<resources><style name="AppTheme" parent="@android:style/Theme.Material.Light.NoActionBar" /></resources>
XML
identifier="$(sed -nE 's/^identifier = "(.*)"/\1/p' "$here/../Dioxus.toml")"
manifest="$tmp/AndroidManifest.xml"
sed -e "s/\${applicationId}/$identifier/" -e "s/<manifest /<manifest package=\"$identifier\" /" \
  "$here/AndroidManifest.xml" >"$manifest"
for attribute in "${too_new[@]}"; do
  grep -q "android:$attribute=" "$manifest" || { echo "link: the manifest has no $attribute any more" >&2; exit 1; }
  sed -i -E "/^ *android:$attribute=\"[^\"]*\"$/d" "$manifest"
done
# An element of Android 11.
sed -i '/<queries>/,/<\/queries>/d' "$manifest"

aapt2 compile --dir "$here/res" -o "$tmp/ours.zip"
aapt2 compile --dir "$tmp/dx" -o "$tmp/dx.zip"
aapt2 link -I "$framework" --manifest "$manifest" --min-sdk-version 24 --target-sdk-version 34 \
  --java "$tmp/java" -o "$tmp/linked.apk" "$tmp/dx.zip" "$tmp/ours.zip"
echo "link: not looked at, newer than this framework: queries ${too_new[*]}"
aapt2 dump badging "$tmp/linked.apk"
aapt2 dump resources "$tmp/linked.apk" | grep -cE '^ *resource 0x' | sed 's/$/ resources linked/'
