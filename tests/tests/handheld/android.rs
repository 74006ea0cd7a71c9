//! What no compiler here compares: the names Rust and Kotlin call each other by, what the manifest asks for and allows, the texts
//! that Android itself shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use app::platform::android::jni_table::{self, Method};
use assets::messages::{FluentValue, Lang, Messages};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../app/android")
}

fn read(path: &str) -> String {
    fs::read_to_string(folder().join(path)).unwrap_or_else(|error| panic!("app/android/{path}: {error}"))
}

/// Every Kotlin file, by its class with slashes; without comments.
fn kotlin() -> BTreeMap<String, String> {
    fn walk(root: &Path, at: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else if path.extension().is_some_and(|ext| ext == "kt") {
                let class = path.strip_prefix(root).unwrap().with_extension("").to_str().unwrap().to_owned();
                let text = fs::read_to_string(&path).unwrap();
                let package = format!("package {}", class.rsplit_once('/').unwrap().0.replace('/', "."));
                assert!(text.starts_with(&package), "{class} does not begin with {package}");
                found.insert(class, without_comments(&text));
            }
        }
    }
    let root = folder().join("kotlin");
    let mut found = BTreeMap::new();
    walk(&root, &root, &mut found);
    assert!(found.len() > 5, "the Kotlin sources were not found");
    found
}

fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("/*") {
        code.push_str(&rest[..at]);
        rest = rest[at..].split_once("*/").unwrap().1;
    }
    code.push_str(rest);
    code.lines().map(|line| line.split("// ").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// How the virtual machine writes a type of Kotlin's.
fn machine(kotlin: &str) -> &'static str {
    match kotlin.trim().trim_end_matches('?') {
        "" | "Unit" => "V",
        "Boolean" => "Z",
        "Int" => "I",
        "Long" => "J",
        "Double" => "D",
        "String" => "Ljava/lang/String;",
        "ByteArray" => "[B",
        "DoubleArray" => "[D",
        "Context" => "Landroid/content/Context;",
        other => panic!("what does the machine call {other}?"),
    }
}

/// `class.name signature` of every static method that Kotlin offers.
fn offered() -> BTreeSet<String> {
    let mut offered = BTreeSet::new();
    for (class, code) in kotlin() {
        for part in code.split("@JvmStatic").skip(1) {
            let (name, rest) = part.trim_start().strip_prefix("fun ").unwrap().split_once('(').unwrap();
            let (takes, rest) = rest.split_once(')').unwrap();
            let takes: String =
                takes.split(',').filter_map(|one| one.split_once(':')).map(|(_, kind)| machine(kind)).collect();
            let gives = rest.split(['{', '=', '\n']).next().unwrap().trim().trim_start_matches(':');
            offered.insert(format!("{class}.{name} ({takes}){}", machine(gives)));
        }
    }
    offered
}

fn line(method: &Method) -> String {
    format!("{}.{} {}", method.class, method.name, method.signature)
}

#[test]
fn rust_and_kotlin_call_each_other_by_the_same_names() {
    let (ours, theirs): (Vec<&Method>, Vec<&Method>) = jni_table::ALL.iter().partition(|method| method.is_static);
    let called: BTreeSet<String> = ours.into_iter().map(line).collect();
    assert_eq!(called, offered(), "left: what Rust calls; right: what Kotlin offers");
    // As Android's and Java's own reference has them.
    let known = [
        "android/content/Context.getApplicationContext ()Landroid/content/Context;",
        "android/content/Context.getClassLoader ()Ljava/lang/ClassLoader;",
        "java/lang/ClassLoader.loadClass (Ljava/lang/String;)Ljava/lang/Class;",
        "java/lang/Object.toString ()Ljava/lang/String;",
    ];
    assert_eq!(theirs.into_iter().map(line).collect::<BTreeSet<_>>(), known.map(str::to_owned).into());
    // No name is called that does not stand in the table.
    for file in ["java.rs", "services.rs"] {
        let source = fs::read_to_string(folder().join("../src/platform/android").join(file)).unwrap();
        assert!(!source.contains("\"("), "{file} has a signature of its own");
        assert!(!source.contains("find_class"), "{file} looks for a class by a name of its own");
    }
    // What only Rust calls would be thrown away as unused when the app is made small.
    let keep = read("keep.pro");
    let classes: BTreeSet<&str> = called.iter().map(|call| call.split_once('.').unwrap().0).collect();
    for class in classes {
        let line = format!("-keep class {} {{ *; }}", class.replace('/', "."));
        assert!(keep.lines().any(|kept| kept == line), "keep.pro does not keep {class}");
    }
}

