//! What the pages of 管理 share: the way from one to the other, and the areas to be ticked.

use maud::{Markup, html};
use shared::area::{Area, AreaId, AreaLevel};
use shared::author::Role;

use super::{Ctx, Fields, PageError};

/// The pages of 管理.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// 人员
    People,
    /// 网格
    Areas,
    /// 期限与日历
    Settings,
    /// 表单
    Forms,
}

const TABS: [(Tab, &str, &str); 4] = [
    (Tab::People, "/console/people", "manage-people"),
    (Tab::Areas, "/console/areas", "manage-areas"),
    (Tab::Settings, "/console/settings", "manage-settings"),
    (Tab::Forms, "/console/forms", "manage-forms"),
];

/// The way from one page of 管理 to the other.
pub fn tabs(ctx: &Ctx, here: Tab) -> Markup {
    html! {
        @if ctx.who.user.role == Role::Admin {
            nav.views aria-label=(ctx.words.text("manage")) {
                @for (tab, href, key) in TABS {
                    a href=(href) aria-current=[(tab == here).then_some("page")] { (ctx.words.text(key)) }
                }
            }
        }
    }
}

/// Refuses whoever is no administrator.
pub fn must_administer(ctx: &Ctx) -> Result<(), PageError> {
    if ctx.who.user.role == Role::Admin { Ok(()) } else { Err(PageError::NotAllowed) }
}

/// The message of a problem, beside what it is about.
pub fn problem(ctx: &Ctx, key: Option<&str>) -> Markup {
    html! { @if let Some(key) = key { p.note.note--doubt.note--below role="alert" { (ctx.words.text(key)) } } }
}

/// The areas of the person's scope in the order of the tree, each with its depth below the first.
pub fn tree(ctx: &Ctx) -> Vec<(usize, &Area)> {
    let mut rows = Vec::new();
    let highest =
        |area: &&Area| ctx.who.scope.contains(area.id) && !area.parent.is_some_and(|up| ctx.who.scope.contains(up));
    for root in ctx.areas.iter().filter(highest) {
        below(ctx, root, 0, &mut rows);
    }
    rows
}

fn below<'a>(ctx: &'a Ctx, area: &'a Area, depth: usize, rows: &mut Vec<(usize, &'a Area)>) {
    rows.push((depth, area));
    // Four levels are all there are: a loop drawn by a broken import ends here.
    if depth < 4 {
        for child in ctx.areas.children(area.id) {
            below(ctx, child, depth + 1, rows);
        }
    }
}

/// Areas to be ticked, the tree as it is.
pub fn area_boxes(ctx: &Ctx, chosen: &[AreaId]) -> Markup {
    html! {
        fieldset.field.pick-areas {
            legend.field__label { (ctx.words.text("people-scope")) }
            div.pick-areas__list {
                @for (depth, area) in tree(ctx).into_iter().filter(|(_, area)| area.level != AreaLevel::County) {
                    label class={ "opt opt--" (depth) } {
                        input.box type="checkbox" name="area" value=(area.id) checked[chosen.contains(&area.id)];
                        span { (area.name) }
                    }
                }
            }
        }
    }
}

/// The areas ticked. Of one with all above it ticked too, the highest is enough.
pub fn ticked(ctx: &Ctx, fields: &Fields) -> Result<Vec<AreaId>, PageError> {
    let parsed: Result<Vec<AreaId>, _> = fields.all("area").map(|id| id.parse().map(AreaId)).collect();
    let all = parsed.map_err(|_| PageError::Bad("console-error-form".to_owned()))?;
    let covered = |id: &AreaId| ctx.areas.ancestors(*id).iter().skip(1).any(|up| all.contains(up));
    Ok(all.iter().copied().filter(|id| !covered(id)).collect())
}
