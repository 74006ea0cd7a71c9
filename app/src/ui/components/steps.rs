//! The six steps as a line, top to bottom: it survives text at 200 %.

use dioxus::prelude::*;

/// How far a step is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reached {
    /// A tick.
    Done,
    /// A ring with a dot.
    Now,
    /// Hollow.
    ToCome,
}

/// One step of the line.
#[derive(Clone, PartialEq, Debug)]
pub struct StepLine {
    /// The step's code, for tests.
    pub code: &'static str,
    /// 上报, 分流, …
    pub name: String,
    /// How far it is.
    pub reached: Reached,
    /// Who and when, one line an entry.
    pub lines: Vec<String>,
}

/// The line.
#[component]
pub fn Steps(steps: Vec<StepLine>, label: String) -> Element {
    rsx! {
        section { class: "sheet", "aria-label": label,
            ol { class: "steps",
                for step in steps {
                    li {
                        key: "{step.code}",
                        class: match step.reached {
                            Reached::Done => "step step--done",
                            Reached::Now => "step step--now",
                            Reached::ToCome => "step step--todo",
                        },
                        "data-step": step.code,
                        "aria-current": (step.reached == Reached::Now).then_some("step"),
                        span { class: "step__dot" }
                        div {
                            p { class: "step__t", {step.name.clone()} }
                            for (place, line) in step.lines.iter().enumerate() {
                                p { key: "{place}", class: "step__b", {line.clone()} }
                            }
                        }
                    }
                }
            }
        }
    }
}
