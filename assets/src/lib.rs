//! What both sides include: forms, messages, styles.

pub mod messages;

/// Every version of every form file, as text.
pub const FORMS: &[&str] = &[
    include_str!("../forms/person.toml"),
    include_str!("../forms/place.toml"),
    include_str!("../forms/object.toml"),
    include_str!("../forms/organization.toml"),
    include_str!("../forms/event.toml"),
    include_str!("../forms/event-2.toml"),
];

/// The export profiles that are shipped, by name.
pub const EXPORTS: &[(&str, &str)] =
    &[("events", include_str!("../exports/events.toml")), ("residents", include_str!("../exports/residents.toml"))];

/// Style sheets.
pub mod styles {
    /// Every colour, size and distance.
    pub const TOKENS: &str = include_str!("../styles/tokens.css");
    /// Parts that handheld and console share.
    pub const BASE: &str = include_str!("../styles/base.css");
    /// The handheld's parts.
    pub const HANDHELD: &str = include_str!("../styles/handheld.css");
    /// The console's parts.
    pub const CONSOLE: &str = include_str!("../styles/console.css");
    /// The parts of the public pages.
    pub const PUBLIC: &str = include_str!("../styles/public.css");
}

/// The script of the public report that fills in the position; the page works without it.
pub const POSITION: &str = include_str!("../scripts/position.js");

/// The script at the head of the handheld's page that says when the web view is too old for it.
pub const OLD_VIEW: &str = include_str!("../scripts/old-view.js");

/// The icons, one SVG `symbol` each, to be set at the head of a page once.
pub const SPRITE: &str = include_str!("../icons/sprite.svg");

/// Working days of the town: holidays and worked weekends, TOML.
pub const CALENDAR: &str = include_str!("../calendar.toml");

/// How long records are kept: what the server takes where the town has no file of its own.
pub const RETENTION: &str = include_str!("../retention.toml");
