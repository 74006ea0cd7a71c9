//! The centre's pages, rendered on the server: every action is a link or a form, nothing needs JavaScript, and what an
//! old Chromium 80 does not know is not used. Values are escaped by the template's macro; there is no other way to make
//! HTML here than `maud::html!`, the fixed sprite aside.

mod add_photo;
mod alias;
mod areas;
mod arrivals;
mod asked;
mod audit;
mod backup;
mod batches;
mod campaigns;
mod ctx;
mod ending;
mod erase;
mod events;
mod failed;
mod forms;
mod hand_over;
mod history;
mod imports;
mod inbox;
mod intake;
mod layout;
mod ledger;
mod likely;
mod login;
mod manage;
mod map;
mod me;
mod merged;
mod outbox;
mod overview;
mod people;
mod people_list;
mod person;
mod photos;
mod quarantine;
mod record;
mod records;
mod remains;
mod report;
mod reporter;
mod scheduled;
mod second;
mod settings;
mod spam;
mod split;
mod terminal_list;
mod terminals;
mod to_decide;
mod views;
mod work;
mod write;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

pub(crate) use ctx::{Ctx, Fields, PageError};
pub(crate) use layout::bytes;
pub(crate) use second::picture as qr;

use crate::App;

/// The most bytes of a form.
const FORM_BYTES: usize = 256 * 1024;

/// The routes under `/console`.
pub fn router() -> Router<App> {
    let routes = Router::new()
        .route("/console", get(overview::show))
        .route("/console/", get(overview::show))
        .route("/console/login", get(login::show).post(login::enter))
        .route("/console/login/second", get(second::show).post(second::enter))
        .route("/console/logout", post(login::leave))
        .route("/console/me", get(me::show))
        .route("/console/me/password", post(me::password))
        .route("/console/me/second", post(me::second))
        .route("/console/language", post(login::language))
        .route("/console/style.css", get(style))
        .route("/console/keys.js", get(keys))
        .route("/console/inbox", get(inbox::show))
        .route("/console/inbox/act", post(inbox::act))
        .route("/console/inbox/new", get(arrivals::show).post(arrivals::save))
        .route("/console/inbox/paste", post(arrivals::paste))
        .route("/console/records", get(records::show))
        .route("/console/events", get(ledger::show))
        .route("/console/views", post(views::save))
        .route("/console/report", get(report::show))
        .route("/console/report.xlsx", get(report::workbook))
        .route("/console/records/{id}", get(record::show))
        .route("/console/records/{id}/unmask", post(record::unmask))
        .route("/console/records/{id}/settle", post(to_decide::settle))
        .route("/console/records/{id}/merge", get(alias::show).post(alias::merge))
        .route("/console/records/{id}/unmerge", post(alias::unmerge))
        .route("/console/records/{id}/erase", get(erase::show).post(erase::done))
        .route("/console/records/{id}/hand-over", get(hand_over::show).post(hand_over::done))
        .route("/console/records/{id}/person", get(person::show).post(person::ask))
        .route("/console/records/{id}/person/{asked}/release", post(person::release))
        .route("/console/records/{id}/person/{asked}/take", post(person::done))
        .route("/console/records/{id}/step", post(events::step))
        .route("/console/records/{id}/reporter", post(reporter::show))
        .route("/console/spam", get(spam::show).post(spam::decide))
        .route("/console/to-decide", get(to_decide::show))
        .route("/console/campaigns", get(campaigns::show).post(campaigns::start))
        .route("/console/batches", get(batches::show).post(batches::seal))
        .route("/console/batches/asked/{id}/release", post(asked::release))
        .route("/console/batches/asked/{id}/seal", post(asked::seal))
        .route("/console/batches/{number}/{file}", get(batches::download))
        .route("/api/v1/batches/{number}/{file}", get(batches::download_by_program))
        .route("/console/imports", get(imports::list))
        .route("/console/imports/{id}", get(imports::show))
        .route("/console/imports/{id}/map", post(imports::map))
        .route("/console/imports/{id}/words", post(imports::words))
        .route("/console/imports/{id}/again", post(imports::again))
        .route("/console/imports/{id}/take", post(imports::take))
        .route("/console/imports/{id}/undo", post(imports::undo))
        .route("/console/imports/{id}/drop", post(imports::drop_it))
        .route("/console/imports/{id}/{report}", get(imports::report))
        .route("/console/terminals", get(terminals::show))
        .route("/console/terminals/code", post(terminals::code))
        .route("/console/terminals/asked/{id}/release", post(ending::release))
        .route("/console/terminals/{id}/end", get(ending::show).post(ending::done))
        .route("/console/quarantine", get(quarantine::show))
        .route("/console/quarantine/{id}/accept", post(quarantine::accept))
        .route("/console/quarantine/{id}/dismiss", post(quarantine::dismiss))
        .route("/console/remains", get(remains::show))
        .route("/console/remains/{id}/done", post(remains::done))
        .route("/console/people", get(people::show))
        .route("/console/people/new", get(people::new).post(people::add))
        .route("/console/people/asked/{id}/release", post(people::release))
        .route("/console/people/{id}", get(people::one).post(people::change))
        .route("/console/people/{id}/password", post(people::password))
        .route("/console/people/{id}/second", post(people::second))
        .route("/console/areas", get(areas::show))
        .route("/console/areas/{id}", get(areas::one).post(areas::change))
        .route("/console/areas/{id}/add", post(areas::add))
        .route("/console/areas/{id}/close", post(areas::close))
        .route("/console/areas/{id}/split", get(split::choose).post(split::done))
        .route("/console/settings", get(settings::show).post(settings::save))
        .route("/console/settings/categories", post(settings::save_categories))
        .route("/console/forms", get(forms::show))
        .route("/console/forms/{kind}", get(forms::one).post(forms::done))
        .route("/console/forms/{kind}/file", get(forms::file))
        .route("/console/audit", get(audit::show))
        .route("/console/photos/{record}/{hash}", get(photos::show))
        .layer(DefaultBodyLimit::max(FORM_BYTES));
    around(routes)
}

