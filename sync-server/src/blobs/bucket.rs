//! Photos as objects of a bucket that several servers share (S3). Nothing that matters is on the disk or in the memory of one
//! of them: pieces of one upload may arrive at any.
//!
//! `photos/ab/<hash>` as in a folder, so that one can be copied into the other. `uploads/<id>/<offset>` is a piece: S3 takes no
//! parts under 5 MB, so each is an object of its own, named by where it begins and written only where none of this name is
//! (`If-None-Match`). Of two who write at the same offset one does; and because nobody writes but at the end, pieces always
//! follow one another. `uploads/<id>/begun` is there from the beginning on.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use axum::body::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey as Key};
use object_store::path::Path as Name;
use object_store::{BackoffConfig, ClientOptions, Error, ObjectStore as _, ObjectStoreExt as _, PutMode, RetryConfig};
use shared::ids::PhotoHash;
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::place::{At, Unfit};
use super::storage::{Connector, Crypto};
use super::{AppendError, Blobs, FinishError, Listed, Settling, Where, hash, whole};

/// So many requests for one answer go side by side.
const ABREAST: usize = 16;
/// A storage that hiccups is asked again for so long; a request to us takes longer.
const PATIENCE: Duration = Duration::from_secs(15);

/// The bucket of photos and uploads.
pub struct Bucket {
    objects: Arc<AmazonS3>,
    at: At,
    /// Its requests run here, so that callers may block wherever they are.
    runtime: Option<Runtime>,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What a storage said that did not do what it was asked. Of its answer only the code is kept: the rest may repeat keys.
#[derive(Debug, thiserror::Error)]
#[error("the storage of photos: {0}")]
pub struct Away(String);

impl Bucket {
    /// A bucket with the credentials of `builder`; nothing is asked of it yet.
    pub fn open(at: &At, builder: AmazonS3Builder) -> Result<Self, Unfit> {
        let backoff = BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() };
        let retry = RetryConfig { backoff, max_retries: 3, retry_timeout: PATIENCE };
        let mut builder = builder
            .with_bucket_name(&at.bucket)
            .with_retry(retry)
            .with_crypto_provider(Arc::new(Crypto))
            .with_http_connector(Connector)
            // One by one: not every storage takes many at once.
            .with_disable_bulk_delete(true);
        if let Some(endpoint) = &at.endpoint {
            builder = builder.with_config(Key::S3Endpoint, endpoint);
        }
        if let Some(region) = &at.region {
            builder = builder.with_region(region);
        }
        if at.virtual_hosted {
            builder = builder.with_virtual_hosted_style_request(true);
        }
        let endpoint = [Key::S3Endpoint, Key::Endpoint].iter().find_map(|key| builder.get_config_value(key));
        let plain = match &endpoint {
            Some(endpoint) => at.speaks_plainly(endpoint)?,
            None => false,
        };
        let named = [Key::AccessKeyId, Key::WebIdentityTokenFile, Key::ContainerCredentialsRelativeUri]
            .iter()
            .chain(&[Key::ContainerCredentialsFullUri])
            .any(|key| builder.get_config_value(key).is_some());
        // Machines of AWS learn theirs from their host; anywhere else somebody forgot them.
        if endpoint.is_some() && !named {
            return Err(Unfit::NoKeys);
        }
        let builder = builder.with_client_options(ClientOptions::new().with_allow_http(plain));
        let objects = builder.build().map_err(|error| Unfit::Other(said(&error)))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("photos")
            .enable_all()
            .build()
            .map_err(|error| Unfit::Other(error.to_string()))?;
        Ok(Self { objects: Arc::new(objects), at: at.clone(), runtime: Some(runtime) })
    }

    /// Does `work` and waits for it.
    fn wait<T, F>(&self, work: impl FnOnce(Arc<AmazonS3>) -> F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let ended = || Error::NotSupported { source: "its threads have ended".into() };
        let runtime = self.runtime.as_ref().ok_or_else(ended)?;
        let (tell, told) = mpsc::sync_channel(1);
        let work = work(Arc::clone(&self.objects));
        runtime.spawn(async move { tell.send(work.await).ok() });
        told.recv().map_err(|_| ended())?
    }

    fn name(&self, parts: &[&str]) -> Name {
        let prefix = self.at.prefix.split('/').filter(|part| !part.is_empty());
        prefix.chain(parts.iter().copied()).collect()
    }

    fn photo(&self, hash: &PhotoHash) -> Name {
        self.name(&["photos", hash.as_str().get(..2).unwrap_or_default(), hash.as_str()])
    }

