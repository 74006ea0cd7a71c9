//! Times, amounts and problems in words. Times are shown as 北京时间, whatever the zone of the handheld.

use assets::messages::FluentValue;
use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc};
use shared::author::Author;
use shared::check;
use shared::ids::UserId;
use shared::validate::Problem;
use shared::workflow::{Limit, Step};

use super::components::Mark;
use super::words::Words;

/// 北京时间, as the offset that the whole country keeps.
fn beijing() -> FixedOffset {
    const EAST: Option<FixedOffset> = FixedOffset::east_opt(8 * 3600);
    EAST.unwrap_or_else(|| Utc.fix())
}

fn number(n: u32) -> FluentValue<'static> {
    FluentValue::from(f64::from(n))
}

/// The date where the user is.
pub fn today(now: DateTime<Utc>) -> NaiveDate {
    now.with_timezone(&beijing()).date_naive()
}

/// A date: 5月14日, with the year when it is another one.
pub fn date(words: &Words, date: NaiveDate, now: DateTime<Utc>) -> String {
    let year = FluentValue::from(date.year().to_string());
    let (month, day) = (date.month(), date.day());
    let month_name = words.t(&format!("app-month-{month}"));
    let key = if date.year() == today(now).year() { "app-date" } else { "app-date-year" };
    words.with(
        key,
        &[("year", year), ("month", number(month)), ("name", FluentValue::from(month_name)), ("day", number(day))],
    )
}

/// A date near today in a word: 今天, 明天, 周六, else the date.
pub fn near_date(words: &Words, day: NaiveDate, now: DateTime<Utc>) -> String {
    match (day - today(now)).num_days() {
        0 => words.t("app-today"),
        1 => words.t("app-tomorrow"),
        -1 => words.t("app-yesterday"),
        2..=6 => weekday(words, day),
        _ => date(words, day, now),
    }
}

/// A day on which something is due, with its light: 今天, 明天, 过了 3 天.
pub fn due_day(words: &Words, day: NaiveDate, now: DateTime<Utc>) -> (Mark, String) {
    let left = (day - today(now)).num_days();
    match usize::try_from(-left) {
        Ok(late) if late > 0 => (Mark::Red, words.n("app-due-late", late)),
        Ok(_) => (Mark::Yellow, words.t("app-due-today")),
        Err(_) => (Mark::Green, words.s("app-due-on", "day", &near_date(words, day, now))),
    }
}

/// 11月30日前
pub fn until_day(words: &Words, day: NaiveDate, now: DateTime<Utc>) -> String {
    words.s("app-until", "day", &near_date(words, day, now))
}

/// 星期四
pub fn weekday(words: &Words, day: NaiveDate) -> String {
    words.t(&format!("app-weekday-{}", day.weekday().num_days_from_monday()))
}

/// A time of day: 17:05.
pub fn clock(at: DateTime<Utc>) -> String {
    let local = at.with_timezone(&beijing());
    format!("{:02}:{:02}", local.hour(), local.minute())
}

/// A point in time: 今天 08:30, 昨天 17:05, 5月12日 16:20.
pub fn when(words: &Words, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let day = at.with_timezone(&beijing()).date_naive();
    let name = match (day - today(now)).num_days() {
        0 => words.t("app-today"),
        -1 => words.t("app-yesterday"),
        1 => words.t("app-tomorrow"),
        _ => date(words, day, now),
    };
    words.many("app-when", &[("day", &name), ("clock", &clock(at))])
}

/// How long ago: 刚刚, 5 分钟前, 2 小时前, 3 天前.
pub fn ago(words: &Words, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let passed = now - at;
    let count = |n: i64| usize::try_from(n).unwrap_or(0);
    if passed < TimeDelta::minutes(1) {
        words.t("time-now")
    } else if passed < TimeDelta::hours(1) {
        words.n("time-minutes-ago", count(passed.num_minutes()))
    } else if passed < TimeDelta::days(1) {
        words.n("time-hours-ago", count(passed.num_hours()))
    } else {
        words.n("time-days-ago", count(passed.num_days()))
    }
}