/// Where staff bring large files: half a gigabyte on a slow line takes longer than a request may.
pub fn uploads() -> Router<App> {
    let take = post(outbox::take).layer(DefaultBodyLimit::max(outbox::BYTES));
    let photo = post(add_photo::take).layer(DefaultBodyLimit::max(add_photo::FORM));
    let table = post(imports::upload).layer(DefaultBodyLimit::max(imports::BYTES));
    let routes = Router::new().route("/console/terminals/outbox", take).route("/console/imports/upload", table);
    around(routes.route("/console/records/{id}/photo", photo))
}

fn around(routes: Router<App>) -> Router<App> {
    routes.layer(middleware::map_response(guarded))
}

/// For who looked in a browser where there is nothing.
pub(crate) async fn nothing_there(headers: &HeaderMap) -> Response {
    guarded(PageError::NotFound.page(ctx::language(headers))).await
}

/// What every answer says to the browser: run nothing, be framed by nobody, keep nothing, tell nobody where one was.
async fn guarded(mut response: Response) -> Response {
    let policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; \
                  base-uri 'none'";
    let headers = response.headers_mut();
    // A picture has a narrower one of its own, the inbox one that lets its keys in.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(policy));
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Nobody else is told. `no-referrer` would make browsers say `Origin: null` of our own forms, and those are refused.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Lets the one script of the console in.
fn with_keys(mut response: Response) -> Response {
    let policy = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; form-action 'self'; \
                  frame-ancestors 'none'; base-uri 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

/// The only script of the console.
async fn keys() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")];
    (headers, include_str!("keys.js")).into_response()
}

async fn style() -> Response {
    use assets::styles::{BASE, CONSOLE, TOKENS};
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")];
    (headers, [TOKENS, BASE, CONSOLE].concat()).into_response()
}
