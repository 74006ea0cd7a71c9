//! What is drawn on the map: areas, records close together as one, what is urgent, a track, where one is. It follows the finger.

use std::rc::Rc;

use dioxus::html::geometry::ClientPoint;
use dioxus::prelude::*;
use shared::area::Area;
use shared::form::Position;
use shared::ids::RecordId;
use shared::outline::{Micro, Outline};
use shared::workflow::Light;

use crate::ui::components::Mark;
use crate::ui::map::{Seen, Size, Spot, View};
use crate::ui::state::State;
use crate::ui::words::words;

/// A press that moved further than this was no press, in points of the screen.
const STILL: f64 = 6.0;
/// A finger on the map: where it came down, and how far it went.
#[derive(Clone, Copy, PartialEq, Default)]
struct Pull {
    from: (f64, f64),
    by: (f64, f64),
}

/// The drawing, which follows the finger.
#[component]
pub fn Canvas(
    view: View,
    mut size: Signal<Size>,
    seen: Rc<Seen>,
    chosen: Vec<RecordId>,
    patrol: Option<RecordId>,
    me: Option<Position>,
) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut place = state.map_place;
    let mut pull = use_signal(|| None::<Pull>);
    let mut pulled = use_signal(|| false);
    let count = seen.count;
    let at = |point: ClientPoint| (point.x, point.y);
    let mut let_go = move || {
        let Some(Pull { by: (right, down), .. }) = pull.take() else { return };
        if right.hypot(down) > STILL {
            place.write().view = Some(view.pulled(right, down));
        }
    };
    rsx! {
        svg {
            view_box: "0 0 {size().width} {size().height}",
            role: "group",
            "aria-label": words.with("app-map-label", &[("area", state.scope_name().into()), ("n", (count as f64).into())]),
            onresize: move |event| {
                if let Ok(found) = event.get_content_box_size()
                    && found.width > 1.0
                    && found.height > 1.0
                {
                    let found = Size { width: found.width.round(), height: found.height.round() };
                    if *size.peek() != found {
                        size.set(found);
                    }
                }
            },
            onpointerdown: move |event| {
                pulled.set(false);
                pull.set(Some(Pull { from: at(event.client_coordinates()), by: (0.0, 0.0) }));
            },
            onpointermove: move |event| {
                let Some(Pull { from, .. }) = *pull.peek() else { return };
                let to = at(event.client_coordinates());
                let by = (to.0 - from.0, to.1 - from.1);
                if by.0.hypot(by.1) > STILL {
                    pulled.set(true);
                    pull.set(Some(Pull { from, by }));
                }
            },
            onpointerup: move |_| let_go(),
            onpointercancel: move |_| let_go(),
            onpointerleave: move |_| let_go(),
            g {
                transform: pull().map(|Pull { by: (right, down), .. }| format!("translate({right:.1} {down:.1})")),
                Ground { view, size: size() }
                Drawn { seen, view, size: size(), chosen, patrol, me,
                    onchoose: move |records: Vec<RecordId>| {
                        if !*pulled.peek() {
                            place.write().chosen = records;
                        }
                    },
                }
            }
            Bar { view, size: size() }
        }
    }
}

/// The line of a ring on the screen, as the `d` of a path.
fn line(points: &[Micro], view: View, size: Size, closed: bool) -> String {
    let mut path = String::new();
    for (nth, at) in points.iter().enumerate() {
        let (x, y) = view.place(*at, size);
        path.push_str(&format!("{}{x:.1} {y:.1}", if nth == 0 { "M" } else { "L" }));
    }
    if closed {
        path.push('Z');
    }
    path
}

fn path(outline: &Outline, view: View, size: Size) -> String {
    outline.0.iter().map(|ring| line(ring, view, size, true)).collect()
}

/// The areas that were drawn.
#[component]
fn Ground(view: View, size: Size) -> Element {
    let state = use_context::<State>();
    let (own, above) = state.drawn();
    let several = own.len() > 1;
    let named = |area: &Area| {
        let bounds = area.outline.bounds().filter(|_| several)?;
        let (left, right) =
            (view.place([bounds.west, bounds.north], size), view.place([bounds.east, bounds.south], size));
        // A name that does not fit into its area would stand over the next one.
        let fits = right.0 - left.0 > 24.0 + 17.0 * area.name.chars().count() as f64;
        // Above its edge: inside lie the records.
        fits.then_some(((left.0 + right.0) / 2.0, left.1 - 8.0))
    };
    rsx! {
        for area in above {
            path { key: "{area.id}", class: "m-out", d: path(&area.outline, view, size) }
        }
        for area in own.iter() {
            path { key: "{area.id}", class: "m-area", d: path(&area.outline, view, size) }
        }
        for area in own {
            if let Some((x, y)) = named(&area) {
                text { key: "{area.id}", class: "m-name", x: "{x:.1}", y: "{y:.1}", {area.name.clone()} }
            }
        }
    }
}

