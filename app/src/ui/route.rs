//! Every page and its address.

use dioxus::prelude::*;
use shared::ids::RecordId;

use super::pages::begin::{EditRecord, FillDraft, FillWork};
use super::pages::close::CloseTogether;
use super::pages::collect::Collect;
use super::pages::event_list::Events;
use super::pages::gate::Gate;
use super::pages::map::ShowMap;
use super::pages::me::Me;
use super::pages::missing::Missing;
use super::pages::moving::MoveOut;
use super::pages::pin::ChangePin;
use super::pages::record::ShowRecord;
use super::pages::report::Report;
use super::pages::review::Review;
use super::pages::search::Search;
use super::pages::sync::SyncPage;
use super::pages::today::Today;
use super::pages::tray::Tray;
use super::pages::work::{ShowCampaign, Visits};

/// The pages. Ids are given, never whole records.
#[derive(Clone, PartialEq, Debug, Routable)]
#[rustfmt::skip]
pub enum Route {
    #[layout(Gate)]
        /// 今日
        #[route("/")]
        Today {},
        /// 采集: the five cards and what is not finished.
        #[route("/collect")]
        Collect {},
        /// A form being filled, kept as a draft.
        #[route("/draft/:id")]
        FillDraft {
            /// `<kind>-<record id>`, also the key of the draft.
            id: String,
        },
        /// Work that is recorded, as a draft.
        #[route("/record-work/:work/:record/:subject/:campaign")]
        FillWork {
            /// The code of the work.
            work: String,
            /// A fresh id.
            record: RecordId,
            /// Whom or what it is about: a record's id, or `none`.
            subject: String,
            /// The 专项排查 it is for: a record's id, or `none`.
            campaign: String,
        },
        /// What remains of a 专项排查.
        #[route("/campaign/:id")]
        ShowCampaign {
            /// Which.
            id: RecordId,
        },
        /// The visits that are due.
        #[route("/visits")]
        Visits {},
        /// The form of a record that exists.
        #[route("/edit/:id")]
        EditRecord {
            /// Which.
            id: RecordId,
        },
        /// 地图
        #[route("/map")]
        ShowMap {},
        /// 迁出
        #[route("/move/:id")]
        MoveOut {
            /// Who.
            id: RecordId,
        },
        /// 查询
        #[route("/search")]
        Search {},
        /// A record of any kind; an event with its six steps.
        #[route("/record/:id")]
        ShowRecord {
            /// Which.
            id: RecordId,
        },
        /// 事件
        #[route("/events")]
        Events {},
        /// 结案 of several at once.
        #[route("/close")]
        CloseTogether {},
        /// 随手报
        #[route("/report")]
        Report {},
        /// 待核对
        #[route("/review")]
        Review {},
        /// 同步
        #[route("/sync")]
        SyncPage {},
        /// Edits that came back.
        #[route("/tray")]
        Tray {},
        /// 我的
        #[route("/me")]
        Me {},
        /// Another PIN.
        #[route("/pin")]
        ChangePin {},
        /// No such page.
        #[route("/:..rest")]
        Missing {
            /// What stands in the address.
            rest: Vec<String>,
        },
}

/// The five tabs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tab {
    /// 今日
    Today,
    /// 采集
    Collect,
    /// 查询
    Search,
    /// 事件
    Events,
    /// 我的
    Me,
}

impl Tab {
    /// In the order of the bar.
    pub const ALL: [Self; 5] = [Self::Today, Self::Collect, Self::Search, Self::Events, Self::Me];

    /// Its icon, also the last part of its message key `app-tab-…`.
    pub fn icon(self) -> &'static str {
        match self {
            Self::Today => "today",
            Self::Collect => "collect",
            Self::Search => "search",
            Self::Events => "event",
            Self::Me => "me",
        }
    }

    /// Where it leads.
    pub fn route(self) -> Route {
        match self {
            Self::Today => Route::Today {},
            Self::Collect => Route::Collect {},
            Self::Search => Route::Search {},
            Self::Events => Route::Events {},
            Self::Me => Route::Me {},
        }
    }
}

impl Route {
    /// The name of the page: `data-page` of the screen, and the last part of the message key `app-back-…`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Today {} => "today",
            Self::Collect {} => "collect",
            Self::FillDraft { .. } => "draft",
            Self::FillWork { .. } => "work",
            Self::ShowCampaign { .. } => "campaign",
            Self::Visits {} => "visits",
            Self::EditRecord { .. } => "edit",
            Self::ShowMap {} => "map",
            Self::MoveOut { .. } => "move",
            Self::Search {} => "search",
            Self::ShowRecord { .. } => "record",
            Self::Events {} => "events",
            Self::CloseTogether {} => "close",
            Self::Report {} => "report",
            Self::Review {} => "review",
            Self::SyncPage {} => "sync",
            Self::Tray {} => "tray",
            Self::Me {} => "me",
            Self::ChangePin {} => "pin",
            Self::Missing { .. } => "missing",
        }
    }
}
