//! A browser at the console: over HTTP, with cookies, links and forms, nothing else.

use std::collections::BTreeMap;
use std::sync::Mutex;

use chrono::TimeDelta;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Response, StatusCode};
use shared::area::AreaId;
use shared::author::Role;
use shared::ids::{RecordId, UserId};
use shared::outside::Outside;
use shared::value::Value;
use sync_server::auth::people::{NewUser, add_user};
use sync_server::auth::totp;
use sync_server::store::User;

use super::{Centre, Handheld, applied};

pub const PASSWORD: &str = "黄河-7300";

/// Somebody with a password.
pub fn person(centre: &Centre, login: &str, role: Role, area: AreaId, may_unmask: bool, cleared: bool) -> User {
    let new = NewUser {
        login: login.to_owned(),
        name: format!("{login}的姓名"),
        role,
        scope: vec![area],
        cleared,
        may_unmask,
        password: Some(PASSWORD.to_owned()),
    };
    add_user(&centre.app, new).unwrap()
}

/// A browser at the console: it keeps its cookie and reads pages.
pub struct Desk<'a> {
    pub centre: &'a Centre,
    pub http: Client,
    pub cookie: String,
}

impl<'a> Desk<'a> {
    pub fn new(centre: &'a Centre) -> Self {
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { centre, http, cookie: String::new() }
    }

    pub async fn logged_in(centre: &'a Centre, login: &str) -> Self {
        let mut desk = Self::new(centre);
        desk.give_password(login, PASSWORD).await;
        if desk.get("/console").await.status() == StatusCode::SEE_OTHER {
            desk.give_code(login).await;
        }
        desk
    }

    /// The first page: name and password.
    pub async fn give_password(&mut self, login: &str, password: &str) {
        let response = self.send("/console/login", &[("login", login), ("password", password)]).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        self.keep_cookie(&response);
    }

    pub fn keep_cookie(&mut self, response: &Response) {
        let set = response.headers()[SET_COOKIE].to_str().unwrap();
        assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
        self.cookie = set.split(';').next().unwrap().to_owned();
    }

    /// The second page, as somebody with an authenticator does: set up where it shows a secret, else with the one it
    /// showed then. Returns what comes of it.
    pub async fn give_code(&mut self, login: &str) -> String {
        let page = self.page("/console/login/second").await;
        let code = Authenticator::of(self.centre, login).code(self.centre, shown_secret(&page));
        let response = self.try_submit(&page, "/console/login/second", &[("code", &code)]).await;
        let status = response.status();
        assert!(matches!(status, StatusCode::OK | StatusCode::SEE_OTHER), "{status}");
        self.keep_cookie(&response);
        response.text().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Response {
        let request = self.http.get(format!("{}{path}", self.centre.url)).header(COOKIE, &self.cookie);
        request.send().await.unwrap()
    }

    /// A page that is there, as text.
    pub async fn page(&self, path: &str) -> String {
        let response = self.get(path).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        text
    }

    /// What the audit lists, without the words above it that one can choose from.
    pub async fn audit(&self) -> String {
        let page = self.page("/console/audit").await;
        page.split_once("<tbody>").unwrap_or_else(|| panic!("nothing is listed: {page}")).1.to_owned()
    }

    pub async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        self.send_with(path, fields, &[]).await
    }