/// Spots, urgent events, the track, and where one is.
#[component]
fn Drawn(
    seen: Rc<Seen>,
    view: View,
    size: Size,
    chosen: Vec<RecordId>,
    patrol: Option<RecordId>,
    me: Option<Position>,
    onchoose: EventHandler<Vec<RecordId>>,
) -> Element {
    let state = use_context::<State>();
    let words = words();
    let track = patrol.map(|patrol| state.track(patrol)).unwrap_or_default();
    let here = me.map(|me| (view.place(me.micro(), size), view.points(me.accuracy).clamp(12.0, 400.0)));
    rsx! {
        if !track.is_empty() {
            path { class: "m-track", "data-points": "{track.len()}", d: line(&track, view, size, false) }
        }
        for spot in seen.spots.iter() {
            OneSpot { key: "{spot.records.first():?}-{spot.records.len()}", on: spot.records == chosen, at: view.place(spot.at, size), spot: spot.clone(), onchoose }
        }
        for event in seen.urgent.iter() {
            UrgentEvent { key: "{event.id}", id: event.id, at: view.place(event.at, size), light: event.light, title: words.s("app-map-urgent", "title", &event.title), onchoose }
        }
        if let Some(((x, y), accuracy)) = here {
            circle { class: "m-acc", cx: "{x:.1}", cy: "{y:.1}", r: "{accuracy:.1}" }
            circle { class: "m-me", id: "me-here", cx: "{x:.1}", cy: "{y:.1}", r: "8" }
        }
    }
}

/// Records that lie together, as one disc with their number; one alone as a point.
#[component]
fn OneSpot(spot: Spot, at: (f64, f64), on: bool, onchoose: EventHandler<Vec<RecordId>>) -> Element {
    let words = words();
    let (x, y) = at;
    let count = spot.records.len();
    let radius = match count {
        1 => 7,
        2..10 => 15,
        10..50 => 19,
        50..1000 => 24,
        _ => 30,
    };
    let (records, again) = (spot.records.clone(), spot.records.clone());
    rsx! {
        g {
            class: "m-press",
            role: "button",
            tabindex: "0",
            "aria-label": words.n("app-map-spot", count),
            "aria-pressed": on,
            "data-spot": "{count}",
            onclick: move |_| onchoose.call(records.clone()),
            onkeydown: move |event: KeyboardEvent| {
                if event.key() == Key::Enter {
                    onchoose.call(again.clone());
                }
            },
            // What a thumb hits is larger than what is seen.
            circle { class: "m-hit", cx: "{x:.1}", cy: "{y:.1}", r: "24" }
            circle { class: if on { "m-cl m-cl--on" } else if count == 1 { "m-pt" } else { "m-cl" }, cx: "{x:.1}", cy: "{y:.1}", r: "{radius}" }
            if count > 1 {
                text { class: "m-n", x: "{x:.1}", y: "{y + 6.0:.1}", "{count}" }
            }
        }
    }
}

/// An event whose limit is near or over.
#[component]
fn UrgentEvent(
    id: RecordId,
    at: (f64, f64),
    light: Light,
    title: String,
    onchoose: EventHandler<Vec<RecordId>>,
) -> Element {
    let (x, y) = at;
    let mark = if light == Light::Red { Mark::Red } else { Mark::Yellow };
    rsx! {
        g {
            class: "m-press",
            role: "button",
            tabindex: "0",
            "aria-label": title,
            "data-urgent": "{id}",
            onclick: move |_| onchoose.call(vec![id]),
            onkeydown: move |event: KeyboardEvent| {
                if event.key() == Key::Enter {
                    onchoose.call(vec![id]);
                }
            },
            circle { class: "m-hit", cx: "{x:.1}", cy: "{y:.1}", r: "24" }
            r#use { href: "#i-{mark.icon()}", x: "{x - 15.0:.1}", y: "{y - 15.0:.1}", width: "30", height: "30" }
        }
    }
}

/// How long a distance is on this drawing.
#[component]
fn Bar(view: View, size: Size) -> Element {
    let words = words();
    let (length, metres) = view.bar();
    let text = match metres {
        1_000.. => words.n("app-map-kilometres", metres as usize / 1_000),
        _ => words.n("app-map-metres", metres as usize),
    };
    let low = size.height - 20.0;
    rsx! {
        path { class: "m-scale", d: "M18 {low - 6.0}v6h{length:.1}v-6" }
        text { x: "22", y: "{low - 10.0}", {text} }
    }
}
