//! What the system does for the app beyond files, keys and lines.

use std::path::Path;

/// The device and its system.
pub trait Device: Send + Sync {
    /// What the list of terminals calls this machine.
    fn name(&self) -> String;

    /// The charge, percent; `None` if there is no battery or nobody knows.
    fn battery(&self) -> Option<u8> {
        None
    }

    /// Offers a file to the other programs of the device. `false`: there is no such way, its path has to do.
    fn share(&self, _file: &Path, _mime: &str) -> bool {
        false
    }

    /// Asks the system to install a package; the user is asked once more by the system. `false`: there is no such way.
    fn install(&self, _package: &Path) -> bool {
        false
    }

    /// Whether anything is still to be delivered, told when it may have changed: while it is, the system is asked to let the
    /// app run on for a while when it is left, and reminds of it after the device was switched on.
    fn undelivered(&self, _something: bool) {}

    /// Removes what the camera left behind: called when its picture was taken in.
    fn forget_pictures(&self) {}
}

/// A machine with a window or a browser.
#[derive(Debug, Clone, Copy, Default)]
pub struct Desk;

impl Device for Desk {
    fn name(&self) -> String {
        format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)
    }
}
