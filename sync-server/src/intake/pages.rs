//! The public pages: plain HTML for any telephone, readable at 360 pixels and with large text, without a script.

use assets::messages::Messages;
use maud::{DOCTYPE, Markup, html};

use super::report::{NAME, PHONE, PLACE, STATUSES, TEXT, What};
use super::send::{Draft, Problem, TRAP};
use super::wire::{Page, Person};

/// The frame of a page.
pub fn shell(words: &Messages, title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(words.lang().tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="format-detection" content="telephone=no";
                title { (title) }
                link rel="stylesheet" href="/style.css";
            }
            body.public { (body) }
        }
    }
}

fn head(words: &Messages, page: &Page, title: &str) -> Markup {
    html! {
        header.head {
            p.kick { (words.with("public-kick", &[("town", page.town.as_str().into())])) }
            h1 { (title) }
            @if !page.covers.is_empty() { p { (page.covers) } }
        }
    }
}

/// 公示: who is responsible, what they do, the way to the report.
pub fn grid(words: &Messages, page: &Page) -> Markup {
    let word = |key: &str| words.text(key);
    let title = words.with("public-grid-title", &[("name", page.name.as_str().into())]);
    let body = html! {
        (head(words, page, &page.name))
        main.main--top {
            @if page.people.is_empty() {
                p.quiet { (word("public-nobody")) }
            } @else {
                section aria-label=(word("public-who")) {
                    ul.list { @for person in &page.people { li { (row(words, person)) } } }
                }
            }
            @if !page.does.is_empty() { p.quiet { (words.with("public-does", &[("what", page.does.as_str().into())])) } }
            section.group {
                div.sheet {
                    h2 { (word("public-report")) }
                    p { (word("public-report-what")) }
                    a.btn.btn--primary.btn--wide.btn--main href={ "/r/" (page.area) } { (word("public-report-go")) }
                }
            }
            @if page.settled > 0 {
                p.quiet { (words.with("public-settled", &[("n", page.settled.to_string().into())])) }
            }
            p.quiet { (word("public-urgent")) }
        }
    };
    shell(words, &title, &body)
}

fn row(words: &Messages, person: &Person) -> Markup {
    let number: String = person.phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    html! {
        div.row {
            span.row__main {
                span.row__t { (person.name) }
                span.row__m { span { (person.role) } @if !person.phone.is_empty() { span.num { (person.phone) } } }
            }
            @if !number.is_empty() {
                a.btn.btn--second href={ "tel:" (number) }
                    aria-label=(words.with("public-call-whom", &[("name", person.name.as_str().into())])) {
                    (words.text("public-call"))
                }
            }
        }
    }
}

/// 反映一件事: the form, with what was typed before.
pub fn form(words: &Messages, page: &Page, draft: &Draft, stamp: &str, problem: Option<Problem>) -> Markup {
    let word = |key: &str| words.text(key);
    let title = words.with("public-report-title", &[("name", page.name.as_str().into())]);
    let said = problem.map(|problem| {
        let seconds = if let Problem::TooMany(seconds) = problem { seconds } else { 0 };
        words.with(problem.key(), &[("n", seconds.div_ceil(60).to_string().into())])
    });
    let body = html! {
        (head(words, page, &word("public-report")))
        main.main--top {
            @if let Some(said) = &said {
                div.told role="alert" {
                    p { b { (said) } }
                    @if !draft.text.is_empty() { p { (word("public-kept")) } }
                }
            }
            form.sheet method="post" action={ "/r/" (page.area) } enctype="multipart/form-data" {
                p { (word("public-for")) " " b { (page.name) } }
                fieldset {
                    legend.field__label { (word("public-what")) }
                    div.choices.choices--large {
                        @for what in What::ALL {
                            label.choice {
                                input type="radio" name="what" value=(what.code()) required
                                    checked[draft.what == what.code()];
                                span { (word(&format!("public-what-{}", what.code()))) }
                            }
                        }
                    }
                }
                div.field {
                    label.field__label for="text" { (word("public-text")) }
                    textarea.field__ctl #text name="text" rows="4" maxlength=(TEXT) required aria-describedby="text-h" { (draft.text) }
                    p.field__help #text-h { (word("public-text-help")) }
                }
                div.field {
                    label.field__label for="place" { (word("public-place")) small { (word("public-optional")) } }
                    input.field__ctl #place name="place" maxlength=(PLACE) value=(draft.place) autocomplete="off" aria-describedby="place-h";
                    p.field__help #place-h { (word("public-place-help")) }
                    input #position type="hidden" name="position" value=(draft.position);
                    // Shown by the script, where the browser knows where it is.
                    button.btn.btn--second.btn--wide #here type="button" hidden { (word("public-here")) }
                    p.field__help #here-say role="status" data-found=(word("public-here-found")) data-not=(word("public-here-not")) {}
                }
                div.field {
                    label.field__label for="name" { (word("public-name")) small { (word("public-optional")) } }
                    input.field__ctl #name name="name" maxlength=(NAME) value=(draft.name) autocomplete="name" aria-describedby="who-h";
                }
                div.field {
                    label.field__label for="phone" { (word("public-phone")) small { (word("public-optional")) } }
                    input.field__ctl #phone name="phone" type="tel" maxlength=(PHONE) value=(draft.phone) autocomplete="tel" aria-describedby="who-h";
                    p.field__help #who-h { (word("public-who-help")) }
                }
                div.field {
                    label.tick {
                        input type="checkbox" name="informant" value="yes" checked[draft.informant];
                        span { (word("public-informant")) }
                    }
                }
                // Seen by no person and no screen reader; programs fill it in.
                div.trap aria-hidden="true" {
                    label for="website" { (word("public-trap")) }
                    input #website name=(TRAP) tabindex="-1" autocomplete="off";
                }
                input type="hidden" name="stamp" value=(stamp);
                // The photos come last: where they are too large, what was typed has arrived.
                fieldset.field {
                    legend.field__label { (word("public-photos")) small { (word("public-optional")) } }
                    label.file { span { (word("public-photo-take")) } input type="file" name="photo" accept="image/*" capture="environment"; }
                    label.file { span { (word("public-photo-choose")) } input type="file" name="photo" accept="image/*" multiple; }
                    p.field__help { (word("public-photos-help")) }
                }
                button.btn.btn--primary.btn--wide.btn--main { (word("public-send")) }
            }
            p.quiet { (word("public-urgent")) }
        }
        script src="/position.js" defer {}
    };
    shell(words, &title, &body)
}

/// What became of a report: the step it stands at, in words, and nothing else.
pub fn status(words: &Messages, code: u8) -> Markup {
    let word = |key: &str| words.text(key);
    let body = html! {
        header.head { h1 { (word("public-status")) } }
        main.main--top {
            div.sheet {
                p.status role="status" { (word(&format!("public-status-{code}"))) }
                ol.way {
                    @for step in 0..STATUSES {
                        li aria-current=[(step == code).then_some("step")] class=(if step <= code { "way--done" } else { "way--to-come" }) {
                            (word(&format!("public-status-{step}")))
                            @if step < code { span.sub { " " (word("public-status-done")) } }
                            @if step > code { span.sub { " " (word("public-status-later")) } }
                        }
                    }
                }
            }
            p.quiet { (word("public-status-keep")) }
        }
    };
    shell(words, &word("public-status"), &body)
}

/// One sentence, where there is no page.
pub fn sentence(words: &Messages, key: &str) -> Markup {
    let body = html! {
        header.head { h1 { (words.text("public-none")) } }
        main.main--top { p.quiet { (words.text(key)) } }
    };
    shell(words, &words.text("public-none"), &body)
}
