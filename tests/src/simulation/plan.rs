//! What is going to be tried in a run, step by step. Each step has a die of its own, so that the others stay as they are
//! when one is left out.

use super::dice::Dice;

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Its place in the plan as it was made.
    pub number: usize,
    /// What.
    pub what: What,
    /// Everything that is random in it.
    pub dice: u64,
}

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident = $weight:literal, $text:literal;)*) => {
        /// Kinds of steps.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum What {
            $($(#[$doc])* $name,)*
        }

        impl What {
            /// All of them, with how often each is tried among the others.
            pub const ALL: &'static [(Self, usize)] = &[$((Self::$name, $weight),)*];

            /// In a story and in counts.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

steps! {
    /// Somebody registers a resident.
    Register = 30, "registers a resident";
    /// Somebody reports an event.
    Report = 8, "reports an event";
    /// Somebody takes a step of an event.
    Step = 22, "takes a step of an event";
    /// Somebody changes a record.
    Change = 90, "changes a record";
    /// Somebody opens a form and leaves it open.
    OpenForm = 14, "opens a form";
    /// Somebody saves a form that was left open.
    SaveForm = 12, "saves an open form";
    /// A record moves to another grid, or to one nobody knows.
    Move = 18, "moves a record";
    /// A record is deleted or brought back.
    Delete = 20, "deletes or brings back";
    /// Somebody decides a field that is 待核对.
    Settle = 16, "decides what is 待核对";
    /// Somebody takes such a decision back.
    Undo = 6, "takes a decision back";
    /// Somebody corrects or withdraws what stands in the tray.
    Tray = 14, "sees to the tray";
    /// A photo is taken and linked.
    Photo = 2, "takes a photo";
    /// A handheld begins to sync on a bad line.
    SyncRough = 52, "syncs on a bad line";
    /// A handheld syncs on a good line.
    Sync = 22, "syncs";
    /// Time passes.
    Wait = 10, "time passes";
    /// Staff change a record at the console.
    Console = 16, "the console writes";
    /// Staff take a step of an event.
    ConsoleStep = 8, "the console takes a step";
    /// Staff decide on an edit in quarantine.
    Decide = 12, "the console decides on quarantine";
    /// A user gets another grid.
    Reassign = 5, "a user is reassigned";
    /// A user gets or loses clearance.
    Clearance = 5, "clearance changes";
    /// A handheld's process ends at once and starts again.
    Kill = 6, "a handheld is killed";
    /// A handheld's process ends in the middle of a sync.
    KillSyncing = 8, "a handheld is killed while it syncs";
    /// The server's process ends at once and starts again.
    KillServer = 3, "the server is killed";
    /// The power of a handheld fails.
    PowerCut = 4, "the power of a handheld fails";
    /// The power of the server fails.
    ServerPowerCut = 4, "the power of the server fails";
    /// A handheld's files are copied away.
    Keep = 5, "a handheld's files are backed up";
    /// An old copy of a handheld's files is put back.
    PutBack = 3, "an old backup of a handheld is put back";
    /// A handheld is cloned, and both go on.
    Clone = 1, "a handheld is cloned";
    /// The app is installed anew and enrolled.
    Reinstall = 1, "a handheld is reinstalled";
    /// A handheld is enrolled again with what it holds.
    Enrol = 2, "a handheld is enrolled again";
    /// The server is backed up.
    Backup = 2, "the server is backed up";
    /// The server is restored from a backup.
    Yesterday = 2, "the server is restored";
    /// A record is erased.
    Erase = 1, "a record is erased";
    /// Two records are merged.
    Merge = 6, "two records are merged";
    /// A merge is taken back.
    Unmerge = 3, "a merge is taken back";
    /// What is restricted cannot be read on a handheld before it syncs.
    Lease = 6, "a lease ends";
    /// A clock is set wrong, or right.
    Clock = 6, "a clock is set";
}

/// The plan of a seed.
pub fn plan(seed: u64, steps: usize) -> Vec<Step> {
    let mut dice = Dice::new(seed ^ 0x9a11_7e5e_ed00_0001);
    let whole: usize = What::ALL.iter().map(|(_, weight)| weight).sum();
    let draw = |dice: &mut Dice| {
        let mut left = dice.below(whole);
        for (what, weight) in What::ALL {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return *what,
            }
        }
        What::Wait
    };
    (0..steps).map(|number| Step { number, what: draw(&mut dice), dice: dice.roll() }).collect()
}
