//! By which way a request came: from which address, and whether somebody could read along.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::request::Parts;
use http::{HeaderMap, header};

use crate::App;
use crate::tls::listener::Peer;

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// From where, for counting attempts: the other end of the connection, or what the proxy in front says it was.
    pub address: IpAddr,
    /// Whether it was encrypted.
    pub cover: Cover,
}

/// Whether somebody on the way could read a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    /// HTTPS, ended here or by a proxy in front.
    Encrypted,
    /// It never left this machine: a browser beside the server, in development and in the demo.
    Loopback,
    /// It came over a network as it is.
    Bare,
}

impl FromRequestParts<App> for Way {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        // Without a connection it is a test that calls the router.
        let peer = parts.extensions.get::<ConnectInfo<Peer>>().map(|info| info.0);
        Ok(came(peer, &parts.headers, app.behind_proxy))
    }
}

/// The same where there is no [`App`].
pub(crate) fn came(peer: Option<Peer>, headers: &HeaderMap, behind_proxy: bool) -> Way {
    let (address, encrypted) =
        peer.map_or((IpAddr::V4(Ipv4Addr::LOCALHOST), false), |peer| (peer.address.ip(), peer.encrypted));
    way(address, encrypted, headers, behind_proxy)
}

fn way(peer: IpAddr, encrypted: bool, headers: &HeaderMap, behind_proxy: bool) -> Way {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // Whoever says so without a proxy only has their own cookie kept safer.
    let encrypted = encrypted || text("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let host = text(header::HOST.as_str()).unwrap_or_default();
    let here = !behind_proxy && peer.to_canonical().is_loopback() && is_loopback(host);
    let cover = match (encrypted, here) {
        (true, _) => Cover::Encrypted,
        (false, true) => Cover::Loopback,
        (false, false) => Cover::Bare,
    };
    // The last one is what our proxy added itself; those before it are what it was told.
    let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).next_back();
    let forwarded = forwarded.and_then(|list| list.rsplit(',').next()).and_then(|last| last.trim().parse().ok());
    let address = forwarded.filter(|_| behind_proxy).unwrap_or(peer);
    Way { address, cover }
}

/// Whether a `Host` names this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(peer: &str, headers: &[(&'static str, &str)], behind_proxy: bool) -> (String, Cover) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let way = way(peer.parse().unwrap(), false, &map, behind_proxy);
        (way.address.to_string(), way.cover)
    }

    #[test]
    fn the_address_is_the_proxys_word_only_behind_a_proxy() {
        let forwarded = [("x-forwarded-for", "198.51.100.7, 192.0.2.1")];
        assert_eq!(came("203.0.113.9", &forwarded, false).0, "203.0.113.9");
        assert_eq!(came("203.0.113.9", &forwarded, true).0, "192.0.2.1", "what it was told before says nothing");
        let twice = [("x-forwarded-for", "198.51.100.7"), ("x-forwarded-for", "192.0.2.2")];
        assert_eq!(came("203.0.113.9", &twice, true).0, "192.0.2.2");
        assert_eq!(came("203.0.113.9", &[("x-forwarded-for", "unknown")], true).0, "203.0.113.9");
        assert_eq!(came("203.0.113.9", &[], true).0, "203.0.113.9");
    }

    #[test]
    fn only_a_browser_on_this_machine_is_spared_encryption() {
        for host in ["127.0.0.1:7300", "localhost:7300", "localhost", "[::1]:7300"] {
            assert_eq!(came("127.0.0.1", &[("host", host)], false).1, Cover::Loopback, "{host}");
        }
        assert_eq!(came("::1", &[("host", "[::1]:7300")], false).1, Cover::Loopback);
        for (peer, host) in [("192.0.2.1", "127.0.0.1"), ("127.0.0.1", "centre.example"), ("127.0.0.1", "")] {
            assert_eq!(came(peer, &[("host", host)], false).1, Cover::Bare, "{peer} {host}");
        }
        assert_eq!(came("127.0.0.1", &[("host", "localhost")], true).1, Cover::Bare, "a proxy that says nothing");
        let https = [("host", "centre.example"), ("x-forwarded-proto", "https")];
        assert_eq!(came("127.0.0.1", &https, true).1, Cover::Encrypted);
        for peer in ["192.0.2.1", "127.0.0.1"] {
            let over_tls = way(peer.parse().unwrap(), true, &HeaderMap::new(), false);
            assert_eq!(over_tls.cover, Cover::Encrypted, "TLS ended here, {peer}");
        }
    }
}