/// What is left of a limit or by how much it is over: 剩 5 小时, 超 1 天.
pub fn left(words: &Words, due: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let (span, over) = if due >= now { (due - now, false) } else { (now - due, true) };
    let count = |n: i64| usize::try_from(n).unwrap_or(0);
    let (unit, n) = if span < TimeDelta::hours(1) {
        ("minutes", count(span.num_minutes()))
    } else if span < TimeDelta::days(1) {
        ("hours", count(span.num_hours()))
    } else {
        ("days", count(span.num_days()))
    };
    words.n(&format!("time-{unit}-{}", if over { "over" } else { "left" }), n)
}

/// The end of a limit as a sentence: 今天 17:00 前办完.
pub fn due(words: &Words, due: DateTime<Utc>, now: DateTime<Utc>) -> String {
    words.s("app-due", "when", &when(words, due, now))
}

/// The end of a limit in a list: 限 11月28日; on the day itself and the next with the hour.
pub fn until(words: &Words, due: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let day = today(due);
    let near = matches!((day - today(now)).num_days(), 0 | 1);
    words.s("app-row-limit", "when", &if near { when(words, due, now) } else { date(words, day, now) })
}

/// A limit as given: 3 个工作日, 24 小时.
pub fn limit(words: &Words, limit: Limit) -> String {
    match limit {
        Limit::Hours(n) => words.n("limit-hours", n as usize),
        Limit::Days(n) => words.n("limit-days", n as usize),
    }
}

/// What a step is called.
pub fn step(words: &Words, step: Step) -> String {
    words.t(&format!("step-{}", code(&step)))
}

/// Who: 您, a name, or a role where the name is not told.
pub fn author(words: &Words, author: &Author, me: Option<UserId>) -> String {
    if me.is_some() && author.user == me {
        return words.t("app-you");
    }
    if author.name.is_empty() {
        return words.t(&format!("role-{}", author.role.code()));
    }
    author.name.clone()
}

/// What is wrong with a value, as one sentence.
pub fn problem(words: &Words, problem: &Problem) -> String {
    let args: Vec<(&str, FluentValue<'_>)> = problem
        .args
        .iter()
        .map(|(name, value)| match value.parse::<f64>() {
            Ok(number) if value.len() < 10 => (*name, FluentValue::from(number)),
            _ => (*name, FluentValue::from(value.clone())),
        })
        .collect();
    words.with(problem.code, &args)
}

/// What an 18-character number of an identity card says of its holder: 男，41 岁.
pub fn id_number_says(words: &Words, number: &str, now: DateTime<Utc>) -> Option<String> {
    let facts = check::id_facts(&check::normal(number))?;
    let years = check::age(facts.birth_date, today(now))?;
    let sex = words.t(&format!("app-sex-{}", facts.sex.code()));
    Some(words.many("app-sex-age", &[("sex", &sex), ("age", &words.n("age-years", years as usize))]))
}

/// Bytes as KB or MB.
pub fn bytes(words: &Words, bytes: u64) -> String {
    let kilobytes = bytes.div_ceil(1024);
    if kilobytes < 1024 {
        words.n("unit-kilobytes", usize::try_from(kilobytes).unwrap_or(usize::MAX))
    } else {
        // One decimal is as much as a person reads.
        let tenths = kilobytes * 10 / 1024;
        words.s("unit-megabytes", "n", &format!("{}.{}", tenths / 10, tenths % 10))
    }
}

/// Metres, whole.
pub fn metres(accuracy: f64) -> usize {
    // A receiver says at most some kilometres.
    accuracy.clamp(0.0, 1e6).round() as usize
}

/// What an input of type `datetime-local` begins with.
pub fn for_time_input(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .map(|at| at.with_timezone(&beijing()).format("%Y-%m-%dT%H:%M").to_string())
        .unwrap_or_default()
}

/// The milliseconds of what an input of type `datetime-local` holds.
pub fn from_time_input(text: &str) -> Option<i64> {
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S"))
        .ok()?;
    beijing().from_local_datetime(&local).single().map(|at| at.timestamp_millis())
}

/// The code name of a value whose JSON is a text: the last part of its message key.
pub fn code<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|code| code.as_str().map(str::to_owned)).unwrap_or_default()
}
