//! Events in all six steps, each as far as its number says, with the people who would have moved it.

use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use shared::author::Role;
use shared::edit::Edit;
use shared::form::PhotoParticulars;
use shared::ids::{EditId, RecordId};
use shared::record::{Part, RecordKind};
use shared::vector::VectorTimestamp;
use shared::workflow::{Limit, STEPS, Step, StepEntry};

use super::grid::Making;
use super::people::Account;
use super::writer::{By, Writes};

/// Category, title (after the place), account, what was done about it.
const MATTERS: [(&str, &str, &str, &str); 12] = [
    ("hazard", "井盖破损", "井盖裂成两半，一侧下陷，已用警示桩围住。", "换了新井盖，查了同批其余井盖。"),
    ("dispute", "两户因排水争吵", "楼上漏水，两户各说各的，约好今天一起看现场。", "找到漏点，楼上修管，楼下不再追究。"),
    ("sanitation", "垃圾三天未清", "垃圾箱满了，散到路边。", "当天清运，改为一天一清。"),
    ("work_safety", "施工没有围挡", "临街挖沟，没有围挡和夜灯。", "加了围挡和警示灯。"),
    ("public_service", "代办养老待遇认证", "老人行动不便，托网格员代办。", "上门拍照认证，已通过。"),
    ("hazard", "电线垂到路面", "大风后一根电线离地不到两米。", "断电后重新架起。"),
    ("opinion", "路灯坏了一排", "晚上从广场到路口没有灯。", "换了六盏灯。"),
    ("dispute", "宅基地边界有争议", "两家对墙根位置说法不一。", "按图纸量过，双方签字。"),
    ("sanitation_supervision", "地膜堆在渠边", "渠边堆着用过的地膜，怕进渠。", "已拉走，和种植户说好送回收点。"),
    ("work_safety", "灭火器过期", "店里两具灭火器过了检验期。", "已换新，记入检查。"),
    ("policy", "询问医保缴费", "几户来问今年缴费办法。", "当面讲清，帮三户办完。"),
    ("public_order", "机井房门锁被撬", "锁坏了，里面没有少东西。", "换了锁，纳入夜间巡查。"),
];

/// A step yet to be taken: who, how long after the one before, and what it says.
type Move<'a> = (&'a Account, i64, StepEntry);

struct Matter<'a> {
    record: RecordId,
    seen: VectorTimestamp,
    at: DateTime<Utc>,
    first: Option<Writes>,
    moves: std::collections::VecDeque<Move<'a>>,
}

/// The events of a grid, a wave of edits a step: in a wave nobody waits for anybody.
pub fn make(making: &mut Making<'_>) -> Vec<Vec<Edit>> {
    let mut matters: Vec<Matter<'_>> = (0..making.township.size.events).map(|n| matter(making, n)).collect();
    let mut waves = Vec::new();
    loop {
        let mut wave = Vec::new();
        for matter in &mut matters {
            if let Some((account, hours, entry)) = matter.moves.pop_front() {
                wave.push(take(making, matter, account, hours, &entry));
            }
        }
        if wave.is_empty() {
            return waves;
        }
        waves.push(wave);
    }
}

fn take(making: &mut Making<'_>, matter: &mut Matter<'_>, account: &Account, hours: i64, entry: &StepEntry) -> Edit {
    matter.at =
        (matter.at + Duration::minutes(hours * 60 + i64::from(making.dice.below(50)))).min(making.township.today);
    let id = EditId(making.dice.uuid(matter.at));
    let writes = matter.first.take().unwrap_or_default();
    let writes = writes.with(STEPS, &id.to_string(), entry);
    let by = By { account, at: matter.at, slot: account.slot };
    let edit = making.writer.save_as(id, by, matter.record, RecordKind::Event, Part::Open, matter.seen.clone(), writes);
    matter.seen.observe(edit.dot);
    edit
}

/// How far the n-th event of a grid has come. Of a grid's first day's work each stage once or more; what is older is done.
fn stage(n: usize) -> usize {
    if n < 24 { n } else { 11 + n % 13 }
}

