//! 月报: what was done in a span of months, by community and grid, beside the span before. No people are named and nobody is
//! ranked: figures of areas, each with the way to the events it counts.

mod sheet;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike as _, Months, NaiveDate, TimeDelta, Utc};
use shared::area::{AreaId, AreaLevel};
use shared::merge::PartState;
use shared::record::{Part, RecordKind};
use shared::view;
use shared::work::Work;
use shared::workflow::Stage;

use crate::store::{By, EventFilter, EventTally, PartFilter, Read, Span, StoreError};

pub use sheet::{Line, is_as_of_now, workbook};

/// What a report counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// Residents on record, as of now.
    Residents,
    /// Of these, recorded within the span.
    NewResidents,
    /// Residents with care on record, as of now; counted only for whoever may read it.
    Care,
    /// 走访
    Visits,
    /// 公共服务代办 taken on.
    Services,
    /// 公共服务代办 settled.
    ServicesSettled,
    /// Of these: help applied for, or work found.
    Helped,
    /// 矛盾纠纷 found.
    Disputes,
    /// 矛盾纠纷 settled, whenever found.
    DisputesSettled,
    /// Of the disputes found within the span: settled by its end.
    DisputesOfThese,
    /// 检查
    Inspections,
    /// 安全隐患 and 安全生产 found.
    Hazards,
    /// The same, put right.
    HazardsMended,
    /// 政策宣传
    Publicity,
    /// 巡防
    Patrols,
    /// 例会, 民情分析会
    Meetings,
    /// Events reported, of any category.
    Reported,
    /// Events closed, of any category.
    Closed,
}

impl Figure {
    /// Each of them, in the order of the report.
    pub const ALL: [Self; 18] = [
        Self::Residents,
        Self::NewResidents,
        Self::Care,
        Self::Visits,
        Self::Services,
        Self::ServicesSettled,
        Self::Helped,
        Self::Disputes,
        Self::DisputesSettled,
        Self::DisputesOfThese,
        Self::Inspections,
        Self::Hazards,
        Self::HazardsMended,
        Self::Publicity,
        Self::Patrols,
        Self::Meetings,
        Self::Reported,
        Self::Closed,
    ];

    /// The end of its message key.
    pub fn code(self) -> &'static str {
        match self {
            Self::Residents => "residents",
            Self::NewResidents => "new-residents",
            Self::Care => "care",
            Self::Visits => "visits",
            Self::Services => "services",
            Self::ServicesSettled => "services-settled",
            Self::Helped => "helped",
            Self::Disputes => "disputes",
            Self::DisputesSettled => "disputes-settled",
            Self::DisputesOfThese => "disputes-of-these",
            Self::Inspections => "inspections",
            Self::Hazards => "hazards",
            Self::HazardsMended => "hazards-mended",
            Self::Publicity => "publicity",
            Self::Patrols => "patrols",
            Self::Meetings => "meetings",
            Self::Reported => "reported",
            Self::Closed => "closed",
        }
    }

    /// The filter of the ledger of events that lists what it counts, the area and the days aside; none where it counts
    /// records of another kind.
    pub fn ledger(self) -> Option<&'static [(&'static str, &'static str)]> {
        Some(match self {
            Self::Residents | Self::NewResidents | Self::Care => return None,
            Self::Visits => &[("category", "visit")],
            Self::Services => &[("category", "public_service"), ("stage", "reported_any")],
            Self::ServicesSettled => &[("category", "public_service"), ("outcome", "settled"), ("by", "closed")],
            Self::Helped => &[
                ("category", "public_service"),
                ("service", "assistance,employment"),
                ("outcome", "settled"),
                ("by", "closed"),
            ],
            Self::Disputes => &[("category", "dispute"), ("stage", "reported_any")],
            Self::DisputesSettled => &[("category", "dispute"), ("outcome", "reconciled"), ("by", "closed")],
            Self::DisputesOfThese => &[("category", "dispute"), ("outcome", "reconciled")],
            Self::Inspections => &[("category", "inspection")],
            Self::Hazards => &[("category", "hazard,work_safety"), ("stage", "reported_any")],
            Self::HazardsMended => &[("category", "hazard,work_safety"), ("outcome", "settled"), ("by", "closed")],
            Self::Publicity => &[("category", "policy")],
            Self::Patrols => &[("category", "patrol")],
            Self::Meetings => &[("category", "meeting")],
            Self::Reported => &[("stage", "reported_any")],
            Self::Closed => &[("by", "closed")],
        })
    }
}

