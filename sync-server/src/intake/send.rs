//! A report on its way in: read from the form, looked at, sealed, kept. Whatever stands against it, the page comes again
//! with what was typed.

use std::net::IpAddr;
use std::sync::PoisonError;

use axum::extract::Multipart;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use shared::form::Position;

use super::keep::{SUSPICIOUS, SUSPICIOUS_BYTES, Sealed};
use super::report::{NAME, PHONE, PHOTOS, PLACE, Report, Suspicion, TEXT, What};
use super::watch::{Sent, Verdict};
use super::wire::Page;
use super::{Intake, pictures};
use crate::auth::token;
use crate::store::StoreError;

/// The most bytes of a photo as a telephone takes it.
pub const PHOTO: usize = 12 * 1024 * 1024;
/// The most bytes of a form with its photos: more is read than is kept, so that whoever chose too many is told so.
pub const FORM: usize = 96 * 1024 * 1024;
/// The field that nobody sees and no person fills in.
pub const TRAP: &str = "website";

/// What was typed.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// The code of what it is about.
    pub what: String,
    /// What happened.
    pub text: String,
    /// Where, in words.
    pub place: String,
    /// Where, by the telephone: `lat,lon,accuracy`.
    pub position: String,
    /// Who.
    pub name: String,
    /// How to reach them.
    pub phone: String,
    /// Whether they say that they are an informant.
    pub informant: bool,
    /// The stamp of the form.
    pub stamp: String,
    /// Whether the trap was filled in.
    pub trapped: bool,
    /// As the telephone took them.
    pub photos: Vec<Vec<u8>>,
}

/// Why a report is not taken now; each says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// Nothing was chosen.
    What,
    /// Nothing was written.
    Text,
    /// Something is too long.
    Long,
    /// More than three photos.
    Photos,
    /// A photo is too large, or the whole.
    Large,
    /// It did not arrive whole.
    Cut,
    /// A photo is none.
    Picture,
    /// Too much at once; in so many seconds.
    TooMany(u32),
    /// The disk is full.
    Full,
    /// It could not be kept.
    Failed,
}

impl Problem {
    /// The message key.
    pub fn key(self) -> &'static str {
        match self {
            Self::What => "public-problem-what",
            Self::Text => "public-problem-text",
            Self::Long => "public-problem-long",
            Self::Photos => "public-problem-photos",
            Self::Large => "public-problem-large",
            Self::Cut => "public-problem-cut",
            Self::Picture => "public-problem-picture",
            Self::TooMany(_) => "public-problem-many",
            Self::Full => "public-problem-full",
            Self::Failed => "public-problem-failed",
        }
    }

    /// The status of the answer.
    pub fn status(self) -> http::StatusCode {
        use http::StatusCode as Code;
        match self {
            Self::Large => Code::PAYLOAD_TOO_LARGE,
            Self::TooMany(_) => Code::TOO_MANY_REQUESTS,
            Self::Full | Self::Failed => Code::SERVICE_UNAVAILABLE,
            Self::Cut => Code::BAD_REQUEST,
            _ => Code::UNPROCESSABLE_ENTITY,
        }
    }
}

/// Reads the form to its end, whatever is wrong with it: a browser that is cut off while it sends shows no answer. What is
/// too much is not kept.
pub async fn read(mut form: Multipart) -> (Draft, Option<Problem>) {
    let (mut draft, mut problem) = (Draft::default(), None);
    loop {
        let mut field = match form.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => return (draft, problem),
            Err(error) => return (draft, problem.or(Some(arrival(&error)))),
        };
        let name = field.name().unwrap_or_default().to_owned();
        let is_photo = name == "photo";
        let (most, too_much) = if is_photo { (PHOTO, Problem::Large) } else { (16 * 1024, Problem::Long) };
        let mut bytes = Vec::new();
        loop {
            match field.chunk().await {
                Ok(Some(more)) if bytes.len() + more.len() > most => problem = problem.or(Some(too_much)),
                Ok(Some(_)) if is_photo && problem.is_some() => {}
                Ok(Some(more)) => bytes.extend_from_slice(&more),
                Ok(None) => break,
                Err(error) => return (draft, problem.or(Some(arrival(&error)))),
            }
        }
        if !is_photo {
            draft.set(&name, &String::from_utf8_lossy(&bytes));
        } else if draft.photos.len() == PHOTOS && !bytes.is_empty() {
            problem = problem.or(Some(Problem::Photos));
        } else if !bytes.is_empty() && problem.is_none() {
            // A browser sends an empty one where none was chosen.
            draft.photos.push(bytes);
        }
    }
}

