//! What a town publishes, as a handheld is told it.

use reqwest::{Method, StatusCode};
use shared::form::{Form, Forms};
use shared::record::RecordKind;
use shared::wire::{Edition, Setup};

use super::Handheld;

impl Handheld<'_> {
    /// What its set-up names, fetched as a handheld does; none where it names nothing.
    pub async fn edition(&self, setup: &Setup) -> Option<Edition> {
        let response = self.centre.send(Method::GET, "/api/v1/edition", Some(&self.token), vec![], &[]).await;
        let Some(version) = &setup.edition else {
            assert_eq!(response.status(), StatusCode::NOT_FOUND);
            return None;
        };
        let edition: Edition = response.json().await.unwrap();
        assert_eq!(edition.version, *version);
        Some(edition)
    }
}

/// The newest form of a kind on a handheld that holds an edition.
pub fn newest(edition: &Edition, kind: RecordKind) -> Form {
    let files = assets::FORMS.iter().copied().chain(edition.forms.iter().map(String::as_str));
    Forms::parse(files).unwrap().newest(kind).unwrap().clone()
}