    /// The same, as a proxy in between sends it on.
    pub async fn send_with(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Response {
        let encode = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let mut request = self.http.post(format!("{}{path}", self.centre.url)).header(COOKIE, &self.cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let form = "application/x-www-form-urlencoded";
        request.header("content-type", form).body(body.join("&")).send().await.unwrap()
    }

    /// Sends the form of a page as it stands there, with some fields filled in; follows where it leads.
    pub async fn submit(&self, page: &str, action: &str, fill: &[(&str, &str)]) -> String {
        let response = self.try_submit(page, action, fill).await;
        let status = response.status();
        let to = response.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
        let text = response.text().await.unwrap();
        assert_eq!(status, StatusCode::SEE_OTHER, "{action}: {text}");
        self.page(&to.unwrap()).await
    }

    /// Takes a batch that takes two: this one asks, the other releases, this one seals.
    pub async fn seal_with(&self, other: &Desk<'_>, fill: &[(&str, &str)]) -> String {
        let page = self.page("/console/batches").await;
        self.submit(&page, "/console/batches", fill).await;
        let page = other.page("/console/batches").await;
        let release = action(&page, "/release\"").unwrap_or_else(|| panic!("nothing to release: {page}"));
        other.submit(&page, &release, &[]).await;
        let page = self.page("/console/batches").await;
        self.submit(&page, &action(&page, "/seal\"").unwrap(), &[]).await
    }

    pub async fn try_submit(&self, page: &str, action: &str, fill: &[(&str, &str)]) -> Response {
        let hidden = hidden(page, action);
        let kept = hidden.iter().filter(|(name, _)| fill.iter().all(|(filled, _)| filled != name));
        let mut fields: Vec<(&str, &str)> = kept.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.extend(fill);
        self.send(action, &fields).await
    }
}

/// The secret that the page of setting up shows.
pub fn shown_secret(page: &str) -> Option<Vec<u8>> {
    let text = page.split("id=\"secret\">").nth(1)?.split('<').next().unwrap();
    Some(totp::from_base32(text).unwrap())
}

/// People's authenticators. They outlive a server that is put back.
static AUTHENTICATORS: Mutex<BTreeMap<UserId, Authenticator>> = Mutex::new(BTreeMap::new());

/// Somebody's authenticator: what it scanned, and the last step whose code they typed.
#[derive(Clone, Default)]
pub struct Authenticator {
    user: Option<UserId>,
    secret: Vec<u8>,
    step: i64,
}

impl Authenticator {
    pub fn of(centre: &Centre, login: &str) -> Self {
        let user = centre.app.store.user_by_login(login).unwrap().unwrap().id;
        let known = AUTHENTICATORS.lock().unwrap().get(&user).cloned().unwrap_or_default();
        Self { user: Some(user), ..known }
    }

    /// A code that was not typed before. Waits for the next one if it must: the clock is the test's.
    pub fn code(mut self, centre: &Centre, scanned: Option<Vec<u8>>) -> String {
        if let Some(secret) = scanned {
            (self.secret, self.step) = (secret, 0);
        }
        let now = totp::step(centre.clock.now());
        self.step = (self.step + 1).max(now);
        if self.step > now + 1 {
            centre.clock.advance(TimeDelta::seconds(30 * (self.step - now - 1)));
        }
        let code = totp::code(&self.secret, self.step);
        AUTHENTICATORS.lock().unwrap().insert(self.user.unwrap(), self);
        code
    }
}

/// Where the first form leads whose action ends so.
pub fn action(page: &str, end: &str) -> Option<String> {
    let all = page.split("action=\"").skip(1).map(|rest| rest.split_inclusive('"').next().unwrap());
    all.into_iter().find(|action| action.ends_with(end)).map(|action| action.trim_end_matches('"').to_owned())
}

/// The hidden fields of the first form with this action.
pub fn hidden(page: &str, action: &str) -> BTreeMap<String, String> {
    let start = page.find(&format!("action=\"{action}\"")).unwrap_or_else(|| panic!("no form for {action} in {page}"));
    let form = page[start..].split("</form>").next().unwrap();
    let attribute = |tag: &str, name: &str| -> Option<String> {
        let value = tag.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
        Some(value.replace("&quot;", "\"").replace("&amp;", "&"))
    };
    let inputs = form.split("<input").skip(1).filter(|tag| tag.contains("type=\"hidden\""));
    inputs.map(|tag| (attribute(tag, "name").unwrap(), attribute(tag, "value").unwrap())).collect()
}

pub async fn resident(hand: &mut Handheld<'_>, name: &str, area: AreaId, more: &[(&str, Value)]) -> RecordId {
    let mut edit = hand.resident(name, area);
    edit.writes.extend(more.iter().map(|(path, value)| (path.parse().unwrap(), value.clone())));
    let record = edit.record;
    applied(&hand.sync(vec![edit]).await, 0);
    record
}

/// Logging out.
impl Desk<'_> {
    pub async fn submit_out(&self, page: &str) {
        let response = self.try_submit(page, "/console/logout", &[]).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
    }
}

/// A page without the one script of the console, which is a file of its own: everything else that could run is inline.
pub fn without_keys(page: String) -> String {
    page.replace("<script src=\"/console/keys.js\"></script>", "")
}
