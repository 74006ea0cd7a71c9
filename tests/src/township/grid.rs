//! One grid: its compound or village, dwellings, residents, shops and objects. Its events stand in [`super::events`].

use chrono::{DateTime, Datelike, Duration, Utc};
use serde_json::json;
use shared::area::AreaId;
use shared::author::Role;
use shared::edit::Edit;
use shared::form::Position;
use shared::ids::RecordId;
use shared::record::{Part, RecordKind};
use shared::vector::VectorTimestamp;

use super::dice::Dice;
use super::household::{self, Resident};
use super::people::Account;
use super::writer::{By, Writer, Writes};
use super::{Township, names, numbers, outline};

/// A grid while it is made.
pub struct Making<'a> {
    pub(super) township: &'a Township,
    pub(super) grid: AreaId,
    pub(super) at: usize,
    pub(super) dice: Dice,
    pub(super) writer: &'a mut Writer,
    /// What was there from the start.
    edits: Vec<Edit>,
    /// What members changed since, none of it waiting for another.
    changes: Vec<Edit>,
    /// The two members of the grid, their leader.
    pub(super) members: [&'a Account; 2],
    pub(super) leader: &'a Account,
    /// Places that events can name: id and name.
    pub(super) places: Vec<(RecordId, String)>,
}

