//! Who lives together: ages, relations, and what of it is a number or a name.

use chrono::Datelike;

use super::dice::Dice;
use super::{Township, names, numbers};

/// Somebody before they have a record.
#[derive(Debug, Clone)]
pub struct Resident {
    /// Invented.
    pub name: String,
    /// GB 11643, of a region that never was.
    pub id_number: String,
    /// In years.
    pub age: u32,
    /// Relation to the householder, a code of the form.
    pub relation: &'static str,
    /// Adults have one.
    pub phone: Option<String>,
}

/// A household of at most `most` people; the householder comes first.
pub fn make(township: &Township, dice: &mut Dice, most: usize) -> Vec<Resident> {
    let woman = dice.chance(40);
    let age = dice.between(24, 86);
    let head = resident(township, dice, "self", woman, age, None);
    let surname = head.name.clone();
    let mut all = vec![head];
    if dice.chance(70) {
        let age = (age + dice.below(7)).saturating_sub(3).max(20);
        all.push(resident(township, dice, "spouse", !woman, age, None));
    }
    let children = if age > 70 { 0 } else { dice.below(3) };
    for _ in 0..children {
        let gap = dice.between(22, 34);
        if let Some(age) = age.checked_sub(gap).filter(|age| *age < 40) {
            let daughter = dice.chance(50);
            all.push(resident(township, dice, "child", daughter, age, Some(&surname)));
        }
    }
    if age < 64 && dice.chance(30) {
        let mother = dice.chance(55);
        let age = age + dice.between(21, 32);
        all.push(resident(township, dice, "parent", mother, age, Some(&surname)));
    }
    all.truncate(most.max(1));
    all
}

fn resident(
    township: &Township,
    dice: &mut Dice,
    relation: &'static str,
    woman: bool,
    age: u32,
    of: Option<&str>,
) -> Resident {
    let name = match of {
        Some(of) => names::child(dice, of, woman),
        None => names::person(dice, woman),
    };
    let year = u32::try_from(township.today.year()).unwrap_or(2026).saturating_sub(age + 1);
    let (month, day) = (dice.between(1, 12), dice.between(1, 28));
    let id_number = numbers::id_number(dice, year, month, day, woman);
    let phone = (age >= 14 && dice.chance(90)).then(|| numbers::phone(dice));
    Resident { name, id_number, age, relation, phone }
}