fn matter<'a>(making: &mut Making<'a>, n: usize) -> Matter<'a> {
    let township = making.township;
    let (category, title, account, done) = MATTERS.get((n + making.at) % MATTERS.len()).copied().unwrap_or_default();
    let (place, place_name) = match making.some_place() {
        Some((id, name)) => (json!({ "id": id }), name),
        None => (json!({ "text": "路口" }), "路口".to_owned()),
    };
    let stage = stage(n);
    // The open ones are of these days, the closed ones of the last months.
    let days = match stage {
        0 => 1,
        1..=2 => 2,
        3 => 16,
        4..=6 => 4,
        7..=11 => making.dice.between(8, 60),
        _ => making.dice.between(20, 320),
    };
    let at = township.days_ago(days) + making.working_hours();
    let record = RecordId(making.dice.uuid(at));
    let urgency = if stage == 4 { "urgent" } else { "ordinary" };
    let position = making.position(at);
    let mut first = Writes::in_area(making.grid)
        .set("source", if stage == 2 { "informant" } else { "terminal" })
        .set("category", category)
        .set("title", &format!("{place_name}{title}"))
        .set("account", account)
        .set("happened_at", &(at - Duration::minutes(20)).timestamp_millis())
        .set("urgency", urgency)
        .set("place", &place)
        .set("position", &position);
    if category == "public_service" {
        first = first.set("service_subject", "pension_check");
    }
    if n.is_multiple_of(2) {
        let which = usize::try_from(making.dice.below(u32::MAX)).unwrap_or_default();
        if let Some(photo) = township.photos.get(which % township.photos.len().max(1)) {
            let particulars = PhotoParticulars {
                thumbnail: photo.thumbnail_hash.clone(),
                bytes: u64::try_from(photo.bytes.len()).unwrap_or_default(),
                width: u32::from(photo.width),
                height: u32::from(photo.height),
                at: at.timestamp_millis(),
                position: Some(position),
            };
            first = first.with("photos", photo.hash.as_str(), &particulars);
        }
    }
    let moves = moves(making, n, done).into();
    Matter { record, seen: VectorTimestamp::new(), at, first: Some(first), moves }
}

fn moves<'a>(making: &mut Making<'a>, n: usize, done: &str) -> Vec<Move<'a>> {
    let township = making.township;
    let [a, b] = making.members;
    let leader = making.leader;
    let stage = stage(n);
    let reporter = match stage {
        2 => township.accounts_of(Role::Informant, making.grid).next().unwrap_or(a),
        _ if making.dice.chance(50) => a,
        _ => b,
    };
    if stage == 9 || stage == 10 {
        // 现场处理: straight to feedback, closed by the leader.
        let mut all = vec![
            (reporter, 0, StepEntry::new(Step::SettleOnSite, done)),
            (reporter, 1, StepEntry { satisfied: Some(true), ..StepEntry::new(Step::Feedback, "当面说清，满意。") }),
        ];
        if stage == 10 {
            all.push((leader, 20, StepEntry { outcome: Some("settled".into()), ..StepEntry::new(Step::Close, "") }));
        }
        return all;
    }
    let enforcement = township.account("enforcement").unwrap_or(leader);
    // Every third goes to a department, by the centre; the others stay with a member, by the leader.
    let by_centre = n % 3 == 1;
    let staff = township.account("staff").unwrap_or(leader);
    let (dispatcher, host) = if by_centre { (staff, enforcement) } else { (leader, a) };
    let helpers = if by_centre { vec![b.id] } else { vec![enforcement.id] };
    let limit = if stage == 4 { Limit::Hours(24) } else { Limit::Days(3) };
    let mut all: Vec<Move<'a>> = vec![(reporter, 0, StepEntry::new(Step::Report, "初步看过，要人来处理。"))];
    if by_centre {
        all.push((leader, 3, StepEntry::new(Step::Raise, "网格内办不了，请中心分流。")));
    }
    all.push((
        dispatcher,
        2,
        StepEntry {
            host: Some(host.id),
            helpers,
            limit: Some(limit),
            ..StepEntry::new(Step::Dispatch, "请尽快办理。")
        },
    ));
    all.push((host, 5, StepEntry::new(Step::Handle, "已到现场，正在安排。")));
    if stage == 4 {
        all.push((dispatcher, 3, StepEntry::new(Step::Urge, "今天一定要办完。")));
    }
    all.push((host, 8, StepEntry { done: Some(true), ..StepEntry::new(Step::Handle, done) }));
    all.push((host, 3, StepEntry { satisfied: Some(true), ..StepEntry::new(Step::Feedback, "已告知反映人，满意。") }));
    let dispute = MATTERS.get((n + making.at) % MATTERS.len()).is_some_and(|matter| matter.0 == "dispute");
    let outcome = if dispute { "reconciled" } else { "settled" };
    all.push((dispatcher, 20, StepEntry { outcome: Some(outcome.into()), ..StepEntry::new(Step::Close, "") }));
    all.push((
        staff,
        30,
        StepEntry {
            ledger: Some(format!("{}-{}-{:03}", township.today.format("%Y"), making.grid, n + 1)),
            ..StepEntry::new(Step::Archive, "")
        },
    ));
    let raised = usize::from(by_centre);
    let urged = usize::from(stage == 4);
    let upto = match stage {
        0 => 1,
        1 => 1 + raised,
        2 | 3 => 2 + raised,
        4 => 4 + raised,
        5 => 4 + raised + urged,
        6 => 5 + raised + urged,
        7 => 6 + raised + urged,
        _ => usize::MAX,
    };
    all.truncate(upto);
    all
}