/// The 代办 by which somebody is helped to income support or work.
const HELPS: [&str; 2] = ["assistance", "employment"];
/// The categories of what is wrong and can be mended.
const HAZARDS: [&str; 2] = ["hazard", "work_safety"];

/// Figures of one area, or of several together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures(BTreeMap<Figure, u64>);

impl Figures {
    /// One of them.
    pub fn get(&self, figure: Figure) -> u64 {
        self.0.get(&figure).copied().unwrap_or(0)
    }

    fn add(&mut self, figure: Figure, count: u64) {
        *self.0.entry(figure).or_default() += count;
    }

    fn join(&mut self, other: &Self) {
        for (figure, count) in &other.0 {
            self.add(*figure, *count);
        }
    }

    /// Of the disputes found, those settled by the end, in tenths of a per cent.
    pub fn rate(&self) -> Option<u64> {
        (self.get(Figure::DisputesOfThese) * 1_000).checked_div(self.get(Figure::Disputes))
    }
}

/// Months, the first and the last of which belong to it. Days of Beijing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    first: NaiveDate,
    months: u32,
}

impl Period {
    /// From the month of one day to that of another; at most ten years.
    pub fn new(from: NaiveDate, to: NaiveDate) -> Option<Self> {
        let first = from.with_day(1)?;
        let months = (to.year() - from.year()).checked_mul(12)?.checked_add_unsigned(to.month())?;
        let months = u32::try_from(months.checked_sub_unsigned(from.month())?).ok()?.checked_add(1)?;
        (months <= 120).then_some(Self { first, months })
    }

    /// The month of a day.
    pub fn month_of(day: NaiveDate) -> Self {
        Self { first: day.with_day(1).unwrap_or(day), months: 1 }
    }

    /// As many months right before.
    pub fn before(self) -> Option<Self> {
        Some(Self { first: self.first.checked_sub_months(Months::new(self.months))?, ..self })
    }

    /// The first day.
    pub fn first(self) -> NaiveDate {
        self.first
    }

    /// The last day.
    pub fn last(self) -> NaiveDate {
        let next = self.first.checked_add_months(Months::new(self.months));
        next.and_then(|next| next.pred_opt()).unwrap_or(self.first)
    }

    /// From midnight to midnight, Beijing.
    pub fn span(self) -> Span {
        let midnight = |day: NaiveDate| day.and_time(chrono::NaiveTime::MIN).and_utc() - TimeDelta::hours(8);
        (midnight(self.first), midnight(self.last().succ_opt().unwrap_or(self.first)))
    }
}

/// What whoever asks may count.
#[derive(Debug, Clone)]
pub struct Sight {
    /// The events they read by their scope.
    pub events: EventFilter,
    /// The areas of their scope.
    pub areas: BTreeSet<AreaId>,
    /// Whether they may read restricted parts.
    pub cleared: bool,
}

/// A report of one period by the areas records lie in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// By the area a record lies in (the first one while 待核对).
    pub by_area: BTreeMap<AreaId, Figures>,
}

impl Counted {
    /// Of all areas in `among`.
    pub fn of(&self, among: impl Fn(AreaId) -> bool) -> Figures {
        let mut sum = Figures::default();
        for (_, figures) in self.by_area.iter().filter(|(area, _)| among(**area)) {
            sum.join(figures);
        }
        sum
    }
}