/// What has each permission used: text of the sources, the page's script or the manifest.
const USED: [(&str, &str); 10] = [
    ("INTERNET", "connect: Arc::new(FoldersConnect"),
    ("ACCESS_NETWORK_STATE", "ConnectivityManager"),
    // The window's own class asks for it before it opens the camera for such an input.
    ("CAMERA", "capture: \"environment\""),
    ("ACCESS_FINE_LOCATION", "LocationManager.GPS_PROVIDER"),
    ("ACCESS_COARSE_LOCATION", "LocationManager.NETWORK_PROVIDER"),
    ("FOREGROUND_SERVICE", "startForeground("),
    ("FOREGROUND_SERVICE_DATA_SYNC", "FOREGROUND_SERVICE_TYPE_DATA_SYNC"),
    ("POST_NOTIFICATIONS", ".notify("),
    ("RECEIVE_BOOT_COMPLETED", "Intent.ACTION_BOOT_COMPLETED"),
    ("REQUEST_INSTALL_PACKAGES", "application/vnd.android.package-archive"),
];

/// What needs a permission that this app must never have.
const NEVER: [&str; 12] = [
    "MediaRecorder",
    "AudioRecord",
    "READ_CONTACTS",
    "ContactsContract",
    "TelephonyManager",
    "SmsManager",
    "READ_EXTERNAL_STORAGE",
    "WRITE_EXTERNAL_STORAGE",
    "MediaStore.Images",
    "ACCESS_BACKGROUND_LOCATION",
    "BluetoothAdapter",
    "AccountManager",
];

