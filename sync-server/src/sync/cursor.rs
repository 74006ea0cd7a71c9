//! The cursor: what a handheld has seen, opaque to it, signed, bound to device, epoch and rights.
//!
//! Binary rather than JSON: an idle round is little else (46 characters against about 170). Of other towns that a scope lies
//! in an entry each is added; who works in one town has none.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use shared::area::AreaId;
use shared::ids::DeviceId;

use crate::auth::Who;

/// The first byte of every cursor.
const VERSION: u8 = 1;
/// The same of one that tells of other towns too.
const SEVERAL: u8 = 2;
/// Bytes of HMAC-SHA256 kept (RFC 2104 section 5 allows half).
const MAC: usize = 16;

/// To whom, and to which rights, a cursor belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    device: [u8; 4],
    rights: [u8; 4],
    epoch: u32,
}

/// How far a handheld has got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    /// Last number seen of the open feed.
    pub open: u64,
    /// Last number seen of the restricted feed.
    pub restricted: u64,
    /// Last decision on a quarantined edit seen.
    pub decided: u64,
    /// The same of other towns: open, restricted.
    pub elsewhere: BTreeMap<AreaId, (u64, u64)>,
}

/// What a cursor that came says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// It is good.
    Good(Position),
    /// Made by this server, but for another device, epoch, scope or clearance: fill anew.
    Outdated {
        /// The epoch it was made in.
        epoch: u32,
        /// What it says.
        position: Position,
    },
    /// Not made by this server, or changed on the way.
    Forged,
}

impl Binding {
    /// Of a device of `who` in `epoch`.
    pub fn of(device: DeviceId, who: &Who, epoch: u32) -> Self {
        let mut rights = Sha256::new();
        rights.update(who.user.id.0.as_bytes());
        rights.update(who.user.role.code().as_bytes());
        rights.update([u8::from(who.user.cleared)]);
        for area in who.scope.iter() {
            rights.update(area.0.to_le_bytes());
        }
        Self { device: first4(&Sha256::digest(device.0.as_bytes())), rights: first4(&rights.finalize()), epoch }
    }
}

fn first4(bytes: &[u8]) -> [u8; 4] {
    bytes.first_chunk().copied().unwrap_or_default()
}

/// The text of a cursor.
pub fn write(key: &[u8; 32], binding: &Binding, position: &Position) -> String {
    let mut bytes = vec![if position.elsewhere.is_empty() { VERSION } else { SEVERAL }];
    bytes.extend(binding.device);
    bytes.extend(binding.rights);
    for n in [u64::from(binding.epoch), position.open, position.restricted, position.decided] {
        varint(&mut bytes, n);
    }
    for (town, (open, restricted)) in &position.elsewhere {
        for n in [u64::from(town.0), *open, *restricted] {
            varint(&mut bytes, n);
        }
    }
    let mac = sign(key, &bytes);
    bytes.extend(mac);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What the text of a cursor says for `binding`.
pub fn read(key: &[u8; 32], binding: &Binding, text: &str) -> Read {
    parse(key, binding, text).unwrap_or(Read::Forged)
}

fn parse(key: &[u8; 32], binding: &Binding, text: &str) -> Option<Read> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (payload, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC)?)?;
    let mut signed = Hmac::<Sha256>::new_from_slice(key).ok()?;
    signed.update(payload);
    signed.verify_truncated_left(mac).ok()?;
    let (version, payload) = payload.split_first()?;
    if ![VERSION, SEVERAL].contains(version) {
        return None;
    }
    let (device, payload) = payload.split_first_chunk::<4>()?;
    let (rights, payload) = payload.split_first_chunk::<4>()?;
    let mut rest = payload;
    let epoch = u32::try_from(unvarint(&mut rest)?).ok()?;
    let (open, restricted, decided) = (unvarint(&mut rest)?, unvarint(&mut rest)?, unvarint(&mut rest)?);
    let mut elsewhere = BTreeMap::new();
    while !rest.is_empty() {
        let town = AreaId(u32::try_from(unvarint(&mut rest)?).ok()?);
        elsewhere.insert(town, (unvarint(&mut rest)?, unvarint(&mut rest)?));
    }
    let position = Position { open, restricted, decided, elsewhere };
    let same = Binding { device: *device, rights: *rights, epoch } == *binding;
    Some(if same { Read::Good(position) } else { Read::Outdated { epoch, position } })
}

fn sign(key: &[u8; 32], payload: &[u8]) -> Vec<u8> {
    // HMAC takes a key of any length, so this does not fail; a cursor without its signature would be refused anyway.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(payload);
    mac.finalize().into_bytes().into_iter().take(MAC).collect()
}

fn varint(bytes: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        bytes.push(0x80 | u8::try_from(n & 0x7f).unwrap_or(0));
        n >>= 7;
    }
    bytes.push(u8::try_from(n).unwrap_or(0));
}

fn unvarint(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_known_again_and_a_changed_one_is_not() {
        let key = [7; 32];
        let binding = Binding { device: [1; 4], rights: [2; 4], epoch: 3 };
        let position = Position { open: 72_000, decided: u64::MAX, ..Position::default() };
        let text = write(&key, &binding, &position);
        assert_eq!(read(&key, &binding, &text), Read::Good(position.clone()));
        assert_eq!(read(&[8; 32], &binding, &text), Read::Forged);
        for other in [
            Binding { device: [9; 4], ..binding },
            Binding { rights: [9; 4], ..binding },
            Binding { epoch: 4, ..binding },
        ] {
            assert_eq!(read(&key, &other, &text), Read::Outdated { epoch: 3, position: position.clone() });
        }
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(read(&key, &binding, &changed), Read::Forged, "changed at {place}");
        }
        assert_eq!(read(&key, &binding, ""), Read::Forged);
        let fresh = write(&key, &binding, &Position { open: 72_000, ..Position::default() });
        assert!(fresh.len() <= 48, "{} characters", fresh.len());
        let elsewhere = [(AreaId(9), (7, 0)), (AreaId(70_000), (u64::MAX, 3))].into_iter().collect();
        let county = Position { elsewhere, ..position };
        assert_eq!(read(&key, &binding, &write(&key, &binding, &county)), Read::Good(county));
    }
}