/// Counts a period; `of_now`: with the figures that are of this moment whatever the period. A tenth of a second at 72,000
/// residents and 100,000 events.
pub fn count(read: &dyn Read, sight: &Sight, period: Period, of_now: bool) -> Result<Counted, StoreError> {
    let span = period.span();
    let mut counted = Counted::default();
    let mut add = |areas: &[AreaId], figure: Figure, count: u64| {
        if let Some(area) = areas.iter().find(|area| sight.areas.contains(area)) {
            counted.by_area.entry(*area).or_default().add(figure, count);
        }
    };
    let at = EventFilter { at: Some(span), ..sight.events.clone() };
    for EventTally { areas, by, count } in read.tally_events(&at, &[By::Category, By::Service, By::Stage])? {
        let [category, _, stage] = by.as_slice() else { continue };
        let reported = !stage.is_empty();
        if reported {
            add(&areas, Figure::Reported, count);
        }
        match (category.as_str(), reported) {
            ("public_service", true) => add(&areas, Figure::Services, count),
            ("dispute", true) => add(&areas, Figure::Disputes, count),
            (category, true) if HAZARDS.contains(&category) => add(&areas, Figure::Hazards, count),
            ("policy", _) => add(&areas, Figure::Publicity, count),
            (category, _) => match Work::from_code(category) {
                Some(Work::Visit) => add(&areas, Figure::Visits, count),
                Some(Work::Inspection) => add(&areas, Figure::Inspections, count),
                Some(Work::Patrol) => add(&areas, Figure::Patrols, count),
                Some(Work::Meeting) => add(&areas, Figure::Meetings, count),
                Some(Work::Campaign) | None => {}
            },
        }
    }
    let closed = EventFilter { closed: Some(span), ..sight.events.clone() };
    for EventTally { areas, by, count } in read.tally_events(&closed, &[By::Category, By::Service, By::Outcome])? {
        let [category, service, outcome] = by.as_slice() else { continue };
        add(&areas, Figure::Closed, count);
        match (category.as_str(), outcome.as_str()) {
            ("public_service", "settled") => {
                add(&areas, Figure::ServicesSettled, count);
                if HELPS.contains(&service.as_str()) {
                    add(&areas, Figure::Helped, count);
                }
            }
            ("dispute", "reconciled") => add(&areas, Figure::DisputesSettled, count),
            (category, "settled") if HAZARDS.contains(&category) => add(&areas, Figure::HazardsMended, count),
            _ => {}
        }
    }
    let these = EventFilter {
        categories: vec!["dispute".to_owned()],
        stages: vec![Stage::Closed, Stage::Archived],
        outcome: Some("reconciled".to_owned()),
        closed: Some((DateTime::<Utc>::UNIX_EPOCH, span.1)),
        ..at
    };
    for EventTally { areas, count, .. } in read.tally_events(&these, &[])? {
        add(&areas, Figure::DisputesOfThese, count);
    }
    let people = Some(RecordKind::Person);
    for tally in read.tally_parts(people, Some(span))? {
        add(&tally.areas, Figure::NewResidents, tally.count);
    }
    if !of_now {
        return Ok(counted);
    }
    for tally in read.tally_parts(people, None)? {
        add(&tally.areas, Figure::Residents, tally.count);
    }
    if sight.cleared {
        let filter = PartFilter { part: Part::Restricted, kind: Some(RecordKind::Person), ..PartFilter::default() };
        read.each_part(&filter, &mut |part| {
            let state: Option<PartState> = serde_json::from_str(&part.state).ok();
            if !part.deleted && state.is_some_and(|state| !view::many(&state, "care_services").is_empty()) {
                add(&part.areas, Figure::Care, 1);
            }
            Ok(true)
        })?;
    }
    Ok(counted)
}

/// The communities of a scope with their grids, in the order of the tree; what lies in no grid stands with its community.
pub fn areas(tree: &shared::area::AreaTree, scope: &BTreeSet<AreaId>) -> Vec<(AreaId, Vec<AreaId>)> {
    let level = |level| tree.iter().filter(move |area| area.level == level && scope.contains(&area.id));
    let mut communities: Vec<(AreaId, Vec<AreaId>)> =
        level(AreaLevel::Community).map(|area| (area.id, Vec::new())).collect();
    for grid in level(AreaLevel::Grid) {
        let above = tree.ancestors(grid.id).into_iter().find(|id| communities.iter().any(|(known, _)| known == id));
        match above.and_then(|above| communities.iter_mut().find(|(known, _)| *known == above)) {
            Some((_, grids)) => grids.push(grid.id),
            None => communities.push((grid.id, Vec::new())),
        }
    }
    communities
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_period_is_whole_months_and_the_one_before_is_as_long() {
        let period = Period::new(day("2026-01-15"), day("2026-03-02")).unwrap();
        assert_eq!((period.first(), period.last()), (day("2026-01-01"), day("2026-03-31")));
        let before = period.before().unwrap();
        assert_eq!((before.first(), before.last()), (day("2025-10-01"), day("2025-12-31")));
        assert_eq!(before.span().1, period.span().0);
        assert_eq!(period.span().0.to_rfc3339(), "2025-12-31T16:00:00+00:00");
        assert!(Period::new(day("2026-03-01"), day("2026-01-01")).is_none());
        assert!(Period::new(day("1926-03-01"), day("2026-01-01")).is_none());
    }
}
