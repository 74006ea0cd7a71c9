//! Where photos are: a folder, or a bucket. It is noted in the database, so that every command finds them without being told,
//! and nobody begins a second place by leaving a word out.

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use assets::messages::Messages;
use object_store::aws::AmazonS3Builder;
use reqwest::Url;
use shared::area::AreaId;

use super::Blobs;
use super::bucket::Bucket;
use super::folder::Folder;
use crate::store::{self, Store, StoreError};

/// Above the towns.
const ABOVE: AreaId = AreaId(0);
const NOTED: &str = "blobs";
/// In the data folder.
const USUAL: &str = "blobs";

/// Where photos are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `blobs/` in the data folder.
    Usual,
    /// Another folder.
    Folder(PathBuf),
    /// A bucket.
    Bucket(At),
}

/// A bucket and how it is reached; credentials come from the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// Its name.
    pub bucket: String,
    /// What all names in it begin with; may be empty.
    pub prefix: String,
    /// The storage's address, if it is not AWS.
    pub endpoint: Option<String>,
    /// As the storage names it.
    pub region: Option<String>,
    /// Whether the endpoint is of this bucket alone (`https://BUCKET.host`).
    pub virtual_hosted: bool,
    /// Whether it may be reached without encryption although it is another machine.
    pub allow_http: bool,
}

/// Why photos cannot be kept in a place.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The folder.
    #[error("the folder of photos {0} cannot be opened: {1}")]
    Folder(PathBuf, io::Error),
    /// The environment names no credentials, or half of them.
    #[error("the environment has no credentials for the storage of photos")]
    NoKeys,
    /// Without encryption, over the network.
    #[error("the endpoint {0} is not encrypted")]
    Plain(String),
    /// The storage does not take the credentials, or does not let them do it; its code.
    #[error("the storage of photos refuses: {0}")]
    Refused(String),
    /// There is no such bucket.
    #[error("the bucket of photos does not exist")]
    NoBucket,
    /// It writes over what is there although it was told not to.
    #[error("the storage of photos does not know If-None-Match")]
    Unconditional,
    /// It cannot be reached just now.
    #[error("the storage of photos cannot be reached: {0}")]
    Away(String),
    /// Photos are somewhere else.
    #[error("photos are in {0}")]
    Elsewhere(String),
    /// Something else.
    #[error("the storage of photos cannot be used: {0}")]
    Other(String),
    /// The note.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Unfit {
    /// For whoever starts the server.
    pub fn text(&self, place: &Place, words: &Messages) -> String {
        let place = ("place", place.to_string().into());
        let why = |why: &dyn std::fmt::Display| ("why", why.to_string().into());
        match self {
            Self::Folder(_, error) => words.with("blobs-unfit-folder", &[place, why(error)]),
            Self::NoKeys => words.with("blobs-unfit-no-keys", &[place]),
            Self::Plain(endpoint) => words.with("blobs-unfit-plain", &[place, why(endpoint)]),
            Self::Refused(code) => words.with("blobs-unfit-refused", &[place, why(code)]),
            Self::NoBucket => words.with("blobs-unfit-no-bucket", &[place]),
            Self::Unconditional => words.with("blobs-unfit-unconditional", &[place]),
            Self::Away(error) => words.with("blobs-unfit-away", &[place, why(error)]),
            Self::Elsewhere(noted) => words.with("blobs-unfit-elsewhere", &[place, why(noted)]),
            Self::Other(error) => words.with("blobs-unfit-other", &[place, why(error)]),
            Self::Store(error) => words.with("blobs-unfit-other", &[place, why(error)]),
        }
    }
}

impl Place {
    /// As noted in the database.
    pub fn noted(store: &dyn Store) -> Result<Self, Unfit> {
        let noted = store::read::<_, StoreError>(store, ABOVE, |read| read.meta(NOTED))?.unwrap_or_default();
        if noted.is_empty() { Ok(Self::Usual) } else { noted.parse().map_err(Unfit::Other) }
    }

    /// Notes it. Where photos are known that are in another place, only if whoever moved them says so.
    pub fn note(&self, store: &dyn Store, moved: bool) -> Result<(), Unfit> {
        let noted = Self::noted(store)?;
        if *self == noted {
            return Ok(());
        }
        if !moved && knows_photos(store)? {
            return Err(Unfit::Elsewhere(noted.to_string()));
        }
        Ok(store::write::<_, StoreError>(store, ABOVE, |tx| tx.set_meta(NOTED, &self.to_string()))?)
    }

    /// Opens it, of the data folder `data`. A bucket is not asked yet; its credentials come from the environment, as AWS's own
    /// programs take them.
    pub fn open(&self, data: &Path) -> Result<Arc<dyn Blobs>, Unfit> {
        let folder = |path: &Path| Folder::open(path).map_err(|error| Unfit::Folder(path.to_owned(), error));
        Ok(match self {
            Self::Usual => Arc::new(folder(&data.join(USUAL))?),
            Self::Folder(path) => Arc::new(folder(path)?),
            Self::Bucket(at) => Arc::new(Bucket::open(at, AmazonS3Builder::from_env())?),
        })
    }