/// The values of an attribute, in their order.
fn values(xml: &str, attribute: &str) -> Vec<String> {
    let start = format!("{attribute}=\"");
    xml.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

fn xml(path: &str) -> String {
    let mut xml = read(path);
    while let (Some(from), Some(to)) = (xml.find("<!--"), xml.find("-->")) {
        xml.replace_range(from..to + 3, "");
    }
    xml
}

/// The elements of a name: from their `<` to the `>` of their start.
fn elements(xml: &str, name: &str) -> Vec<String> {
    xml.split(&format!("<{name}")).skip(1).map(|rest| rest.split('>').next().unwrap().to_owned()).collect()
}

#[test]
fn the_app_asks_for_what_it_uses_and_for_nothing_else() {
    let mut sources: String = kotlin().into_values().collect();
    for path in ["../src/ui/components/photo.rs", "../src/platform/android/services.rs"] {
        sources.push_str(&fs::read_to_string(folder().join(path)).unwrap());
    }
    let manifest = xml("AndroidManifest.xml");
    let asked: Vec<String> = elements(&manifest, "uses-permission")
        .iter()
        .flat_map(|element| values(element, "android:name"))
        .map(|name| name.strip_prefix("android.permission.").expect("a permission of the system").to_owned())
        .collect();
    let used: Vec<&str> =
        USED.iter().filter(|(_, by)| sources.contains(by)).map(|(permission, _)| *permission).collect();
    assert_eq!(asked, used, "left: asked for in the manifest; right: used by the sources");
    for never in NEVER {
        assert!(!sources.contains(never) && !manifest.contains(never), "{never}: the app has no business with it");
    }
    // What is asked for while the app runs is asked for in the manifest.
    for asked_for in sources.split("Manifest.permission.").skip(1) {
        let name = asked_for.split(|c: char| !(c.is_ascii_uppercase() || c == '_')).next().unwrap();
        assert!(asked.iter().any(|permission| permission == name), "{name} is asked for and not in the manifest");
    }
}

#[test]
fn nothing_leaves_the_device_but_by_its_user_and_the_sync() {
    let manifest = xml("AndroidManifest.xml");
    let application = elements(&manifest, "application").remove(0);
    for wanted in [
        "android:allowBackup=\"false\"",
        "android:fullBackupContent=\"false\"",
        "android:usesCleartextTraffic=\"false\"",
        "android:dataExtractionRules=\"@xml/nothing_leaves\"",
        "android:networkSecurityConfig=\"@xml/grid_network\"",
    ] {
        assert!(application.contains(wanted), "the manifest does not say {wanted}");
    }
    assert!(!manifest.contains("android:debuggable"), "Gradle decides that, never the manifest");
    let rules = xml("res/xml/nothing_leaves.xml");
    for way in ["cloud-backup", "device-transfer"] {
        let part = rules.split(&format!("<{way}>")).nth(1).unwrap().split("</").next().unwrap();
        assert_eq!(values(part, "domain"), ["root", "file", "database", "sharedpref", "external"], "{way}");
        assert!(!part.contains("<include"), "{way}");
    }
    let network = xml("res/xml/grid_network.xml");
    assert_eq!(values(&network, "cleartextTrafficPermitted"), ["false", "true"], "nothing, then this device alone");
    assert_eq!(network.matches("<domain ").count(), 1);
    assert!(network.contains(">127.0.0.1</domain>"));
    // No picture of the screen, set before anything is drawn.
    let window = &kotlin()["dev/dioxus/main/MainActivity"];
    let secure = window.find("window.setFlags(WindowManager.LayoutParams.FLAG_SECURE").expect("FLAG_SECURE is set");
    assert!(secure < window.find("super.onCreate").unwrap(), "FLAG_SECURE is set before the window is made");
    // Only the start can be opened from outside.
    for part in ["activity", "service", "receiver", "provider"] {
        for element in elements(&manifest, &format!("{part}\n")) {
            let open = values(&element, "android:exported");
            let start = values(&element, "android:name") == ["grid.handheld.StartActivity"];
            assert_eq!(open, [if start { "true" } else { "false" }], "<{part}{element}>");
        }
    }
    // Of the app's files other programs are handed these three folders' and no other.
    let paths = xml("res/xml/file_paths.xml");
    assert_eq!(values(&paths, "path"), ["Pictures/", "handheld/exports/", "handheld/updates/"]);
}

#[test]
fn whatever_the_manifest_and_the_sources_name_is_there() {
    let (kotlin, manifest) = (kotlin(), xml("AndroidManifest.xml"));
    for part in ["activity", "service", "receiver"] {
        let found = elements(&manifest, &format!("{part}\n"));
        assert!(!found.is_empty(), "no {part}");
        for class in found.iter().map(|element| values(element, "android:name").remove(0)) {
            assert!(kotlin.contains_key(&class.replace('.', "/")), "{class} has no source");
        }
    }
    let texts: String = ["grid.xml", "grid_text.xml"].iter().map(|file| xml(&format!("res/values/{file}"))).collect();
    let is_there = |kind: &str, name: &str| match kind {
        "string" | "integer" | "color" => texts.contains(&format!("<{kind} name=\"{name}\"")),
        "xml" => folder().join(format!("res/xml/{name}.xml")).exists(),
        _ => ["mdpi", "hdpi", "xhdpi", "xxhdpi", "xxxhdpi"]
            .iter()
            .all(|density| folder().join(format!("res/{kind}-{density}/{name}.png")).exists()),
    };
    let mut named: Vec<(String, String)> = Vec::new();
    for code in kotlin.values() {
        for rest in code.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.'))) {
            let parts: Vec<&str> = rest.split('.').collect();
            if let ["R", kind, name] = parts.as_slice() {
                named.push(((*kind).to_owned(), (*name).to_owned()));
            }
        }
    }
    for text in [&manifest, &xml("res/mipmap-anydpi-v26/ic_grid.xml")] {
        for rest in text.split("\"@").skip(1) {
            let (kind, name) = rest.split('"').next().unwrap().split_once('/').unwrap();
            named.push((kind.to_owned(), name.to_owned()));
        }
    }
    // The window's theme comes with dx, that of the start with Android.
    named.retain(|(kind, _)| !kind.ends_with("style"));
    assert!(named.len() > 10, "{named:?}");
    for (kind, name) in named {
        assert!(is_there(&kind, &name), "there is no {kind} {name}");
    }
}

