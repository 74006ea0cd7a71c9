//! What is printed: the door sign on A4 and the badge, with the code that leads to the report.

use assets::messages::Messages;
use maud::{Markup, html};

use super::pages::shell;
use super::wire::{Page, Person};
use crate::console::qr;

/// The sign for a door or a notice board, one A4 page.
pub fn sign(words: &Messages, page: &Page, url: &str) -> Markup {
    let word = |key: &str| words.text(key);
    let body = html! {
        main.paper.paper--sign {
            p.paper__town { (page.town) }
            h1 { (page.name) }
            @if !page.covers.is_empty() { p.paper__covers { (page.covers) } }
            (people(&page.people))
            @if !page.does.is_empty() { p.paper__does { (words.with("public-does", &[("what", page.does.as_str().into())])) } }
            (code(words, url))
            p.paper__say { b { (word("public-sign-scan")) } }
            p { (word("public-sign-how")) }
            p.paper__url { (url) }
            p { (word("public-urgent")) }
        }
        p.quiet.no-print { (word("public-print")) }
    };
    shell(words, &page.name, &body)
}

/// The badges of who is responsible, a card each; one of the grid where nobody is published.
pub fn badge(words: &Messages, page: &Page, url: &str) -> Markup {
    let cards: Vec<Option<&Person>> =
        if page.people.is_empty() { vec![None] } else { page.people.iter().map(Some).collect() };
    let body = html! {
        main.badges {
            @for person in cards {
                section.badge {
                    p.paper__town { (page.town) }
                    @if let Some(person) = person {
                        h2 { (person.name) }
                        p { (person.role) }
                        @if !person.phone.is_empty() { p.num { (person.phone) } }
                    }
                    p { b { (page.name) } }
                    (code(words, url))
                    p { (words.text("public-badge-scan")) }
                }
            }
        }
        p.quiet.no-print { (words.text("public-print")) }
    };
    shell(words, &page.name, &body)
}

fn people(people: &[Person]) -> Markup {
    html! {
        @if !people.is_empty() {
            table.paper__people {
                @for person in people {
                    tr { th scope="row" { (person.role) } td { (person.name) } td.num { (person.phone) } }
                }
            }
        }
    }
}

fn code(words: &Messages, url: &str) -> Markup {
    html! { div.paper__code { (qr(url, &words.text("public-qr"))) } }
}