    fn upload(&self, id: Uuid) -> Name {
        self.name(&["uploads", &id.to_string()])
    }

    /// The pieces of an upload, one after the other, and where they end. Nothing of it is there: not found.
    fn pieces(&self, id: Uuid) -> io::Result<(Vec<Name>, u64)> {
        let all = self.upload(id);
        let found = self.wait(|objects| async move { objects.list(Some(&all)).try_collect::<Vec<_>>().await });
        let found = found.map_err(failed)?;
        if found.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let offset = |name: &Name| name.filename().and_then(|name| name.parse::<u64>().ok());
        let pieces: BTreeMap<u64, _> =
            found.into_iter().filter_map(|it| Some((offset(&it.location)?, (it.location, it.size)))).collect();
        let (mut names, mut end) = (Vec::new(), 0);
        for (offset, (name, size)) in pieces {
            // One after a gap is of an upload that is just being taken away.
            if offset == end {
                names.push(name);
                end += size;
            }
        }
        Ok((names, end))
    }

    /// Writes an object where none is; `false` where one is.
    fn create(&self, name: Name, bytes: Bytes) -> Result<bool, Error> {
        let made =
            self.wait(|objects| async move { objects.put_opts(&name, bytes.into(), PutMode::Create.into()).await });
        match made {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Keeps bytes that are a photo. What is there under its name already stays if it is whole.
    fn keep(&self, photo: &PhotoHash, bytes: Bytes) -> io::Result<()> {
        if self.create(self.photo(photo), bytes.clone()).map_err(failed)? {
            return Ok(());
        }
        match self.read(photo) {
            Ok(there) if hash(&there) == *photo => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let name = self.photo(photo);
        self.wait(|objects| async move { objects.put(&name, bytes.into()).await }).map(drop).map_err(failed)
    }

    fn drop_one(&self, name: Name) -> Result<(), Error> {
        match self.wait(|objects| async move { objects.delete(&name).await }) {
            Err(Error::NotFound { .. }) => Ok(()),
            other => other,
        }
    }
}

impl Blobs for Bucket {
    /// There is no lock over all servers, and one here would only make them wait.
    fn settling(&self) -> Settling<'_> {
        Settling(None)
    }

    fn begin(&self, id: Uuid) -> io::Result<()> {
        let name = self.upload(id).join("begun");
        self.wait(|objects| async move { objects.put(&name, Bytes::new().into()).await }).map(drop).map_err(failed)
    }

    fn offset(&self, id: Uuid) -> io::Result<u64> {
        self.pieces(id).map(|(_, end)| end)
    }

    fn append(&self, id: Uuid, offset: u64, bytes: &[u8]) -> Result<(), AppendError> {
        let (_, end) = self.pieces(id)?;
        if end != offset {
            return Err(AppendError::Offset(end));
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let name = self.upload(id).join(format!("{offset:012}"));
        if self.create(name, Bytes::copy_from_slice(bytes)).map_err(failed)? {
            return Ok(());
        }
        // Somebody else was faster, or we were and did not hear of it.
        Err(AppendError::Offset(self.offset(id)?))
    }

    fn finish(&self, id: Uuid, hash: &PhotoHash) -> Result<(), FinishError> {
        let (names, _) = self.pieces(id)?;
        let pieces = self.wait(|objects| async move {
            let each = stream::iter(names).map(|name| {
                let objects = Arc::clone(&objects);
                async move { objects.get(&name).await?.bytes().await }
            });
            each.buffered(ABREAST).try_collect::<Vec<_>>().await
        });
        let bytes = pieces.map_err(failed)?.concat();
        whole(&bytes, hash)?;
        Ok(self.keep(hash, bytes.into())?)
    }

    fn put(&self, _: Uuid, hash: &PhotoHash, bytes: &[u8]) -> Result<(), FinishError> {
        whole(bytes, hash)?;
        Ok(self.keep(hash, Bytes::copy_from_slice(bytes))?)
    }

    fn uploads(&self) -> io::Result<Vec<Uuid>> {
        let all = self.name(&["uploads"]);
        let found =
            self.wait(|objects| async move { objects.list_with_delimiter(Some(&all)).await }).map_err(failed)?;
        Ok(found.common_prefixes.iter().filter_map(|name| name.filename()?.parse().ok()).collect())
    }

    fn drop_upload(&self, id: Uuid) -> io::Result<()> {
        let all = self.upload(id);
        let dropped = self.wait(|objects| async move {
            let names: Vec<_> = objects.list(Some(&all)).map_ok(|it| it.location).try_collect().await?;
            let gone = stream::iter(names).map(|name| {
                let objects = Arc::clone(&objects);
                async move {
                    match objects.delete(&name).await {
                        Err(Error::NotFound { .. }) => Ok(()),
                        other => other,
                    }
                }
            });
            gone.buffer_unordered(ABREAST).try_collect::<()>().await
        });
        dropped.map_err(failed)
    }

    fn drop_photo(&self, hash: &PhotoHash) -> io::Result<()> {
        self.drop_one(self.photo(hash)).map_err(failed)
    }

    fn read(&self, hash: &PhotoHash) -> io::Result<Vec<u8>> {
        let name = self.photo(hash);
        let bytes = self.wait(|objects| async move { objects.get(&name).await?.bytes().await });
        bytes.map(Vec::from).map_err(failed)
    }

    fn read_part(&self, hash: &PhotoHash, from: u64, most: u64) -> io::Result<Vec<u8>> {
        let name = self.photo(hash);
        let part = from..from.saturating_add(most);
        let bytes = self.wait(|objects| async move { objects.get_range(&name, part).await });
        bytes.map(Vec::from).map_err(failed)
    }

    fn lacking(&self, hashes: &BTreeSet<PhotoHash>) -> io::Result<BTreeSet<PhotoHash>> {
        let names: Vec<_> = hashes.iter().map(|hash| (self.photo(hash), hash.clone())).collect();
        let lacking = self.wait(|objects| async move {
            let each = stream::iter(names).map(|(name, hash)| {
                let objects = Arc::clone(&objects);
                async move {
                    match objects.head(&name).await {
                        Ok(_) => Ok(None),
                        Err(Error::NotFound { .. }) => Ok(Some(hash)),
                        Err(error) => Err(error),
                    }
                }
            });
            each.buffer_unordered(ABREAST).try_collect::<Vec<_>>().await
        });
        Ok(lacking.map_err(failed)?.into_iter().flatten().collect())
    }

    fn list(&self) -> io::Result<Vec<Listed>> {
        let all = self.name(&["photos"]);
        let found = self.wait(|objects| async move { objects.list(Some(&all)).try_collect::<Vec<_>>().await });
        let listed = |it: object_store::ObjectMeta| {
            let hash: Option<PhotoHash> = it.location.filename().and_then(|name| name.parse().ok());
            let hash = hash.filter(|hash| self.photo(hash) == it.location);
            Listed { path: it.location.to_string(), hash, bytes: it.size, written: it.last_modified }
        };
        Ok(found.map_err(failed)?.into_iter().map(listed).collect())
    }

    fn at(&self) -> Where<'_> {
        Where::Bucket(&self.at)
    }

    fn reach(&self) -> io::Result<()> {
        let name = self.name(&["tried", "reach"]);
        match self.wait(|objects| async move { objects.head(&name).await }).map_err(failed) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn try_out(&self, id: Uuid) -> Result<(), Unfit> {
        let name = self.name(&["tried", &id.to_string()]);
        let first = self.create(name.clone(), Bytes::from_static(b"1")).map_err(|error| unfit(&error))?;
        let second = self.create(name.clone(), Bytes::from_static(b"2")).map_err(|error| unfit(&error))?;
        let back = name.clone();
        let held = self.wait(|objects| async move { objects.get(&back).await?.bytes().await });
        let held = held.map_err(|error| unfit(&error))?;
        self.wait(|objects| async move { objects.list(Some(&name)).try_collect::<Vec<_>>().await.map(|_| name) })
            .and_then(|name| self.drop_one(name))
            .map_err(|error| unfit(&error))?;
        if first && !second && held == b"1".as_slice() { Ok(()) } else { Err(Unfit::Unconditional) }
    }
}

/// The code of S3 in an error, or what is known of it otherwise.
fn said(error: &Error) -> String {
    let text = error.to_string();
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    code.map_or_else(|| text.clone(), |(code, _)| code.to_owned())
}

/// That something is not there is known only of a bucket that is.
fn failed(error: Error) -> io::Error {
    let said = said(&error);
    match error {
        Error::NotFound { .. } if said != NO_BUCKET => io::ErrorKind::NotFound.into(),
        _ => io::Error::new(io::ErrorKind::NotConnected, Away(said)),
    }
}

const NO_BUCKET: &str = "NoSuchBucket";

fn unfit(error: &Error) -> Unfit {
    let said = said(error);
    match error {
        Error::NotFound { .. } if said == NO_BUCKET => Unfit::NoBucket,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Unfit::Refused(said),
        Error::Generic { .. } if !said.contains(char::is_whitespace) => Unfit::Refused(said),
        _ => Unfit::Away(said),
    }
}
