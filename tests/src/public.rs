//! The intake beside a centre: a real `sync-server intake` process, with the pages of one grid as a town might publish them.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use sha2::{Digest, Sha256};
use shared::area::AreaId;
use sync_server::intake::wire::{Ask, Page, Person, Told};

use crate::centre::Centre;
use crate::process::{Served, program};

/// The process, and what the centre asks it with.
pub struct Public {
    served: Served,
    secret: String,
    /// The grid whose pages there are; the one after it has published nobody.
    pub grid: AreaId,
}

impl Public {
    /// Makes the keys at the centre and starts the intake in `folder`.
    pub async fn open(centre: &Centre, folder: &Path, grid: AreaId) -> Result<Self> {
        // There may be one already.
        rustls::crypto::ring::default_provider().install_default().ok();
        std::fs::create_dir_all(folder)?;
        let (key, share) = (folder.join("intake.key"), folder.join("intake.share"));
        let (key_text, share_text) = (key.to_string_lossy(), share.to_string_lossy());
        centre.command(&["intake-key"], &["--key", &key_text, "--share", &share_text]).await?;
        let data = folder.join("data");
        let data = data.to_string_lossy();
        let args = ["intake", "--data", &data, "--share", &share_text, "--listen", "127.0.0.1:0"];
        let args = [&args[..], &["--public-url", "https://report.example"]].concat();
        let served = Served::start(&program("sync-server")?, &args, &[]).await?;
        let public = Self { served, secret: std::fs::read_to_string(key)?, grid };
        public.ask(&Ask { pages: Some(vec![published(grid), unpublished(grid)]), ..Ask::default() }).await?;
        Ok(public)
    }

    /// The address of a page.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.served.url)
    }

    /// Asks as the centre does.
    pub async fn ask(&self, ask: &Ask) -> Result<Told> {
        let request = Client::new().post(self.at("/pull")).bearer_auth(self.secret.trim()).json(ask);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    /// Tells how far the report behind a link is.
    pub async fn tell(&self, link: &str, code: u8) -> Result<()> {
        let (_, token) = link.rsplit_once("/s/").with_context(|| format!("{link} is no link of a report"))?;
        ensure!(!token.is_empty(), "{link} is no link of a report");
        let hash = Sha256::digest(token.as_bytes()).into();
        self.ask(&Ask { statuses: vec![(hash, code)], ..Ask::default() }).await.map(drop)
    }
}

fn published(area: AreaId) -> Page {
    let person =
        |name: &str, role: &str, phone: &str| Person { name: name.into(), role: role.into(), phone: phone.into() };
    Page {
        area,
        town: "一条山镇".into(),
        name: "条山社区第一网格".into(),
        covers: "祥和小区、柳湾巷、条山路 1–40 号".into(),
        does: "上门登记、代办证件、调解、反映隐患".into(),
        people: vec![person("马春兰", "网格员", "0943-5550101"), person("王守信", "网格长", "0943-5550102")],
        settled: 17,
    }
}

fn unpublished(area: AreaId) -> Page {
    let none = String::new;
    Page {
        area: AreaId(area.0 + 1),
        name: "条山社区第二网格".into(),
        covers: none(),
        does: none(),
        people: vec![],
        settled: 0,
        ..published(area)
    }
}