impl Draft {
    fn set(&mut self, name: &str, value: &str) {
        // Lines in what happened, nothing else that is no character.
        let kept = |c: &char| !c.is_control() || (*c == '\n' && name == "text");
        let text = value.chars().filter(kept).collect::<String>().trim().to_owned();
        match name {
            "what" => self.what = text,
            "text" => self.text = text,
            "place" => self.place = text,
            "position" => self.position = text,
            "name" => self.name = text,
            "phone" => self.phone = text,
            "informant" => self.informant = !text.is_empty(),
            "stamp" => self.stamp = text,
            TRAP => self.trapped = !text.is_empty(),
            _ => {}
        }
    }
}

fn arrival(error: &axum::extract::multipart::MultipartError) -> Problem {
    if error.status() == http::StatusCode::PAYLOAD_TOO_LARGE { Problem::Large } else { Problem::Cut }
}

fn position(text: &str, at: i64) -> Option<Position> {
    let mut numbers = text.split(',').map(|number| number.parse::<f64>().ok().filter(|number| number.is_finite()));
    let (lat, lon, accuracy) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let on_earth = lat.abs() <= 90.0 && lon.abs() <= 180.0 && accuracy >= 0.0;
    on_earth.then_some(Position { lat, lon, accuracy, at })
}

impl Intake {
    /// Takes a report in. Returns the token by which its sender asks for its status; then it is on the disk.
    pub fn receive(&self, page: &Page, draft: &Draft, address: IpAddr) -> Result<String, Problem> {
        let what = What::from_code(&draft.what).ok_or(Problem::What)?;
        if draft.text.is_empty() {
            return Err(Problem::Text);
        }
        let lengths = [(&draft.text, TEXT), (&draft.place, PLACE), (&draft.name, NAME), (&draft.phone, PHONE)];
        if lengths.into_iter().any(|(text, most)| text.chars().count() > most) {
            return Err(Problem::Long);
        }
        let now = self.outside.now();
        let sent = Sent { address, area: page.area, text: &draft.text, trapped: draft.trapped, stamp: &draft.stamp };
        let suspicion = match self.watch.judge(&sent, now) {
            Verdict::Fine => None,
            Verdict::Suspicious(why) => Some(why),
            Verdict::TooMany(seconds) => return Err(Problem::TooMany(seconds)),
        };
        let kept = self.seal(page, draft, what, suspicion);
        if kept.is_err() {
            self.watch.was_not_kept(&draft.text);
        }
        kept
    }

    fn seal(&self, page: &Page, draft: &Draft, what: What, suspicion: Option<Suspicion>) -> Result<String, Problem> {
        let now = self.outside.now();
        if suspicion.is_some() {
            let (count, bytes) = self.keep.suspicious().map_err(|error| refused(&error))?;
            if count >= SUSPICIOUS || bytes >= SUSPICIOUS_BYTES {
                return Err(Problem::TooMany(3_600));
            }
        }
        let mut photos = Vec::new();
        for photo in &draft.photos {
            let _drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner);
            photos.push(STANDARD.encode(pictures::anew(photo).map_err(|_| Problem::Picture)?));
        }
        let mut random = [0; 18];
        self.outside.fill(&mut random);
        let secret = URL_SAFE_NO_PAD.encode(random);
        let report = Report {
            id: self.outside.uuid(),
            token: token::hash(&secret),
            area: page.area,
            what,
            text: draft.text.clone(),
            place: draft.place.clone(),
            position: position(&draft.position, now.timestamp_millis()),
            name: draft.name.clone(),
            phone: draft.phone.clone(),
            informant: draft.informant,
            photos,
            at: now.timestamp_millis(),
            suspicion,
        };
        let json = serde_json::to_vec(&report).map_err(|_| Problem::Failed)?;
        let bytes = age::encrypt(&self.recipient, &json).map_err(|_| Problem::Failed)?;
        let sealed = Sealed { id: report.id, token: report.token, suspicious: suspicion.is_some(), bytes };
        self.keep.add(&sealed, now).map_err(|error| refused(&error))?;
        tracing::info!(report = %report.id, suspicious = sealed.suspicious, "a report was received");
        Ok(secret)
    }
}

fn refused(error: &StoreError) -> Problem {
    tracing::error!(error = error as &dyn std::error::Error, "a report could not be kept");
    if matches!(error, StoreError::Full) { Problem::Full } else { Problem::Failed }
}
