//! Working days of the town: Monday to Friday, but for the holidays and worked weekends of `assets/calendar.toml`.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, FixedOffset, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use serde::{Deserialize, Serialize};

use crate::mask::in_beijing;
use crate::workflow::{Limit, MAX_DAYS};

/// Working days and the hour at which they end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    holidays: BTreeSet<NaiveDate>,
    worked: BTreeSet<NaiveDate>,
    closes: NaiveTime,
    limits: Limits,
}

/// The time limits that are offered, by urgency; who dispatches may set others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// 紧急: hours, around the clock.
    pub urgent_hours: u32,
    /// 一般: working days.
    pub ordinary_days: u32,
    /// 疑难: working days.
    pub difficult_days: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { urgent_hours: 24, ordinary_days: 3, difficult_days: 7 }
    }
}

impl Limits {
    /// The limit of an urgency (the form's code).
    pub fn of(self, urgency: Option<&str>) -> Limit {
        match urgency {
            Some("urgent") => Limit::Hours(self.urgent_hours),
            Some("difficult") => Limit::Days(self.difficult_days),
            _ => Limit::Days(self.ordinary_days),
        }
    }

    /// Whether each is one that somebody may set.
    fn fit(self) -> bool {
        let days = 1..=MAX_DAYS;
        (1..=MAX_DAYS * 24).contains(&self.urgent_hours)
            && days.contains(&self.ordinary_days)
            && days.contains(&self.difficult_days)
    }
}

/// Why a file is no calendar.
#[derive(Debug, thiserror::Error)]
pub enum BadCalendar {
    /// Not TOML of the right shape.
    #[error("the calendar cannot be read: {0}")]
    Toml(#[from] toml::de::Error),
    /// A limit of nothing, or beyond [`MAX_DAYS`].
    #[error("a limit is at least an hour or a day, and at most {MAX_DAYS} working days")]
    Limits,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    closes: NaiveTime,
    holidays: Vec<NaiveDate>,
    worked: Vec<NaiveDate>,
    #[serde(default)]
    limits: Limits,
}

impl Default for Calendar {
    /// Monday to Friday until 18:00, no holidays.
    fn default() -> Self {
        let closes = NaiveTime::from_hms_opt(18, 0, 0).unwrap_or_default();
        Self { holidays: BTreeSet::new(), worked: BTreeSet::new(), closes, limits: Limits::default() }
    }
}

impl Calendar {
    /// Reads a calendar file; see `assets::CALENDAR`.
    pub fn parse(text: &str) -> Result<Self, BadCalendar> {
        let file: File = toml::from_str(text)?;
        Self::new(file.closes, file.holidays, file.worked, file.limits)
    }

    /// A calendar, if its limits can be set.
    pub fn new(
        closes: NaiveTime,
        holidays: impl IntoIterator<Item = NaiveDate>,
        worked: impl IntoIterator<Item = NaiveDate>,
        limits: Limits,
    ) -> Result<Self, BadCalendar> {
        if !limits.fit() {
            return Err(BadCalendar::Limits);
        }
        Ok(Self { holidays: holidays.into_iter().collect(), worked: worked.into_iter().collect(), closes, limits })
    }

    /// The calendar as a file, which [`Self::parse`] reads.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(&File {
            closes: self.closes,
            holidays: self.holidays().collect(),
            worked: self.worked().collect(),
            limits: self.limits,
        })
    }

    /// Days without work that would be worked, in order.
    pub fn holidays(&self) -> impl Iterator<Item = NaiveDate> + '_ {
        self.holidays.iter().copied()
    }

    /// Worked weekends, in order.
    pub fn worked(&self) -> impl Iterator<Item = NaiveDate> + '_ {
        self.worked.iter().copied()
    }

    /// When a working day ends.
    pub fn closes(&self) -> NaiveTime {
        self.closes
    }

    /// The limits that are offered.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether people work on `day`.
    pub fn is_working_day(&self, day: NaiveDate) -> bool {
        let weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        self.worked.contains(&day) || (!weekend && !self.holidays.contains(&day))
    }

    /// When `limit` is over that began at `from`: hours run around the clock, a limit of n days ends with the n-th
    /// working day after the day it began (the day itself is not counted), both in 北京时间.
    pub fn due(&self, from: DateTime<Utc>, limit: Limit) -> DateTime<Utc> {
        match limit {
            Limit::Hours(hours) => from.checked_add_signed(TimeDelta::hours(i64::from(hours))).unwrap_or(from),
            Limit::Days(days) => self.after_days(from, days),
        }
    }

    fn after_days(&self, from: DateTime<Utc>, days: u32) -> DateTime<Utc> {
        let (Some(zone), Some(start)) = (FixedOffset::east_opt(8 * 3600), in_beijing(from)) else { return from };
        let mut day = start.date();
        // A limit has 15 days at most; a forged one of four billion must not keep us here.
        let mut left = days.min(1_000);
        while left > 0 {
            let Some(next) = day.checked_add_days(Days::new(1)) else { return from };
            day = next;
            if self.is_working_day(day) {
                left -= 1;
            }
        }
        zone.from_local_datetime(&day.and_time(self.closes)).single().map_or(from, |time| time.with_timezone(&Utc))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beijing(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(&format!("{text}:00+08:00")).unwrap().with_timezone(&Utc)
    }

    #[test]
    fn limits_skip_weekends_and_holidays() {
        let calendar = Calendar::parse(assets::CALENDAR).unwrap();
        let due = |from: &str, limit| calendar.due(beijing(from), limit);
        // Monday morning and three working days.
        assert_eq!(due("2026-11-23T09:00", Limit::Days(3)), beijing("2026-11-26T18:00"));
        // Friday: the weekend does not count.
        assert_eq!(due("2026-11-20T17:00", Limit::Days(1)), beijing("2026-11-23T18:00"));
        // Late on 30 September: seven days of holiday, and a worked Saturday that counts.
        assert_eq!(due("2026-09-30T23:30", Limit::Days(3)), beijing("2026-10-10T18:00"));
        // Hours do not ask for the calendar.
        assert_eq!(due("2026-10-01T12:00", Limit::Hours(24)), beijing("2026-10-02T12:00"));
    }

    #[test]
    fn a_calendar_is_the_same_after_it_was_written_and_limits_have_bounds() {
        let ours = Calendar::parse(assets::CALENDAR).unwrap();
        assert_eq!(Calendar::parse(&ours.to_toml().unwrap()).unwrap(), ours);
        assert_eq!(ours.limits().of(Some("urgent")), Limit::Hours(24));
        let days = |ordinary_days| Limits { ordinary_days, ..Limits::default() };
        for wrong in [0, 16] {
            assert!(Calendar::new(ours.closes(), [], [], days(wrong)).is_err());
        }
        let own = Calendar::new(ours.closes(), [], [], days(5)).unwrap();
        assert_eq!(own.limits().of(None), Limit::Days(5));
    }

    #[test]
    fn forged_limits_end() {
        let calendar = Calendar::default();
        assert!(calendar.due(beijing("2026-11-23T09:00"), Limit::Days(u32::MAX)) > beijing("2026-11-23T09:00"));
        let last = DateTime::<Utc>::MAX_UTC;
        assert_eq!(calendar.due(last, Limit::Hours(u32::MAX)), last);
        assert_eq!(calendar.due(last, Limit::Days(3)), last);
    }
}
