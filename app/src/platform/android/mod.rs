//! The handheld on Android: each trait of the platform by way of the Kotlin classes in `app/android`.
//!
//! All but the table of names is compiled for Android, and by the feature `android-check` on the machine at hand.

pub mod jni_table;

#[cfg(any(target_os = "android", feature = "android-check"))]
mod java;
#[cfg(any(target_os = "android", feature = "android-check"))]
mod services;

#[cfg(any(target_os = "android", feature = "android-check"))]
pub use java::{Java, JavaError};
#[cfg(any(target_os = "android", feature = "android-check"))]
pub use services::Android;
