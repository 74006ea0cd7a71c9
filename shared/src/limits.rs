//! Sizes both sides keep to. Checked on the handheld when saving, so that the server never has to refuse for size.

/// The protocol version this code speaks; pushes are taken from two versions back.
pub const PROTOCOL: u32 = 2;
/// The most edits in one round.
pub const EDITS_A_ROUND: usize = 1_000;
/// The most bytes of JSON of edits in one round; a single edit above this cannot be saved.
pub const EDIT_BYTES_A_ROUND: usize = 512 * 1024;
/// The most bytes of JSON of one edit.
pub const EDIT_BYTES: usize = 256 * 1024;
/// The most writes in one edit.
pub const WRITES_AN_EDIT: usize = 500;
/// The most bytes of a request's body after decompression.
pub const REQUEST_BYTES: usize = 4 * 1024 * 1024;
/// The deepest JSON read.
pub const JSON_DEPTH: usize = 32;
/// The most bytes of a photo as sent.
pub const PHOTO_BYTES: u64 = 8 * 1024 * 1024;
/// The most pixels of a photo as taken.
pub const PHOTO_PIXELS: u64 = 50_000_000;
/// The longest side of a photo as sent, in pixels.
pub const PHOTO_SIDE: u32 = 1_600;
/// The longest side of a thumbnail, in pixels.
pub const THUMBNAIL_SIDE: u32 = 320;
/// The most edits a handheld names when it asks how far the server knows its slot.
pub const IDS_A_QUESTION: usize = 20_000;
/// The most values told in one request that only this handheld still shows after a restore of the server.
pub const REMAINS_A_ROUND: usize = 500;
/// The most such values of one person that wait to be looked at; beyond it nothing more is kept. A grid of a thousand
/// residents brought in anew the day before a restore is some ten thousand.
pub const REMAINS_A_USER: u64 = 20_000;
/// The most parts asked for again in one request.
pub const AGAIN_A_ROUND: usize = 200;

// What one part may become. Asked by the server alone: a handheld does not know what others have sent meanwhile. What does
// not fit waits in quarantine. For the centre's staff each is doubled, so that what somebody filled can still be closed,
// cleared or deleted; and what does not grow a part is never too much.

/// The most entries in the log of steps of one event; an event has some 10 to 30. All of them are folded, pair by pair
/// where they did not see each other, whenever the event is listed or moved.
pub const STEPS_AN_EVENT: usize = 300;
/// The most live writes of one part: fields, elements of sets, photos, remarks, entries. A 专项排查 has some 460, a place
/// with a photo a week for ten years 520.
pub const WRITES_A_PART: usize = 2_000;
/// The most bytes of a part, as its paths, values and contexts take them: one page of the feed. A resident has some 5,000,
/// a hundred remarks of the greatest length 300,000.
pub const PART_BYTES: usize = 2 * 1024 * 1024;
