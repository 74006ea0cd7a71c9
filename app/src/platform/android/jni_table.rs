//! Every name by which Rust reaches into Java, and nothing of them anywhere else.
//!
//! Nothing but this table and the Kotlin sources knows these names, and no compiler compares the two: a test does
//! (`tests/tests/handheld/android.rs`), for a wrong one shows only on a device, and there as a crash.

/// A method of a Java class, by the names of the virtual machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// The class with slashes.
    pub class: &'static str,
    /// The method.
    pub name: &'static str,
    /// What it takes and gives: `(Ljava/lang/String;[B)[B`.
    pub signature: &'static str,
    /// Whether it belongs to the class and not to an object of it.
    pub is_static: bool,
}

const fn ours(class: &'static str, name: &'static str, signature: &'static str) -> Method {
    Method { class, name, signature, is_static: true }
}

const fn theirs(class: &'static str, name: &'static str, signature: &'static str) -> Method {
    Method { class, name, signature, is_static: false }
}

/// The key store.
pub const KEYS: &str = "grid/handheld/Keys";
/// The receiver.
pub const LOCATOR: &str = "grid/handheld/Locator";
/// Everything else.
pub const BRIDGE: &str = "grid/handheld/Bridge";

/// Seals a secret with the key of a name; makes the key if there is none.
pub const SEAL: Method = ours(KEYS, "seal", "(Ljava/lang/String;[B)[B");
/// Opens what was sealed; null if the key is gone or is another one.
pub const OPEN: Method = ours(KEYS, "open", "(Ljava/lang/String;[B)[B");
/// Destroys the key of a name.
pub const REMOVE: Method = ours(KEYS, "remove", "(Ljava/lang/String;)V");

/// Latitude, longitude, metres, milliseconds since 1970; null without a fix. Takes up to 20 seconds, longer while the user is
/// asked for the permission: never on the thread of the screen.
pub const FIX: Method = ours(LOCATOR, "fix", "(Landroid/content/Context;)[D");

/// The folder of the app's files.
pub const FOLDER: Method = ours(BRIDGE, "folder", "(Landroid/content/Context;)Ljava/lang/String;");
/// The folder for what no backup of the device may hold.
pub const NO_BACKUP: Method = ours(BRIDGE, "noBackupFolder", "(Landroid/content/Context;)Ljava/lang/String;");
/// Maker and model.
pub const NAME: Method = ours(BRIDGE, "name", "()Ljava/lang/String;");
/// Percent, -1 if it is not known.
pub const BATTERY: Method = ours(BRIDGE, "battery", "(Landroid/content/Context;)I");
/// Whether the line in use is paid by the byte.
pub const METERED: Method = ours(BRIDGE, "isMetered", "(Landroid/content/Context;)Z");
/// Offers a file, by its path and type, to other programs; false if it cannot.
pub const SHARE: Method = ours(BRIDGE, "share", "(Landroid/content/Context;Ljava/lang/String;Ljava/lang/String;)Z");
/// Opens the system's installer with a package; false if it cannot.
pub const INSTALL: Method = ours(BRIDGE, "install", "(Landroid/content/Context;Ljava/lang/String;)Z");
/// Whether anything is still to be delivered.
pub const UNDELIVERED: Method = ours(BRIDGE, "undelivered", "(Landroid/content/Context;Z)V");
/// Removes the files that the camera was given to write to.
pub const FORGET_PICTURES: Method = ours(BRIDGE, "forgetPictures", "(Landroid/content/Context;)V");

/// What is left of an activity that goes: the app itself.
pub const APPLICATION: Method =
    theirs("android/content/Context", "getApplicationContext", "()Landroid/content/Context;");
/// Finds the app's classes, which the threads of Rust do not find by themselves.
pub const CLASS_LOADER: Method = theirs("android/content/Context", "getClassLoader", "()Ljava/lang/ClassLoader;");
/// A class by its name with dots.
pub const LOAD_CLASS: Method = theirs("java/lang/ClassLoader", "loadClass", "(Ljava/lang/String;)Ljava/lang/Class;");
/// An exception in words.
pub const TO_STRING: Method = theirs("java/lang/Object", "toString", "()Ljava/lang/String;");

/// All of them.
pub const ALL: [Method; 17] = [
    SEAL,
    OPEN,
    REMOVE,
    FIX,
    FOLDER,
    NO_BACKUP,
    NAME,
    BATTERY,
    METERED,
    SHARE,
    INSTALL,
    UNDELIVERED,
    FORGET_PICTURES,
    APPLICATION,
    CLASS_LOADER,
    LOAD_CLASS,
    TO_STRING,
];
