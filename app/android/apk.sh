#!/usr/bin/env bash
# Builds the app for Android: both processors, our icons and resources, the version from Cargo.toml, signed if a key is named.
# Says what is missing on a machine where it cannot. docs/android.md tells the whole way.
#   KEYSTORE=…/grid.jks KEYSTORE_PASSWORD=… KEY_ALIAS=… KEY_PASSWORD=…   for a release that can be handed out
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
DX_VERSION=0.7.10
# Megabytes the finished file may have.
BUDGET=25

missing=()
want() { missing+=("$1"$'\n'"    $2"); }
sdk="${ANDROID_HOME:-${ANDROID_SDK_ROOT:-}}"
if [ -z "$sdk" ] || [ ! -d "$sdk" ]; then
  want "the Android SDK (ANDROID_HOME names no folder)" \
    "Install Android Studio, or its command line tools, then: export ANDROID_HOME=\$HOME/Android/Sdk"
else
  [ -d "$sdk/platforms/android-34" ] || want "the platform of Android 14" "sdkmanager 'platforms;android-34'"
  ls -d "$sdk"/build-tools/3[4-9]* >/dev/null 2>&1 || want "the build tools" "sdkmanager 'build-tools;34.0.0'"
fi
ndk="${NDK_HOME:-${ANDROID_NDK_HOME:-}}"
[ -n "$ndk" ] || ndk="$(ls -d "$sdk"/ndk/* 2>/dev/null | sort -V | tail -n 1 || true)"
if [ -z "$ndk" ] || [ ! -d "$ndk/toolchains/llvm" ]; then
  want "the NDK" "sdkmanager 'ndk;27.2.12479018', then: export ANDROID_NDK_HOME=\$ANDROID_HOME/ndk/27.2.12479018"
fi
java_major="$( (java -version 2>&1 || true) | sed -nE 's/.*version "([0-9]+).*/\1/p' | head -n 1)"
[ "${java_major:-0}" -ge 17 ] || want "Java 17 or newer" "Debian: apt-get install openjdk-17-jdk-headless"
if [ "$(dx --version 2>/dev/null | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)" != "$DX_VERSION" ]; then
  want "dx $DX_VERSION" "cargo install dioxus-cli --version $DX_VERSION --locked"
fi
for target in aarch64-linux-android armv7-linux-androideabi; do
  if ! rustc --print target-libdir --target "$target" 2>/dev/null | xargs -r test -d; then
    want "Rust for $target" "rustup target add $target"
  fi
done
for tool in perl make; do
  command -v "$tool" >/dev/null || want "$tool (OpenSSL is compiled)" "Debian: apt-get install $tool"
done
if [ -n "${KEYSTORE:-}" ]; then
  [ -r "$KEYSTORE" ] || want "the key: KEYSTORE=$KEYSTORE cannot be read" "docs/android.md, 'A key of your own'"
  for name in KEYSTORE_PASSWORD KEY_ALIAS KEY_PASSWORD; do
    [ -n "${!name:-}" ] || want "$name" "export $name=…, or unset KEYSTORE for an app to try"
  done
fi
if [ ${#missing[@]} -gt 0 ]; then
  echo "apk: this machine cannot build the app for Android. Missing:" >&2
  printf '  - %s\n' "${missing[@]}" >&2
  echo "What can be checked without all that: make android-check android-target android-link" >&2
  exit 1
fi

export ANDROID_HOME="$sdk" ANDROID_NDK_HOME="$ndk"
version="$(sed -nE 's/^version = "([0-9]+\.[0-9]+\.[0-9]+)"/\1/p' "$root/Cargo.toml" | head -n 1)"
IFS=. read -r major minor patch <<<"$version"
code=$((major * 1000000 + minor * 1000 + patch))
project="$root/target/dx/mobile/release/android/app"
main="$project/app/src/main"

# dx writes over files of its own names only: ours may lie there before.
mkdir -p "$main/kotlin" "$main/res"
rm -rf "$main/kotlin/grid" "$main/jniLibs"
cp -R "$here/kotlin/grid" "$main/kotlin/"
cp -R "$here/res/." "$main/res/"

libraries="$(mktemp -d)"
trap 'rm -rf "$libraries"' EXIT
for target in armv7-linux-androideabi aarch64-linux-android; do
  (cd "$root/app" && dx build --package app --bin mobile --android --release --target "$target" \
    --no-default-features --features mobile)
  # The next one may clear the folder.
  cp -R "$main/jniLibs/." "$libraries/"
done
cp -R "$libraries/." "$main/jniLibs/"

gradle="$project/app/build.gradle.kts"
sed -i -E "s/versionCode = [0-9]+/versionCode = $code/; s/versionName = \".*\"/versionName = \"$version\"/" "$gradle"
grep -q "versionCode = $code" "$gradle" || { echo "apk: dx writes another build.gradle.kts than expected" >&2; exit 1; }
cat >>"$gradle" <<'GRADLE'

android {
    // A library of another processor that lies about from somewhere must not come in.
    defaultConfig { ndk { abiFilters += listOf("arm64-v8a", "armeabi-v7a") } }
    androidResources { localeFilters += listOf("zh", "en") }
    System.getenv("KEYSTORE")?.let { file ->
        signingConfigs {
            create("ours") {
                storeFile = file(file)
                storePassword = System.getenv("KEYSTORE_PASSWORD")
                keyAlias = System.getenv("KEY_ALIAS")
                keyPassword = System.getenv("KEY_PASSWORD")
            }
        }
        buildTypes.getByName("release") { signingConfig = signingConfigs.getByName("ours") }
    }
}
GRADLE
if [ -n "${KEYSTORE:-}" ]; then kind=release; else kind=debug; fi
KEYSTORE="${KEYSTORE:+$(realpath "$KEYSTORE")}" "$project/gradlew" --project-dir "$project" --no-daemon "assemble${kind^}"

apk="$root/target/grid-handheld-$version-$kind.apk"
cp "$project/app/build/outputs/apk/$kind/app-$kind.apk" "$apk"
size=$(($(stat -c %s "$apk") / 1000000))
echo "apk: $apk, version $version ($code), $size MB"
(cd "$(dirname "$apk")" && sha256sum "$(basename "$apk")" | tee "$apk.sha256")
if [ "$size" -ge "$BUDGET" ]; then
  echo "apk: more than the $BUDGET MB it may have" >&2
  exit 1
fi
