//! Working days of the town: Monday to Friday, but for the holidays and worked weekends of `assets/calendar.toml`.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, FixedOffset, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use serde::Deserialize;

use crate::mask::in_beijing;
use crate::workflow::Limit;

/// Working days and the hour at which they end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    holidays: BTreeSet<NaiveDate>,
    worked: BTreeSet<NaiveDate>,
    closes: NaiveTime,
}

/// Why a file is no calendar.
#[derive(Debug, thiserror::Error)]
pub enum BadCalendar {
    /// Not TOML of the right shape.
    #[error("the calendar cannot be read: {0}")]
    Toml(#[from] toml::de::Error),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    holidays: Vec<NaiveDate>,
    worked: Vec<NaiveDate>,
    closes: NaiveTime,
}

impl Default for Calendar {
    /// Monday to Friday until 18:00, no holidays.
    fn default() -> Self {
        let closes = NaiveTime::from_hms_opt(18, 0, 0).unwrap_or_default();
        Self { holidays: BTreeSet::new(), worked: BTreeSet::new(), closes }
    }
}

impl Calendar {
    /// Reads a calendar file; see `assets::CALENDAR`.
    pub fn parse(text: &str) -> Result<Self, BadCalendar> {
        let file: File = toml::from_str(text)?;
        Ok(Self {
            holidays: file.holidays.into_iter().collect(),
            worked: file.worked.into_iter().collect(),
            closes: file.closes,
        })
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
    fn forged_limits_end() {
        let calendar = Calendar::default();
        assert!(calendar.due(beijing("2026-11-23T09:00"), Limit::Days(u32::MAX)) > beijing("2026-11-23T09:00"));
        let last = DateTime::<Utc>::MAX_UTC;
        assert_eq!(calendar.due(last, Limit::Hours(u32::MAX)), last);
        assert_eq!(calendar.due(last, Limit::Days(3)), last);
    }
}