impl<'a> Making<'a> {
    /// The grid `grid`, the `at`-th of the town.
    pub fn new(
        township: &'a Township,
        grid: AreaId,
        at: usize,
        dice: Dice,
        writer: &'a mut Writer,
    ) -> anyhow::Result<Self> {
        let mut members = township.accounts_of(Role::GridMember, grid);
        let community = AreaId(grid.0 / 100 * 100);
        let leader = township.accounts_of(Role::GridLeader, community).next();
        let (Some(a), Some(b), Some(leader)) = (members.next(), members.next(), leader) else {
            anyhow::bail!("the grid {grid} has no two members and a leader");
        };
        drop(members);
        let (edits, changes, places) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { township, grid, at, dice, writer, edits, changes, members: [a, b], leader, places })
    }

    /// Everything recorded there.
    pub fn make(mut self, residents: usize, shops: usize) -> Vec<Vec<Edit>> {
        // Communities live in compounds, villages in courtyards.
        let in_town = self.township.area_name(AreaId(self.grid.0 / 100 * 100)).ends_with("社区");
        if in_town {
            self.compound(residents);
        } else {
            self.village(residents);
        }
        self.shops(shops);
        self.objects();
        let mut waves = vec![std::mem::take(&mut self.edits), std::mem::take(&mut self.changes)];
        waves.extend(super::events::make(&mut self));
        waves
    }

    pub(super) fn save(&mut self, by: By<'_>, kind: RecordKind, writes: Writes) -> RecordId {
        let record = RecordId(self.dice.uuid(by.at));
        let edit = self.writer.save(&mut self.dice, by, record, kind, Part::Open, VectorTimestamp::new(), writes);
        self.edits.push(edit);
        record
    }

    /// The first edits were made about two years ago, over a few months.
    fn recorded(&mut self) -> By<'a> {
        let at = self.township.days_ago(self.dice.between(120, 700)) + self.working_hours();
        let account = self.some_member();
        By { account, at, slot: self.township.census }
    }

    fn some_member(&mut self) -> &'a Account {
        let [a, b] = self.members;
        if self.dice.chance(50) { b } else { a }
    }

    pub(super) fn working_hours(&mut self) -> Duration {
        // 00:30 to 10:00 UTC is 08:30 to 18:00 in the township.
        Duration::minutes(i64::from(self.dice.between(30, 600)))
    }

    pub(super) fn position(&mut self, at: DateTime<Utc>) -> Position {
        let [west, south] = outline::corner(self.at);
        let mut off = || i32::try_from(self.dice.below(1000)).unwrap_or_default() * (outline::WITHIN / 1000);
        let (lat, lon) = (south + off(), west + off());
        let degrees = |micro: i32| f64::from(micro) / 1e6;
        let accuracy = f64::from(self.dice.between(4, 20));
        Position { lat: degrees(lat), lon: degrees(lon), accuracy, at: at.timestamp_millis() }
    }

    fn compound(&mut self, residents: usize) {
        let name = names::compound(&mut self.dice);
        let by = self.recorded();
        let position = self.position(by.at);
        let writes = Writes::in_area(self.grid)
            .set("name", &name)
            .set("type", "compound")
            .set("position", &position)
            .set("management", if self.dice.chance(70) { "company" } else { "none" })
            .with("safety", "camera", &true);
        let compound = self.save(by, RecordKind::Place, writes);
        self.places.push((compound, name.clone()));
        let (mut left, mut household) = (residents, 0_usize);
        let mut building = compound;
        while left > 0 {
            // 4 floors × 3 dwellings × 2 stairwells a building.
            let (b, within) = (household / 24 + 1, household % 24);
            if within == 0 {
                let by = self.recorded();
                let position = self.position(by.at);
                let writes = Writes::in_area(self.grid)
                    .set("name", &format!("{name} {b} 号楼"))
                    .set("type", "building")
                    .set("parent", &compound)
                    .set("position", &position);
                building = self.save(by, RecordKind::Place, writes);
                self.places.push((building, format!("{name} {b} 号楼")));
            }
            let (unit, floor, door) = (within / 12 + 1, within % 12 / 3 + 1, within % 3 + 1);
            let address = format!("{name} {b} 号楼 {unit} 单元 {floor}0{door}");
            left = left.saturating_sub(self.dwelling(&address, "dwelling", Some(building), left));
            household += 1;
        }
    }

    fn village(&mut self, residents: usize) {
        let village = self.township.area_name(AreaId(self.grid.0 / 100 * 100)).to_owned();
        let group = names::numeral(self.at % 9 + 1);
        let (mut left, mut household) = (residents, 0_usize);
        while left > 0 {
            household += 1;
            let address = format!("{village}{group}组 {household} 号");
            left = left.saturating_sub(self.dwelling(&address, "courtyard", None, left));
        }
        let by = self.recorded();
        let name = format!("{village}{group}组文化广场");
        let position = self.position(by.at);
        let writes = Writes::in_area(self.grid).set("name", &name).set("type", "public").set("position", &position);
        let square = self.save(by, RecordKind::Place, writes);
        self.places.push((square, name));
    }

    /// A dwelling with a household of at most `most`; says how many moved in.
    fn dwelling(&mut self, address: &str, kind: &str, parent: Option<RecordId>, most: usize) -> usize {
        let by = self.recorded();
        let vacant = self.dice.chance(3);
        let mut writes = Writes::in_area(self.grid)
            .set("name", address)
            .set("type", kind)
            .set("address", address)
            .maybe("parent", parent)
            .set(
                "use",
                if vacant {
                    "vacant"
                } else if self.dice.chance(12) {
                    "let"
                } else {
                    "own"
                },
            );
        if parent.is_none() {
            let position = self.position(by.at);
            writes = writes.set("position", &position);
        }
        let place = self.save(by, RecordKind::Place, writes);
        if vacant {
            return 0;
        }
        let household = household::make(self.township, &mut self.dice, most);
        let mut head = None;
        for resident in &household {
            let record = self.resident(by, resident, address, place, head);
            head.get_or_insert(record);
        }
        household.len()
    }

    fn resident(
        &mut self,
        by: By<'a>,
        resident: &Resident,
        address: &str,
        place: RecordId,
        head: Option<RecordId>,
    ) -> RecordId {
        let status = match self.dice.below(20) {
            0..=1 => "moved_in",
            2 => "away",
            3 => "registered_elsewhere",
            _ => "resident",
        };
        let works = (20..60).contains(&resident.age) && self.dice.chance(30);
        let employer = works.then(|| json!({ "text": names::shop(&mut self.dice).0 }));
        let writes = Writes::in_area(self.grid)
            .set("name", &resident.name)
            .set("id_type", "resident_id")
            .set("id_number", &resident.id_number)
            .maybe("phone", resident.phone.as_deref())
            .maybe("employer", employer)
            .set("address", address)
            .set("lives_at", &place)
            .set("residence_status", status)
            .maybe("householder", head)
            .set("relation", resident.relation);
        let record = self.save(by, RecordKind::Person, writes);
        let seen: VectorTimestamp = self.edits.last().map(|edit| edit.dot).into_iter().collect();
        if resident.age > 66 && self.dice.chance(42) {
            self.care(by, record);
            self.visits(record);
        }
        let chance = self.dice.below(1000);
        if resident.phone.is_some() && chance < 4 {
            self.two_phones(record, &seen);
        } else if resident.phone.is_some() && chance < 60 {
            let at = self.township.days_ago(self.dice.between(1, 110)) + self.working_hours();
            let account = self.some_member();
            let writes = Writes::default().set("phone", &numbers::phone(&mut self.dice));
            let by = By { account, at, slot: account.slot };
            let edit = self.writer.save(&mut self.dice, by, record, RecordKind::Person, Part::Open, seen, writes);
            self.changes.push(edit);
        }
        record
    }

    /// Both members typed another number, neither having seen the other's: 待核对.
    fn two_phones(&mut self, record: RecordId, seen: &VectorTimestamp) {
        let day = self.township.days_ago(self.dice.between(1, 20));
        for account in self.members {
            let at = day + self.working_hours();
            let writes = Writes::default().set("phone", &numbers::phone(&mut self.dice));
            let by = By { account, at, slot: account.slot };
            let edit =
                self.writer.save(&mut self.dice, by, record, RecordKind::Person, Part::Open, seen.clone(), writes);
            self.changes.push(edit);
        }
    }

    /// What is done for somebody, for how long: restricted.
    fn care(&mut self, by: By<'a>, record: RecordId) {
        let service = self.dice.word(&["visit", "meals", "clinic", "errand"]).to_owned();
        let reason = self.dice.word(&["独居", "子女在外", "行动不便，家中无人做饭", "夫妻都年过七十"]).to_owned();
        let until = (self.township.today + Duration::days(i64::from(self.dice.between(30, 330)))).date_naive();
        let writes = Writes::default()
            .with("care_services", "visit", &true)
            .with("care_services", &service, &true)
            .set("care_reason", &reason)
            .set("care_until", &until)
            .set("care_every_days", &self.dice.between(1, 6).saturating_mul(15));
        // The member who is cleared for it.
        let by = By { account: self.members[0], at: by.at + Duration::days(3), slot: by.slot };
        let none = VectorTimestamp::new();
        let edit = self.writer.save(&mut self.dice, by, record, RecordKind::Person, Part::Restricted, none, writes);
        self.edits.push(edit);
    }

    /// Most of those in care were visited of late; by dice of their own, so that everybody else stays who they are.
    fn visits(&mut self, person: RecordId) {
        let mut dice = Dice::new(u64::from_be_bytes(person.0.as_bytes()[8..].try_into().unwrap_or_default()));
        if dice.chance(12) {
            return;
        }
        const FOUND: [&str; 5] = [
            "煤够用，门窗都好。",
            "灯泡坏了，已换。",
            "想办老年证，材料缺照片。",
            "水管冻过一次，已包好。",
            "都好，没有要办的。",
        ];
        let at = self.township.days_ago(dice.between(1, 26)) + Duration::minutes(i64::from(dice.between(30, 600)));
        let account = self.members[0];
        let day = (at + Duration::hours(8)).date_naive();
        let next = dice.chance(60).then(|| day + Duration::days(i64::from(dice.between(2, 5)) * 7));
        let writes = Writes::in_area(self.grid)
            .set("category", "visit")
            .set("title", &format!("走访 {}月{}日", day.month(), day.day()))
            .set("happened_at", &at.timestamp_millis())
            .set("subject", &person)
            .set("found", dice.word(&FOUND))
            .maybe("next_visit", next);
        let by = By { account, at: at.min(self.township.today), slot: account.slot };
        let record = RecordId(dice.uuid(by.at));
        let none = VectorTimestamp::new();
        let edit = self.writer.save(&mut dice, by, record, RecordKind::Event, Part::Open, none, writes);
        self.changes.push(edit);
    }

    fn shops(&mut self, n: usize) {
        for _ in 0..n {
            let by = self.recorded();
            let (name, kind) = names::shop(&mut self.dice);
            let place = self.some_place().map_or(String::new(), |(_, name)| name);
            let woman = self.dice.chance(50);
            let head = json!({ "text": names::person(&mut self.dice, woman) });
            let position = self.position(by.at);
            let checked = self.township.days_ago(self.dice.between(5, 200)).date_naive();
            let writes = Writes::in_area(self.grid)
                .set("name", &name)
                .set("type", kind)
                .set("credit_code", &numbers::credit_code(&mut self.dice))
                .set("head", &head)
                .set("phone", &numbers::phone(&mut self.dice))
                .set("address", &format!("{place}临街 {} 号", self.dice.between(1, 40)))
                .set("position", &position)
                .set("staff_count", &self.dice.between(1, 9))
                .with("fire_equipment", "extinguisher", &true)
                .set("safe_unit", &self.dice.chance(60))
                .set("last_checked", &checked);
            self.save(by, RecordKind::Organization, writes);
        }
    }

    fn objects(&mut self) {
        const OBJECTS: [(&str, &str); 4] =
            [("hydrant", "消防栓"), ("camera", "监控"), ("street_lamp", "路灯"), ("notice_board", "公示牌")];
        for (n, (kind, name)) in OBJECTS.iter().cycle().take(self.township.size.objects).enumerate() {
            // Half of them are hydrants.
            let (kind, name) = if n % 2 == 0 { OBJECTS[0] } else { (*kind, *name) };
            let by = self.recorded();
            let position = self.position(by.at);
            let place = self.some_place();
            let condition = if self.dice.chance(85) { "good" } else { "damaged" };
            let checked = self.township.days_ago(self.dice.between(2, 90)).date_naive();
            let writes = Writes::in_area(self.grid)
                .set("name", &format!("{name} {}", n + 1))
                .set("type", kind)
                .set("number", &format!("QH-{}-{:03}", self.grid, n + 1))
                .maybe("located_at", place.map(|(id, _)| id))
                .set("position", &position)
                .set("condition", condition)
                .set("last_checked", &checked);
            self.save(by, RecordKind::Object, writes);
        }
    }

    pub(super) fn some_place(&mut self) -> Option<(RecordId, String)> {
        let at = self.dice.below(u32::try_from(self.places.len()).unwrap_or_default());
        self.places.get(usize::try_from(at).unwrap_or_default()).cloned()
    }
}
