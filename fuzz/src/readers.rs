//! Readers that need nothing around them.

use std::sync::LazyLock;

use app::store::{Page, Rules};
use shared::calendar::Calendar;
use shared::edit::Edit;
use shared::form::Forms;
use shared::key_pin::{Certificate, EnrolLine, KeyPin, TypedCode};
use shared::merge::{Applied, PartState};
use shared::path::Path;
use shared::value::Value;
use shared::wire::{EnrolAnswer, EnrolRequest, HistoryEntry, SlotAnswer, SlotRequest, SyncAnswer};

/// Strict JSON takes exactly what the lenient reader takes less duplicate keys and depth, and never more.
pub fn json(bytes: &[u8]) {
    let strict = shared::json::from_slice::<serde_json::Value>(bytes);
    if let Ok(value) = strict {
        let again = serde_json::to_vec(&value).expect("it was just read");
        assert!(shared::json::check(&again).is_ok(), "what was read can be read again");
    }
}

/// Edits as a request holds them: each that is read is written the same, and any of them can be applied in any order
/// that the bytes give, twice.
pub fn edits(bytes: &[u8]) {
    let Ok(edits) = shared::json::from_slice::<Vec<Edit>>(bytes) else { return };
    let mut part = PartState::default();
    for edit in &edits {
        let json = serde_json::to_string(edit).expect("it was just read");
        assert_eq!(shared::json::from_slice::<Edit>(json.as_bytes()).as_ref().ok(), Some(edit));
        part.apply(edit);
        assert_eq!(part.apply(edit), Applied::Repeated);
        kept(&part);
    }
}

fn kept(part: &PartState) {
    let text = serde_json::to_string(part).expect("a state can be written");
    let read: PartState = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(&read, part);
    assert_eq!(serde_json::to_string(&read).expect("again"), text, "the same to the byte: digests rely on it");
}

/// A state from a server that is broken or not ours.
pub fn part(bytes: &[u8]) {
    let Ok(part) = shared::json::from_slice::<PartState>(bytes) else { return };
    kept(&part);
    part.deletion();
    let calendar = &rules().calendar;
    shared::workflow::fold(&part, calendar);
    shared::view::areas(&part);
}

fn rules() -> &'static Rules {
    static RULES: LazyLock<Rules> = LazyLock::new(|| {
        let forms = Forms::parse(assets::FORMS.iter().copied()).expect("our own forms");
        Rules::new(forms, Calendar::parse(assets::CALENDAR).expect("our own calendar"))
    });
    &RULES
}

/// An answer to a round, as far as it is read before the store is touched.
pub fn answer(bytes: &[u8]) {
    let Ok(answer) = shared::json::from_slice::<SyncAnswer>(bytes) else { return };
    drop(Page::read(answer, &app::system::System, rules()));
}

/// What else is said outside of rounds.
pub fn slot(bytes: &[u8]) {
    drop(shared::json::from_slice::<SlotRequest>(bytes));
    drop(shared::json::from_slice::<SlotAnswer>(bytes));
    drop(shared::json::from_slice::<EnrolRequest>(bytes));
    drop(shared::json::from_slice::<EnrolAnswer>(bytes));
    drop(shared::json::from_slice::<Vec<HistoryEntry>>(bytes));
}

/// Texts that people type or that stand in a path: paths, ids, identity numbers, phones, areas of text.
pub fn values(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(path) = text.parse::<Path>() {
        assert_eq!(path.as_str().parse::<Path>().ok().as_ref(), Some(&path));
        let _name = (path.field_name().len(), path.element_name().map(str::len));
    }
    shared::check::id_number(text);
    shared::check::id_facts(text);
    shared::check::credit_code(text);
    shared::check::phone(text);
    let normal = shared::check::normal(text);
    assert_eq!(shared::check::normal(&normal), normal, "normal is normal");
    if let Ok(value) = shared::json::from_slice::<Value>(bytes) {
        value.plain();
        value.as_text();
    }
    app::store::normal(text);
}

/// A picture somebody took or was sent.
pub fn picture(bytes: &[u8]) {
    if let Ok(taken) = app::photo::take_in(bytes, "2026-11-26 第一网格") {
        sync_server::blobs::jpeg::size(&taken.jpeg).expect("the server takes what the app makes");
    }
}

/// What a stranger calls a photo.
pub fn jpeg(bytes: &[u8]) {
    if let Ok(size) = sync_server::blobs::jpeg::size(bytes) {
        assert!(size.width > 0 && size.height > 0);
    }
}

/// A cursor that is none of ours is known as such.
pub fn cursor(bytes: &[u8]) {
    use sync_server::sync::cursor::{Binding, Read, read};
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let key = [0x5a; 32];
    static BINDING: LazyLock<Binding> = LazyLock::new(crate::doors::binding);
    assert_eq!(read(&key, &BINDING, text), Read::Forged);
}

/// What an enrolment is told by: a line that was copied or shown as a picture, a pin, a code as it is typed, a PIN.
pub fn line(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(line) = text.parse::<EnrolLine>() {
        assert_eq!(line.to_string().parse::<EnrolLine>().as_ref(), Ok(&line), "said again it is the same");
        let typed = sync_server::auth::enrol::typed(&line.code, &line.pins);
        drop(typed.parse::<TypedCode>());
    } else if EnrolLine::is_meant(text) {
        assert!(text.parse::<KeyPin>().is_err(), "a line is no pin");
    }
    if let Ok(pin) = text.parse::<KeyPin>() {
        assert_eq!(pin.to_string().parse::<KeyPin>(), Ok(pin));
    }
    if let Ok(typed) = text.parse::<TypedCode>() {
        let both = format!("{}{}", typed.code, typed.check.clone().unwrap_or_default());
        assert_eq!(both.parse::<TypedCode>(), Ok(typed), "whatever stood between the digits");
    }
    if let Ok(pin) = app::lock::Pin::chosen(text) {
        drop(pin);
        assert!(app::lock::Pin::typed(text).is_ok(), "what was chosen opens");
    }
}

/// The certificate of whoever answers under the centre's address.
pub fn certificate(bytes: &[u8]) {
    if let Ok(read) = Certificate::read(bytes) {
        assert_eq!(read.pin.to_string().parse::<KeyPin>(), Ok(read.pin));
    }
}