#[test]
fn what_is_said_in_two_places_is_the_same() {
    let config: toml::Value = toml::from_str(&read("../Dioxus.toml")).unwrap();
    assert_eq!(config["application"]["android_min_sdk_version"].as_integer(), Some(24), "what dx links for");
    assert_eq!(config["android"]["min_sdk"].as_integer(), Some(24), "what Gradle lets in");
    assert_eq!(config["android"]["target_sdk"].as_integer(), Some(34), "35 draws under the system's bars");
    for path in ["android_manifest", "android_main_activity"] {
        let path = config["application"][path].as_str().unwrap();
        assert!(folder().join("..").join(path).exists(), "{path} is not there");
    }
    let ours = config["bundle"]["identifier"].as_str().unwrap();
    let alias = format!("typealias BuildConfig = {ours}.BuildConfig");
    assert!(kotlin()["dev/dioxus/main/MainActivity"].contains(&alias), "the window's own classes look for {alias}");
    let least = format!("<integer name=\"least_chromium\">{}</integer>", app::ui::shell::LEAST_CHROMIUM);
    assert!(xml("res/values/grid.xml").contains(&least), "the start and the page want another web view");
    let cargo: toml::Value = toml::from_str(&read("../../Cargo.toml")).unwrap();
    let profile = &cargo["profile"]["android-release"];
    assert_eq!(profile["strip"].as_str(), Some("symbols"), "dx strips by this alone, and the file has a budget");
    assert!(config["bundle"].get("android").is_none(), "a key's password must not stand here");
}

/// Android's own texts, made of the Fluent messages.
fn texts(lang: Lang) -> String {
    let words = Messages::of(lang);
    let mut xml =
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- Made from assets/messages: see docs/android.md. -->\n\
                   <resources>\n"
            .to_owned();
    for name in ["app-name", "channel", "delivering", "waiting", "old-view"] {
        let text = words.with(&format!("android-{name}"), &[("found", FluentValue::from("%1$d"))]);
        let text = text.replace(['\u{2068}', '\u{2069}'], "");
        assert!(!text.contains(['<', '&', '"', '\\']), "{text}: would have to be escaped");
        let text = text.replace('\'', "\\'").replace('\n', "\\n");
        let name = name.replace('-', "_");
        xml.push_str(&format!("    <string name=\"grid_{name}\">{text}</string>\n"));
    }
    xml + "</resources>\n"
}

#[test]
fn android_says_what_the_messages_say() {
    for (lang, values) in [(Lang::Zh, "values"), (Lang::En, "values-en")] {
        let path = folder().join(format!("res/{values}/grid_text.xml"));
        let texts = texts(lang);
        if std::env::var_os("WRITE_ANDROID_TEXTS").is_some() {
            fs::write(&path, &texts).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(written, texts, "{}: WRITE_ANDROID_TEXTS=1 writes it anew", path.display());
    }
}