    /// The same place, told as the usual one if it is that of `data`.
    #[must_use]
    pub fn of(self, data: &Path) -> Self {
        let usual = std::path::absolute(data.join(USUAL)).ok();
        if matches!(&self, Self::Folder(path) if Some(path) == usual.as_ref()) { Self::Usual } else { self }
    }
}

fn knows_photos(store: &dyn Store) -> Result<bool, StoreError> {
    for town in store.towns()? {
        if !store::read::<_, StoreError>(store, town, |read| read.photos())?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("s3://") {
            return text.parse().map(Self::Bucket);
        }
        if text.is_empty() || text.contains("://") {
            return Err(
                "photos are kept in a folder (/srv/photos) or in a bucket (s3://bucket/prefix?endpoint=https://…)"
                    .to_owned(),
            );
        }
        std::path::absolute(text).map(Self::Folder).map_err(|error| error.to_string())
    }
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("no address: {error}"))?;
        if has_keys(&url) {
            return Err("keys do not belong here: give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned());
        }
        let bucket = url.host_str().filter(|bucket| !bucket.is_empty() && url.port().is_none());
        let mut at = Self {
            bucket: bucket.ok_or("the bucket is missing: s3://bucket/prefix")?.to_owned(),
            prefix: url.path().trim_matches('/').to_owned(),
            endpoint: None,
            region: None,
            virtual_hosted: false,
            allow_http: false,
        };
        // As it was written: the address above has `..` taken out of it, and would be another place than was meant.
        let written = text.split(['?', '#']).next().unwrap_or_default();
        let written = written.strip_prefix("s3://").unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if !written.chars().all(plain) || written.split('/').any(|part| part == "." || part == "..") {
            return Err("a prefix is of letters, digits, - _ . and /".to_owned());
        }
        let yes = |value: &str| match value {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(format!("true or false, not {value}")),
        };
        for (name, value) in url.query_pairs() {
            match &*name {
                "endpoint" => at.endpoint = Some(endpoint(&value)?),
                "region" => at.region = Some(value.into_owned()),
                "virtual_hosted" => at.virtual_hosted = yes(&value)?,
                "allow_http" => at.allow_http = yes(&value)?,
                other => {
                    return Err(format!("{other} is none of endpoint, region, virtual_hosted, allow_http"));
                }
            }
        }
        Ok(at)
    }
}

fn has_keys(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn endpoint(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| format!("no endpoint: {error}"))?;
    if !matches!(url.scheme(), "https" | "http") || has_keys(&url) || url.query().is_some() {
        return Err("an endpoint is https://host[:port], without keys".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

impl At {
    /// Whether an endpoint is reached without encryption: of this machine, or where it was allowed.
    pub(super) fn speaks_plainly(&self, endpoint: &str) -> Result<bool, Unfit> {
        let url = Url::parse(endpoint).map_err(|error| Unfit::Other(error.to_string()))?;
        if url.scheme() == "https" {
            return Ok(false);
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if here || self.allow_http { Ok(true) } else { Err(Unfit::Plain(endpoint.to_owned())) }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usual => Ok(()),
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Bucket(at) => write!(f, "{at}"),
        }
    }
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        let yes = |name, is: bool| is.then_some((name, "true"));
        let named = |name, value: &Option<String>| value.clone().map(|value| (name, value));
        let texts = [named("endpoint", &self.endpoint), named("region", &self.region)];
        let flags = [yes("virtual_hosted", self.virtual_hosted), yes("allow_http", self.allow_http)];
        let flags = flags.into_iter().flatten().map(|(name, value)| (name, value.to_owned()));
        for (n, (name, value)) in texts.into_iter().flatten().chain(flags).enumerate() {
            write!(f, "{}{name}={}", if n == 0 { '?' } else { '&' }, value.replace('&', "%26"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_as_it_was_given_and_keys_are_not_taken() {
        for text in [
            "s3://photos",
            "s3://photos/town/2",
            "s3://photos/town?endpoint=http://127.0.0.1:9000&region=cn-north-1",
            "s3://photos?endpoint=https://oss.example.cn&virtual_hosted=true&allow_http=true",
            "/srv/photos",
        ] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        for text in [
            "s3://AKIA:secret@photos",
            "s3://photos?secret_access_key=x",
            "s3://photos?endpoint=https://a:b@oss.example.cn",
            "s3://photos?endpoint=ftp://oss.example.cn",
            "s3:///prefix",
            "s3://photos/../other",
            "https://oss.example.cn/photos",
            "",
        ] {
            let error = text.parse::<Place>().unwrap_err();
            assert!(!error.contains("secret@"), "{error}");
        }
    }

    #[test]
    fn without_encryption_only_this_machine_is_reached_unless_it_is_allowed() {
        let at: At = "s3://photos".parse().unwrap();
        for (endpoint, plainly) in [
            ("https://oss.example.cn", Some(false)),
            ("http://127.0.0.1:9000", Some(true)),
            ("http://[::1]:9000", Some(true)),
            ("http://localhost", Some(true)),
            ("http://10.0.0.5:9000", None),
            ("http://127.0.0.1.example.cn", None),
        ] {
            assert_eq!(at.speaks_plainly(endpoint).ok(), plainly, "{endpoint}");
        }
        let allowed = At { allow_http: true, ..at };
        assert_eq!(allowed.speaks_plainly("http://10.0.0.5:9000").ok(), Some(true));
    }
}
